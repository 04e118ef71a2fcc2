"""One connection after another: the order in which what comes there is judged. See `listener`.

It may be called again and again, by whoever may write to the socket, and nobody is told more than a
sentence. Refusals are on the log, bodies are not.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import assert_never

import structlog

from proxy.decision import told
from proxy.guard.calls import Call, Verb, call_of
from proxy.guard.containers import Containers
from proxy.guard.create import create_body
from proxy.guard.engine import PIECE, Ends, Engine
from proxy.guard.intake import Intake, Request
from proxy.guard.refusal import Refusal, answer
from proxy.guard.relay import attach, forward, request
from proxy.guard.rules import Rules
from proxy.isolation.docker.info import FIELDS
from proxy.limits import Share

log = structlog.get_logger()

CROWDED = Refusal(503, "there are too many connections")
_LINGER_SECONDS = 1.0
_CLOSE_SECONDS = 30.0
_LOGGED_EACH_MINUTE = 600


class Guard:
    """Answers the requests of one Sidegate by what the rules allow."""

    def __init__(self, engine: Engine, rules: Rules, intake: Intake) -> None:
        self._engine = engine
        self._rules = rules
        self._intake = intake
        self._containers = Containers(engine, rules)
        self._connections: set[asyncio.Task[None]] = set()
        self._told = Share(_LOGGED_EACH_MINUTE, time.time)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection, which carries one request."""
        serving = asyncio.create_task(self._serve(Ends(reader, writer)))
        self._connections.add(serving)
        serving.add_done_callback(self._over)

    async def aclose(self) -> None:
        """End every connection, as the engine would by stopping."""
        for serving in self._connections:
            serving.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _over(self, serving: "asyncio.Task[None]") -> None:
        self._connections.discard(serving)
        if not serving.cancelled() and (error := serving.exception()):
            log.error("a connection failed", exc_info=error)

    async def _serve(self, client: Ends) -> None:
        try:
            with contextlib.suppress(OSError):  # of the client's side, who has left
                refusal = await self._answer(client)
                if refusal is not None:
                    self._tell(refusal)
                    await _refuse(client, refusal)
                client.writer.close()
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await client.writer.wait_closed()
        finally:
            client.writer.transport.abort()

    async def _answer(self, client: Ends) -> Refusal | None:
        """Judge the request and have it done; why not, where that is not what happens."""
        if len(self._connections) > self._rules.connections:
            return CROWDED
        taken = await self._intake.take(client.reader)
        if not isinstance(taken, Request):
            return taken
        try:
            return await self._judge(client, taken)
        finally:
            self._intake.release(taken)

    async def _judge(self, client: Ends, taken: Request) -> Refusal | None:
        call = call_of(taken.head, self._rules)
        if isinstance(call, Refusal):
            return call
        try:
            return await self._do(client, call, taken.body)
        except OSError as error:
            why = error.strerror or told(error)
            return Refusal(502, f"the engine does not answer: {why}")

    async def _do(self, client: Ends, call: Call, body: bytes) -> Refusal | None:
        match call.verb:
            case Verb.CREATE:
                return await self._create(client, call, body)
            case Verb.INFO:
                await self._inform(client)
                return None
            case Verb.VERSION | Verb.PING | Verb.IMAGE | Verb.LIST:
                return await forward(client, self._engine, request(call))
            case Verb.ATTACH | Verb.INSPECT | Verb.START | Verb.WAIT | Verb.KILL | Verb.REMOVE:
                container = await self._containers.find(call.subject)
            case _ as unreachable:
                assert_never(unreachable)
        if isinstance(container, Refusal):
            return container
        if call.verb is Verb.ATTACH:
            return await attach(client, self._engine, request(call, container, upgrade=True))
        return await forward(client, self._engine, request(call, container))

    async def _inform(self, client: Ends) -> None:
        """What Sidegate looks at, and nothing else of the engine's host."""
        said = await self._engine.ask("/info")
        if not isinstance(said, Mapping):
            raise OSError("the engine's answer makes no sense")
        client.writer.write(answer(200, {key: said[key] for key in FIELDS if key in said}))

    async def _create(self, client: Ends, call: Call, body: bytes) -> Refusal | None:
        """To the end, whether the client stays or not, since the container is then there."""
        wanted = create_body(body, self._rules)
        if isinstance(wanted, Refusal):
            return wanted
        name = call.query.get("name")
        async with self._containers.creating(name) as refusal:
            if refusal is not None:
                return refusal
            created = await self._engine.exchange(request(call, body=wanted))
            self._containers.learn(created, name)
        if not created:
            raise OSError("the engine gave no answer")
        client.writer.write(created)
        return None

    def _tell(self, refusal: Refusal) -> None:
        left_out = self._told.take()
        if left_out is not None:
            log.warning("refused", status=refusal.status, why=refusal.sentence, left_out=left_out)


async def _refuse(client: Ends, refusal: Refusal) -> None:
    """Say so, and listen for a while, since to close at once would undo what was said."""
    client.writer.write(refusal.answer())
    await client.writer.drain()
    client.writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while await client.reader.read(PIECE):
                pass
