"""The operator's commands about the calls of others: what they ask for, print, and end with."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from commands import asked, ended, sections, sidegate
from conftest import Sidegate, Start
from doubles import CLIENT, inbound
from serving import start_process, write
from wire import until

from proxy import seal
from proxy.actions import ToolCall
from proxy.authorization.approvals import Approvals, Asking, Wish
from proxy.decision import Allow
from proxy.exchange import Role
from proxy.reasons import Reason
from proxy.state.approvals import Ask, Standing
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import TokenRecord


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A configuration on whose state nobody runs, and whose state there is."""
    (tmp_path / "workspace").mkdir()
    made = write(tmp_path / "sidegate.yaml", sections(tmp_path))
    await asked("tokens", "list", "-c", made)
    return made


@pytest.fixture
async def running(start: Start, tmp_path: Path) -> tuple[Sidegate, Path]:
    """A Sidegate, and a configuration of the same state for the command."""
    made = await start()
    return made, write(tmp_path / "sidegate.yaml", sections(tmp_path))


def queue(store: SqliteStore, key: seal.Seal) -> Approvals:
    return Approvals(store.asks, store.grants, key, lambda: 0.0, "holder-1", "boot-1")


async def put(
    approvals: Approvals, line: str = "ls", *, always: bool = False, note: str = ""
) -> Ask:
    """A call that waits for as long as tests may run."""
    asking = Asking("rules-1", needed=True, seconds=1e10, always=always, note=note)
    call = ToolCall("shell", {"command": line})
    parked = await approvals.park(Wish(call, inbound(), CLIENT), asking)
    assert isinstance(parked, Allow)
    return parked.value


@pytest.fixture
def key(config: Path) -> seal.Seal:
    """The key of that state."""
    found = seal.load(str(config.parent / "state" / ".secret_key"))
    assert found is not None
    return found


@pytest.fixture
async def state(config: Path, key: seal.Seal) -> AsyncIterator[SqliteStore]:
    """That state itself; SQLite lets both look."""
    store = SqliteStore(str(config.parent / "state" / "sidegate.db"), key)
    yield store
    await store.aclose()


@pytest.fixture
def approvals(state: SqliteStore, key: seal.Seal) -> Approvals:
    """The queue on it."""
    return queue(state, key)


async def standing(approvals: Approvals, ask: Ask) -> Standing | None:
    found = await approvals.asks.get(ask.id, 0.0)
    return None if found is None else found.standing


