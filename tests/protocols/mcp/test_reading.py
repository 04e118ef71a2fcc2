import pytest
from doubles import Clock, inbound

from proxy.decision import Malformed
from proxy.exchange import Inbound
from proxy.jsonrpc import Message, Notification, Request, Response
from proxy.mcp import Client, Era, Session
from proxy.protocols.mcp.asked import recall
from proxy.protocols.mcp.reading import client_of, era_of, json_of, takes_events
from proxy.protocols.mcp.sealed import Sessions
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.values import Headers, Json

NOW = "2026-07-28"
SESSIONS = Sessions(Seal(bytes(32)), Clock())
OPEN = SESSIONS.issue("client-1", "2025-11-25", {"name": "c"}, {"roots": {}}, {})
KEY = "io.modelcontextprotocol/"
META: dict[str, Json] = {
    f"{KEY}protocolVersion": NOW,
    f"{KEY}clientInfo": {"name": "m"},
    f"{KEY}clientCapabilities": {"sampling": {}},
}
Fields = tuple[tuple[str, str], ...]
MODERN: Fields = (("MCP-Protocol-Version", NOW), ("Mcp-Method", "tools/list"))
IN_SESSION: Fields = (("Mcp-Session-Id", OPEN.id),)
PING = Request(1, "ping")
LIST = Request(1, "tools/list", {"_meta": META})
INITIALIZE: dict[str, Json] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"roots": {}},
    "clientInfo": {"name": "c", "version": "1"},
}


def post(headers: Fields) -> Inbound:
    return inbound(method="POST", path="/mcp", headers=headers)


def client(headers: Fields, message: Message) -> Client:
    return client_of(post(headers), message, SESSIONS)


def refused(headers: Fields, message: Message) -> Reason:
    with pytest.raises(Malformed) as caught:
        client(headers, message)
    return caught.value.reason


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (("application/json, text/event-stream",), True),
        (("application/json", "Text/Event-Stream"), True),
        (("text/event-stream;q=0.5",), True),
        (("text/event-stream; q=0",), False),
        (("text/event-stream;q=0.000",), False),
        (("application/json",), False),
        (("*/*",), False),
        ((), False),
    ],
)
def test_events_are_taken_by_who_names_them(accept: tuple[str, ...], *, taken: bool) -> None:
    assert takes_events(Headers(tuple(("Accept", each) for each in accept))) is taken


@pytest.mark.parametrize(
    ("headers", "message", "era"),
    [
        (MODERN, LIST, Era.MODERN),
        (MODERN, Request(1, "tools/list"), Era.MODERN),
        ((), LIST, Era.MODERN),
        (IN_SESSION, LIST, Era.MODERN),
        (MODERN + IN_SESSION, PING, Era.MODERN),
        ((), Request(1, "server/discover"), Era.MODERN),
        ((("MCP-Protocol-Version", "2099-01-01"),), PING, Era.MODERN),
        ((("MCP-Protocol-Version", "2025-11-25"), *MODERN), PING, Era.MODERN),
        ((("MCP-Protocol-Version", "2025-11-25"),), PING, Era.LEGACY),
        ((("MCP-Protocol-Version", "2099-01-01"), *IN_SESSION), PING, Era.LEGACY),
        ((("MCP-Protocol-Version", "2099-01-01"),), Request(1, "initialize"), Era.LEGACY),
        (IN_SESSION, Request(1, "server/discover"), Era.LEGACY),
        ((), PING, Era.LEGACY),
        ((), None, Era.LEGACY),
        (MODERN, None, Era.MODERN),
        ((), Response(1, {}), Era.LEGACY),
    ],
)
def test_the_era_of_a_request(headers: Fields, message: Message | None, era: Era) -> None:
    assert era_of(Headers(headers), message) is era


def test_a_modern_client_says_all_of_itself() -> None:
    headers = (*MODERN, ("Authorization", "Bearer secret"), ("Accept", "text/event-stream"))

    found = client(headers, LIST)

    assert found == Client(
        Era.MODERN, NOW, {"name": "m"}, {"sampling": {}}, headers=Headers(MODERN), events=True
    )


def without(name: str) -> Request:
    kept = {key: value for key, value in META.items() if key != f"{KEY}{name}"}
    return Request(1, "tools/list", {"_meta": kept})


def having(name: str, value: Json) -> Request:
    return Request(1, "tools/list", {"_meta": {**META, f"{KEY}{name}": value}})


