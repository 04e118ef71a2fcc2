"""What rows say: never too much, never a secret, always JSON."""

import json

import pytest
from auditing import HELD
from doubles import CLIENT, inbound
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.rows import LONGEST_ROW, observed, subject, written
from proxy.decision import Facts
from proxy.exchange import Access, Route
from proxy.protection.redactor import Redactor
from proxy.protocols.operator import OperationCodec
from proxy.reasons import Reason
from proxy.trace import Trace
from proxy.values import Json

redact = Redactor((HELD,)).text


@pytest.mark.parametrize("key", ["evidence", "tool", "principal", "why", "rule", "something-new"])
def test_what_others_said_is_redacted(key: str) -> None:
    assert HELD not in written({key: f"a {HELD} b"}, redact).decode()


def test_what_is_ours_is_kept_as_it_is() -> None:
    fields: dict[str, Json] = {"arguments_sha256": "ab" * 32, "status": 200, "request_id": "0f" * 8}

    assert json.loads(written(fields, redact)) == fields


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=6))
def test_any_row_is_one_line_of_json(fields: dict[str, Json]) -> None:
    line = written(fields, str)

    assert b"\n" not in line
    assert json.loads(line).keys() == fields.keys()


def test_half_a_character_is_written_with_an_escape() -> None:
    assert json.loads(written({"reason": "\ud800"}, str)) == {"reason": "\ud800"}


def test_what_is_too_large_is_cut_field_by_field() -> None:
    fields: dict[str, Json] = {"status": 200, "ids": "\x01" * 60_000, "why": "x" * 10_000}
    fields["redactions"] = {f"rule-{number}": 1 for number in range(10_000)}

    line = written(fields, str)

    assert len(line) <= LONGEST_ROW
    assert json.loads(line)["status"] == 200
    assert json.loads(line)["why"] == "x" * 300


def test_a_webhook_tells_its_channel() -> None:
    codec = OperationCodec("health")
    route = Route("hook", frozenset({"POST"}), "/hook", codec, Access.CHANNEL, channel="slack")

    assert subject(Trace(inbound(route), ()))["channel"] == "slack"
    assert "channel" not in subject(Trace(inbound(), (), principal=CLIENT))


def test_what_decided_is_told_where_it_is_known() -> None:
    facts = Facts(rule="tools", known="git -c", observed=Reason.TOOL_UNKNOWN, approval="a_1")

    assert observed(facts) == {
        "rule": "tools",
        "known": "git -c",
        "observed": "tool-unknown",
        "approval": "a_1",
    }
    assert observed(Facts(channel="slack")) == {}
