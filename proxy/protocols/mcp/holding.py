"""How a client of MCP is kept waiting for an answer that a human or a slow tool holds back.

Who gave its request a progress token is told of progress, which moves the time-out of clients that
heed it; any other sees comments, which at least keep the connection.
"""

from collections.abc import AsyncIterator

from proxy.duplex import Socket
from proxy.exchange import Answer
from proxy.holding import Held
from proxy.protocols.events import FIELDS, KEEP_ALIVE, event, is_events
from proxy.protocols.strict_json import dumps
from proxy.values import Headers, Json

WAITING = "waiting for the operator or for a slow tool"
"""What a client is told meanwhile: the same always, since nothing has passed the redactor yet."""
MAX_TOKEN = 256
"""Characters of a progress token, which is sent back with every sign of life."""
_MAX_NUMBER = 2**53


def held(token: Json) -> Held:
    """How one is kept waiting whose request has this progress token, or None."""
    if not is_token(token):
        return Held(Headers(FIELDS), lambda _: KEEP_ALIVE, last)
    return Held(Headers(FIELDS), lambda number: progress(token, number), last)


def is_token(value: Json) -> bool:
    """Whether it is a progress token: a text or an integer."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_TOKEN
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_NUMBER


def progress(token: Json, number: int) -> bytes:
    """A notification of progress, which must grow with each."""
    params: Json = {"progressToken": token, "progress": number, "message": WAITING}
    said = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
    return event("message", dumps(said))


async def last(answer: Answer) -> AsyncIterator[bytes]:
    """The answer as the rest of the events: its own, or itself as one.

    Its status and headers cannot be sent any more: the response says whether it is an error. What
    is no response of JSON-RPC, such as a problem, is nothing that could be said here.
    """
    if not isinstance(answer.body, bytes):
        assert not isinstance(answer.body, Socket), "whoever opens a WebSocket is not kept waiting"
        async for piece in answer.body:
            yield piece
    elif is_events(answer.headers):
        yield answer.body
    elif answer.body and answer.headers.get("content-type") == "application/json":
        yield event("message", answer.body)
