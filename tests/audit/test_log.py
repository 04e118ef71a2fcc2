"""What must be in the audit log, what never may be, and what is not done without it."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from auditing import HELD, Written, audit_log
from doubles import CLIENT, OPERATOR, PUBLIC, Clock, Spy, grant, inbound

from proxy.actions import Command, Halt, Known, Listing, Operate, Plan, Ruling, ToolCall
from proxy.audit import STRANGERS_EACH_MINUTE, AuditFile, AuditLog
from proxy.audit.shares import PRINCIPAL_EACH_MINUTE
from proxy.decision import Allow, Decision, Denied, Deny, Facts
from proxy.exchange import Clean, Document, Grant, Peer, Principal
from proxy.origin import Connection, Forwarded
from proxy.protection.redactor import Redactor
from proxy.reasons import Layer, Reason
from proxy.scope import Minting, Scope
from proxy.trace import Trace
from proxy.values import Json


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


def tool_call(plan: Plan, arguments: dict[str, Json], *, acting: bool) -> Grant:
    call = ToolCall("shell", arguments)
    return Grant("request-1", "tools", CLIENT, call, plan, acting)


async def answers(decision: Decision[Any]) -> Decision[Any]:
    return decision


async def settle(file: AuditFile) -> None:
    """Wait until everything before this line is on the disk."""
    await file.append(b'{"event":"mark"}\n', wait=True)


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


async def refused(log: AuditLog, who: Principal | None = None) -> None:
    with pytest.raises(Denied):
        await Trace(inbound(), (log,), principal=who).step(
            Layer.NETWORK, answers(Deny(Reason.ROUTE_UNKNOWN))
        )


async def test_denials_of_strangers_have_a_share_and_what_was_left_out_is_told(
    written: Written,
) -> None:
    clock = Clock()
    log = AuditLog(written.file, clock, str)
    for _ in range(STRANGERS_EACH_MINUTE + 7):
        await refused(log)
    await refused(log, CLIENT)
    clock.now += 60
    await refused(log)
    await settle(written.file)

    events = [(row["event"], row.get("principal")) for row in written.rows()[:-1]]
    strangers = [("denial", None)] * STRANGERS_EACH_MINUTE
    last = [("denial", "client-1"), ("denials-left-out", None), ("denial", None)]
    assert events == strangers + last
    assert written.rows()[-3]["count"] == 7


async def test_denials_of_one_principal_have_a_share_that_grants_never_need(
    written: Written,
) -> None:
    clock = Clock()
    log = AuditLog(written.file, clock, str)
    for _ in range(PRINCIPAL_EACH_MINUTE + 5):
        await refused(log, CLIENT)
    trace = Trace(inbound(), (log,), principal=CLIENT)
    await trace.step(Layer.AUTHORIZATION, answers(Allow(grant())))
    await trace.close(200)
    await log.aclose()
    await settle(written.file)

    events = Counter(row["event"] for row in written.rows())
    assert events == {
        "denial": PRINCIPAL_EACH_MINUTE,
        "denials-left-out": 1,
        "grant": 1,
        "outcome": 1,
        "mark": 1,
    }
    assert (written.rows()[-2]["principal"], written.rows()[-2]["count"]) == ("client-1", 5)


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


async def test_what_cannot_be_audited_is_not_done(full: Written) -> None:
    spy = Spy()
    trace = Trace(inbound(), (audit_log(full.file), spy))
    given = tool_call(Command(("id",), 1.0, writes=True), {"command": "id"}, acting=True)

    with pytest.raises(Denied) as raised:
        await trace.step(Layer.AUTHORIZATION, answers(Allow(given)))

    assert raised.value.reason is Reason.AUDIT_UNAVAILABLE
    assert spy.steps[-1].decision == Deny(Reason.AUDIT_UNAVAILABLE)
    await trace.close(503)


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


async def test_rows_tell_the_rule_that_decided_and_the_approval(written: Written) -> None:
    trace = Trace(inbound(), (audit_log(written.file),))
    facts = Facts(rule="autonomy.level", approval="a_1")
    await trace.step(Layer.AUTHORIZATION, answers(Allow(grant(), facts)))
    with pytest.raises(Denied):
        await trace.step(
            Layer.AUTHORIZATION,
            answers(
                Deny(Reason.COMMAND_NOT_ALLOWED, "rm", Facts(rule="autonomy.allowed_commands"))
            ),
        )
    await settle(written.file)

    made, denial, _ = written.rows()
    assert (made["rule"], made["approval"]) == ("autonomy.level", "a_1")
    assert denial["rule"] == "autonomy.allowed_commands"
