"""The sandbox, literally, a second time: whoever changes one of the two must change the other."""

from typing import Any

import pytest

from proxy.actions import Command, Json
from proxy.config.model import DockerConfig
from proxy.isolation.container import NOBODY, Owner, container

LABELS = {"sidegate.owner": "i", "sidegate.boot": "b", "sidegate.request": "r"}
ID = Command(("id",), 60.0, writes=True)


def body(
    section: DockerConfig | None = None,
    plan: Command = ID,
    owner: Owner = Owner(1000, 1001),  # noqa: B008 - frozen
    source: str | None = "/srv/workspace",
) -> dict[str, Any]:
    made: dict[str, Json] = container(
        section or DockerConfig(), plan, owner=owner, source=source, labels=LABELS
    )
    return dict(made)


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
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}],
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
    made = body(plan=Command(argv, 0.1, writes=True))

    assert made == {**body(), "Entrypoint": [argv[0]], "Cmd": list(argv[1:])}


def test_what_only_reads_cannot_write_to_the_workspace() -> None:
    reads = body(plan=Command(("id",), 60.0, writes=False))

    assert reads["HostConfig"]["Mounts"][0].pop("ReadOnly") is True
    assert reads["HostConfig"]["Mounts"][0] == {
        key: value for key, value in body()["HostConfig"]["Mounts"][0].items() if key != "ReadOnly"
    }


def test_without_a_workspace_nothing_is_mounted() -> None:
    assert body(source=None) == {**body(), "WorkingDir": "/tmp", "HostConfig": host(Mounts=[])}


def test_nobody_is_neither_root_nor_of_its_group() -> None:
    made = body(owner=NOBODY)

    assert made["User"] == "65534:65534"
    assert made["HostConfig"]["Tmpfs"]["/tmp"].endswith("uid=65534,gid=65534")
