from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.actions import ToolCall
from proxy.decision import Malformed
from proxy.jsonrpc import Failure, Message, Notification, Request, Response
from proxy.mcp import Client, Era, Rpc, Via
from proxy.protocols.mcp.calls import PATIENCE, action
from proxy.protocols.mcp.methods import METHODS
from proxy.protocols.mcp.names import Names, tagged
from proxy.reasons import Reason
from proxy.values import Json

OWN = frozenset({"shell"})
ONE = Names(("github",), OWN)
TWO = Names(("github", "git"), OWN)
NONE = Names((), OWN)
LEGACY = Client(Era.LEGACY, "2025-11-25", events=True)
MODERN = Client(Era.MODERN, "2026-07-28", events=True)


def asking(method: str, **params: Json) -> Request:
    return Request(1, method, params)


def refused(names: Names, message: Message, client: Client = LEGACY) -> Reason:
    with pytest.raises(Malformed) as caught:
        action(names, message, client)
    return caught.value.reason


@pytest.mark.parametrize(
    ("names", "name", "policy"),
    [
        (ONE, "get_me", "github.get_me"),
        (ONE, "shell", "shell"),
        (TWO, "git__log", "git.log"),
        (TWO, "log", "log"),
        (NONE, "log", "log"),
    ],
)
def test_a_call_is_decided_on_under_its_name(names: Names, name: str, policy: str) -> None:
    request = asking("tools/call", name=name, arguments={"a": 1}, _meta={"b": 2})

    call = action(names, request, LEGACY)

    assert call == ToolCall(policy, {"a": 1})
    assert isinstance(call, ToolCall)
    assert call.via == Via(LEGACY, request)
    assert call.patience is None


def test_who_takes_no_events_is_not_kept_waiting_for_long() -> None:
    call = action(ONE, asking("tools/call", name="a"), Client(Era.LEGACY, "2025-11-25"))

    assert isinstance(call, ToolCall)
    assert call.patience == PATIENCE
    assert call.arguments == {}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": 1},
        {"name": None},
        {"name": ""},
        {"name": "x" * 257},
        {"name": "a", "arguments": None},
        {"name": "a", "arguments": []},
        {"name": "a", "arguments": "{}"},
        {"name": "a", "_meta": []},
        {"name": "a", "task": True},
        {"name": "a", "inputResponses": []},
        {"name": "a", "requestState": {}},
        {"name": "a", "Arguments": {"hidden": 1}},
        {"name": "a", "tool": "b"},
    ],
)
def test_a_call_with_other_parameters_is_refused(params: dict[str, Json]) -> None:
    for client in (LEGACY, MODERN):
        request = Request(1, "tools/call", params)
        assert refused(ONE, request, client) is Reason.PARAMETERS_INVALID


@pytest.mark.parametrize(
    "name",
    [
        *("resources/read", "github__resources/read", "github.resources/read"),
        *("sampling/createMessage", "tools/call", "ping"),
    ],
)
def test_a_tool_that_is_named_like_a_method_is_none(name: str) -> None:
    assert refused(ONE, asking("tools/call", name=name)) is Reason.TOOL_UNKNOWN


@pytest.mark.parametrize(
    ("names", "method", "params", "tool", "arguments"),
    [
        (ONE, "resources/read", {"uri": "file:///a"}, "github", {"uri": "file:///a"}),
        (TWO, "resources/read", {"uri": "git+file:///a"}, "git", {"uri": "file:///a"}),
        (TWO, "resources/subscribe", {"uri": "git+a:b"}, "git", {"uri": "a:b"}),
        (ONE, "prompts/get", {"name": "p", "arguments": {}}, "github", None),
        (TWO, "prompts/get", {"name": "git__p"}, "git", {"name": "p"}),
        (
            TWO,
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "git__p"}, "argument": {}},
            "git",
            {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {}},
        ),
        (
            TWO,
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "github+a:{b}"}},
            "github",
            {"ref": {"type": "ref/resource", "uri": "a:{b}"}},
        ),
        (ONE, "tasks/get", {"taskId": tagged("github", "t")}, "github", {"taskId": "t"}),
        (TWO, "tasks/cancel", {"taskId": tagged("git", "t")}, "git", {"taskId": "t"}),
        (ONE, "tasks/list", {}, "github", {}),
        (TWO, "tasks/list", {"cursor": tagged("git", "c")}, "git", {"cursor": "c"}),
    ],
)
def test_a_method_is_called_with_what_its_server_knows(
    names: Names,
    method: str,
    params: dict[str, Json],
    tool: str,
    arguments: dict[str, Json] | None,
) -> None:
    request = Request(1, method, {**params, "_meta": {"progressToken": 1}})

    call = action(names, request, LEGACY)

    assert call == ToolCall(f"{tool}.{method}", params if arguments is None else arguments)


