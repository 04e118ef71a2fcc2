"""The operator's commands: what they ask for, what they print, and where."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import asked, ended, sections, sidegate
from conftest import Sidegate, Start
from serving import write

from proxy import seal
from proxy.actions import Operate
from proxy.assembly import VERSION
from proxy.protocols.operator import Wish
from proxy.scope import Autonomy, Scope
from proxy.state.letters import Letter
from proxy.state.owner import Ownership
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import TokenRecord

CODE, TOKEN, LINK = r"[0-9]{6}", r"zc_[0-9a-f]{64}", r"[0-9a-f]{32}"
WISH = (
    *("--name", "laptop", "--route", "/tools/*", "--route", "/webhook"),
    *("--tool", "file_*", "--level", "readonly", "--expires", "12h"),
)
NARROW = Scope(("/tools/*", "/webhook"), ("file_*",), Autonomy.READONLY)
BLOCKS = "█▀▄"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration on whose state nobody runs."""
    (tmp_path / "workspace").mkdir()
    return write(tmp_path / "sidegate.yaml", sections(tmp_path))


@pytest.fixture
async def running(start: Start, tmp_path: Path) -> tuple[Sidegate, Path]:
    """A Sidegate, and a configuration of the same state for the command."""
    made = await start()
    return made, write(tmp_path / "sidegate.yaml", sections(tmp_path))


async def opened(config: Path) -> SqliteStore:
    """The state that a command has left behind."""
    key = seal.load(str(config.parent / "state" / ".secret_key"))
    assert key is not None
    return SqliteStore(str(config.parent / "state" / "sidegate.db"), key)


async def records(config: Path) -> list[TokenRecord]:
    store = await opened(config)
    try:
        return await store.tokens.list(0)
    finally:
        await store.aclose()


async def letters(config: Path) -> None:
    """Two letters, of which one is dead."""
    await asked("tokens", "list", "-c", config)
    store = await opened(config)
    for letter_id in ("a", "b"):
        await store.inbox.put(Letter(letter_id, "slack", b"sealed", 0, 0))
    await store.inbox.bury("a", 0.0, "the agent refused it")
    await store.aclose()


# Codes and links


def test_a_code_is_shown_alone_on_stdout(config: Path) -> None:
    done = sidegate("pair", "-c", config)

    assert done.exit_code == 0
    assert re.fullmatch(rf"{CODE}\n", done.stdout)
    assert done.stderr == "valid 10 min: POST /pair with X-Pairing-Code\n"


def test_a_code_for_a_program_is_json(config: Path) -> None:
    done = sidegate("pair", "--json", "-c", config)

    answer = json.loads(done.stdout)
    assert answer.keys() == {"code", "expires_in", "url"}
    assert answer["expires_in"] == 600
    assert re.fullmatch(CODE, answer["code"])


def test_a_link_is_shown_alone_on_stdout(config: Path) -> None:
    done = sidegate("pair", "--operator", "--name", "console", "-c", config)

    assert done.exit_code == 0
    assert re.fullmatch(rf"{LINK}\n", done.stdout)
    assert done.stderr == "valid 10 min: POST http://127.0.0.1:0/pair with X-Pairing-Code\n"


def test_a_link_for_a_program_is_json(config: Path) -> None:
    answer = json.loads(sidegate("pair", "--operator", "--json", "-c", config).stdout)

    assert answer.keys() == {"link", "expires_in", "url"}
    assert re.fullmatch(LINK, answer["link"])


@pytest.mark.parametrize("more", [(), ("--operator",)], ids=["code", "link"])
@pytest.mark.parametrize(
    ("option", "drawn"), [((), False), (("--no-qr",), False), (("--qr",), True)], ids=str
)
def test_a_picture_is_drawn_on_stderr_where_it_is_wished(
    config: Path, more: tuple[str, ...], option: tuple[str, ...], *, drawn: bool
) -> None:
    """Without a wish, on a terminal alone, which this is not."""
    done = sidegate("pair", *more, *option, "-c", config)

    assert done.exit_code == 0
    assert any(block in done.stderr for block in BLOCKS) is drawn
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("option", ["--route=/a", "--tool=a", "--level=full", "--expires=1h"])
def test_a_bound_that_an_operator_cannot_have_is_usage(config: Path, option: str) -> None:
    """Taken in silence it would look like protection."""
    done = sidegate("pair", "--operator", option, "-c", config)

    assert (done.exit_code, done.stdout) == (2, "")


