"""Everything put together, and taken apart again."""

import asyncio
import os
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import Sidegate, Start, containers
from kernel import open_files
from wire import agent, until, until_done


async def test_a_request_goes_the_whole_way(start: Start) -> None:
    sidegate = await start()
    token = await sidegate.pair()

    status, body = await sidegate.call("file_list", {"path": "."}, token)

    assert status == 200
    assert body["result"] == {"entries": [], "truncated": False}


# Running


async def reached(sidegate: Sidegate, path: str, listener: str = "gateway") -> int:
    async with sidegate.http.get(sidegate.url(path, listener)) as answer:
        return answer.status


async def test_nothing_that_is_missing_keeps_it_from_serving(start: Start, tmp_path: Path) -> None:
    """Neither agent nor workspace nor image: health is well, readiness is not, calls say why."""
    sidegate = await start(
        {
            "upstream": {"url": "http://127.0.0.1:1"},
            "autonomy": {"workspace_dir": str(tmp_path / "none")},
            "runtime": {"docker": {"image": "sidegate-absent:test"}},
        }
    )
    token = await sidegate.pair()

    assert await reached(sidegate, "/health") == 200
    assert await reached(sidegate, "/livez") == 200
    assert await reached(sidegate, "/readyz") == 503
    missing = await sidegate.app.operations.missing()
    assert any("127.0.0.1:1 does not answer" in sentence for sentence in missing)
    assert f"the workspace {tmp_path}/none does not exist" in missing
    for tool, arguments in (("file_list", {"path": "."}), ("shell", {"command": "ls"})):
        status, body = await sidegate.call(tool, arguments, token)
        assert (status, body["code"]) == (403, "workspace-missing")


async def test_who_is_ready_says_so(start: Start) -> None:
    async with agent() as double:
        sidegate = await start({"upstream": {"url": double.url}})

        missing = await sidegate.app.operations.missing()

        status = 200 if not missing else 503
        assert await reached(sidegate, "/readyz") == status


async def test_the_credentials_for_the_agent_are_never_seen(start: Start) -> None:
    """An agent that shows what it was sent is no way to its key."""
    key = "agents-own-key-4711"
    own = {"Authorization": f"Bearer {key}", "X-Tenant": "tenant-secret-0815"}
    async with agent() as double:
        sidegate = await start(
            {
                "upstream": {"url": double.url, "headers": own, "routes": [{"path": "/echo"}]},
                "gateway": {"require_pairing": False},
            }
        )
        body = f"you sent Bearer {key}, key {key} and tenant-secret-0815\n".encode()
        double.answer = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body,)

        async with sidegate.http.get(sidegate.url("/echo")) as answer:
            text = await answer.text()

        assert double.seen[0].all("authorization") == [f"Bearer {key}"]
        assert key not in text
        assert "tenant-secret" not in text
        await until(lambda: b"redactions" in (sidegate.folder / "audit.jsonl").read_bytes())


async def test_what_ends_by_a_fault_of_ours_says_so(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    sidegate = await start()

    async def fault() -> None:
        raise ZeroDivisionError

    async with AsyncExitStack() as stack:
        sidegate.app.begin(stack, fault())
        await until(lambda: "stopped working" in capfd.readouterr().err)


async def test_each_listener_has_its_own_port(start: Start) -> None:
    sidegate = await start()

    assert set(sidegate.app.ports) == {"gateway", "admin", "metrics"}
    assert len(set(sidegate.app.ports.values())) == 3


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(start: Start) -> None:
    first = await start()
    port = first.app.ports["gateway"]

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}"):
        await start({"state_dir": f"{first.folder}-2", "metrics": {"port": port}})

    assert not os.path.exists(f"{first.folder}-2/admin.sock")


async def test_one_state_has_one_owner(start: Start) -> None:
    await start()

    with pytest.raises(OSError, match="is in use by another sidegate"):
        await start()


async def stopped(sidegate: Sidegate) -> None:
    """Ask it to stop, and wait until nobody connects."""
    sidegate.app.stopped.set()

    async def refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", sidegate.app.ports["gateway"])
        except ConnectionError:
            return True
        writer.close()
        return False

    await until_done(refused)


