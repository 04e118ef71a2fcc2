"""The same sandbox in other engines and runtimes: what holds in runc holds in each, or it refuses.

Each is looked at from inside, with commands that nobody judged, by way of a whole Sidegate.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiodocker
import hosting
import pytest
from conftest import IMAGE, Sidegate, Start, containers
from wire import until_done

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.usefixtures("engine")]


@dataclass(frozen=True)
class Kind:
    """An engine, the runtime in it, and in what it differs from the others."""

    host: str
    runtime: str | None = None
    unknown: int = 127  # what its init says of a program that is not there
    tells_memory: bool = True  # whether it always says that the kernel killed for memory
    shows_status: bool = True  # whether /proc/self/status has the lines of capabilities


@pytest.fixture(scope="module")
def docker(engine: str) -> Iterator[str]:
    with hosting.docker(engine) as host:
        yield host


@pytest.fixture(scope="module")
def podman(engine: str) -> Iterator[str]:
    with hosting.podman(engine) as host:
        yield host


@pytest.fixture(params=["runc", "crun", "runsc", "podman"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Each of them; Sidegate is told of the engine as it is in life, by its environment."""
    host = request.getfixturevalue("podman" if request.param == "podman" else "docker")
    monkeypatch.setenv("DOCKER_HOST", host)
    if request.param == "podman":
        return Kind(host, unknown=1, tells_memory=False)
    if request.param == "runsc":
        return Kind(host, "runsc", tells_memory=False, shows_status=False)
    return Kind(host, request.param)


@pytest.fixture(params=[0, 1], ids=["cold", "pool"])
async def sidegate(start: Start, kind: Kind, request: pytest.FixtureRequest) -> Sidegate:
    sidegate = await started(start, kind, pool_size=request.param)
    await until_done(lambda: _waiting(sidegate, request.param))
    return sidegate


async def _waiting(sidegate: Sidegate, count: int) -> bool:
    """Whether so many containers wait for a command."""
    return f"sidegate_sandbox_pool_ready {float(count)}" in await metrics(sidegate)


async def metrics(sidegate: Sidegate) -> str:
    async with sidegate.http.get(sidegate.url("/metrics", "metrics")) as answer:
        return await answer.text()


async def started(start: Start, kind: Kind, **more: object) -> Sidegate:
    section = {"engine_runtime": kind.runtime, "memory_limit_mb": 64, **more}
    return await start({"tools": {"shell": {"commands": "any"}}, "runtime": {"docker": section}})


async def result(sidegate: Sidegate, line: str, **more: object) -> dict[str, Any]:
    status, body = await sidegate.call("shell", {"command": line, **more}, await sidegate.pair())
    assert status == 200, body
    result = body["result"]
    assert isinstance(result, dict)
    return result


async def out(sidegate: Sidegate, line: str, **more: object) -> str:
    return str((await result(sidegate, line, **more))["stdout"])


async def test_a_command_answers_as_everywhere(sidegate: Sidegate, kind: Kind) -> None:
    told = await result(sidegate, "echo out; echo err >&2; exit 3")

    assert (told["exit_code"], told["stdout"], told["stderr"]) == (3, "out\n", "err\n")
    assert (await result(sidegate, "kill -9 $$"))["exit_code"] == 137
    assert await out(sidegate, "wc -c", stdin="x" * 200_000) == "200000\n"
    assert await out(sidegate, "cat; echo end", stdin="") == "end\n"
    assert (await result(sidegate, "no-such-program"))["exit_code"] in {127, kind.unknown}


