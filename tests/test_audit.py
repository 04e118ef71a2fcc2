"""The audit log: what must be in it, what never may be, and what happens where it cannot be."""

import asyncio
import errno
import json
import os
import stat
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from doubles import CLIENT, OPERATOR, PUBLIC, Clock, Spy, grant, inbound

from proxy.actions import (
    Command,
    Halt,
    Json,
    Known,
    Listing,
    Operate,
    Plan,
    Ruling,
    ToolCall,
)
from proxy.audit import MAX_LAG, STRANGERS_EACH_MINUTE, AuditFile, AuditLog
from proxy.decision import Allow, Decision, Denied, Deny, Facts
from proxy.exchange import Clean, Connection, Document, Forwarded, Grant, Peer
from proxy.protection.redactor import Redactor
from proxy.reasons import Layer, Reason
from proxy.scope import Minting, Scope
from proxy.trace import Trace

HELD = "correct-horse-battery-staple-2026"


class Written:
    """An audit file in a folder of its own, and how many writes were lost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self.file = AuditFile(str(path), self._failed)

    def _failed(self) -> None:
        self.lost += 1

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
async def written(tmp_path: Path) -> AsyncIterator[Written]:
    made = Written(tmp_path / "audit.jsonl")
    yield made
    await made.file.aclose()


@pytest.fixture
async def full() -> AsyncIterator[Written]:
    """An audit file on a disk that has no room left."""
    made = Written(Path("/dev/full"))
    yield made
    await made.file.aclose()


def audit_log(file: AuditFile) -> AuditLog:
    return AuditLog(file, Clock(), Redactor((HELD,)).text)


def tool_call(plan: Plan, arguments: dict[str, Json], *, acting: bool) -> Grant:
    call = ToolCall("shell", arguments)
    return Grant("request-1", "tools", CLIENT, call, plan, acting)


async def answers(decision: Decision[Any]) -> Decision[Any]:
    return decision


async def settle(file: AuditFile) -> None:
    """Wait until everything before this line is on the disk."""
    await file.append(b'{"event":"mark"}\n', wait=True)


# Rows


async def test_a_tool_call_makes_a_grant_and_an_outcome(written: Written) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))
    given = tool_call(Command(("id",), 1.0, writes=True), {"command": "id"}, acting=True)

    await trace.step(Layer.NETWORK, answers(Allow(Peer("127.0.0.1"))))
    await trace.step(Layer.AUTHENTICATION, answers(Allow(CLIENT)))
    await trace.step(Layer.AUTHORIZATION, answers(Allow(given)))
    await trace.close(200)
    await settle(written.file)

    made, outcome, _ = written.rows()
    digest = "99d7ab87ee9ae6ce2a40a8d3e1b2f8c7"
    assert len(made.pop("arguments_sha256")) == len(digest) * 2
    assert made == {
        "time": "2023-11-14T22:13:20.000+00:00",
        "event": "grant",
        "request_id": "request-1",
        "door": "front",
        "peer": "127.0.0.1",
        "principal": "client-1",
        "action": "ToolCall",
        "tool": "shell",
    }
    duration = outcome.pop("duration_ms")
    assert 0 <= duration < 1000
    assert outcome == {**made, "event": "outcome", "status": 200}


async def test_an_outcome_tells_redactions_and_why_it_ended_early(written: Written) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))
    await trace.step(Layer.AUTHORIZATION, answers(Allow(grant(Known({})))))
    clean = Clean(Document({}), tally=Counter(token=2))
    await trace.step(Layer.PROTECTION, answers(Allow(clean)))

    await trace.close(0, "client-left")
    await settle(written.file)

    outcome = written.rows()[1]
    assert outcome["cancelled"] == "client-left"
    assert outcome["redactions"] == {"token": 2}
    assert outcome["status"] == 0


async def test_a_denial_tells_layer_reason_and_evidence(written: Written) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))

    with pytest.raises(Denied):
        await trace.step(Layer.AUTHORIZATION, answers(Deny(Reason.COMMAND_NOT_ALLOWED, "rm")))
    await trace.close(403)
    await settle(written.file)

    (denial, _) = written.rows()
    assert denial == {
        "time": "2023-11-14T22:13:20.000+00:00",
        "event": "denial",
        "request_id": "request-1",
        "door": "front",
        "peer": "127.0.0.1",
        "principal": None,
        "layer": "authorization",
        "reason": "command-not-allowed",
        "evidence": "rm",
    }


@pytest.mark.parametrize(
    "value",
    [Peer("127.0.0.1"), CLIENT],
    ids=["a peer", "a principal"],
)
async def test_what_allows_nothing_yet_makes_no_row(written: Written, value: object) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))

    await trace.step(Layer.NETWORK, answers(Allow(value)))
    await trace.close(404)
    await settle(written.file)

    assert [row["event"] for row in written.rows()] == ["mark"]


async def test_what_is_public_makes_no_row(written: Written) -> None:
    """Whoever asks how we are must not be able to fill the disk."""
    trace = Trace(inbound(), (audit_log(written.file),))

    await trace.step(Layer.AUTHENTICATION, answers(Allow(PUBLIC)))
    await trace.step(Layer.AUTHORIZATION, answers(Allow(grant(principal=PUBLIC))))
    await trace.close(200)
    await settle(written.file)

    assert [row["event"] for row in written.rows()] == ["mark"]


async def test_denials_of_strangers_have_a_share_and_what_was_left_out_is_told(
    written: Written,
) -> None:
    clock = Clock()
    log = AuditLog(written.file, clock, str)

    async def refused(trace: Trace) -> None:
        with pytest.raises(Denied):
            await trace.step(Layer.NETWORK, answers(Deny(Reason.ROUTE_UNKNOWN)))

    for _ in range(STRANGERS_EACH_MINUTE + 7):
        await refused(Trace(inbound(), (log,)))
    await refused(Trace(inbound(), (log,), principal=CLIENT))
    clock.now += 60
    await refused(Trace(inbound(), (log,)))
    await settle(written.file)

    events = [(row["event"], row.get("principal")) for row in written.rows()[:-1]]
    strangers = [("denial", None)] * STRANGERS_EACH_MINUTE
    assert events == [
        *strangers,
        ("denial", "client-1"),
        ("denials-left-out", None),
        ("denial", None),
    ]
    assert written.rows()[-3]["count"] == 7


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "echo marker-in-an-argument"},
        {"path": "marker-in-an-argument", "content": "marker-in-an-argument"},
        {"deep": [{"marker-in-an-argument": True}]},
    ],
)
async def test_no_row_of_a_granted_call_holds_an_argument(
    written: Written, arguments: dict[str, Json]
) -> None:
    trace = Trace(
        inbound(query="marker-in-an-argument", headers={"X-Note": "marker-in-an-argument"}),
        (audit_log(written.file),),
    )
    plan = Command(("echo", "marker-in-an-argument"), 1.0, writes=True)

    await trace.step(Layer.AUTHORIZATION, answers(Allow(tool_call(plan, arguments, acting=True))))
    await trace.close(200)
    await settle(written.file)

    assert "marker" not in written.path.read_text()


async def test_equal_arguments_have_equal_digests_and_others_do_not(written: Written) -> None:
    log = audit_log(written.file)
    for arguments in ({"command": "id"}, {"command": "id"}, {"command": "ls"}):
        given = tool_call(Command(("id",), 1.0, writes=True), dict(arguments), acting=False)
        await Trace(inbound(), (log,)).step(Layer.AUTHORIZATION, answers(Allow(given)))
    await settle(written.file)

    first, again, other = (row["arguments_sha256"] for row in written.rows()[:3])
    assert first == again != other


@pytest.mark.parametrize("verb", ["tokens.create", "tokens.revoke", "links.create"])
async def test_what_an_operator_does_is_on_record_by_its_verb(written: Written, verb: str) -> None:
    wish = Minting("marker-of-a-name", Scope(("/marker",)))
    action = Operate(verb, "c0ffee", wish)
    trace = Trace(inbound(), (audit_log(written.file),))
    await trace.step(Layer.AUTHENTICATION, answers(Allow(OPERATOR)))
    given = Grant("request-1", "admin", OPERATOR, action, action, acting=False)
    await trace.step(Layer.AUTHORIZATION, answers(Allow(given)))
    await trace.close(200)
    await settle(written.file)

    rows = [(row["event"], row["principal"], row["verb"]) for row in written.rows()[:2]]
    assert rows == [("grant", "uid-0", verb), ("outcome", "uid-0", verb)]
    assert "marker" not in written.path.read_text()


async def test_the_token_that_is_taken_away_is_on_record(written: Written) -> None:
    """Else the log says that some token was revoked, and never which."""
    action = Operate("tokens.revoke", "c0ffee")
    trace = Trace(inbound(), (audit_log(written.file),))
    given = Grant("request-1", "admin", OPERATOR, action, action, acting=False)
    await trace.step(Layer.AUTHORIZATION, answers(Allow(given)))
    await settle(written.file)

    assert "c0ffee" in json.dumps(written.rows()[0])


async def test_who_comes_by_a_proxy_is_on_record_and_not_the_proxy(written: Written) -> None:
    """Else all that comes by a tunnel comes from loopback."""
    client = Forwarded(ip_address("203.0.113.7"), "https", "agent.example")
    trace = Trace(inbound(), (audit_log(written.file),))
    peer = Peer("203.0.113.7", forwarded=client)
    await trace.step(Layer.NETWORK, answers(Allow(peer)))
    await trace.step(Layer.AUTHENTICATION, answers(Allow(CLIENT)))
    with pytest.raises(Denied):
        await trace.step(Layer.AUTHORIZATION, answers(Deny(Reason.TOOL_UNKNOWN)))
    await settle(written.file)

    assert written.rows()[0]["peer"] == "203.0.113.7"


@pytest.mark.parametrize(
    "action", [Operate("status"), Known({})], ids=["an operation", "a listing"]
)
async def test_what_is_no_tool_call_has_no_arguments_to_digest(
    written: Written, action: Plan
) -> None:
    given = Grant("request-1", "front", CLIENT, Listing(), action, acting=False)
    await Trace(inbound(), (audit_log(written.file),)).step(
        Layer.AUTHORIZATION, answers(Allow(given))
    )
    await settle(written.file)

    assert "arguments_sha256" not in written.rows()[0]
    assert written.rows()[0]["action"] == "Listing"


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param("api_key=sk-1234567890abcdefghij", id="what looks like a secret"),
        pytest.param(f"/home/{HELD}/x", id="what is one"),
        pytest.param("x" * (1000 - len(HELD) + 3) + HELD, id="what is one, across the cut"),
    ],
)
async def test_evidence_shows_no_secret(written: Written, evidence: str) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))

    with pytest.raises(Denied):
        await trace.step(Layer.AUTHORIZATION, answers(Deny(Reason.PATH_FORBIDDEN, evidence)))
    await settle(written.file)

    text = written.path.read_text()
    assert "567890abc" not in text
    assert HELD[:16] not in text


async def test_evidence_is_short_and_one_line(written: Written) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))

    with pytest.raises(Denied):
        await trace.step(
            Layer.AUTHORIZATION, answers(Deny(Reason.PATH_FORBIDDEN, 'a\n"}\u2028\ud800' * 60_000))
        )
    await settle(written.file)

    assert len(written.path.read_bytes()) < 10_000
    assert written.rows()[0]["evidence"].startswith('a\n"}\u2028')


async def test_whose_socket_has_no_address_is_local(written: Written) -> None:
    trace = Trace(inbound(connection=Connection(None, uid=0)), (audit_log(written.file),))
    with pytest.raises(Denied):
        await trace.step(Layer.AUTHENTICATION, answers(Deny(Reason.PEER_UNTRUSTED)))
    await settle(written.file)

    assert written.rows()[0]["peer"] == "local"


# The file


async def test_nobody_else_may_read_it(written: Written) -> None:
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600


async def test_what_must_be_on_record_is_there_when_append_returns(written: Written) -> None:
    await written.file.append(b'{"n":1}\n', wait=True)

    assert written.rows() == [{"n": 1}]


async def test_rows_of_many_at_once_are_all_there_in_order(written: Written) -> None:
    async def one(number: int) -> None:
        line = json.dumps({"n": number, "x": "y" * 300}).encode() + b"\n"
        await written.file.append(line, wait=number % 3 == 0)

    await asyncio.gather(*(one(number) for number in range(3 * MAX_LAG)))
    await settle(written.file)

    assert [row["n"] for row in written.rows()[:-1]] == list(range(3 * MAX_LAG))
    assert written.lost == 0


async def test_what_may_lag_does_not_lag_for_ever(written: Written) -> None:
    """Past the bound the next row waits for the disk, as an acting one does."""
    for number in range(MAX_LAG):
        await written.file.append(b'{"n":%d}\n' % number, wait=False)
    assert written.path.stat().st_size == 0

    await written.file.append(b'{"n":-1}\n', wait=False)

    assert len(written.rows()) == MAX_LAG + 1


async def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    made = Written(tmp_path / "audit.jsonl")
    for number in range(10):
        await made.file.append(b'{"n":%d}\n' % number, wait=False)

    await made.file.aclose()

    assert len(made.rows()) == 10


async def test_it_is_continued_and_never_begun_anew(tmp_path: Path) -> None:
    for number in range(2):
        made = Written(tmp_path / "audit.jsonl")
        await made.file.append(b'{"n":%d}\n' % number, wait=True)
        await made.file.aclose()

    assert made.rows() == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize("rest", [b'{"n":1', b'{"n":1}', b"\x00"])
async def test_a_line_that_a_crash_cut_short_does_not_take_the_next_with_it(
    tmp_path: Path, rest: bytes
) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b'{"n":0}\n' + rest)
    made = Written(tmp_path / "audit.jsonl")

    await made.file.append(b'{"n":2}\n', wait=True)
    await made.file.aclose()

    assert made.path.read_bytes() == b'{"n":0}\n' + rest + b'\n{"n":2}\n'


@pytest.mark.parametrize("path", ["no/such/folder", "."])
def test_a_place_that_cannot_be_written_to_is_told_at_once(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="irectory"):
        AuditFile(str(tmp_path / path), lambda: None)


# No room


async def test_a_row_that_must_be_there_and_cannot_be_is_an_error(full: Written) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        await full.file.append(b"{}\n", wait=True)

    assert full.lost == 1


async def test_a_row_that_may_lag_and_is_lost_is_counted(full: Written) -> None:
    await full.file.append(b"{}\n", wait=False)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        await full.file.append(b"{}\n", wait=True)

    assert full.lost >= 1


async def test_all_who_wait_for_a_write_that_fails_are_told(full: Written) -> None:
    waiting = [full.file.append(b"{}\n", wait=True) for _ in range(20)]

    done = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(each) for each in done] == [OSError] * 20


async def test_what_cannot_be_audited_is_not_done(full: Written) -> None:
    spy = Spy()
    trace = Trace(inbound(), (audit_log(full.file), spy))
    given = tool_call(Command(("id",), 1.0, writes=True), {"command": "id"}, acting=True)

    with pytest.raises(Denied) as raised:
        await trace.step(Layer.AUTHORIZATION, answers(Allow(given)))

    assert raised.value.reason is Reason.AUDIT_UNAVAILABLE
    assert spy.steps[-1].decision == Deny(Reason.AUDIT_UNAVAILABLE)
    await trace.close(503)


async def test_a_cancelled_wait_stays_cancelled_and_its_loss_is_counted(full: Written) -> None:
    waiting = asyncio.create_task(full.file.append(b"{}\n", wait=True))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    await asyncio.sleep(0.2)
    assert full.lost == 1


async def test_when_there_is_room_again_it_goes_on(small_disk: Path) -> None:
    """What was written of the row that failed is taken back, so that each line is a whole one."""
    made = Written(small_disk / "audit.jsonl")
    await made.file.append(b'{"n":1}\n', wait=True)
    (small_disk / "filler").write_bytes(b"x" * 48_000)

    with pytest.raises(OSError, match=r"short write|No space left"):
        await made.file.append(b'{"n":2,"x":"%s"}\n' % (b"y" * 20_000), wait=True)

    (small_disk / "filler").unlink()
    await made.file.append(b'{"n":3}\n', wait=True)
    await made.file.aclose()
    assert made.rows() == [{"n": 1}, {"n": 3}]
    assert made.lost == 1


async def test_a_token_in_the_place_of_its_id_is_on_no_record(tmp_path: Path) -> None:
    token = "zc_" + "0123456789abcdef" * 4
    file = AuditFile(str(tmp_path / "audit.jsonl"), lambda: None)
    observer = AuditLog(file, Clock(), Redactor(()).text)
    action = Operate("tokens.revoke", token)
    trace = Trace(inbound(), (observer,), grant=None)

    await trace.step(
        Layer.AUTHORIZATION,
        answers(Allow(Grant("request-1", "admin", OPERATOR, action, action, acting=False))),
    )
    await file.aclose()

    assert "0123456789abcdef" * 2 not in (tmp_path / "audit.jsonl").read_text()


async def test_a_grant_tells_what_would_have_refused_it(written: Written) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))
    observed = Facts(observed=Reason.COMMAND_NOT_ALLOWED)
    await trace.step(Layer.AUTHORIZATION, answers(Allow(grant(), observed)))
    await settle(written.file)

    assert next(row.get("observed") for row in written.rows()) == "command-not-allowed"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (Ruling(("a_1", "a_2"), approve=True), {"ids": "a_1 a_2", "decision": "approve"}),
        (Ruling(("a_1",), approve=False), {"ids": "a_1", "decision": "deny"}),
        (
            Ruling(("a_1",), approve=True, seconds=60),
            {"ids": "a_1", "decision": "approve", "for": 60},
        ),
        (
            Ruling(("a_1",), approve=True, session=True),
            {"ids": "a_1", "decision": "approve", "for": "session"},
        ),
        (Halt(), {}),
        (Halt(tool="shell", why="it runs wild"), {"tool": "shell", "why": "it runs wild"}),
        (Halt(principal="agent"), {"of": "agent"}),
        (Ruling((HELD,), approve=False), {"ids": "*[REDACTED]", "decision": "deny"}),
        (Halt(why=HELD), {"why": "*[REDACTED]"}),
    ],
    ids=repr,
)
async def test_what_an_operator_decides_and_stops_is_on_record(
    written: Written, detail: Ruling | Halt, expected: dict[str, Any]
) -> None:
    action = Operate("a verb", "", detail)
    trace = Trace(inbound(), (audit_log(written.file),))
    given = Grant("request-1", "admin", OPERATOR, action, action, acting=False)
    await trace.step(Layer.AUTHORIZATION, answers(Allow(given)))
    await settle(written.file)

    row, _ = written.rows()
    told = {key: row[key] for key in ("ids", "decision", "for", "tool", "of", "why") if key in row}
    assert told == expected