@pytest.mark.parametrize(
    ("headers", "message", "reason"),
    [
        (MODERN, Request(1, "tools/list"), Reason.PARAMETERS_INVALID),
        (MODERN, Request(1, "tools/list", {"_meta": 1}), Reason.PARAMETERS_INVALID),
        (MODERN, without("protocolVersion"), Reason.PARAMETERS_INVALID),
        (MODERN, without("clientCapabilities"), Reason.PARAMETERS_INVALID),
        (MODERN, having("clientCapabilities", []), Reason.PARAMETERS_INVALID),
        (MODERN, having("clientInfo", "m"), Reason.PARAMETERS_INVALID),
        (MODERN, having("protocolVersion", "2025-11-25"), Reason.HEADER_MISMATCH),
        (MODERN, having("protocolVersion", None), Reason.HEADER_MISMATCH),
        ((), LIST, Reason.HEADER_MISMATCH),
        (MODERN[:1], LIST, Reason.HEADER_MISMATCH),
        ((*MODERN, *MODERN), LIST, Reason.HEADER_MISMATCH),
        ((*MODERN, *MODERN), Request(1, "tools/list"), Reason.HEADER_MISMATCH),
        (IN_SESSION, LIST, Reason.HEADER_MISMATCH),
        (MODERN, PING, Reason.PARAMETERS_INVALID),
        (MODERN, Response(1, {}), Reason.MESSAGE_MALFORMED),
        (
            (("MCP-Protocol-Version", "2099-01-01"), MODERN[1]),
            having("protocolVersion", "2099-01-01"),
            Reason.REVISION_UNSUPPORTED,
        ),
        (
            (("MCP-Protocol-Version", "2099-01-01"),),
            Notification("notifications/cancelled"),
            Reason.REVISION_UNSUPPORTED,
        ),
        (MODERN, Notification("notifications/cancelled"), Reason.HEADER_MISMATCH),
    ],
)
def test_a_modern_request_that_contradicts_itself_is_refused(
    headers: Fields, message: Message, reason: Reason
) -> None:
    assert refused(headers, message) is reason


def test_who_says_nothing_of_itself_is_still_a_client() -> None:
    assert client(MODERN, without("clientInfo")).info == {}
    assert client(MODERN[:1], Notification("notifications/cancelled")).capabilities == {}


def test_the_revision_that_was_asked_for_is_remembered() -> None:
    request = post((("MCP-Protocol-Version", "2099-01-01"), MODERN[1]))
    with pytest.raises(Malformed):
        client_of(request, having("protocolVersion", "2099-01-01"), SESSIONS)

    asked = recall(request)
    assert asked is not None
    assert (asked.revision, asked.id) == ("2099-01-01", 1)


def test_a_legacy_client_opens_a_session() -> None:
    found = client((), Request(1, "initialize", INITIALIZE))

    assert found == Client(Era.LEGACY, "2025-06-18", {"name": "c", "version": "1"}, {"roots": {}})


@pytest.mark.parametrize(
    "change",
    [
        {"protocolVersion": 1},
        {"protocolVersion": "x" * 65},
        {"capabilities": None},
        {"clientInfo": []},
    ],
)
def test_a_session_is_not_opened_by_half_a_client(change: dict[str, Json]) -> None:
    request = Request(1, "initialize", {**INITIALIZE, **change})

    assert refused((), request) is Reason.PARAMETERS_INVALID


def test_a_session_is_not_opened_in_a_session() -> None:
    request = Request(1, "initialize", INITIALIZE)

    assert refused(IN_SESSION, request) is Reason.MESSAGE_MALFORMED


@pytest.mark.parametrize(
    "headers", [IN_SESSION, (*IN_SESSION, ("MCP-Protocol-Version", "2025-11-25"))]
)
def test_the_session_says_who_speaks_in_it(headers: Fields) -> None:
    found = client(headers, PING)

    assert found.session == OPEN
    assert (found.era, found.revision) == (Era.LEGACY, "2025-11-25")
    assert (found.info, found.capabilities) == ({"name": "c"}, {"roots": {}})


def other(seal: Seal) -> Session:
    return Sessions(seal, Clock()).issue("client-1", "2025-11-25", {}, {}, {})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), Reason.SESSION_MISSING),
        ((("MCP-Protocol-Version", "2025-11-25"),), Reason.SESSION_MISSING),
        ((("Mcp-Session-Id", ""),), Reason.SESSION_UNKNOWN),
        ((("Mcp-Session-Id", "x" * 9000),), Reason.SESSION_UNKNOWN),
        ((("Mcp-Session-Id", other(Seal(bytes([1] * 32))).id),), Reason.SESSION_UNKNOWN),
        ((*IN_SESSION, *IN_SESSION), Reason.HEADER_MISMATCH),
        ((*IN_SESSION, ("mcp-session-id", "other")), Reason.HEADER_MISMATCH),
        ((*IN_SESSION, ("MCP-Protocol-Version", "2025-06-18")), Reason.REVISION_UNSUPPORTED),
        ((*IN_SESSION, ("MCP-Protocol-Version", "2099-01-01")), Reason.REVISION_UNSUPPORTED),
        (
            (*IN_SESSION, *(("MCP-Protocol-Version", "2025-11-25"),) * 2),
            Reason.REVISION_UNSUPPORTED,
        ),
    ],
)
def test_without_its_one_session_nothing_is_said(headers: Fields, reason: Reason) -> None:
    assert refused(headers, PING) is reason
    assert refused(headers, Response("a", {})) is reason
    assert refused(headers, Notification("notifications/initialized")) is reason


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_is_no_json_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Malformed) as caught:
        await json_of(inbound(method="POST", headers=headers, body=b"{}"))

    assert caught.value.reason is Reason.BODY_UNTYPED


async def test_a_body_is_read_strictly() -> None:
    typed = {"Content-Type": "application/json; charset=utf-8"}
    assert await json_of(inbound(method="POST", headers=typed, body=b"[1]")) == [1]

    with pytest.raises(Malformed) as caught:
        await json_of(inbound(method="POST", headers=typed, body=b'{"a":1,"a":2}'))
    assert caught.value.reason is Reason.BODY_MALFORMED
