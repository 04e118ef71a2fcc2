"""Streams of events that live for hours: silence on either side, and clients that vanish."""

import asyncio
import signal
import sys

from conftest import Sidegate, Start
from wire import Agent, agent, until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ROUTES = {"routes": [{"path": "/events", "methods": ["GET"]}]}
READER = """
import socket, sys
ends = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
lines = ["GET /events HTTP/1.1", "Host: localhost", f"Authorization: Bearer {sys.argv[2]}", "", ""]
ends.sendall("\\r\\n".join(lines).encode())
while True:
    print(ends.recv(4096), flush=True)
"""


async def front(start: Start, double: Agent, **limits: float) -> Sidegate:
    sections = {"url": double.url, **ROUTES, **limits}
    return await start({"gateway": {"require_pairing": True}, "upstream": sections})


async def test_an_agent_may_be_silent_for_longer_than_other_answers_may(start: Start) -> None:
    async with agent(HEAD, b"data: 1\n\n", 1.5, b"data: 2\n\n") as double:
        sidegate = await front(start, double, idle_timeout_secs=0.3)
        header = {"Authorization": f"Bearer {await sidegate.pair()}"}
        async with sidegate.http.get(sidegate.url("/events"), headers=header) as answer:
            assert await answer.read() == b"data: 1\n\ndata: 2\n\n"


async def test_an_agent_sees_soon_that_a_client_was_killed(start: Start) -> None:
    async with agent(HEAD, b"data: 1\n\n", 60.0) as double:
        sidegate = await front(start, double)
        port, token = str(sidegate.app.ports["gateway"]), await sidegate.pair()
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", READER, port, token), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert client.stdout is not None
            async with asyncio.timeout(10):
                while b"data: 1" not in await client.stdout.readline():
                    pass
        finally:
            client.send_signal(signal.SIGKILL)
            await client.wait()

        await until(lambda: double.left == 1, 2.0)
