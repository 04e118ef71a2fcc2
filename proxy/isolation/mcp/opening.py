"""How a conversation with an MCP server begins: the era that it speaks, and a session with it.

A server is modern where it says so itself. Whatever else it answers, the handshake of the legacy
era is what every server knows; only one that cannot be reached is of no era.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.link import Link, Replies, Sent
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import LEGACY, MODERN, Era, Verb
from proxy.protocols.mcp.mirrored import made
from proxy.reasons import Reason
from proxy.values import Headers, Json

SELF: Mapping[str, Json] = {"name": "sidegate", "version": version("sidegate")}
"""What a server is told of who asks it, where no client does."""
META = "io.modelcontextprotocol/"
"""Before the members of `_meta` in which a modern request says what a session would know."""
ANOTHER_REVISION = -32022
_PROBE_SECONDS = 10.0
_OPENING_SECONDS = 30.0
_ENDING_SECONDS = 5.0
_MOST_EVENTS = 256  # notifications that may go before an answer


@dataclass(frozen=True, slots=True)
class Opened:
    """A session at a server: the revision spoken, its id ("" where the server gives none).

    `result`: what the server answered to `initialize`.
    """

    revision: str
    session: str
    result: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Found:
    """The era that a server speaks, and in the modern one what it answered to `server/discover`."""

    era: Era
    discovered: Mapping[str, Json] = field(default_factory=dict)


async def open_session(
    link: Link,
    info: Mapping[str, Json],
    capabilities: Mapping[str, Json],
    revision: str,
    seconds: float = _OPENING_SECONDS,
) -> Opened | Deny:
    """Open a session in the name of a client: `initialize`, then that it is initialized.

    `seconds` is the time for each of the two.
    """
    params: dict[str, Json] = {
        "protocolVersion": revision,
        "capabilities": capabilities,
        "clientInfo": info,
    }
    # No id that a client is likely to use itself in the session that this opens.
    request = Request("sidegate-initialize", "initialize", params)
    answered = await _asked(link, Sent(request), seconds)
    if isinstance(answered, Deny):
        return answered
    response, session = answered
    opened = _opened(response, session)
    denied = opened if isinstance(opened, Deny) else await _initialized(link, opened, seconds)
    if denied is not None:
        await end_session(link, session)
        return denied
    return opened


async def end_session(link: Link, session: str, seconds: float = _ENDING_SECONDS) -> None:
    """Tell the server that a session ends, whatever it says to that."""
    if not session:
        return
    try:
        async with asyncio.timeout(seconds):
            replies = await link.send(Sent(Verb.END, session))
    except TimeoutError:
        return
    if isinstance(replies, Replies):
        replies.release()


async def era_of(link: Link, seconds: float = _PROBE_SECONDS) -> Found | Deny:
    """Ask the server for its era. Whoever answers anything else than a modern result is legacy."""
    revision = MODERN[-1]
    meta: dict[str, Json] = {
        f"{META}protocolVersion": revision,
        f"{META}clientInfo": SELF,
        f"{META}clientCapabilities": {},
    }
    request = Request("sidegate-discover", "server/discover", {"_meta": meta})
    sent = Sent(request, headers=made(request, revision, None))
    answered = await _asked(link, sent, seconds)
    if isinstance(answered, Deny):
        return answered if _is_outage(answered) else Found(Era.LEGACY)
    return _found(answered[0])


def _is_outage(denied: Deny) -> bool:
    """Whether nobody answered. Some legacy servers answer nothing to what they do not know."""
    if denied.reason is Reason.MCP_LATE:
        return False
    return denied.reason is Reason.MCP_UNAVAILABLE or denied.facts.get("upstream_status") == 0


def _found(response: Response) -> Found | Deny:
    result = response.result
    if isinstance(result, Failure):
        spoken = _texts(result.data.get("supported") if isinstance(result.data, Mapping) else None)
        unspoken = result.code == ANOTHER_REVISION and spoken and not {*spoken} & {*LEGACY}
        return Deny(Reason.MCP_REFUSED, "revision") if unspoken else Found(Era.LEGACY)
    modern = {*_texts(result.get("supportedVersions"))} & {*MODERN}
    if modern and isinstance(result.get("capabilities"), Mapping):
        return Found(Era.MODERN, result)
    return Found(Era.LEGACY)


def _texts(value: Json) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return []
    return [each for each in value if isinstance(each, str)]


def _opened(response: Response, session: str) -> Opened | Deny:
    result = response.result
    if isinstance(result, Failure):
        return Deny(Reason.MCP_REFUSED, f"error {result.code}")
    revision = result.get("protocolVersion")
    if not isinstance(revision, str) or not isinstance(result.get("capabilities"), Mapping):
        return Deny(Reason.MCP_UNREADABLE, "initialize")
    if revision not in LEGACY:
        return Deny(Reason.MCP_REFUSED, "revision")
    return Opened(revision, session, result)


async def _initialized(link: Link, opened: Opened, seconds: float) -> Deny | None:
    headers = Headers((("MCP-Protocol-Version", opened.revision),))
    sent = Sent(Notification("notifications/initialized"), opened.session, headers)
    try:
        async with asyncio.timeout(seconds):
            replies = await link.send(sent)
    except TimeoutError:
        return Deny(Reason.MCP_LATE)
    if isinstance(replies, Deny):
        return replies
    replies.release()
    return Deny(Reason.MCP_REFUSED, f"status {replies.status}") if replies.status >= 400 else None


async def _asked(link: Link, sent: Sent, seconds: float) -> tuple[Response, str] | Deny:
    """The response and the id of the session that was opened with it."""
    try:
        async with asyncio.timeout(seconds):
            replies = await link.send(sent)
            if isinstance(replies, Deny):
                return replies
            try:
                response = await _response(replies, sent)
            finally:
                replies.release()
    except TimeoutError:
        return Deny(Reason.MCP_LATE)
    except Denied as denied:
        return Deny(denied.reason, "stream")
    return response if isinstance(response, Deny) else (response, replies.session)


async def _response(replies: Replies, sent: Sent) -> Response | Deny:
    """The response, after whatever the server tells or asks before it is answered."""
    assert isinstance(sent.message, Request)
    count = 0
    async for event in replies.events:
        count += 1
        if isinstance(event.message, Response):
            known = event.message.id == sent.message.id
            unread = event.message.id is None and replies.status >= 400
            return event.message if known or unread else Deny(Reason.MCP_UNREADABLE, "another id")
        if count > _MOST_EVENTS:
            return Deny(Reason.MCP_UNREADABLE, "no response")
    reason = Reason.MCP_REFUSED if replies.status >= 400 else Reason.MCP_UNREADABLE
    return Deny(reason, f"status {replies.status}")
