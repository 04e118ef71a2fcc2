"""The front door, as clients, operators and strangers meet it: over sockets, on a real engine."""

import asyncio
import json
import os
import re
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker
import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from conftest import IMAGE, Sidegate, Start, containers, engine_host
from demo_agent import FAKE_SECRET, build_agent
from serving import Serving, finished, serving, write
from wire import until, until_done

with_engine = [pytest.mark.docker, pytest.mark.usefixtures("engine")]


async def pairing(sidegate: Sidegate, code: str) -> aiohttp.ClientResponse:
    headers = {"X-Pairing-Code": code}
    async with sidegate.http.post(sidegate.url("/pair"), headers=headers) as answer:
        await answer.read()
        return answer


async def problem(answer: aiohttp.ClientResponse) -> dict[str, object]:
    assert answer.content_type == "application/problem+json"
    body: dict[str, object] = await answer.json(content_type=None)
    assert body.keys() == {
        *("type", "title", "status", "detail", "code", "layer", "remedy", "request_id")
    }
    assert body["status"] == answer.status
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def wrong(code: str, number: int) -> str:
    """A code that is not the right one."""
    return f"{(int(code) + number) % 1_000_000:06d}"


# Pairing


async def test_a_right_code_is_a_token_once(start: Start) -> None:
    sidegate = await start()
    code = await sidegate.app.operations.pairing.offer()

    first = await pairing(sidegate, code)
    again = await pairing(sidegate, code)

    body = await first.json()
    assert (first.status, first.headers["Cache-Control"]) == (200, "no-store")
    assert body.keys() == {"paired", "persisted", "token"}
    assert (body["paired"], body["persisted"]) == (True, True)
    assert re.fullmatch(r"zc_[0-9a-f]{64}", body["token"])
    assert (again.status, (await problem(again))["code"]) == (403, "code-wrong")


async def test_after_five_wrong_codes_even_the_right_one_waits(start: Start) -> None:
    sidegate = await start()
    paired_before = await sidegate.pair()
    code = await sidegate.app.operations.pairing.offer()

    for number in range(1, 6):
        assert (await pairing(sidegate, wrong(code, number))).status == 403
    sixth = await pairing(sidegate, code)

    assert (sixth.status, (await problem(sixth))["code"]) == (429, "pairing-locked")
    assert 200 < int(sixth.headers["Retry-After"]) <= 300
    status, _ = await sidegate.call("file_list", {"path": "."}, paired_before)
    assert status == 200, "a lockout closes only the place to pair"


async def test_wrong_codes_count_while_none_is_pending(start: Start) -> None:
    sidegate = await start()
    await sidegate.pair()

    statuses = [(await pairing(sidegate, "123456")).status for _ in range(6)]

    assert statuses == [403] * 5 + [429]


async def test_attempts_are_limited_before_they_are_looked_at(start: Start) -> None:
    sidegate = await start({"gateway": {"pair_rate_limit_per_minute": 2}})

    answers = [await pairing(sidegate, "") for _ in range(3)]

    assert [answer.status for answer in answers] == [403, 403, 429]
    assert (await problem(answers[2]))["code"] == "rate-limited"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60


async def test_without_pairing_everybody_is_let_in_and_nobody_pairs(start: Start) -> None:
    sidegate = await start({"gateway": {"require_pairing": False}})

    assert (await pairing(sidegate, "123456")).status == 404
    for token in ("", "zc_whatever"):
        assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 200


