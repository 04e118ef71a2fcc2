"""The calls that one call stands for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.actions import ToolCall
from proxy.authorization.tools.dispatch import MAX_CALLS, Dispatch
from proxy.decision import Allow, Deny
from proxy.reasons import Reason

PLAIN = Dispatch("name", "arguments")
NESTED = Dispatch("request.tool", "request.args", prefix="mcp.", others=frozenset({"limit.max"}))
BATCH = Dispatch("tool", "arguments", server="mcp_server", calls="calls")
DEEP = Dispatch("params.name", "params.arguments")
DEEP_BATCH = Dispatch("call.tool", "call.arguments", calls="calls")
RULED = Dispatch(
    "params.name", "params.arguments", others=frozenset({"params", "params.arguments.x"})
)
UNREADABLE = Deny(Reason.ARGUMENTS_INVALID)


def item(**more: Any) -> dict[str, Any]:
    return {"mcp_server": "s", "tool": "t", "arguments": {}, **more}


@pytest.mark.parametrize(
    ("dispatch", "arguments", "calls"),
    [
        (PLAIN, {"name": "a.b", "arguments": {"x": 1}}, [ToolCall("a.b", {"x": 1})]),
        (PLAIN, {"name": "a.b", "arguments": '{"x": [1]}'}, [ToolCall("a.b", {"x": [1]})]),
        (PLAIN, {"name": "", "arguments": {}}, [ToolCall("", {})]),
        (
            NESTED,
            {"request": {"tool": "b", "args": {}}, "limit": {"max": 1}},
            [ToolCall("mcp.b", {})],
        ),
        (BATCH, {"calls": [item()]}, [ToolCall("s.t", {})]),
        (DEEP, {"params": {"name": "a", "arguments": {"b": 1}}}, [ToolCall("a", {"b": 1})]),
        (RULED, {"params": {"name": "a", "arguments": {"b": 1}}}, [ToolCall("a", {"b": 1})]),
        (DEEP_BATCH, {"calls": [{"call": {"tool": "a", "arguments": {}}}]}, [ToolCall("a", {})]),
        (NESTED, {"request": {"tool": "b", "args": {}}, "limit": None}, [ToolCall("mcp.b", {})]),
        (
            BATCH,
            {"calls": [item(), item(tool="u", arguments={"x": 1})]},
            [ToolCall("s.t", {}), ToolCall("s.u", {"x": 1})],
        ),
    ],
)
def test_calls_are_found_where_they_are_said_to_be(
    dispatch: Dispatch, arguments: dict[str, Any], calls: list[ToolCall]
) -> None:
    assert dispatch.inner(arguments) == Allow(tuple(calls))


@pytest.mark.parametrize(
    ("dispatch", "arguments"),
    [
        # not there
        (PLAIN, {}),
        (PLAIN, {"name": "a"}),
        (PLAIN, {"arguments": {}}),
        (BATCH, {}),
        (BATCH, {"calls": []}),
        (BATCH, {"calls": [{"tool": "t", "arguments": {}}]}),
        # of another kind
        (PLAIN, {"name": ["a"], "arguments": {}}),
        (PLAIN, {"name": None, "arguments": {}}),
        (PLAIN, {"name": "a", "arguments": None}),
        (PLAIN, {"name": "a", "arguments": []}),
        (BATCH, {"calls": {"0": item()}}),
        (BATCH, {"calls": "[]"}),
        (BATCH, {"calls": [[item()]]}),
        (BATCH, {"calls": [item(), None]}),
        # text that is no object, or two at once
        (PLAIN, {"name": "a", "arguments": ""}),
        (PLAIN, {"name": "a", "arguments": "[]"}),
        (PLAIN, {"name": "a", "arguments": '{"x": 1, "x": 2}'}),
        (PLAIN, {"name": "a", "arguments": '{"x": NaN}'}),
        (PLAIN, {"name": "a", "arguments": "{} {}"}),
        (PLAIN, {"name": "a", "arguments": '{"x": "\ud800"}'}),
        (PLAIN, {"name": "a", "arguments": '"{}"'}),
        # what nobody spoke about could be read in the place of what was judged
        (PLAIN, {"name": "a", "tool": "b", "arguments": {}}),
        (PLAIN, {"name": "a", "arguments": {}, "args": {"x": 1}}),
        (PLAIN, {"name": "a", "arguments": {}, "Name": "b"}),
        (BATCH, {"calls": [item()], "tool": "t"}),
        (BATCH, {"calls": [item(server="other")]}),
        *(
            (dispatch, {"params": {"name": "gh.ok", "arguments": {}, "tool": "gh.delete_repo"}})
            for dispatch in (DEEP, RULED)
        ),
        (DEEP, {"params": {"name": "a", "arguments": {}}, "params.name": "b"}),
        (DEEP, {"params": [{"name": "a", "arguments": {}}]}),
        (DEEP, {"params": '{"name": "a", "arguments": {}}'}),
        (DEEP_BATCH, {"calls": [{"call": {"tool": "a", "arguments": {}, "name": "b"}}]}),
        (DEEP_BATCH, {"calls": [{"call": {"tool": "a", "arguments": {}}, "tool": "b"}]}),
        (NESTED, {"request": {"tool": "b", "args": {}}, "limit": {"max": 1, "tool": "c"}}),
        (NESTED, {"request": {"tool": "b", "args": {}}, "limit": [{"tool": "c"}]}),
        (NESTED, {"request": {"tool": "b", "args": {}, "limit": 1}}),
        # too many
        (BATCH, {"calls": [item()] * (MAX_CALLS + 1)}),
    ],
    ids=lambda part: str(part)[:60],
)
def test_a_call_that_is_not_where_it_should_be_is_refused(
    dispatch: Dispatch, arguments: dict[str, Any]
) -> None:
    assert dispatch.inner(arguments) == UNREADABLE


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: (
        st.lists(inside)
        | st.dictionaries(
            st.sampled_from(["name", "arguments", "calls", "tool", "mcp_server", "x"]), inside
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["name", "arguments", "calls", "x"]), JSON))
def test_any_arguments_are_read_or_refused(arguments: dict[str, Any]) -> None:
    for dispatch in (PLAIN, BATCH, DEEP, DEEP_BATCH, RULED):
        found = dispatch.inner(arguments)
        assert found == UNREADABLE or (isinstance(found, Allow) and len(found.value) > 0)