@pytest.mark.parametrize(
    ("names", "method", "params"),
    [
        (TWO, "resources/read", {"uri": "file:///a"}),
        (TWO, "resources/read", {"uri": "other+file:///a"}),
        (NONE, "resources/read", {"uri": "file:///a"}),
        (ONE, "resources/read", {}),
        (ONE, "resources/read", {"uri": ["file:///a"]}),
        (ONE, "resources/read", {"uri": ""}),
        (ONE, "resources/read", {"uri": "x" * 9000}),
        (TWO, "prompts/get", {"name": "p"}),
        (ONE, "prompts/get", {"name": 1}),
        (ONE, "prompts/get", {"name": "p", "_meta": 1}),
        (ONE, "completion/complete", {}),
        (ONE, "completion/complete", {"ref": {"type": "ref/tool", "name": "p"}}),
        (ONE, "completion/complete", {"ref": {"type": "ref/prompt", "uri": "p"}}),
        (ONE, "tasks/get", {"taskId": "t"}),
        (ONE, "tasks/get", {"taskId": tagged("github", 1)}),
        (ONE, "tasks/get", {"taskId": tagged("other", "t")}),
        (ONE, "tasks/get", {}),
        (TWO, "tasks/list", {}),
        (TWO, "tasks/list", {"cursor": "c"}),
        (ONE, "tools/list", {"_meta": 1}),
    ],
)
def test_a_method_that_is_nobodys_is_refused(
    names: Names, method: str, params: dict[str, Json]
) -> None:
    assert refused(names, Request(1, method, params)) is Reason.PARAMETERS_INVALID


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_of_its_eras_only(method: str) -> None:
    for client in (LEGACY, MODERN):
        if client.era not in METHODS[method].eras:
            assert refused(ONE, asking(method), client) is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize(
    "method",
    ["x/y", "Tools/call", "tools/call/", "roots/list", "sampling/createMessage", "rpc.discover"],
)
def test_what_is_in_no_table_is_unknown(method: str) -> None:
    assert refused(ONE, asking(method)) is Reason.METHOD_UNKNOWN
    assert refused(ONE, Notification(method)) is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize(
    ("message", "client"),
    [
        (asking("ping"), LEGACY),
        (asking("tools/list", cursor="c"), MODERN),
        (asking("logging/setLevel", level="info"), LEGACY),
        (asking("subscriptions/listen"), MODERN),
        (Notification("notifications/cancelled", {"requestId": 7}), LEGACY),
        (Notification("notifications/initialized"), LEGACY),
    ],
)
def test_what_calls_nothing_is_talk(message: Message, client: Client) -> None:
    assert action(TWO, message, client) == Rpc(message, client)


def test_who_takes_no_events_does_not_listen() -> None:
    client = Client(Era.MODERN, "2026-07-28")

    assert refused(ONE, asking("subscriptions/listen"), client) is Reason.PARAMETERS_INVALID


def test_a_server_may_not_be_told_what_servers_tell() -> None:
    for method in ("notifications/message", "notifications/tools/list_changed"):
        assert refused(ONE, Notification(method)) is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize("result", [{"roots": []}, Failure(-1, "declined")])
def test_a_response_goes_to_who_asked(result: dict[str, Json] | Failure) -> None:
    said = action(TWO, Response(tagged("git", 7), result), LEGACY)

    assert said == Rpc(Response(7, result), LEGACY, "git")


@pytest.mark.parametrize("id_", [7, "7", "git.x", tagged("other", 7), None])
def test_a_response_to_nobody_is_refused(id_: str | int | None) -> None:
    assert refused(TWO, Response(id_, Failure(1, ""))) is Reason.MESSAGE_MALFORMED


@given(
    st.sampled_from([name for name, method in METHODS.items() if method.called]),
    st.dictionaries(
        st.sampled_from(["name", "uri", "ref", "taskId", "cursor", "arguments", "_meta"]),
        st.none() | st.text() | st.dictionaries(st.sampled_from(["type", "name"]), st.text()),
    ),
    st.sampled_from([NONE, ONE, TWO]),
)
def test_any_call_is_of_a_known_server_or_refused(
    method: str, params: dict[str, Json], names: Names
) -> None:
    with suppress(Malformed):
        call = action(names, Request(1, method, params), LEGACY)
        assert isinstance(call, ToolCall)
        if method != "tools/call":
            assert call.tool in {f"{server}.{method}" for server in names.servers}
            assert "_meta" not in call.arguments
