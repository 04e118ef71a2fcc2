"""What of a configuration the guard goes by."""

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from proxy.actions import MOUNT
from proxy.config import loader
from proxy.guard.create import create_body
from proxy.guard.refusal import Refusal
from proxy.guard.rules import Rules
from proxy.isolation.docker.container import Mount, Profile, container
from proxy.isolation.docker.info import EngineInfo
from proxy.isolation.owner import NOBODY, Owner
from proxy.protocols.strict_json import dumps


def rules(**sections: object) -> Rules:
    loaded = loader.parse(yaml.safe_dump(sections), "sidegate.yaml", {})
    return Rules.of(loaded.config, "ours")


def mount(**sections: object) -> Mount:
    """The only kind's."""
    [kind] = rules(**sections).kinds
    return kind.mount


def docker(**section: object) -> Mapping[str, object]:
    return {"docker": section}


def test_the_shells_container_is_a_kind() -> None:
    [kind] = rules(
        runtime=docker(image="a:1", user="1000:100", memory_limit_mb=64, cpu_limit=0.5)
    ).kinds

    assert (kind.image, kind.mount.owner) == ("a:1", Owner(1000, 100))
    assert (kind.memory, kind.processors) == (64 << 20, 0.5)
    assert (kind.read_only_rootfs, kind.engine_runtime, kind.writes) == (True, None, True)
    assert kind.mount.source is not None


def test_a_tool_with_a_container_of_its_own_is_another_kind() -> None:
    tool = {
        "effect": "read",
        "backend": "sandbox",
        "command": "line",
        "docker": {"image": "b:1", "engine_runtime": "runsc"},
    }
    found = rules(tools={"run": tool})

    assert found.images == {"alpine:3.20", "b:1"}
    [own] = [kind for kind in found.kinds if kind.image == "b:1"]
    assert (own.engine_runtime, own.writes) == ("runsc", False)


def test_the_workspace_is_as_the_engine_sees_it(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")

    assert mount(autonomy={"workspace_dir": str(link)}).source == str(tmp_path / "real")
    assert mount(runtime=docker(workspace_host_path="/srv/work")).source == "/srv/work"
    assert mount(runtime=docker(mount_workspace=False)).source is None
    volume = mount(runtime=docker(workspace_volume="work"))
    assert (volume.source, volume.volume) == ("work", True)


def test_who_owns_the_workspace_is_who_a_sandbox_runs_as(tmp_path: Path) -> None:
    """Whom a client names could be in the group of the engine's socket, see `_owner`."""
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 1000, 1001)
    there, absent = {"workspace_dir": str(tmp_path)}, {"workspace_dir": str(tmp_path / "none")}

    assert mount(autonomy=there).owner == Owner(1000, 1001)
    assert mount(autonomy=there, runtime=docker(user="7:8")).owner == Owner(7, 8)
    assert mount(autonomy=absent).owner == NOBODY
    os.chown(tmp_path, 0, 1001)
    assert mount(autonomy=there).owner == NOBODY


def test_there_is_room_for_what_is_left_of_earlier_runs_and_no_more() -> None:
    found = rules(runtime=docker(max_concurrent=3, pool_size=4))

    assert 2 * (3 + 4) < found.containers < 10 * (3 + 4)
    assert found.connections > found.containers


def test_what_sidegate_sends_is_let_through() -> None:
    """The two stand apart, so that a change of the one does not weaken the other."""
    section = {"image": "a:1", "user": "1000:1001", "memory_limit_mb": 64, "cpu_limit": 0.3}
    loaded = loader.parse(yaml.safe_dump({"runtime": docker(**section)}), "sidegate.yaml", {})
    judged = Rules.of(loaded.config, "ours")
    source = judged.kinds[0].mount.source
    for seen in (Mount(None, Owner(1000, 1001)), Mount(source, Owner(1000, 1001))):
        for writes in (True, False):
            profile = Profile.of(loaded.config.runtime.docker, seen, writes=writes)
            for init in (True, False):
                body = container(
                    profile,
                    ("sh", "-c", "true"),
                    {"sidegate.owner": "x"},
                    env={"TOKEN": "hunter2"},
                    stdin=not init,
                    init=init,
                )
                for podman in (False, True):
                    worded = EngineInfo(podman, ()).worded(body)
                    assert not isinstance(create_body(dumps(worded), judged), Refusal)


def test_a_volume_of_sidegates_is_let_through() -> None:
    section = {
        "image": "a:1",
        "user": "1000:1001",
        "workspace_volume": "work",
        "engine_runtime": "runsc",
    }
    loaded = loader.parse(yaml.safe_dump({"runtime": docker(**section)}), "sidegate.yaml", {})
    profile = Profile.of(
        loaded.config.runtime.docker, Mount("work", Owner(1000, 1001), volume=True), writes=True
    )
    body = container(profile, ("true",), {})

    found = create_body(dumps(body), Rules.of(loaded.config, "ours"))

    assert isinstance(found, bytes)
    assert MOUNT.encode() in found