# Who are you


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "token-missing"),
        ("", "token-missing"),
        ("Bearer", "token-missing"),
        ("Bearer ", "token-missing"),
        ("Basic dXNlcjpwYXNz", "token-missing"),
        ("Bearer zc_" + "0" * 64, "token-unknown"),
        ("Bearer x", "token-unknown"),
        ("bearer x y", "token-unknown"),
    ],
)
async def test_without_a_token_nothing_is_told(
    start: Start, authorization: str | None, code: str
) -> None:
    sidegate = await start()
    await sidegate.pair()
    headers = {} if authorization is None else {"Authorization": authorization}

    for method, path in (("GET", "/tools"), ("POST", "/tools/shell"), ("POST", "/webhook")):
        async with sidegate.http.request(
            method, sidegate.url(path), headers=headers, data=b"not even JSON"
        ) as answer:
            assert (answer.status, (await problem(answer))["code"]) == (401, code)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_what_names_a_token_is_not_one(start: Start) -> None:
    """The id that lists and logs show, and the digest that the state keeps, open nothing."""
    sidegate = await start()
    await sidegate.pair()
    (record,) = await sidegate.app.operations.store.tokens.list(0.0)

    for token in (record.id, record.digest.hex(), f"zc_{record.digest.hex()}"):
        assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 401


# Health


async def test_health_says_this_and_no_more(start: Start) -> None:
    sidegate = await start()

    async with sidegate.http.get(sidegate.url("/health")) as answer:
        assert (answer.status, await answer.read()) == (200, b'{"status":"ok","paired":false}')
    await sidegate.pair()
    async with sidegate.http.get(sidegate.url("/health")) as answer:
        assert await answer.read() == b'{"status":"ok","paired":true}'
    for path, kinds in (("/livez", {"ok"}), ("/readyz", {"ok", "unavailable"})):
        async with sidegate.http.get(sidegate.url(path)) as answer:
            body = await answer.json()
            assert body.keys() == {"status"}
            assert body["status"] in kinds
            assert answer.status == (200 if body["status"] == "ok" else 503)


# What may be done


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("unknown", {}, "tool-unknown"),
        ("Shell", {"command": "ls"}, "tool-unknown"),
        ("shell", {"command": "rm -rf /"}, "command-not-allowed"),
        ("shell", {"command": "/bin/ls"}, "command-not-allowed"),
        ("shell", {"command": "cat ../outside"}, "path-outside-workspace"),
        ("shell", {"command": "cat \\/etc/passwd"}, "path-outside-workspace"),
        ("shell", {"command": "cat '/etc/passwd'"}, "path-outside-workspace"),
        ("shell", {"command": "cat etc/passwd"}, "path-outside-workspace"),
        ("shell", {"command": "echo $(rm x)"}, "command-unknowable"),
        ("shell", {"command": "echo a; rm b"}, "command-not-allowed"),
        ("shell", {"command": "echo a > ../b"}, "path-outside-workspace"),
        ("shell", {"command": "cat {a,b}"}, "command-unknowable"),
        ("shell", {"command": "A=1 ls"}, "command-variable-not-allowed"),
        ("shell", {"command": ""}, "command-unparsable"),
        ("file_read", {"path": "etc/passwd"}, "path-outside-workspace"),
        ("file_read", {"path": "/etc/passwd"}, "path-outside-workspace"),
        ("file_read", {"path": "../outside"}, "path-outside-workspace"),
        ("file_read", {"path": "none"}, "path-not-found"),
        ("file_read", {"path": ".ssh/id"}, "path-forbidden"),
        ("file_write", {"path": "etc/new", "content": "x"}, "path-outside-workspace"),
        ("file_list", {"path": "etc"}, "path-outside-workspace"),
    ],
)
async def test_what_must_not_be_done_is_refused_with_a_remedy(
    start: Start, tmp_path: Path, tool: str, arguments: dict[str, str], code: str
) -> None:
    sidegate = await start()
    (tmp_path / "outside").write_text("CANARY")
    (sidegate.workspace / "etc").symlink_to("/etc")
    token = await sidegate.pair()

    async with sidegate.http.post(
        sidegate.url(f"/tools/{tool}"), json={"arguments": arguments}, headers=bearer(token)
    ) as answer:
        assert answer.status == 403
        body = await problem(answer)

    assert (body["code"], body["layer"]) == (code, "authorization")
    assert body["remedy"]
    for argument in arguments.values():
        assert len(argument) < 3 or argument not in json.dumps(body)