async def test_a_sandbox_has_no_privilege(sidegate: Sidegate, kind: Kind) -> None:
    assert await out(sidegate, "id -u; id -g; id -G") == "1000\n1000\n1000\n"
    if kind.shows_status:
        lines = await out(sidegate, "cat /proc/self/status")
        status = dict(line.split(":\t", 1) for line in lines.splitlines() if ":\t" in line)
        capabilities = {status[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
        assert capabilities == {"0" * 16}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for refused in ("mount -t tmpfs x /tmp", "chown 0 /tmp/x", "unshare -m true", "su -c id"):
        assert (await result(sidegate, f"touch /tmp/x; {refused}"))["exit_code"] != 0, refused


async def test_a_sandbox_has_no_network(sidegate: Sidegate) -> None:
    assert (await out(sidegate, "ip -o link | cut -d: -f2")).split() == ["lo"]
    assert "default" not in await out(sidegate, "ip route")
    assert (await result(sidegate, "wget -T 2 -O- http://1.1.1.1/"))["exit_code"] != 0


async def test_a_sandbox_changes_nothing_but_its_own(sidegate: Sidegate) -> None:
    tried = (
        "/x /bin/x /etc/passwd /run/x /var/tmp/x /dev/x /dev/shm/x /proc/sys/kernel/core_pattern"
    )
    writes = f'for f in {tried}; do (echo x >>"$f") 2>/dev/null && echo "$f"; done; true'

    assert await out(sidegate, writes) == ""
    assert (
        await out(sidegate, "echo kept >f; cat f; echo kept >/tmp/f; cat /tmp/f") == "kept\nkept\n"
    )
    assert await out(sidegate, "ls -A /tmp") == ""
    run = "cp /bin/busybox /tmp/true && /tmp/true"
    assert (await result(sidegate, run))["exit_code"] == 126
    flood = await result(sidegate, "head -c 40000000 /dev/zero >/tmp/flood; wc -c </tmp/flood")
    assert int(flood["stdout"] or 0) <= 16 << 20


async def test_a_sandbox_sees_nothing_of_the_machine(sidegate: Sidegate) -> None:
    unread = "/proc/kcore /proc/keys /proc/timer_list /proc/sysrq-trigger /dev/mem /dev/kmsg"
    reads = f'for f in {unread}; do head -c 9 "$f" 2>/dev/null; done; ls /sys/firmware /proc/acpi'
    processes = await out(sidegate, "cat /proc/[0-9]*/comm | sort -u")

    assert await out(sidegate, f"({reads}) 2>/dev/null; true") in {
        "",
        "/sys/firmware:\n",
        "/proc/acpi:\n",
        "/sys/firmware:\n\n/proc/acpi:\n",
        "/proc/acpi:\n\n/sys/firmware:\n",
    }
    assert not {"dockerd", "containerd", "podman", "python"} & set(processes.split())
    assert await out(sidegate, "hostname") == "sandbox\n"


async def test_limits_hold(sidegate: Sidegate, kind: Kind) -> None:
    """Of 64 MiB and 128 processes; too many of them end a whole sandbox of gVisor."""
    memory = await result(sidegate, "tail /dev/zero; exit $?")
    many = {"command": "i=0; while [ $i -lt 300 ]; do sleep 5 & i=$((i+1)); done; echo all"}
    status, body = await sidegate.call("shell", many, await sidegate.pair())
    processes = body.get("result")

    assert (memory["exit_code"], memory["stdout"]) == (137, "")
    if isinstance(processes, dict):
        assert (status, processes["exit_code"] > 0, processes["stdout"]) == (200, True, "")
    else:
        assert (kind.runtime, status, body["code"]) == ("runsc", 502, "sandbox-lost")
    assert await out(sidegate, "ulimit -n") == "1024\n"
    counted = 'result="oom",runtime="docker"} 1.0' in await metrics(sidegate)
    assert counted or not kind.tells_memory


async def test_time_runs_out_and_nothing_is_left(sidegate: Sidegate) -> None:
    ended = await result(sidegate, "sleep 60 & sleep 60", timeout_secs=1)

    assert (ended["timed_out"], ended["exit_code"]) == (True, 137)
    await until_done(lambda: _only_idle(sidegate))


async def _only_idle(sidegate: Sidegate) -> bool:
    """Whether no container of a request is left; those of a pool know none yet."""
    owner = sidegate.app.operations.store.instance
    return not [each for each in await containers(owner) if each["sidegate.request"]]


async def test_what_a_killed_sidegate_left_is_swept(start: Start, kind: Kind) -> None:
    sidegate = await started(start, kind)
    owner = sidegate.app.operations.store.instance
    async with aiodocker.Docker(url=kind.host) as engine:
        shape: dict[str, Any] = {
            "Image": IMAGE,
            "Cmd": ["sleep", "99"],
            "Labels": {"sidegate.owner": owner, "sidegate.request": "of another life"},
            "HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 64}]},
            "NetworkDisabled": True,
        }
        await engine.containers.create(shape)  # which the sweep at the start may find already
        await sidegate.app.sandbox.sweep()

    assert await containers(owner) == []


@pytest.mark.parametrize("way", ["path", "host path", "volume"])
async def test_the_workspace_stays_its_owners(
    start: Start, kind: Kind, tmp_path: Path, way: str
) -> None:
    """Whatever a command or a file tool writes there, by whichever way the engine finds it."""
    folder = tmp_path / "workspace"
    (tmp_path / "there").symlink_to(folder)
    names: dict[str, dict[str, object]] = {
        "path": {},
        "host path": {"workspace_host_path": str(tmp_path / "there")},
        "volume": {"workspace_volume": "work"},
    }
    async with volume(kind, folder):
        sidegate = await started(start, kind, **names[way])
        assert await out(sidegate, "echo by command >made && mkdir sub && umask") == "0022\n"
        token = await sidegate.pair()
        wish = {"path": "sub/written", "content": "by tool"}
        assert (await sidegate.call("file_write", wish, token))[0] == 200
        assert await out(sidegate, "cat sub/written && rm sub/written") == "by tool"
        assert (await sidegate.call("file_write", wish, token))[0] == 200
        status, body = await sidegate.call("file_read", {"path": "made"}, token)
        assert (status, body["result"]) == (200, {"content": "by command\n"})
    for path in (folder / "made", folder / "sub", folder / "sub" / "written"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1000, 1000), path


@asynccontextmanager
async def volume(kind: Kind, folder: Path) -> AsyncIterator[None]:
    """A volume that is this folder, as Sidegate's own container would share it with the sandboxes.

    The first container that mounts a volume may change whose it is, before anyone can set it right.
    """
    folder.mkdir()
    options = {"type": "none", "o": "bind", "device": str(folder)}
    body: dict[str, Any] = {
        "Image": IMAGE,
        "Cmd": ["true"],
        "HostConfig": {
            "Mounts": [{"Type": "volume", "Source": "work", "Target": "/workspace"}],
            "NetworkMode": "none",
            "Ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 64}],
        },
    }
    async with aiodocker.Docker(url=kind.host) as engine:
        work = await engine.volumes.create(  # type: ignore[no-untyped-call]
            {"Name": "work", "DriverOpts": options}
        )
        first = await engine.containers.create(body)
        await first.start()
        await first.wait()
        await first.delete(force=True)
        try:
            yield
        finally:
            await until_done(lambda: _deleted(work))


async def _deleted(volume: aiodocker.volumes.DockerVolume) -> bool:
    """A volume is in use until the last container is gone."""
    try:
        await volume.delete()  # type: ignore[no-untyped-call]
    except aiodocker.DockerError as error:
        return error.status == 404
    return True


@pytest.fixture(params=[(), ("memory",), ("pids",), ("cpu",)], ids=str)
def lax(request: pytest.FixtureRequest, engine: str) -> Iterator[tuple[str, str]]:
    """An engine that lacks control groups, some or all of them, and what it keeps no limits of."""
    without = request.param
    other = hosting.docker(engine, without=without) if without else hosting.rootless(engine)
    what = {"memory": "memory, swap", "pids": "processes", "cpu": "processors"}
    with other as host:
        yield host, ", ".join(what[each] for each in without or ("memory", "cpu", "pids"))


async def test_an_engine_that_keeps_no_limits_is_refused(
    start: Start, lax: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for limits, such an engine warns of nothing and runs without them."""
    host, what = lax
    monkeypatch.setenv("DOCKER_HOST", host)
    sidegate = await started(start, Kind(host))

    status, body = await sidegate.call("shell", {"command": "id"}, await sidegate.pair())
    missing = await sidegate.app.operations.missing()

    assert (status, body["code"]) == (503, "sandbox-unavailable")
    assert [line for line in missing if f"does not keep limits of {what}:" in line], missing
    assert await containers(sidegate.app.operations.store.instance) == []
