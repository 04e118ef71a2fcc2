"""The least proxy that aiohttp makes: it passes on what comes, and looks at nothing.

The peer of what Sidegate relays: `python -m bench.bare URL`.
"""

import sys
from collections.abc import Mapping

import click
from aiohttp import ClientSession, web

AGENT = web.AppKey("AGENT", str)
HTTP = web.AppKey("HTTP", ClientSession)
_OF_THE_CONNECTION = ("Host", "Connection", "Content-Length", "Transfer-Encoding")


async def relay(request: web.Request) -> web.Response:
    """Ask the agent the same."""
    url, headers = request.app[AGENT] + request.raw_path, _passed_on(request.headers)
    body = await request.read()
    async with request.app[HTTP].request(request.method, url, headers=headers, data=body) as said:
        data = await said.read()
        return web.Response(status=said.status, headers=_passed_on(said.headers), body=data)


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OF_THE_CONNECTION}


async def answer_health(_: web.Request) -> web.Response:
    """Say that it is there."""
    return web.json_response({"status": "ok"})


async def build(url: str) -> web.Application:
    """The proxy before the agent at `url`."""
    app = web.Application()
    app[AGENT], app[HTTP] = url, ClientSession()
    app.on_cleanup.append(lambda _: app[HTTP].close())
    app.router.add_get("/health", answer_health)
    app.router.add_route("*", "/{path:.*}", relay)
    return app


if __name__ == "__main__":
    web.run_app(build(sys.argv[1]), host="127.0.0.1", port=0, print=click.echo)