async def json_of(*arguments: object) -> Any:
    done = await asked(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return json.loads(done.stdout)


# Calls that wait


async def test_what_waits_is_one_line_with_nothing_hidden(
    config: Path, approvals: Approvals
) -> None:
    ask = await put(approvals, "ls \u202e\x1b[2K\n")

    done = await asked("approvals", "list", "-c", config)

    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{ask.id}  pending  until ")
    assert line.endswith(
        f'  {CLIENT.id}  shell  {{"command": "ls \\\\u{{202e}}\\\\u{{1b}}[2K\\\\u{{a}}"}}'
    )


async def test_what_is_decided_is_listed_on_request(config: Path, approvals: Approvals) -> None:
    ask = await put(approvals)
    await asked("approvals", "deny", ask.id, "-c", config)

    assert (await asked("approvals", "list", "-c", config)).stdout == ""
    assert " refused " in (await asked("approvals", "list", "--all", "-c", config)).stdout
    assert (await json_of("approvals", "list", "-c", config)) == {"approvals": []}
    (row,) = (await json_of("approvals", "list", "--all", "-c", config))["approvals"]
    assert (row["id"], row["decided_by"]) == (ask.id, f"uid-{os.getuid()}")


async def test_a_call_is_shown_as_it_will_run(config: Path, approvals: Approvals) -> None:
    ask = await put(approvals, "git push\u200b")

    told = (await asked("approvals", "show", ask.id, "-c", config)).stdout
    row = await json_of("approvals", "show", ask.id, "-c", config)

    assert "tool: shell\n" in told
    assert '"command": "git push\\\\u{200b}"' in told
    assert row["shown"] == {"command": "git push\\u{200b}"}


async def test_a_call_is_shown_with_whose_it_is_and_what_it_means(
    config: Path, approvals: Approvals, state: SqliteStore
) -> None:
    await state.tokens.add(TokenRecord(CLIENT.id, b"digest", Role.CLIENT, "phone", 0.0))
    note = "npm test: runs the project's own scripts"
    ask = await put(approvals, "npm test", always=True, note=note)

    listed = (await asked("approvals", "list", "-c", config)).stdout
    told = (await asked("approvals", "show", ask.id, "-c", config)).stdout

    assert f"  {CLIENT.id} (phone)  shell  " in listed
    assert listed.endswith(f"  ({note})\n")
    for line in ("label: phone", "always: yes", "detached: yes", f"note: {note}"):
        assert f"{line}\n" in told
    assert "created: 1970-01-01T00:00:00+00:00\n" in told


async def test_a_secret_in_a_call_is_not_shown(config: Path, approvals: Approvals) -> None:
    secret = "zc_" + "0123456789abcdef" * 4
    ask = await put(approvals, f"curl -H 'Authorization: Bearer {secret}' example.org")

    for command in (("list",), ("list", "--json"), ("show", ask.id), ("show", ask.id, "--json")):
        done = await asked("approvals", *command, "-c", config)
        assert "curl -H" in done.stdout
        assert secret[4:] not in done.output


async def masked(config: Path, approvals: Approvals) -> None:
    """Check what is told of a call with a secret."""
    ask = await put(approvals, 'login password="hunter2hunter2" && rm -rf "/password=a b"')
    for command in (("list",), ("show", ask.id)):
        done = await asked("approvals", *command, "-c", config)
        assert "[secret password, 14 characters, sha256 " in done.stdout
        assert ' && rm -rf \\"/password=a b\\"' in done.stdout
        assert "hunter2" not in done.output
        warning = f"{ask.id}: 1 values are masked: deny what you cannot place\n"
        assert done.stderr == warning


async def test_where_something_is_masked_it_is_said(config: Path, approvals: Approvals) -> None:
    await masked(config, approvals)


async def test_a_running_one_masks_the_same(running: tuple[Sidegate, Path]) -> None:
    made, config = running
    await masked(config, made.app.operations.desk.rulings.approvals)


@pytest.mark.parametrize(
    ("command", "word", "expected"),
    [("approve", "approved", Standing.APPROVED), ("deny", "denied", Standing.REFUSED)],
)
async def test_calls_are_decided(
    config: Path, approvals: Approvals, command: str, word: str, expected: Standing
) -> None:
    first, second, third = [await put(approvals, f"ls {n}") for n in range(3)]

    one = await asked("approvals", command, first.id, "-c", config)
    two = await asked("approvals", command, second.id, third.id, "-c", config)

    assert ended(one) == (0, f"{word} {first.id}\n", "")
    assert ended(two) == (0, f"{word} {second.id}\n{word} {third.id}\n", "")
    assert [await standing(approvals, ask) for ask in (first, second, third)] == [expected] * 3


async def test_where_one_is_decided_already_none_is(config: Path, approvals: Approvals) -> None:
    first, second = await put(approvals, "ls 1"), await put(approvals, "ls 2")
    await asked("approvals", "deny", first.id, "-c", config)

    done = await asked("approvals", "approve", first.id, second.id, "-c", config)
    again = await asked("approvals", "approve", first.id, "-c", config)

    reason = Reason.APPROVAL_STALE
    assert ended(done) == ended(again) == (1, "", f"sidegate: {reason.detail} {reason.remedy}\n")
    assert await standing(approvals, second) is Standing.PENDING


@pytest.mark.parametrize(
    "command",
    [
        ("approvals", "show"),
        ("approvals", "approve"),
        ("approvals", "deny"),
        ("approvals", "revoke"),
        ("resume",),
    ],
    ids=" ".join,
)
async def test_what_does_not_exist_is_a_failure(config: Path, command: tuple[str, ...]) -> None:
    done = await asked(*command, "c0ffee", "-c", config)

    assert ended(done) == (1, "", "sidegate: there is no 'c0ffee'\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("approvals", "approve"),
        ("approvals", "approve", "zc_" + "0123456789abcdef" * 4),
        ("approvals", "approve", "a b"),
        *(("approvals", "approve", "a_1", "--for", time) for time in ("9h", "1", "0h", "", "day")),
        ("approvals", "deny", "a_1", "--for", "1h"),
        ("stop-all", "--tool", "a", "--principal", "b"),
        ("stop-all", "--tool", "a b"),
        ("stop-all", "--why", "a\nb"),
        ("stop-all", "shell"),
    ],
    ids=repr,
)
def test_anything_else_is_usage_and_does_nothing(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = write(tmp_path / "sidegate.yaml", sections(tmp_path))

    done = sidegate(*arguments, "-c", file)

    assert (done.exit_code, done.stdout) == (2, "")
    assert not (tmp_path / "state").exists()


FOR = "--for is a time of at most 8h, such as 30m, or session"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        *((("approvals", "approve", "a_1", "--for", time), FOR) for time in ("9h", "1d", "day")),
        (("approvals", "deny", "a b"), "give ids as approvals list shows them"),
        (
            ("stop-all", "--tool", "a", "--principal", "b"),
            "give --tool or --principal; with neither, everything is stopped",
        ),
        (
            ("stop-all", "--tool", "a b"),
            "--tool is a tool's name, in which * stands for any characters, such as 'github.*'",
        ),
        (
            ("stop-all", "--principal", ""),
            "--principal is the id of a principal, as approvals list shows it",
        ),
        (("stop-all", "--why", "a\nb"), "--why is at most 200 characters on one line"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    file = write(tmp_path / "sidegate.yaml", sections(tmp_path))

    done = sidegate(*arguments, "-c", file)

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, f"Error: {sentence}")


# Grants


async def test_an_approval_for_a_time_is_listed_and_taken_back(
    config: Path, approvals: Approvals
) -> None:
    ask = await put(approvals)

    done = await asked("approvals", "approve", ask.id, "--for", "1h", "-c", config)
    (row,) = (await json_of("approvals", "grants", "-c", config))["grants"]
    listed = await asked("approvals", "grants", "-c", config)
    revoked = await asked("approvals", "revoke", row["id"], "-c", config)

    assert ended(done) == (0, f"approved {ask.id}\ngranted {row['id']}\n", "")
    assert (row["tool"], row["expires"] - row["created"]) == ("shell", 3600)
    assert listed.stdout.startswith(f"{row['id']}  {CLIENT.id}  shell  ends ")
    assert ended(revoked) == (0, f"revoked {row['id']}\n", "")
    assert (await json_of("approvals", "grants", "-c", config)) == {"grants": []}


@pytest.mark.parametrize("lasting", ["1h", "session"])
async def test_what_always_asks_is_not_granted(
    config: Path, approvals: Approvals, lasting: str
) -> None:
    ask = await put(approvals, always=True)

    done = await asked("approvals", "approve", ask.id, "--for", lasting, "-c", config)

    assert (done.exit_code, done.stdout) == (1, "")
    assert await standing(approvals, ask) is Standing.PENDING


# Stops


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "all"),
        (("--tool", "*_write"), "tool *_write"),
        (("--principal", "anonymous 10.0.0.1"), "principal anonymous 10.0.0.1"),
    ],
)
async def test_a_stop_is_made_listed_and_lifted(
    config: Path, options: tuple[str, ...], told: str
) -> None:
    made = await asked("stop-all", *options, "--why", "it runs wild", "-c", config)
    listed = await asked("stops", "-c", config)
    (row,) = (await json_of("stops", "-c", config))["stops"]
    lifted = await asked("resume", "-c", config)

    assert ended(made) == (0, f"stopped {told}  {row['id']}\n", "")
    assert listed.stdout.startswith(f"{row['id']}  stopped {told}  by uid-{os.getuid()}  since ")
    assert listed.stdout.endswith("  until resumed  it runs wild\n")
    assert ended(lifted) == (0, f"lifted {row['id']}\n", "")
    assert ended(await asked("stops", "-c", config)) == (0, "", "")