async def test_a_tool_that_needs_a_human_is_refused_where_none_can_be_asked(start: Start) -> None:
    sidegate = await start({"autonomy": {"level": "supervised", "approval_timeout_secs": 0}})
    token = await sidegate.pair()

    status, body = await sidegate.call("shell", {"command": "ls"}, token)

    assert (status, body["code"]) == (403, "approval-required")
    assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 200


async def test_files_are_written_read_and_listed(start: Start) -> None:
    sidegate = await start()
    token = await sidegate.pair()

    written = await sidegate.call("file_write", {"path": "a", "content": "grüße"}, token)
    read = await sidegate.call("file_read", {"path": "a"}, token)
    listed = await sidegate.call("file_list", {"path": "."}, token)

    assert written[1]["result"] == {"bytes_written": 7}
    assert read[1]["result"] == {"content": "grüße"}
    assert listed[1]["result"] == {
        "entries": [{"name": "a", "type": "file", "size": 7}],
        "truncated": False,
    }
    assert all(body.keys() == {"ok", "result", "request_id"} for _, body in (written, read, listed))


async def test_the_listing_shows_what_may_be_called(start: Start) -> None:
    sidegate = await start({"autonomy": {"level": "readonly"}})
    token = await sidegate.pair()

    async with sidegate.http.get(sidegate.url("/tools"), headers=bearer(token)) as answer:
        tools = (await answer.json())["tools"]

    assert [tool["name"] for tool in tools] == ["file_read", "file_list"]
    assert all(tool.keys() == {"name", "effect", "description"} for tool in tools)


# Bodies


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"x" * 5000, "application/json", 413, "body-too-large"),
        (b'{"arguments":{}}', "text/plain", 415, "body-untyped"),
        (b'{"arguments":{}}', "application/x-www-form-urlencoded", 415, "body-untyped"),
        (b'{"arguments":{}}', "", 415, "body-untyped"),
        (b'{"arguments":', "application/json", 400, "body-malformed"),
        (b'{"arguments":{},"arguments":{}}', "application/json", 400, "body-malformed"),
        (b'{"arguments":{"a":NaN}}', "application/json", 400, "body-malformed"),
        (b'{"arguments":{}}'.decode().encode("utf-16"), "application/json", 400, "body-malformed"),
        (b"[" * 1000, "application/json", 400, "body-malformed"),
        (b'{"arguments":[]}', "application/json", 400, "body-malformed"),
        (b"{}", "application/json", 400, "body-malformed"),
        (b"", "application/json", 400, "body-malformed"),
        (b'{"arguments":{}}', "application/json; charset=utf-16", 415, "body-untyped"),
        (b'{"arguments":{}}', "application/json; charset=utf-8", 400, "arguments-invalid"),
        (b'{"arguments":{"command":5}}', "application/json", 400, "arguments-invalid"),
    ],
)
async def test_a_body_that_is_not_what_it_should_be_is_refused(
    start: Start, data: bytes, kind: str, status: int, code: str
) -> None:
    sidegate = await start({"gateway": {"max_body_bytes": 4096}})
    headers = {**bearer(await sidegate.pair()), "Content-Type": kind}

    async with sidegate.http.post(
        sidegate.url("/tools/shell"), data=data, headers=headers
    ) as answer:
        assert (answer.status, (await problem(answer))["code"]) == (status, code)


async def test_a_compressed_body_is_not_unpacked(start: Start) -> None:
    sidegate = await start()
    headers = {**bearer(await sidegate.pair()), "Content-Encoding": "gzip"}

    async with sidegate.http.post(
        sidegate.url("/tools/shell"), json={"arguments": {}}, headers=headers
    ) as answer:
        assert (answer.status, (await problem(answer))["code"]) == (415, "body-untyped")


