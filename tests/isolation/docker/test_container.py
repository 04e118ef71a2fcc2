"""The sandbox, literally, a second time: whoever changes one of the two must change the other."""

from typing import Any

import pytest

from proxy.config.model import DockerConfig
from proxy.isolation.docker.container import Mount, Profile, container
from proxy.isolation.owner import NOBODY, Owner

LABELS = {"sidegate.owner": "i", "sidegate.boot": "b", "sidegate.request": "r"}
MOUNT = Mount("/srv/workspace", Owner(1000, 1001))


def body(
    section: DockerConfig | None = None,
    argv: tuple[str, ...] = ("id",),
    mount: Mount = MOUNT,
    *,
    writes: bool = True,
    **more: Any,
) -> dict[str, Any]:
    profile = Profile.of(section or DockerConfig(), mount, writes=writes)
    return dict(container(profile, argv, LABELS, **more))


def test_a_container_is_exactly_this() -> None:
    assert body() == {
        "Image": "alpine:3.20",
        "Entrypoint": ["id"],
        "Cmd": [],
        "User": "1000:1001",
        "WorkingDir": "/workspace",
        "Env": [
            "HOME=/tmp",
            "GIT_CONFIG_COUNT=1",
            "GIT_CONFIG_KEY_0=safe.bareRepository",
            "GIT_CONFIG_VALUE_0=explicit",
        ],
        "Hostname": "sandbox",
        "Labels": LABELS,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": False,
        "StdinOnce": False,
        "Tty": False,
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": 128,
            "Memory": 512 * 1024 * 1024,
            "MemorySwap": 512 * 1024 * 1024,
            "NanoCpus": 1_000_000_000,
            "IpcMode": "none",
            "Ulimits": [
                {"Name": "nofile", "Soft": 1024, "Hard": 1024},
                {"Name": "msgqueue", "Soft": 0, "Hard": 0},
                {"Name": "core", "Soft": 0, "Hard": 0},
            ],
            "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=16m,uid=1000,gid=1001"},
            "LogConfig": {"Type": "none"},
            "Init": True,
            "Mounts": [
                {
                    "Type": "bind",
                    "Source": "/srv/workspace",
                    "Target": "/workspace",
                    "ReadOnly": False,
                    "BindOptions": {"Propagation": "rprivate"},
                }
            ],
        },
    }


def host(**changes: object) -> object:
    return {**body()["HostConfig"], **changes}


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        ({"image": "busybox:1"}, {"Image": "busybox:1"}),
        (
            {"memory_limit_mb": 6},
            {"HostConfig": host(Memory=6 * 1024 * 1024, MemorySwap=6 * 1024 * 1024)},
        ),
        ({"cpu_limit": 0.25}, {"HostConfig": host(NanoCpus=250_000_000)}),
        ({"read_only_rootfs": False}, {"HostConfig": host(ReadonlyRootfs=False)}),
        ({"engine_runtime": "runsc"}, {"HostConfig": host(Runtime="runsc")}),
        # what others decide: who it runs as, what is mounted, how many at one time
        ({"user": "5:5", "workspace_host_path": "/a", "max_concurrent": 1}, {}),
    ],
    ids=lambda section: next(iter(section), "nothing") if isinstance(section, dict) else None,
)
def test_a_key_of_the_configuration_changes_its_own_field_alone(
    section: dict[str, Any], changed: dict[str, object]
) -> None:
    assert body(DockerConfig(**section)) == {**body(), **changed}


@pytest.mark.parametrize(
    "argv",
    [
        ("sh", "-c", "id; $(id) `id`"),
        ("--privileged", "--user=0", "-v/:/host"),
        ("id", "", " ", "\n", "ü"),
        ("id", '"],"HostConfig":{"Privileged":true},"x":["'),
    ],
)
def test_nothing_of_a_request_enters_but_its_arguments(argv: tuple[str, ...]) -> None:
    made = body(argv=argv)

    assert made == {**body(), "Entrypoint": [argv[0]], "Cmd": list(argv[1:])}


def test_what_only_reads_cannot_write_to_the_workspace() -> None:
    reads = body(writes=False)

    assert reads["HostConfig"]["Mounts"][0].pop("ReadOnly") is True
    assert reads["HostConfig"]["Mounts"][0] == {
        key: value for key, value in body()["HostConfig"]["Mounts"][0].items() if key != "ReadOnly"
    }


def test_without_a_workspace_nothing_is_mounted() -> None:
    assert body(mount=Mount(None, MOUNT.owner)) == {
        **body(),
        "WorkingDir": "/tmp",
        "HostConfig": host(Mounts=[]),
    }


def test_nobody_is_neither_root_nor_of_its_group() -> None:
    made = body(mount=Mount("/srv/workspace", NOBODY))

    assert made["User"] == "65534:65534"
    assert made["HostConfig"]["Tmpfs"]["/tmp"].endswith("uid=65534,gid=65534")


def test_a_volume_is_mounted_as_it_is() -> None:
    """Nothing of the image's is copied into the agent's files."""
    made = body(mount=Mount("files", MOUNT.owner, volume=True), writes=False)

    assert made["HostConfig"]["Mounts"] == [
        {
            "Type": "volume",
            "Source": "files",
            "Target": "/workspace",
            "ReadOnly": True,
            "VolumeOptions": {"NoCopy": True},
        }
    ]


def test_what_is_sent_in_is_sent_by_one_and_ends_with_it() -> None:
    said = {"AttachStdin": True, "OpenStdin": True, "StdinOnce": True}

    assert body(stdin=True) == {**body(), **said}


def test_the_variables_of_a_tool_come_beside_those_of_all() -> None:
    assert body(env={"A": "b c", "D": "e=f"})["Env"] == [*body()["Env"], "A=b c", "D=e=f"]


def test_process_1_may_be_our_own() -> None:
    assert body(init=False) == {**body(), "HostConfig": host(Init=False)}


def test_a_replaced_workspace_is_an_error() -> None:
    Mount("/a").check()
    with pytest.raises(OSError, match="restart Sidegate"):
        Mount("/a", intact=lambda: False).check()


def test_those_of_one_profile_are_alike() -> None:
    section = DockerConfig()
    one = Profile.of(section, MOUNT, writes=True)

    assert one == Profile.of(section, Mount("/srv/workspace", MOUNT.owner, bool), writes=True)
    assert one != Profile.of(section, MOUNT, writes=False)
    assert hash(one) == hash(Profile.of(section, MOUNT, writes=True))