async def test_one_stop_is_lifted_alone(config: Path) -> None:
    first = (await json_of("stop-all", "-c", config))["stopped"]
    second = (await json_of("stop-all", "--tool", "shell", "-c", config))["stopped"]

    await asked("resume", first, "-c", config)

    assert [row["id"] for row in (await json_of("stops", "-c", config))["stops"]] == [second]


@pytest.mark.parametrize(
    ("option", "name", "kind"),
    [("--tool", "github.*", "tool"), ("--principal", "principal:agnt", "principal")],
)
async def test_who_stops_what_nobody_knows_is_told(
    config: Path, option: str, name: str, kind: str
) -> None:
    done = await asked("stop-all", option, name, "-c", config)

    (row,) = (await json_of("stops", "-c", config))["stops"]
    told = f"no {kind} of this name is known: the stop stands for one that comes\n"
    assert ended(done) == (0, f"stopped {kind} {name}  {row['id']}\n", told)
    again = await asked("stop-all", option, name, "--json", "-c", config)
    assert json.loads(again.stdout)["known"] is False


async def test_the_file_that_stops_everything_is_told(config: Path) -> None:
    file = config.parent / "state" / "STOP"
    file.touch()

    done = await asked("stops", "-c", config)

    sentence = f"everything is stopped by the file STOP in {file.parent}: remove it\n"
    assert ended(done) == (0, "", sentence)


