"""What servers say is shown in the words of the client."""

from mcp_doubles import ALL, FakeServer, House, Known, modern

from proxy.isolation.mcp.link import Event
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.turn import Party
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Group
from proxy.protocols.mcp.names import Names, tagged
from proxy.values import Json

NAMES = Names(("one", "two"), frozenset())


def party(allow: frozenset[Group] = ALL) -> Party:
    server = House(one=FakeServer()).upstreams.get("one")
    assert server is not None
    return Party(server, modern(), "ann", allow)


def test_places_and_questions_say_whose_they_are() -> None:
    shown = Lowering(NAMES, Known()).event(party(), Event(Request(1, "ping"), "e", 3))
    assert shown == Event(Request(tagged("one", 1), "ping"), tagged("one", "e"), 3)


def test_nothing_is_left_of_what_may_not_be_heard() -> None:
    lowering = Lowering(NAMES, Known())
    log = Event(Notification("notifications/message", {"level": "info", "data": 1}))
    assert lowering.event(party(frozenset()), log) is None
    assert lowering.event(party(frozenset({Group.LOGGING})), log) == log


def test_a_change_of_tools_is_noted_even_where_it_is_not_shown() -> None:
    known = Known()
    changed = Notification("notifications/tools/list_changed")
    assert Lowering(NAMES, known).notification(party(frozenset()), changed) is None
    assert known.gone_stale == ["one"]


def test_resources_have_the_names_of_the_client() -> None:
    updated = Notification("notifications/resources/updated", {"uri": "x:y"})
    shown = Lowering(NAMES, Known()).notification(party(), updated)
    assert shown == Notification(updated.method, {"uri": "one+x:y"})


def test_tasks_say_whose_they_are() -> None:
    lowering = Lowering(NAMES, Known())
    tag = tagged("one", "t")
    related = "io.modelcontextprotocol/related-task"
    result: dict[str, Json] = {
        "taskId": "t",
        "task": {"taskId": "t"},
        "tasks": [{"taskId": "t"}, 1],
        "_meta": {related: {"taskId": "t"}},
        "structuredContent": {"taskId": "t"},
    }
    shown = lowering.response(party(), Response(1, result)).result
    assert shown == {
        "taskId": tag,
        "task": {"taskId": tag},
        "tasks": [{"taskId": tag}, 1],
        "_meta": {related: {"taskId": tag}},
        "structuredContent": {"taskId": "t"},
    }
    assert lowering.response(party(frozenset()), Response(1, result)).result == result


def test_a_failure_stays_as_it_is() -> None:
    failed = Response(1, Failure(-1, "no"))
    assert Lowering(NAMES, Known()).response(party(), failed) == failed
