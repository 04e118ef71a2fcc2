"""What an operator may say of calls that wait, and of what must stop."""

import json
from dataclasses import replace

import pytest
from doubles import inbound

from proxy.actions import Detail, Halt, Operate, Ruling, Selection
from proxy.decision import Malformed
from proxy.protocols.operator import BodyCodec
from proxy.protocols.ruling import (
    MAX_BATCH,
    MAX_GRANT,
    BatchCodec,
    HaltCodec,
    QueueCodec,
    RulingCodec,
)
from proxy.reasons import Reason

ONE, ALL, STOP = (
    RulingCodec("approvals.decide"),
    BatchCodec("approvals.decide-all"),
    HaltCodec("stops.add"),
)
APPROVE = {"decision": "approve"}
NO_TIMES: list[object] = [0, -1, MAX_GRANT + 1, "1h", "", True, "Session", [60], {}, 10**400]
NOBODY: list[object] = ["", " a", "a\n", "ä\u200b", 1, []]


async def detail(codec: BodyCodec, body: object) -> Detail | None:
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = inbound(method="POST", body=data, headers=headers, capture="a_1")
    action = await codec.parse(request)
    assert isinstance(action, Operate)
    assert (action.verb, action.subject) == (codec.verb, "a_1")
    return action.detail


@pytest.mark.parametrize(
    ("codec", "body", "expected"),
    [
        (ONE, APPROVE, Ruling(("a_1",), approve=True)),
        (ONE, {"decision": "deny"}, Ruling(("a_1",), approve=False)),
        (ONE, {**APPROVE, "for": 60}, Ruling(("a_1",), approve=True, seconds=60)),
        (ONE, {**APPROVE, "for": MAX_GRANT}, Ruling(("a_1",), approve=True, seconds=MAX_GRANT)),
        (ONE, {**APPROVE, "for": "session"}, Ruling(("a_1",), approve=True, session=True)),
        (ONE, {**APPROVE, "for": None}, Ruling(("a_1",), approve=True)),
        (ALL, {**APPROVE, "ids": ["a", "b", "a"]}, Ruling(("a", "b"), approve=True)),
        (ALL, {"decision": "deny", "ids": ["r_1"]}, Ruling(("r_1",), approve=False)),
        (STOP, None, Halt()),
        (STOP, {}, Halt()),
        (STOP, {"why": "it runs wild"}, Halt(why="it runs wild")),
        *((STOP, {"tool": tool}, Halt(tool=tool)) for tool in ("github.*", "*.delete*", "*")),
        (STOP, {"principal": "principal:agent"}, Halt(principal="principal:agent")),
        (STOP, {"principal": "anonymous 10.0.0.1"}, Halt(principal="anonymous 10.0.0.1")),
    ],
    ids=str,
)
async def test_what_is_said_is_what_is_decided(
    codec: BodyCodec, body: object, expected: Detail
) -> None:
    assert await detail(codec, body) == expected


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        # no decision, or none that is known
        *((ONE, body) for body in (None, {}, {"decision": "yes"}, {"decision": True})),
        *((ONE, {"decision": word}) for word in ("", "Approve", "approved", None, ["approve"])),
        # neither a time nor a session, or too long a time
        *((ONE, {**APPROVE, "for": time}) for time in NO_TIMES),
        (ONE, {"decision": "deny", "for": 60}),
        (ONE, {"decision": "deny", "for": "session"}),
        # what is not known could be meant as a bound
        *((ONE, {**APPROVE, key: 1}) for key in ("lasting", "ids", "tool", "arguments", "FOR")),
        # no ids, or none that are ids
        *((ALL, {**APPROVE, "ids": ids}) for ids in ([], "a", None, [""], ["a b"], ["a\n"], [1])),
        *((ALL, {**APPROVE, "ids": ids}) for ids in (["*"], ["../stops"], {"a": 1}, ["x" * 65])),
        (ALL, {**APPROVE, "ids": ["a"] * (MAX_BATCH + 1)}),
        (ALL, APPROVE),
        # a stop that is two, or of something that is none: better said than taken for another
        (STOP, {"tool": "shell", "principal": "agent"}),
        *((STOP, {"tool": tool}) for tool in ("", "a b", ".b", "*.", "a" * 129, 1, ["shell"])),
        *((STOP, {"principal": name}) for name in NOBODY),
        *((STOP, {"why": why}) for why in ("a\nb", "x" * 201, 1, None)),
        *((STOP, {key: "x"}) for key in ("all", "id", "until", "Tool")),
    ],
    ids=str,
)
async def test_anything_else_is_refused_whole(codec: BodyCodec, body: object) -> None:
    with pytest.raises(Malformed) as caught:
        await detail(codec, body)

    assert caught.value.reason is Reason.ARGUMENTS_INVALID


@pytest.mark.parametrize(
    ("query", "everything"), [("", False), ("all=1", True), ("all=0", False), ("all=%31", True)]
)
async def test_what_waits_is_listed_unless_all_is_wanted(query: str, *, everything: bool) -> None:
    request = replace(inbound(), query=query)

    action = await QueueCodec("approvals.list").parse(request)

    assert action == Operate("approvals.list", "", Selection(everything))


@pytest.mark.parametrize("query", ["all", "all=", "all=2", "all=true", "all=1&all=0", "x=1", "="])
async def test_a_query_of_another_kind_is_refused(query: str) -> None:
    with pytest.raises(Malformed) as caught:
        await QueueCodec("approvals.list").parse(replace(inbound(), query=query))

    assert caught.value.reason is Reason.ARGUMENTS_INVALID
