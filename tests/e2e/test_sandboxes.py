"""What the operator says of each tool's sandbox, seen from inside and from outside of it."""

import json
from pathlib import Path

import pytest
from conftest import IMAGE, Sidegate, Start
from disks import grow
from wire import until

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]

SECRET = "s3cret-of-one-tool-0123456789"
TOOLS = {
    "shell": {"commands": "any"},
    "look": {"effect": "read", "backend": "sandbox", "command": "line", "commands": "any"},
    "own": {
        "effect": "execute",
        "backend": "sandbox",
        "command": "line",
        "commands": "any",
        "env": {"TOKEN": SECRET, "PLAIN": "a 'b' $$c"},
        "docker": {"memory_limit_mb": 32, "mount_workspace": False, "user": "4321:1234"},
    },
}


@pytest.fixture(params=[0, 2], ids=["cold", "pool"])
async def sidegate(start: Start, request: pytest.FixtureRequest) -> Sidegate:
    return await start(
        {
            "autonomy": {"level": "full"},
            "tools": TOOLS,
            "runtime": {"docker": {"image": IMAGE, "pool_size": request.param}},
        }
    )


async def out(sidegate: Sidegate, tool: str, line: str, token: str, **more: object) -> str:
    name = "command" if tool == "shell" else "line"
    status, body = await sidegate.call(tool, {name: line, **more}, token)
    assert status == 200, body
    result = body["result"]
    assert isinstance(result, dict)
    return str(result["stdout"])


async def test_a_variable_reaches_its_tool_and_nobody_else(sidegate: Sidegate) -> None:
    token = await sidegate.pair()

    assert await out(sidegate, "own", "printf %s ${#TOKEN}", token) == str(len(SECRET))
    same = """[ "$PLAIN" = "a 'b' \\$c" ] && echo same"""
    assert await out(sidegate, "own", same, token) == "same\n"
    assert await out(sidegate, "shell", "printf %s ${TOKEN-none}${PLAIN-}", token) == "none"
    assert SECRET not in await out(sidegate, "own", "echo $TOKEN; env; set", token)
    assert SECRET not in await out(sidegate, "own", "cat", token, stdin=f"x {SECRET} y")
    files = [path for path in sidegate.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


async def test_a_tool_has_the_container_that_its_entry_says(sidegate: Sidegate) -> None:
    token = await sidegate.pair()
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"

    assert int(await out(sidegate, "own", limit, token)) == 32 << 20
    assert int(await out(sidegate, "shell", limit, token)) == 512 << 20
    assert await out(sidegate, "own", "id -u; id -g; ls -A /workspace", token) == "4321\n1234\n"
    assert await out(sidegate, "shell", "id -u; pwd; touch made", token) == "1000\n/workspace\n"
    assert await out(sidegate, "look", "ls; touch other || echo no", token) == "made\nno\n"


async def test_no_caller_says_what_its_container_is(sidegate: Sidegate) -> None:
    token = await sidegate.pair()

    for more in ({"docker": {"user": "0:0"}}, {"env": {"A": "b"}}, {"image": "x"}, {"user": "0"}):
        status, body = await sidegate.call("shell", {"command": "id", **more}, token)
        assert (status, body["code"]) == (400, "arguments-invalid"), json.dumps(body)


async def test_a_command_does_not_fill_the_disk(start: Start, small_disk: Path) -> None:
    grow(small_disk, "96m")
    changes = {"tools": TOOLS, "runtime": {"min_free_mb": 32, "docker": {"image": IMAGE}}}
    sidegate = await start({"autonomy": {"level": "full"}, **changes})
    token = await sidegate.pair()

    line = "while :; do head -c 1000000 /dev/zero >> big; sleep 0.02; done"
    status, body = await sidegate.call("shell", {"command": line}, token)
    refused = await sidegate.call("shell", {"command": "id"}, token)
    reading = await sidegate.call("look", {"line": "ls"}, token)
    await until(lambda: sidegate.app.sandbox.active == 0)

    assert status == 200
    assert isinstance(body["result"], dict)
    assert body["result"]["exit_code"] == 137
    assert "the workspace's disk is nearly full" in body["result"]["stderr"]
    assert (refused[0], refused[1]["code"]) == (503, "workspace-full")
    assert reading[0] == 200


async def test_a_command_reads_what_the_caller_sends(sidegate: Sidegate) -> None:
    token = await sidegate.pair()
    text = "zwei\neins\n" * 20_000

    assert await out(sidegate, "shell", "wc -c", token, stdin=text) == f"{len(text)}\n"
    assert await out(sidegate, "shell", "sort | uniq", token, stdin=text) == "eins\nzwei\n"
    assert await out(sidegate, "shell", "cat; echo end", token) == "end\n"
    assert await out(sidegate, "shell", "echo unread", token, stdin=text) == "unread\n"
