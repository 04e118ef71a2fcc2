"""Which era a server speaks, and the handshake of the legacy one."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from linking import Linked, Result, Said, said_of

from proxy.decision import Denied, Deny, Facts
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.opening import Found, Opened, end_session, era_of, open_session
from proxy.jsonrpc import Failure, Message, Notification, Request, Response
from proxy.mcp import Era, Verb
from proxy.reasons import Layer, Reason
from proxy.values import Json

INFO: Mapping[str, Json] = {"name": "client", "version": "2"}
DISCOVERED: Result = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
}
INITIALIZED: Result = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "one", "version": "1"},
}
LEGACY, MODERN = Found(Era.LEGACY), Found(Era.MODERN, DISCOVERED)


def unsupported(*supported: Json) -> Failure:
    return Failure(-32022, "no", {"supported": list(supported), "requested": "2026-07-28"})


# Eras


async def test_a_modern_server_is_asked_in_the_modern_form() -> None:
    link = Linked(lambda _: DISCOVERED)

    assert await era_of(link) == MODERN

    (sent,) = link.sent
    assert isinstance(sent.message, Request)
    meta = sent.message.params["_meta"]
    assert isinstance(meta, Mapping)
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {}
    assert sent.headers.all("mcp-protocol-version") == ["2026-07-28"]
    assert sent.headers.all("mcp-method") == ["server/discover"]
    assert (sent.session, link.released) == ("", 1)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param(DISCOVERED, MODERN, id="a modern result"),
        pytest.param({}, LEGACY, id="another result"),
        pytest.param({**DISCOVERED, "supportedVersions": ["2025-11-25"]}, LEGACY, id="legacy only"),
        pytest.param({**DISCOVERED, "supportedVersions": "2026-07-28"}, LEGACY, id="no list"),
        pytest.param({**DISCOVERED, "supportedVersions": [1, None]}, LEGACY, id="no texts"),
        pytest.param({**DISCOVERED, "capabilities": None}, LEGACY, id="no capabilities"),
        pytest.param(Failure(-32601, "no"), LEGACY, id="an unknown method"),
        pytest.param(Failure(-32000, "no session"), LEGACY, id="no session"),
        pytest.param(unsupported("2025-11-25", "2099-01-01"), LEGACY, id="a legacy revision"),
        pytest.param(Failure(-32022, "no"), LEGACY, id="another revision, but which"),
        pytest.param(unsupported(), LEGACY, id="no revision at all"),
        pytest.param(
            unsupported("2099-01-01"), Deny(Reason.MCP_REFUSED), id="later revisions only"
        ),
        # Answers of HTTP alone
        pytest.param(
            Deny(Reason.MCP_REFUSED, facts=Facts(upstream_status=400)), LEGACY, id="a status"
        ),
        pytest.param(
            Deny(Reason.MCP_UNREADABLE, facts=Facts(upstream_status=200)), LEGACY, id="a page"
        ),
        pytest.param(None, LEGACY, id="nothing to come"),
        pytest.param(Deny(Reason.MCP_LATE), LEGACY, id="no answer to what it does not know"),
        # An outage is of no era
        pytest.param(
            Deny(Reason.MCP_UNAVAILABLE), Deny(Reason.MCP_UNAVAILABLE), id="nobody is there"
        ),
        pytest.param(
            Deny(Reason.MCP_UNREADABLE, facts=Facts(upstream_status=0)),
            Deny(Reason.MCP_UNREADABLE),
            id="it went away",
        ),
    ],
)
async def test_only_what_says_that_it_is_modern_is(said: Said, found: Found | Deny) -> None:
    assert await era_of(Linked(lambda _: said)) == found


# Sessions


def legacy(sent: Sent, link: Linked, result: Said = None, session: str = "s1") -> Said:
    if said_of(sent) != "initialize":
        return None
    assert isinstance(sent.message, Request)
    if result is None or not isinstance(result, dict | Failure):
        result = INITIALIZED
    return link.replies([Response(sent.message.id, result)], session=session)


def server(result: Said = None, session: str = "s1") -> Linked:
    link = Linked(lambda sent: legacy(sent, link, result, session))
    return link


async def test_a_session_is_opened_in_the_name_of_a_client() -> None:
    link = server()

    opened = await open_session(link, INFO, {"roots": {}}, "2025-06-18")

    assert opened == Opened("2025-11-25", "s1", INITIALIZED)
    asked, told = link.sent
    assert isinstance(asked.message, Request)
    assert asked.message.params == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"roots": {}},
        "clientInfo": INFO,
    }
    assert told.message == Notification("notifications/initialized")
    assert told.session == "s1"
    assert told.headers.all("mcp-protocol-version") == ["2025-11-25"]
    assert link.released == 2


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Failure(-32600, "no"), Reason.MCP_REFUSED),
        (unsupported("2026-07-28"), Reason.MCP_REFUSED),
        ({**INITIALIZED, "protocolVersion": "2099-01-01"}, Reason.MCP_REFUSED),
        ({**INITIALIZED, "protocolVersion": "2026-07-28"}, Reason.MCP_REFUSED),
        ({**INITIALIZED, "protocolVersion": 1}, Reason.MCP_UNREADABLE),
        ({**INITIALIZED, "capabilities": []}, Reason.MCP_UNREADABLE),
        ({}, Reason.MCP_UNREADABLE),
    ],
)
async def test_a_session_that_cannot_be_used_is_ended(result: Said, reason: Reason) -> None:
    link = server(result)

    assert await open_session(link, INFO, {}, "2025-11-25") == Deny(reason)

    assert link.methods == ["initialize", "end"]
    assert link.sent[1].session == "s1"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (Deny(Reason.MCP_UNAVAILABLE), Reason.MCP_UNAVAILABLE),
        (Linked(lambda _: None).replies([], 404), Reason.MCP_REFUSED),
    ],
)
async def test_a_session_that_does_not_begin_is_ended(told: Said, reason: Reason) -> None:
    link = Linked(
        lambda sent: told if isinstance(sent.message, Notification) else legacy(sent, link)
    )

    assert await open_session(link, INFO, {}, "2025-11-25") == Deny(reason)

    assert link.methods[-1] == "end"


async def test_a_server_without_sessions_has_none_to_end() -> None:
    link = server({}, session="")

    await open_session(link, INFO, {}, "2025-11-25")

    assert link.methods == ["initialize"]


# Hostile servers


def streamed(*messages: Message, status: int = 200) -> Linked:
    link = Linked(lambda sent: None if sent.message is Verb.END else link.replies(messages, status))
    return link


NOISE = Notification("notifications/message", {})


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (streamed(), Reason.MCP_UNREADABLE),
        (streamed(status=500), Reason.MCP_REFUSED),
        (streamed(NOISE), Reason.MCP_UNREADABLE),
        (streamed(*[NOISE] * 300, Response("sidegate-initialize", {})), Reason.MCP_UNREADABLE),
        (streamed(Response("another", INITIALIZED)), Reason.MCP_UNREADABLE),
        (streamed(Response(None, Failure(-1, "no"))), Reason.MCP_UNREADABLE),
        (streamed(Response(None, Failure(-1, "no")), status=400), Reason.MCP_REFUSED),
    ],
)
async def test_only_the_response_to_the_request_is_one(link: Linked, reason: Reason) -> None:
    assert await open_session(link, INFO, {}, "2025-11-25") == Deny(reason)

    assert link.released >= 1


async def test_what_goes_before_the_response_is_passed_over() -> None:
    response = Response("sidegate-initialize", INITIALIZED)
    link = streamed(NOISE, Request(1, "ping"), response)

    opened = await open_session(link, INFO, {}, "2025-11-25")

    assert isinstance(opened, Opened)


async def test_a_stream_that_breaks_off_is_no_answer() -> None:
    async def broken() -> AsyncIterator[Event]:
        raise Denied(Layer.ISOLATION, Reason.MCP_UNREADABLE)
        yield Event(None)

    link = Linked(lambda _: Replies(200, broken()))

    denied = await open_session(link, INFO, {}, "2025-11-25")

    assert denied == Deny(Reason.MCP_UNREADABLE)


# Deaf servers


def deaf(*to: str) -> Linked:
    """A legacy server that never answers these."""

    async def answered(sent: Sent) -> Said:
        if said_of(sent) in to:
            await asyncio.sleep(30)
        return legacy(sent, link)

    link = Linked(answered)
    return link


async def test_an_end_is_not_waited_for_without_end() -> None:
    link = deaf("end")

    await end_session(link, "s1", seconds=0.05)

    assert link.methods == ["end"]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("initialize", ["initialize"]),
        ("notifications/initialized", ["initialize", "notifications/initialized", "end"]),
    ],
)
async def test_a_session_that_is_not_opened_in_time_is_none(to: str, said: list[str]) -> None:
    link = deaf(to)

    assert await open_session(link, INFO, {}, "2025-11-25", 0.05) == Deny(Reason.MCP_LATE)

    assert link.methods == said


async def test_whoever_does_not_say_in_time_that_it_is_modern_is_legacy() -> None:
    assert await era_of(deaf("server/discover"), 0.05) == LEGACY