# What a token will be


async def test_a_token_is_what_was_asked_for(config: Path) -> None:
    done = await asked("tokens", "create", *WISH, "-c", config)

    assert done.exit_code == 0
    assert re.fullmatch(rf"{TOKEN}\n", done.stdout)
    assert done.stderr == ""
    (record,) = await records(config)
    assert (record.label, record.scope) == ("laptop", NARROW)
    assert record.expires == record.created + 12 * 3600


async def test_a_token_that_nothing_was_asked_of_is_unbound(config: Path) -> None:
    await asked("tokens", "create", "-c", config)

    (record,) = await records(config)
    assert (record.label, record.scope, record.expires) == ("", Scope(), None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("3650d", None)],
)
async def test_a_time_is_a_number_and_a_unit(config: Path, text: str, seconds: int | None) -> None:
    await asked("tokens", "create", "--expires", text, "-c", config)

    (record,) = await records(config)
    assert record.expires == record.created + (seconds or 315_360_000)


BAD = [
    *(("--name", name) for name in ("a b", "a/b", "ä", "x" * 65, "?", "a\n")),
    *(("--route", route) for route in ("", "a", "/a*", "/a/../b", "//a", "*")),
    *(("--tool", tool) for tool in ("", "a b", "**", ".a", "*a")),
    *(("--level", level) for level in ("", "Full", "root")),
    *(("--expires", time) for time in ("", "0h", "12", "h", "-1h", "1.5h", "1w", "1 h", "01h")),
    *(("--expires", time) for time in ("3651d", "99999999d", "1h\n", "\u0661h")),
]


@pytest.mark.parametrize("command", [("pair",), ("tokens", "create")], ids=" ".join)
@pytest.mark.parametrize(("option", "value"), BAD)
def test_anything_else_is_usage_and_makes_nothing(
    tmp_path: Path, config: Path, command: tuple[str, ...], option: str, value: str
) -> None:
    done = sidegate(*command, option, value, "-c", config)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Value error" not in done.stderr
    assert not (tmp_path / "state").exists()


def test_what_is_wrong_with_a_bound_is_told_in_plain_words(config: Path) -> None:
    done = sidegate("pair", "--tool", "*.x", "-c", config)

    assert "Error: tools: must be a tool's name" in done.stderr


def test_a_token_for_a_program_is_json(config: Path) -> None:
    answer = json.loads(sidegate("tokens", "create", "--json", "-c", config).stdout)

    assert answer.keys() == {"id", "token"}
    assert re.fullmatch(TOKEN, answer["token"])


def test_a_token_is_replaced_by_another(config: Path) -> None:
    made = json.loads(sidegate("tokens", "create", "--json", "-c", config).stdout)

    done = sidegate("tokens", "rotate", made["id"], "-c", config)
    again = json.loads(sidegate("tokens", "rotate", made["id"], "--json", "-c", config).stdout)

    assert re.fullmatch(rf"{TOKEN}\n", done.stdout)
    assert again["id"] == made["id"]
    assert len({made["token"], done.stdout.strip(), again["token"]}) == 3


# Lists


def test_tokens_of_nobody_are_an_empty_list(config: Path) -> None:
    assert ended(sidegate("tokens", "list", "-c", config)) == (0, "", "")
    assert json.loads(sidegate("tokens", "list", "--json", "-c", config).stdout) == {"tokens": []}


def test_a_token_is_one_line_with_all_that_bounds_it(config: Path) -> None:
    made = json.loads(sidegate("tokens", "create", *WISH, "--json", "-c", config).stdout)
    sidegate("tokens", "create", "-c", config)

    first, second = sidegate("tokens", "list", "-c", config).stdout.splitlines()

    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    assert re.fullmatch(
        rf"{made['id']}  client  {time}  used never  ends {time}  laptop  "
        r"routes=.*/tools/\*.*/webhook.*  tools=.*file_\*.*  level=readonly",
        first,
    ), first
    assert re.fullmatch(rf"[0-9a-f]{{8}}  client  {time}  used never  ends never", second), second
    assert made["token"] not in first