async def test_what_is_under_way_is_finished_before_it_stops(start: Start) -> None:
    async with agent(0.7, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone") as double:
        sidegate = await start(
            {
                "upstream": {"url": double.url, "routes": [{"path": "/slow"}]},
                "gateway": {"require_pairing": False},
            }
        )

        async def ask() -> tuple[int, bytes]:
            async with sidegate.http.get(sidegate.url("/slow")) as answer:
                return answer.status, await answer.read()

        asking = asyncio.create_task(ask())
        await until(lambda: double.seen)

        await stopped(sidegate)

        assert await asking == (200, b"done")


async def test_who_is_stopping_is_not_ready(start: Start) -> None:
    async with agent(1.5) as double:
        sidegate = await start(
            {
                "upstream": {"url": double.url, "routes": [{"path": "/slow"}]},
                "gateway": {"require_pairing": False},
            }
        )
        asking = asyncio.create_task(sidegate.http.get(sidegate.url("/slow")))
        await until(lambda: double.seen)

        await stopped(sidegate)

        assert sidegate.app.operations.stopping
        with pytest.raises(aiohttp.ClientError):
            await reached(sidegate, "/readyz")
        asking.cancel()
        await asyncio.wait({asking})


@pytest.mark.parametrize("path", ["/metrics", "/status", "/tokens", "/pairing-codes"])
async def test_the_front_door_serves_neither_metrics_nor_the_operator(
    start: Start, path: str
) -> None:
    sidegate = await start()

    assert await reached(sidegate, path) == 404


@pytest.mark.parametrize("path", ["/pair", "/tools", "/webhook", "/status", "/tokens"])
async def test_the_metrics_listener_serves_no_door(start: Start, path: str) -> None:
    sidegate = await start()

    assert await reached(sidegate, path, "metrics") == 404


async def test_no_descriptor_is_left_open_however_a_call_ends(start: Start) -> None:
    sidegate = await start()
    token = await sidegate.pair()
    (sidegate.workspace / "text").write_text("x")
    (sidegate.workspace / "binary").write_bytes(b"\xff")
    (sidegate.workspace / "large").write_bytes(b"x" * (1 << 21))
    calls: list[tuple[str, dict[str, object]]] = [
        ("file_read", {"path": "text"}),
        ("file_read", {"path": "binary"}),
        ("file_read", {"path": "large"}),
        ("file_read", {"path": "none"}),
        ("file_read", {"path": "../outside"}),
        ("file_list", {"path": "."}),
        ("file_list", {"path": "text"}),
        ("file_write", {"path": "new", "content": "x"}),
        ("file_write", {"path": "none/new", "content": "x"}),
        ("file_write", {"path": ".", "content": "x"}),
        ("shell", {"command": "cat ../x"}),
        ("shell", {"command": "cat text", "timeout_secs": -1}),
    ]

    async def all_of_them() -> None:
        for tool, arguments in calls:
            await sidegate.call(tool, arguments, token)

    def files() -> list[str]:
        """Open files and folders; connections and pipes come and go."""
        return sorted(name for name in open_files() if name.startswith("/"))

    await all_of_them()
    before = files()

    await asyncio.gather(*(all_of_them() for _ in range(5)))
    for _ in range(20):
        leaving = asyncio.create_task(sidegate.call("file_read", {"path": "large"}, token))
        await asyncio.sleep(0.001)
        leaving.cancel()
    await until(lambda: len(sidegate.app.server.running) == 0)

    await until(lambda: files() == before)


# In a container


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("owner", "user", "expected"),
    [
        pytest.param((1234, 2345), None, "uid=1234 gid=2345", id="the workspace's owner"),
        pytest.param((0, 0), None, "uid=65534 gid=65534", id="nobody, where that is root"),
        pytest.param((1234, 2345), "77:88", "uid=77 gid=88", id="or whoever is configured"),
    ],
)
async def test_a_command_runs_as(
    start: Start, owner: tuple[int, int], user: str | None, expected: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    docker: dict[str, Any] = {"user": user}
    sidegate = await start({"runtime": {"docker": docker}}, owner=owner)
    token = await sidegate.pair()

    _, body = await sidegate.call("shell", {"command": "id"}, token)

    result = body["result"]
    assert isinstance(result, dict)
    assert re.sub(r"\([^)]*\)", "", str(result["stdout"])).startswith(expected)


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("mounted", [True, False])
async def test_a_command_sees_the_workspace_where_it_is_mounted(
    start: Start, *, mounted: bool
) -> None:
    sidegate = await start({"runtime": {"docker": {"mount_workspace": mounted}}})
    (sidegate.workspace / "here").touch()
    token = await sidegate.pair()

    _, body = await sidegate.call("shell", {"command": "ls"}, token)

    result = body["result"]
    assert isinstance(result, dict)
    assert result["stdout"] == ("here\n" if mounted else "")
    owner = sidegate.app.operations.store.instance
    await until_done(lambda: _gone(owner))


async def _gone(owner: str) -> bool:
    return not await containers(owner)


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_a_workspace_that_was_replaced_is_not_worked_in(start: Start) -> None:
    """Who may rename the folder could else lead commands to another one."""
    sidegate = await start()
    token = await sidegate.pair()
    sidegate.workspace.rename(sidegate.workspace.with_name("moved"))
    sidegate.workspace.mkdir()
    (sidegate.workspace / "another").write_text("not judged")

    ran, body = await sidegate.call("shell", {"command": "ls"}, token)
    listed, _ = await sidegate.call("file_list", {"path": "another"}, token)

    assert (ran, body["code"]) == (503, "sandbox-unavailable")
    assert listed == 403
