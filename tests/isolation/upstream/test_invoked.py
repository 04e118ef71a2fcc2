"""A tool call in the agent's words."""

import pytest

from proxy.actions import Invoke
from proxy.decision import Allow, Deny, Facts
from proxy.exchange import Document
from proxy.isolation.upstream.invoked import body_of, told
from proxy.reasons import Reason
from proxy.values import Json

PLAIN = Invoke("/tools/add", {"a": 1}, 5.0)
OWN = Invoke("/tools/invoke", {"a": 1, "$sessionKey": "s"}, 5.0, openclaw="add")


def test_each_agent_is_asked_as_it_takes_it() -> None:
    assert body_of(PLAIN) == {"arguments": {"a": 1}}
    assert body_of(OWN) == {"tool": "add", "args": {"a": 1}, "sessionKey": "s"}


def test_what_a_plain_agent_answers_is_the_result() -> None:
    answer: Json = {"ok": False}
    assert told(PLAIN, answer, Facts()) == Allow(Document(answer))


@pytest.mark.parametrize(
    "answer",
    [{"ok": False, "error": {"type": "tool_error"}}, {"text": "?"}, None, [], {"ok": True}],
)
def test_what_openclaw_refuses_is_no_result(answer: Json) -> None:
    assert told(OWN, answer, Facts()) == Deny(Reason.UPSTREAM_REFUSED)


def test_what_openclaw_answers_is_out_of_its_envelope() -> None:
    assert told(OWN, {"ok": True, "result": [1]}, Facts()) == Allow(Document([1]))
