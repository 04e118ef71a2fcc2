"""A small HTTP service that plays the agent behind Sidegate, in the tour and in tests.

It answers messages, streams as a model server does, has a few tools of its own, and lets a fake
secret slip now and then, so that Sidegate has something to take out. `GET /seen` tells which
headers reached it: the proof that no client's credential ever does.
"""

import argparse
import asyncio
import json
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import TypedDict

from aiohttp import web
from aiohttp.typedefs import Handler
from demo_mcp import Forecast

FAKE_SECRET = "sk-demo-1234567890abcdef"
PAUSE_SECS = 0.05
SEEN_MAX = 50

Json = dict[str, object]


class Seen(TypedDict):
    """One request as the agent received it."""

    method: str
    path: str
    headers: list[tuple[str, str]]


SEEN = web.AppKey("SEEN", deque[Seen])


async def read_object(request: web.Request) -> Json:
    """Read the body, which must be one JSON object."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object")
    return body


# Messages and completions


async def answer_message(request: web.Request) -> web.Response:
    """Echo the message, as an agent would answer it."""
    message = (await read_object(request)).get("message", "")
    return web.json_response({"response": f"You wrote: {message}", "model": "demo"})


def last_words(body: Json) -> str:
    """Find what the last message of a chat says."""
    match body.get("messages"):
        case [*_, {"content": str(content)}]:
            return content
        case _:
            return "nothing"


def answer_pieces(words: str) -> Iterator[str]:
    """Answer in small pieces, as from a model: no piece holds the whole secret."""
    text = f"You wrote: {words}\nBy the way, my own api_key={FAKE_SECRET} is a secret. Goodbye."
    return (match[0] for match in re.finditer(r"\S{1,12}\s*", text))


async def complete(request: web.Request) -> web.StreamResponse:
    """Answer a chat: as server-sent events, or whole where the caller wants no stream."""
    body = await read_object(request)
    pieces = answer_pieces(last_words(body))
    if body.get("stream") is False:
        message = {"role": "assistant", "content": "".join(pieces)}
        return web.json_response({"model": "demo", "choices": [{"index": 0, "message": message}]})
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    for piece in pieces:
        event = {"choices": [{"index": 0, "delta": {"content": piece}}]}
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await asyncio.sleep(PAUSE_SECS)
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


# Tools


def add(arguments: Json) -> Json:
    """Add two numbers."""
    match arguments:
        case {"a": int() | float() as a, "b": int() | float() as b}:
            return {"sum": a + b}
        case _:
            raise web.HTTPBadRequest(text="add takes two numbers, a and b")


def weather(arguments: Json) -> Json:
    """Tell the weather, which is always fine."""
    return {"city": arguments.get("city", "here"), "sky": "clear", "celsius": 21}


def leak(_arguments: Json) -> Json:
    """Answer with a secret, as a careless tool does."""
    return {"user": "demo", "api_key": FAKE_SECRET, "note": f"log in with api_key={FAKE_SECRET}"}


def broken(_arguments: Json) -> Json:
    """Fail, as tools do."""
    raise web.HTTPInternalServerError(text="Traceback: the tool fell over")


def publish(arguments: Json) -> Json:
    """Publish a text, or rather say so."""
    return {"published": len(str(arguments.get("text", "")))}


TOOLS: dict[str, Callable[[Json], Json]] = {
    "add": add,
    "weather": weather,
    "leak": leak,
    "broken": broken,
    "publish": publish,
}


async def call_tool(request: web.Request) -> web.Response:
    """Call one of the tools with the arguments of the body."""
    tool = TOOLS.get(request.match_info["name"])
    if tool is None:
        raise web.HTTPNotFound(text="no such tool")
    arguments = (await read_object(request)).get("arguments", {})
    return web.json_response(tool(arguments if isinstance(arguments, dict) else {}))


# The service


async def list_seen(request: web.Request) -> web.Response:
    """Tell which requests arrived, with their headers, the oldest first."""
    return web.json_response({"requests": [*request.app[SEEN]]})


@web.middleware
async def remember(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep what arrived, whatever becomes of it."""
    seen = Seen(method=request.method, path=request.path, headers=list(request.headers.items()))
    request.app[SEEN].append(seen)
    answer: Awaitable[web.StreamResponse] = handler(request)
    return await answer


def build_agent() -> web.Application:
    """Put the routes together."""
    seen: deque[Seen] = deque(maxlen=SEEN_MAX)
    app = web.Application(middlewares=[remember])
    app[SEEN] = seen
    app.add_routes(
        [
            web.post("/webhook", answer_message),
            web.post("/v1/chat/completions", complete),
            web.post("/tools/{name}", call_tool),
            web.get("/seen", list_seen),
            web.post("/mcp", Forecast().answer),
        ]
    )
    return app


def main() -> None:
    """Serve on a port of the loopback address until a signal comes."""
    parser = argparse.ArgumentParser(description="An agent to try Sidegate with.")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    web.run_app(build_agent(), sock=listener, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