@pytest.mark.parametrize("more", [(), ("--json",)])
async def test_while_the_file_stands_resume_lifts_the_rest_and_fails(
    config: Path, more: tuple[str, ...]
) -> None:
    file = config.parent / "state" / "STOP"
    file.touch()
    first = (await asked("stop-all", "-c", config)).stdout.split()[-1]
    second = (await asked("stop-all", "--tool", "shell", "-c", config)).stdout.split()[-1]

    alone = await asked("resume", first, *more, "-c", config)
    rest = await asked("resume", *more, "-c", config)

    sentence = f"everything is stopped by the file STOP in {file.parent}: remove it\n"
    assert (alone.exit_code, alone.stderr) == (0, sentence)
    assert (rest.exit_code, rest.stderr) == (1, sentence)
    assert second in rest.stdout
    assert file.exists()
    assert (await asked("stops", "-c", config)).stdout == ""


async def test_nothing_is_decided_while_everything_is_stopped(
    config: Path, approvals: Approvals
) -> None:
    ask = await put(approvals)
    await asked("stop-all", "-c", config)

    done = await asked("approvals", "approve", ask.id, "-c", config)

    assert (done.exit_code, done.stdout) == (1, "")
    assert Reason.STOPPED_BY_OPERATOR.detail in done.stderr
    assert await standing(approvals, ask) is Standing.PENDING


# One runs


async def test_a_running_one_does_it_itself(running: tuple[Sidegate, Path]) -> None:
    made, config = running
    ask = await put(made.app.operations.desk.rulings.approvals)
    token = await made.pair()

    (row,) = (await json_of("approvals", "list", "-c", config))["approvals"]
    approved = await asked("approvals", "approve", row["id"], "--for", "session", "-c", config)
    every = (await json_of("approvals", "list", "--all", "-c", config))["approvals"]
    stopped = await asked("stop-all", "--tool", "file_list", "-c", config)
    status, body = await made.call("file_list", {"path": "."}, token)
    await asked("resume", "-c", config)

    assert row["id"] == ask.id
    assert [each["id"] for each in every] == [ask.id]
    assert every[0]["standing"] != "pending"
    assert approved.exit_code == stopped.exit_code == 0
    (grant,) = (await json_of("approvals", "grants", "-c", config))["grants"]
    assert grant["session"] is True
    assert (status, body["code"]) == (503, "stopped-by-operator")
    assert (await made.call("file_list", {"path": "."}, token))[0] == 200


async def test_nobody_is_watched_where_nobody_runs(tmp_path: Path, config: Path) -> None:
    done = await asked("approvals", "watch", "-c", config)

    sentence = f"sidegate: no sidegate is running on the state in {tmp_path}/state\n"
    assert ended(done) == (69, "", sentence)


async def test_an_event_that_cannot_be_read_ends_the_watch_in_words(
    tmp_path: Path, config: Path
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nevent: asked\ndata: {]\n\n")
        writer.close()

    server = await asyncio.start_unix_server(reply, tmp_path / "state" / "admin.sock")
    async with server:
        done = await asked("approvals", "watch", "-c", config)

    sentence = "sidegate: the running sidegate sends events that cannot be read\n"
    assert ended(done) == (69, "", sentence)


@pytest.mark.parametrize("as_json", [True, False])
async def test_what_happens_is_watched_until_interrupted(
    running: tuple[Sidegate, Path], *, as_json: bool
) -> None:
    made, config = running
    approvals = made.app.operations.desk.rulings.approvals
    first = await put(approvals, "ls 1")
    process = await start_process(
        "approvals", "watch", "-c", str(config), *(["--json"] if as_json else [])
    )
    assert process.stdout is not None
    lines = [await asyncio.wait_for(process.stdout.readline(), 20)]
    second = await put(approvals, "ls 2")
    lines.append(await asyncio.wait_for(process.stdout.readline(), 20))
    await asked("approvals", "deny", second.id, "-c", config)
    lines.append(await asyncio.wait_for(process.stdout.readline(), 20))
    process.send_signal(2)
    await asyncio.wait_for(process.communicate(), 20)

    if as_json:
        events = [json.loads(line) for line in lines]
        assert [event["event"] for event in events] == ["snapshot", "asked", "decided"]
        assert [row["id"] for row in events[0]["data"]["approvals"]] == [first.id]
        assert events[2]["data"]["standing"] == "refused"
    else:
        asks = (first, second, second)
        assert all(ask.id.encode() in line for ask, line in zip(asks, lines, strict=True))
    await until(lambda: len(made.app.operations.desk.feed) == 0)
