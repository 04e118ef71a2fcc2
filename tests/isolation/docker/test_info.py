"""What engines said of themselves, as it was seen, and what that means for a sandbox."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web
from engines import FakeEngine

from proxy.isolation.docker.container import Mount, Profile, container
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.info import FIELDS, EngineInfo
from proxy.isolation.owner import NOBODY
from proxy.values import Json

ALL: dict[str, Json] = {
    "MemoryLimit": True,
    "SwapLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "CgroupDriver": "cgroupfs",
    "CgroupVersion": "1",
}
NONE = dict.fromkeys(("MemoryLimit", "SwapLimit", "CpuCfsQuota", "PidsLimit"), False)
PODMAN: dict[str, Json] = {**ALL, "BuildahVersion": "1.28.2", "Rootless": False}
EVERYTHING = ("memory", "swap", "processors", "processes")


@pytest.mark.parametrize(
    ("said", "unlimited"),
    [
        pytest.param(ALL, (), id="Docker as root"),
        pytest.param({**ALL, "CgroupVersion": "2", "CgroupDriver": "systemd"}, (), id="version 2"),
        pytest.param({**NONE, "CgroupDriver": "none"}, EVERYTHING, id="Docker without root"),
        pytest.param(
            {**ALL, "CgroupDriver": "none"}, EVERYTHING, id="no groups, and no word of it"
        ),
        pytest.param({**ALL, "SwapLimit": False}, ("swap",), id="a kernel that counts no swap"),
        pytest.param({**ALL, "CpuCfsQuota": False}, ("processors",), id="what was not delegated"),
        pytest.param(PODMAN, (), id="Podman as root"),
        pytest.param({**PODMAN, "Rootless": True}, EVERYTHING, id="Podman without root, version 1"),
        pytest.param(
            {**PODMAN, "Rootless": True, "CgroupVersion": "2"}, (), id="Podman, version 2"
        ),
        pytest.param({}, EVERYTHING, id="something that says nothing"),
        pytest.param(
            {**ALL, "PidsLimit": 1, "MemoryLimit": "true"}, ("memory", "processes"), id="words"
        ),
    ],
)
def test_what_is_not_said_to_be_limited_is_not(
    said: dict[str, Json], unlimited: tuple[str, ...]
) -> None:
    info = EngineInfo.of(said)

    assert info.unlimited == unlimited
    assert (info.lacking is None) is (not unlimited)
    assert all(what in str(info.lacking) for what in unlimited)


def test_no_other_field_is_looked_at() -> None:
    """So that whoever stands between may leave the rest of the answer out."""
    for said in (ALL, PODMAN, {**PODMAN, "Rootless": True}):
        kept = {key: value for key, value in said.items() if key in FIELDS}
        assert EngineInfo.of({**said, "HttpProxy": "x", "Warnings": ["x"]}) == EngineInfo.of(kept)


def test_docker_is_told_what_was_meant() -> None:
    body = container(profile(), ("id",), {})

    assert EngineInfo.of(ALL).worded(body) == body


def test_podman_is_told_of_the_same_in_its_words() -> None:
    body = container(profile(), ("id",), {})
    worded = EngineInfo.of(PODMAN).worded(body)
    host, meant = worded["HostConfig"], body["HostConfig"]
    assert isinstance(host, dict)
    assert isinstance(meant, dict)
    tmpfs = host["Tmpfs"]

    assert worded == {**body, "HostConfig": {**meant, "Tmpfs": tmpfs}}
    assert tmpfs == {
        "/tmp": "rw,nosuid,nodev,noexec,size=16m,mode=1777,notmpcopyup",
        "/run": "rw,nosuid,nodev,noexec,notmpcopyup,size=64k,mode=0755",
        "/var/tmp": "ro,nosuid,nodev,noexec,notmpcopyup,size=64k,mode=0755",
    }


def test_podman_gives_more_folders_to_read_only_containers_alone() -> None:
    body = container(profile(read_only=False), ("id",), {})
    host = EngineInfo.of(PODMAN).worded(body)["HostConfig"]

    assert isinstance(host, dict)
    assert host["Tmpfs"] == {"/tmp": "rw,nosuid,nodev,noexec,size=16m,mode=1777,notmpcopyup"}


def profile(*, read_only: bool = True) -> Profile:
    return Profile("image", Mount(None, NOBODY), True, 64 << 20, 1.0, read_only)  # noqa: FBT003


class Renewable(FakeEngine):
    """An engine that speaks one version of its interface, and another when it comes back."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.version = "1.41"
        self.says: dict[str, Json] = ALL

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({"ApiVersion": self.version})
        if not request.path.startswith(f"/v{self.version}/"):
            return web.json_response({"message": "client version 1.41 is too old"}, status=400)
        if request.path.endswith("/info"):
            return web.json_response(self.says)
        return await super()._handle(request)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[Renewable]:
    async with Renewable(str(tmp_path / "engine.sock")) as fake:
        yield fake


@pytest.fixture
async def engine(fake: Renewable) -> AsyncIterator[Engine]:
    async with aclosing(Engine(host=fake.host, owner="o", boot="b")) as engine:
        yield engine


async def made(engine: Engine) -> None:
    creation = engine.create(container(profile(), ("id",), {}))
    try:
        await creation.made()
    finally:
        await creation.remove()


async def test_nothing_is_made_where_limits_are_not_kept(engine: Engine, fake: Renewable) -> None:
    fake.says = {**ALL, "PidsLimit": False}

    with pytest.raises(OSError, match="does not keep limits of processes"):
        await made(engine)

    assert not fake.asked
    assert "limits of processes" in str(await engine.missing(()))
    fake.says = ALL
    assert await engine.missing(()) is None
    await made(engine)


async def test_an_engine_of_another_version_is_taken_up_again(
    engine: Engine, fake: Renewable
) -> None:
    """As after an upgrade: newer engines refuse the versions that older ones know."""
    await made(engine)
    fake.version = "1.52"

    with pytest.raises(OSError, match="too old"):
        await made(engine)

    await made(engine)