async def test_a_token_is_the_same_line_whether_one_runs_or_not(start: Start, config: Path) -> None:
    await asked("tokens", "create", "--route", "/tools/*", "--tool", "file_*", "-c", config)
    before = await asked("tokens", "list", "-c", config)

    await start()

    assert ended(await asked("tokens", "list", "-c", config)) == ended(before)


@pytest.mark.parametrize("key", ["routes", "tools"])
async def test_a_token_that_may_do_nothing_is_not_listed_as_one_that_may_do_all(
    running: tuple[Sidegate, Path], key: str
) -> None:
    made, config = running
    wish = Wish.model_validate({key: []}).minting
    await made.app.operations.do(Operate("tokens.create", "", wish))

    (line,) = (await asked("tokens", "list", "-c", config)).stdout.splitlines()

    assert f"{key}=" in line


def test_an_empty_inbox_is_an_empty_list(config: Path) -> None:
    assert ended(sidegate("inbox", "list", "-c", config)) == (0, "", "")
    assert json.loads(sidegate("inbox", "list", "--json", "-c", config).stdout) == {"letters": []}


async def test_a_letter_is_one_line_that_says_why_it_is_dead(config: Path) -> None:
    await letters(config)

    first, second = (await asked("inbox", "list", "-c", config)).stdout.splitlines()

    since = "1970-01-01T00:00:00+00:00"
    assert first == f"a  slack  {since}  dead  0 attempts  the agent refused it"
    assert second == f"b  slack  {since}  waiting  0 attempts"


async def test_letters_are_tried_again_and_dropped(config: Path) -> None:
    await letters(config)

    assert ended(await asked("inbox", "retry", "a", "-c", config)) == (0, "retried a\n", "")
    assert ended(await asked("inbox", "drop", "b", "-c", config)) == (0, "dropped b\n", "")

    (row,) = json.loads((await asked("inbox", "list", "--json", "-c", config)).stdout)["letters"]
    assert (row["id"], row["condition"]) == ("a", "waiting")


# Ends


@pytest.mark.parametrize(
    "command",
    [("tokens", "revoke"), ("tokens", "rotate"), ("inbox", "retry"), ("inbox", "drop")],
    ids=" ".join,
)
def test_what_does_not_exist_is_a_failure(config: Path, command: tuple[str, ...]) -> None:
    done = sidegate(*command, "c0ffee", "-c", config)

    assert ended(done) == (1, "", "sidegate: there is no 'c0ffee'\n")


def test_the_status_of_nobody_is_unavailable(tmp_path: Path, config: Path) -> None:
    done = sidegate("status", "-c", config)

    sentence = f"sidegate: no sidegate is running on the state in {tmp_path}/state\n"
    assert ended(done) == (69, "", sentence)