async def test_a_request_id_is_echoed_in_answers_and_refusals(start: Start) -> None:
    sidegate = await start()

    for path, status in (("/health", 200), ("/none", 404), ("/tools", 401)):
        headers = {"X-Request-ID": "my-own.id_1"}
        async with sidegate.http.get(sidegate.url(path), headers=headers) as answer:
            assert (answer.status, answer.headers["X-Request-ID"]) == (status, "my-own.id_1")
        headers = {"X-Request-ID": "no id"}
        async with sidegate.http.get(sidegate.url(path), headers=headers) as answer:
            assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


# Metrics


async def test_metrics_are_on_a_listener_of_their_own(start: Start) -> None:
    sidegate = await start()
    await sidegate.pair()

    async with sidegate.http.get(sidegate.url("/metrics", "metrics")) as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'sidegate_pairing_attempts_total{result="paired"} 1.0' in text
    assert "sidegate_sandbox_active 0.0" in text
    for listener, method, path in (
        ("gateway", "GET", "/metrics"),
        ("metrics", "POST", "/pair"),
        ("metrics", "GET", "/tools"),
        ("metrics", "POST", "/tools/shell"),
        ("metrics", "POST", "/webhook"),
    ):
        async with sidegate.http.request(method, sidegate.url(path, listener)) as answer:
            assert answer.status == 404, (listener, method, path)


# The agent behind


@pytest.fixture
async def demo() -> AsyncIterator[TestServer]:
    """The demo agent."""
    server = TestServer(build_agent())
    await server.start_server()
    yield server
    await server.close()


async def fronted(start: Start, demo: TestServer) -> tuple[Sidegate, str]:
    """A Sidegate before the demo agent, and a token."""
    sidegate = await start(
        {
            "upstream": {
                "url": str(demo.make_url("")).rstrip("/"),
                "headers": {"Authorization": "Bearer agents-own-key"},
                "routes": [{"path": "/v1/chat/completions", "methods": ["POST"]}],
            },
            "tools": {
                name: {"effect": "read", "backend": "upstream"}
                for name in ("add", "leak", "broken", "gone")
            },
        }
    )
    return sidegate, await sidegate.pair()


async def test_a_message_goes_to_the_agent_and_comes_back(start: Start, demo: TestServer) -> None:
    sidegate, token = await fronted(start, demo)

    async with sidegate.http.post(
        sidegate.url("/webhook"), json={"message": "hello"}, headers=bearer(token)
    ) as answer:
        assert (answer.status, await answer.json()) == (
            200,
            {"response": "You wrote: hello", "model": "demo"},
        )
    async with sidegate.http.get(demo.make_url("/seen")) as seen:
        text = await seen.text()
    assert token not in text
    assert "Bearer agents-own-key" in text


async def test_a_tool_of_the_agents_answers_or_is_said_to_refuse(
    start: Start, demo: TestServer
) -> None:
    sidegate, token = await fronted(start, demo)

    added = await sidegate.call("add", {"a": 1, "b": 2}, token)
    leaked = await sidegate.call("leak", {}, token)
    broken = await sidegate.call("broken", {}, token)
    gone = await sidegate.call("gone", {}, token)

    assert added[1]["result"] == {"sum": 3}
    assert FAKE_SECRET not in json.dumps(leaked)
    assert "[REDACTED]" in json.dumps(leaked)
    for status, body in (broken, gone):
        assert (status, body["code"]) == (502, "upstream-refused")
    assert "Traceback" not in json.dumps(broken)


async def test_a_streamed_secret_is_taken_out_on_the_way(start: Start, demo: TestServer) -> None:
    sidegate, token = await fronted(start, demo)
    chat = {"messages": [{"content": "a key"}], "stream": True}

    async with sidegate.http.post(
        sidegate.url("/v1/chat/completions"), json=chat, headers=bearer(token)
    ) as answer:
        text = await answer.text()

    assert answer.content_type == "text/event-stream"
    assert FAKE_SECRET not in text
    assert text.endswith("data: [DONE]\n\n")


