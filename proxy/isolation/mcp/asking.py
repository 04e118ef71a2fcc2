"""Whether a server may ask a client something, and how it is told that it may not."""

from collections.abc import Mapping
from dataclasses import replace

from proxy.decision import Deny
from proxy.isolation.mcp.answers import response
from proxy.isolation.mcp.hearing import Patience, heard, send
from proxy.isolation.mcp.link import Sent
from proxy.isolation.mcp.turn import Party
from proxy.jsonrpc import Failure, Id, Message, Request, Response
from proxy.protocols.mcp.methods import ASKED
from proxy.values import Headers, Json

METHOD_NOT_FOUND = -32601
REJECTED = -1
"""What SDKs answer where a person says no."""
_SECONDS = 10.0


async def refusal(party: Party, method: str, params: Mapping[str, Json]) -> Failure | None:
    """Why the server may not ask this, in words for it; None where it may."""
    group = ASKED.get(method)
    if group is None or group not in party.allow or not _able(party, method):
        return Failure(METHOD_NOT_FOUND, "Method not found")
    if party.asking is None:
        return Failure(REJECTED, "Not allowed")
    reason = await party.asking(party.server.name, method, params)
    return None if reason is None else Failure(REJECTED, "Not allowed")


def _able(party: Party, method: str) -> bool:
    """Whether the client says that it can be asked this; who cannot would only be disturbed."""
    return isinstance(party.capabilities.get(method.partition("/")[0]), Mapping)


async def tell(party: Party, message: Message, session: str, headers: Headers) -> None:
    """Tell the server something that it does not answer. That it is gone shows elsewhere."""
    replies = await send(party.server, Sent(message, session, headers), _SECONDS)
    if not isinstance(replies, Deny):
        replies.release()


async def answer(
    party: Party, asked: Id, result: Mapping[str, Json] | Failure, session: str, headers: Headers
) -> None:
    """Answer what the server has asked."""
    await tell(party, Response(asked, result), session, headers)


async def ask(party: Party, request: Request, session: str, headers: Headers) -> Response | Deny:
    """Ask the server something of Sidegate's own that takes no time."""
    replies = await send(party.server, Sent(request, session, headers), _SECONDS)
    if isinstance(replies, Deny):
        return replies
    events = heard(replies, request.id, Patience(_SECONDS))
    return await response(replace(replies, events=events))