COMMANDS = [("pair",), ("tokens", "list"), ("tokens", "create"), ("inbox", "list")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_state_in_use_is_unavailable(
    tmp_path: Path, config: Path, command: tuple[str, ...]
) -> None:
    ownership = Ownership(str(tmp_path / "state"))
    try:
        done = sidegate(*command, "-c", config)
    finally:
        ownership.release()

    assert (done.exit_code, done.stdout) == (69, "")
    assert "is in use by another sidegate" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_state_that_cannot_be_read_is_unavailable(
    tmp_path: Path, config: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sidegate.db").write_bytes(b"this is no database, but long enough " * 50)

    done = sidegate(*command, "-c", config)

    assert (done.exit_code, done.stdout) == (69, "")
    assert "is not a readable state" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_key_that_is_lost_is_a_problem_of_the_configuration(
    tmp_path: Path, config: Path, command: tuple[str, ...]
) -> None:
    sidegate("tokens", "list", "-c", config)
    (tmp_path / "state" / ".secret_key").unlink()

    done = sidegate(*command, "-c", config)

    assert (done.exit_code, done.stdout) == (78, "")
    assert "put the file back" in done.stderr


# One runs


async def test_its_code_pairs(running: tuple[Sidegate, Path]) -> None:
    made, config = running

    code = (await asked("pair", *WISH, "-c", config)).stdout.strip()

    headers = {"X-Pairing-Code": code}
    async with made.http.post(made.url("/pair"), headers=headers) as answer:
        assert answer.status == 200
    (row,) = json.loads((await asked("tokens", "list", "--json", "-c", config)).stdout)["tokens"]
    assert (row["label"], row["tools"], row["level"]) == ("laptop", ["file_*"], "readonly")


async def test_its_link_makes_an_operator(running: tuple[Sidegate, Path]) -> None:
    made, config = running

    done = await asked("pair", "--operator", "--name", "console", "-c", config)

    url = made.url("/pair", "admin")
    assert done.stderr == f"valid 10 min: POST {url} with X-Pairing-Code\n"
    headers = {"X-Pairing-Code": done.stdout.strip()}
    async with made.http.post(url, headers=headers) as answer:
        token = (await answer.json())["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with made.http.get(made.url("/status", "admin"), headers=bearer) as answer:
        assert answer.status == 200


async def test_its_status_is_told(running: tuple[Sidegate, Path]) -> None:
    made, config = running
    await made.pair()

    told = await asked("status", "-c", config)
    answer: dict[str, Any] = json.loads((await asked("status", "--json", "-c", config)).stdout)

    assert answer.keys() == {
        *("version", "instance", "running", "paired", "code_pending", "inbox", "tunnel", "missing"),
        *("waiting", "stops", "file", "isolation"),
    }
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout.splitlines() == [
        f"version: {VERSION}",
        f"instance: {made.app.operations.store.instance}",
        "isolation: docker",
        "running: 1",
        "paired: 1",
        "code_pending: False",
        "inbox: 0",
        "waiting: 0",
        f"tunnel: {answer['tunnel']['url'] or answer['tunnel']['state']}",
        *(f"missing: {sentence}" for sentence in answer["missing"] or ["nothing"]),
    ]


async def test_its_status_tells_what_is_stopped(running: tuple[Sidegate, Path]) -> None:
    _, config = running
    made = await asked("stop-all", "--tool", "shell", "--why", "it runs wild", "-c", config)
    (config.parent / "state" / "STOP").touch()

    told = await asked("status", "-c", config)

    stop_id = made.stdout.split()[-1]
    assert f"stopped: tool shell  {stop_id}  it runs wild\n" in told.stdout
    assert "stopped: all, by the file STOP\n" in told.stdout


async def test_its_tokens_are_listed_replaced_and_revoked(
    running: tuple[Sidegate, Path],
) -> None:
    made, config = running
    token = await made.pair()

    listed = await asked("tokens", "list", "-c", config)
    (row,) = listed.stdout.splitlines()
    token_id = row.split()[0]
    assert token not in listed.output

    fresh = (await asked("tokens", "rotate", token_id, "-c", config)).stdout.strip()
    assert (await made.call("file_list", {"path": "."}, token))[0] == 401
    assert (await made.call("file_list", {"path": "."}, fresh))[0] == 200

    revoked = await asked("tokens", "revoke", token_id, "-c", config)
    assert ended(revoked) == (0, f"revoked {token_id}\n", "")
    assert (await made.call("file_list", {"path": "."}, fresh))[0] == 401
    again = await asked("tokens", "revoke", token_id, "-c", config)
    assert ended(again) == (1, "", f"sidegate: there is no {token_id!r}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "{}", "tokens", "list"),
        ("tokens", "-c", "{}", "list"),
        ("tokens", "list", "-c", "{}"),
        ("inbox", "-c", "{}", "list"),
        ("-c", "{}", "inbox", "list"),
    ],
    ids=" ".join,
)
def test_the_file_is_named_before_or_after_either_word(
    config: Path, arguments: tuple[str, ...]
) -> None:
    assert ended(sidegate(*(each.format(config) for each in arguments))) == (0, "", "")


def test_no_command_shows_a_credential_that_it_did_not_make(tmp_path: Path, config: Path) -> None:
    def shown() -> Iterator[str]:
        for command in (("tokens", "list"), ("tokens", "list", "--json"), ("inbox", "list")):
            yield sidegate(*command, "-c", config).output

    made = json.loads(sidegate("tokens", "create", "--json", "-c", config).stdout)
    key = (tmp_path / "state" / ".secret_key").read_text().strip()

    for text in shown():
        assert made["token"] not in text
        assert key not in text


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_token_in_the_place_of_its_id_is_not_repeated(config: Path, command: str) -> None:
    token = "zc_" + "0123456789abcdef" * 4

    done = sidegate("tokens", command, token, "-c", config)

    assert done.exit_code == 2
    assert token not in done.stdout + done.stderr