# Commands, in containers


async def leaves_nothing(sidegate: Sidegate, seconds: float = 5.0) -> None:
    """Wait until no container of this Sidegate is left."""
    owner = sidegate.app.operations.store.instance

    async def empty() -> bool:
        return not await containers(owner)

    await until_done(empty, seconds)


class TestACommand:
    pytestmark = with_engine

    async def test_runs_and_answers(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()

        status, body = await sidegate.call("shell", {"command": "echo 'a  b'"}, token)

        assert (status, body["ok"]) == (200, True)
        result = body["result"]
        assert isinstance(result, dict)
        assert result.keys() == {
            *("exit_code", "stdout", "stderr", "truncated", "timed_out", "duration_ms")
        }
        assert (result["exit_code"], result["stdout"]) == (0, "a  b\n")
        await leaves_nothing(sidegate)

    async def test_that_fails_is_an_answer_all_the_same(self, start: Start) -> None:
        sidegate = await start({"autonomy": {"allowed_commands": ["ls", "no-such-program"]}})
        token = await sidegate.pair()

        for command, code in (("ls none", 1), ("no-such-program", 127)):
            status, body = await sidegate.call("shell", {"command": command}, token)
            result = body["result"]
            assert isinstance(result, dict)
            assert (status, body["ok"], result["exit_code"]) == (200, True, code)

    async def test_shows_no_secret(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()
        command = "echo api_key=sk-1234567890abcdefghij"

        status, body = await sidegate.call("shell", {"command": command}, token)

        result = body["result"]
        assert isinstance(result, dict)
        assert status == 200
        assert result["stdout"] == "api_key=sk-1*[REDACTED]\n"

    async def test_shows_its_caller_no_token(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()

        _, body = await sidegate.call("shell", {"command": f"echo {token}"}, token)

        assert token not in json.dumps(body)

    async def test_takes_as_long_as_its_caller_says(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()

        _, body = await sidegate.call("shell", {"command": "sleep 60", "timeout_secs": 0.5}, token)

        result = body["result"]
        assert isinstance(result, dict)
        assert (result["timed_out"], result["exit_code"]) == (True, 137)
        await leaves_nothing(sidegate)

    async def test_whose_client_leaves_leaves_no_container(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()
        call = asyncio.create_task(sidegate.call("shell", {"command": "sleep 60"}, token))
        owner = sidegate.app.operations.store.instance
        await until_done(lambda: containers(owner))

        call.cancel()

        await leaves_nothing(sidegate)
        await until(lambda: b"client-left" in (sidegate.folder / "audit.jsonl").read_bytes())

    async def test_whose_token_is_revoked_ends_at_once(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()
        call = asyncio.create_task(sidegate.call("shell", {"command": "sleep 60"}, token))
        owner = sidegate.app.operations.store.instance
        await until_done(lambda: containers(owner))
        (record,) = await sidegate.app.operations.store.tokens.list(0.0)

        connector = aiohttp.UnixConnector(str(sidegate.folder / "admin.sock"))
        url = f"http://sidegate/tokens/{record.id}"
        async with aiohttp.ClientSession(connector=connector) as http, http.delete(url) as answer:
            assert answer.status == 200

        with pytest.raises(aiohttp.ClientError):
            await call
        await leaves_nothing(sidegate)
        await until(lambda: b"token-revoked" in (sidegate.folder / "audit.jsonl").read_bytes())

    async def test_is_counted_and_on_record_without_its_words(self, start: Start) -> None:
        sidegate = await start()
        token = await sidegate.pair()

        await sidegate.call("shell", {"command": "echo marker-in-an-argument"}, token)

        audit = sidegate.folder / "audit.jsonl"
        await until(lambda: audit.read_bytes().count(b'"tool":"shell"') == 2)
        text = audit.read_text()
        events = [json.loads(line) for line in text.splitlines()]
        assert [event["event"] for event in events if event.get("tool") == "shell"] == [
            "grant",
            "outcome",
        ]
        assert "marker" not in text
        metrics = sidegate.app.server.metrics.render().decode()
        assert 'sidegate_sandbox_runs_total{result="ok",runtime="docker"} 1.0' in metrics
        assert "marker" not in metrics


async def test_no_token_lies_in_the_state(start: Start) -> None:
    sidegate = await start()
    token = await sidegate.pair()
    await sidegate.call("file_list", {"path": "."}, token)
    await sidegate.call("file_read", {"path": token}, token)
    await sidegate.call(token, {}, token)
    await sidegate.call("shell", {"command": f"{token} x"}, token)

    files = [path for path in sidegate.folder.rglob("*") if path.is_file()]

    assert {path.name for path in files} >= {"sidegate.db", "audit.jsonl"}
    for path in files:
        assert token.encode() not in path.read_bytes(), path.name
        assert token.removeprefix("zc_").encode() not in path.read_bytes(), path.name


async def test_only_the_operator_reaches_the_operators_socket(start: Start) -> None:
    sidegate = await start()

    status = (sidegate.folder / "admin.sock").stat()

    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.geteuid()


# A process of its own


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration for a process of its own."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    if os.geteuid() == 0:
        os.chown(workspace, 1000, 1000)
    return write(
        tmp_path / "sidegate.yaml",
        {
            "state_dir": str(tmp_path / "state"),
            "gateway": {"port": 0},
            "metrics": {"port": 0},
            "autonomy": {
                "level": "full",
                "workspace_dir": str(workspace),
                "allowed_commands": ["sleep", "echo"],
            },
            "runtime": {"docker": {"image": IMAGE}},
        },
    )


async def paired(made: Serving, http: aiohttp.ClientSession) -> str:
    """A token, got with the code that the process showed."""
    url = f"http://127.0.0.1:{made.ports['gateway']}/pair"
    async with http.post(url, headers={"X-Pairing-Code": made.code or ""}) as answer:
        return str((await answer.json())["token"])


async def sleeping(made: Serving, http: aiohttp.ClientSession) -> "asyncio.Task[int]":
    """A command that runs for a minute, once it has begun."""
    headers = bearer(await paired(made, http))

    async def call() -> int:
        async with http.post(
            f"http://127.0.0.1:{made.ports['gateway']}/tools/shell",
            json={"arguments": {"command": "sleep 60"}},
            headers=headers,
        ) as answer:
            return answer.status

    return asyncio.create_task(call())


async def instance(config: Path) -> str:
    """The id that labels its containers."""
    _, out, _ = await finished("status", "--json", "-c", str(config))
    return str(json.loads(out)["instance"])


async def test_the_code_is_shown_once_on_stderr_and_kept_nowhere(
    config: Path, tmp_path: Path
) -> None:
    async with serving(config) as made:
        shown = [line for line in made.lines if re.search(r"\b\d{6}\b", line)]
        assert [line for line in shown if not line.startswith("{")] == [
            f"pairing code: {made.code} (valid 10 min; another: sidegate pair)"
        ]
        async with aiohttp.ClientSession() as http:
            assert (await paired(made, http)).startswith("zc_")
        assert await made.stop() == 0
        code = str(made.code)
        assert [line for line in made.lines if code in line and line.startswith("{")] == []
        assert code not in (tmp_path / "state" / "audit.jsonl").read_text()
        assert made.process.stdout is not None
        assert await made.process.stdout.read() == b""

    async with serving(config, paired=True) as again:
        assert await again.stop() == 0
        assert again.code is None, "somebody is paired"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_asked_to_stop_it_stops_cleanly(
    config: Path, tmp_path: Path, number: signal.Signals
) -> None:
    async with serving(config) as made:
        assert (tmp_path / "state" / "admin.sock").exists()

        assert await made.stop(number, seconds=5) == 0

        assert not (tmp_path / "state" / "admin.sock").exists()
        assert "Traceback" not in "\n".join(made.lines)


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
@pytest.mark.slow
async def test_asked_to_stop_it_ends_what_runs_and_leaves_no_container(
    config: Path, tmp_path: Path
) -> None:
    """Within the ten seconds that an engine gives a service before it kills it."""
    async with serving(config) as made, aiohttp.ClientSession() as http:
        owner = await instance(config)
        call = await sleeping(made, http)
        await until_done(lambda: containers(owner))

        assert await made.stop(seconds=9) == 0

        assert await containers(owner) == []
        assert not (tmp_path / "state" / "admin.sock").exists()
        assert "Traceback" not in "\n".join(made.lines)
        assert await call == 503
        assert "stopped" in (tmp_path / "state" / "audit.jsonl").read_text()


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
@pytest.mark.slow
async def test_what_a_killed_one_left_is_swept_by_the_next(config: Path) -> None:
    async with serving(config) as made, aiohttp.ClientSession() as http:
        owner = await instance(config)
        call = await sleeping(made, http)
        await until_done(lambda: containers(owner))
        await made.stop(signal.SIGKILL)
        await asyncio.wait({call})
        call.exception()
        assert len(await containers(owner)) == 1

    async with serving(config, paired=True) as again:
        assert await instance(config) == owner

        async def empty() -> bool:
            return not await containers(owner)

        await until_done(empty)
        await until(lambda: any("removed leftover" in line for line in again.lines))


async def test_the_log_says_what_commands_are_isolated_by(config: Path) -> None:
    """Also where there is nothing to warn of."""
    said = ('"event": "isolation"', '"commands": "docker"')
    async with serving(config) as made:
        await until(lambda: any(all(part in line for part in said) for line in made.lines))


async def test_a_second_one_on_the_same_state_does_not_start(config: Path) -> None:
    async with serving(config):
        code, out, err = await finished("serve", "-c", str(config))

    assert (code, out) == (69, "")
    assert "is in use by another sidegate" in err


@pytest.mark.parametrize(
    ("setting", "code", "says"),
    [
        ("SIDEGATE_GATEWAY__HOST=0.0.0.0", 77, "gateway.allow_public_bind: true"),
        ("SIDEGATE_GATEWAY__PORT=nine", 78, "gateway.port"),
        ("SIDEGATE_GATEWAY__HOST=192.0.2.1", 77, "gateway.allow_public_bind"),
        ("SIDEGATE_AUDIT__PATH=no/such/folder/audit.jsonl", 69, "No such file or directory"),
    ],
)
async def test_what_stops_it_is_told_by_its_exit_code(
    config: Path, setting: str, code: int, says: str
) -> None:
    name, _, value = setting.partition("=")

    ended, out, err = await finished("serve", "-c", str(config), **{name: value})

    assert (ended, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


async def test_a_taken_port_is_unavailable(config: Path, tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    code, _, err = await finished("serve", "-c", str(config), SIDEGATE_GATEWAY__PORT=str(port))

    server.close()
    assert code == 69
    assert f"cannot listen on 127.0.0.1 port {port}" in err
    assert not (tmp_path / "state" / "admin.sock").exists()


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_a_container_of_somebody_else_is_left_alone(config: Path) -> None:
    """Only the label of this very state is swept, whatever else looks like ours."""
    async with aiodocker.Docker(url=engine_host()) as docker:
        other = await docker.containers.create(
            {
                "Image": IMAGE,
                "Cmd": ["sleep", "60"],
                "Labels": {"sidegate.owner": f"another-{os.getpid()}", "sidegate.boot": "b"},
            }
        )
        try:
            async with serving(config) as made:
                await made.stop()
            assert len(await containers(f"another-{os.getpid()}")) == 1
        finally:
            await other.delete(force=True)
