"""Answers that begin before they are known: what a client sees meanwhile, and in the end."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from doubles import CLIENT, Clock, Spy, frames
from wire import Reply, send, until

from proxy.actions import Action, Operate
from proxy.connection import Limits
from proxy.decision import Denied
from proxy.exchange import (
    Clean,
    Document,
    Frame,
    Inbound,
    Listener,
    Principal,
    Role,
    Route,
    Stream,
)
from proxy.holding import Held
from proxy.limits import Share
from proxy.metrics import Metrics
from proxy.pipeline import Pipeline
from proxy.protocols.events import FIELDS, KEEP_ALIVE, held
from proxy.protocols.rest import RestCodec
from proxy.reasons import Layer, Reason
from proxy.running import Ended, Running
from proxy.server import Server
from proxy.trace import Trace
from proxy.values import Headers

ASK = b"POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
EVENT = re.compile(rb"event: (\w+)\ndata: (.*)\n\n")


class Patient(RestCodec):
    """A codec whose callers are kept waiting, where `known` is what they want."""

    known = True
    held_up: Exception | None = None

    async def parse(self, inbound: Inbound) -> Action:
        return Operate("call")

    def held(self, inbound: Inbound) -> Held | None:
        if self.held_up is not None:
            raise self.held_up
        return replace(held(), every=0.05) if self.known else None


@dataclass
class Slow:
    """A pipeline that answers when it is told to."""

    clean: Clean = field(default_factory=lambda: Clean(Document({"a": 1})))
    denied: Denied | None = None
    principal: Principal | None = CLIENT
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, inbound: Inbound, trace: Trace) -> Clean:
        trace.principal = self.principal
        await self.go.wait()
        if self.denied is not None:
            raise self.denied
        return self.clean


@dataclass
class Edge:
    """A server of one route, at which answers may begin after 50 ms."""

    slow: Slow
    codec: Patient
    spy: Spy
    running: Running
    port: int = 0

    def ask(self) -> "asyncio.Task[Reply]":
        return asyncio.create_task(send(self.port, ASK, seconds=5))

    async def after(self, seconds: float) -> Reply:
        """The answer, which is there after so many seconds."""
        asking = self.ask()
        await asyncio.sleep(seconds)
        self.slow.go.set()
        return await asking


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    made = Edge(Slow(), Patient(), Spy(), Running())
    server = Server(
        cast("Pipeline", made.slow),
        (made.spy,),
        made.running,
        Metrics("1", ("call",)),
        Limits(),
        lambda text: text,
        Share(3, Clock()),
        patience=0.05,
    )
    table = (Route("call", frozenset({"POST"}), "/call", made.codec),)
    door = server.door(Listener("gateway", None, None), table)
    serving = await asyncio.get_running_loop().create_server(door, "127.0.0.1", 0)
    made.port = serving.sockets[0].getsockname()[1]
    yield made
    serving.close()
    await door.aclose()


def chunks(reply: Reply) -> bytes:
    """The body out of its chunks; it is whole."""
    data, body = b"", reply.body
    while body:
        size, _, body = body.partition(b"\r\n")
        data, body = data + body[: int(size, 16)], body[int(size, 16) + 2 :]
        if size == b"0":
            return data
    raise AssertionError("the body is not whole")


def events(reply: Reply) -> list[tuple[bytes, object]]:
    """What a client reads, in the end."""
    return [(name, json.loads(data)) for name, data in EVENT.findall(chunks(reply))]


async def test_an_answer_that_is_there_soon_is_as_it_always_was(edge: Edge) -> None:
    edge.slow.go.set()
    reply = await edge.ask()

    assert (reply.status, reply.json()) == (200, {"a": 1})
    assert reply.fields["content-type"] == "application/json"


async def test_who_waits_sees_that_somebody_is_there_and_then_the_answer(edge: Edge) -> None:
    reply = await edge.after(0.3)

    assert reply.status == 200
    assert reply.fields["content-type"] == "text/event-stream"
    assert reply.fields["x-request-id"]
    assert reply.fields["server"] == "sidegate"
    assert 2 <= chunks(reply).count(KEEP_ALIVE) <= 8
    assert events(reply) == [(b"result", {"a": 1})]
    assert [(each.status, each.cancelled) for each in edge.spy.outcomes] == [(200, "")]


async def test_a_refusal_that_comes_late_comes_in_the_events(edge: Edge) -> None:
    edge.slow.denied = Denied(Layer.AUTHORIZATION, Reason.APPROVAL_REFUSED)
    reply = await edge.after(0.2)

    ((name, problem),) = events(reply)
    assert reply.status == 200
    assert name == b"error"
    assert isinstance(problem, dict)
    assert (problem["code"], problem["status"]) == ("approval-refused", 403)


async def test_a_stream_that_comes_late_goes_on_where_the_answer_has_begun(edge: Edge) -> None:
    live = Stream(200, Headers(FIELDS), frames(b"event: a\ndata: 1\n\n", b"event: b\ndata: 2\n\n"))
    edge.slow.clean = Clean(live)

    assert events(await edge.after(0.2)) == [(b"a", 1), (b"b", 2)]


async def test_a_stream_that_comes_late_and_breaks_off_does_not_look_whole(edge: Edge) -> None:
    async def broken() -> AsyncIterator[Frame]:
        yield Frame("body", b"event: a\ndata: 1\n\n")
        raise TimeoutError

    edge.slow.clean = Clean(Stream(200, Headers(FIELDS), broken()))
    reply = await edge.after(0.2)

    assert reply.cut
    assert not reply.data.endswith(b"0\r\n\r\n")
    assert edge.spy.outcomes[0].cancelled == "broken-off"


@pytest.mark.parametrize("principal", [None, Principal("public", Role.PUBLIC)])
async def test_a_stranger_is_answered_with_a_status(
    edge: Edge, principal: Principal | None
) -> None:
    edge.slow.principal = principal
    edge.slow.denied = Denied(Layer.AUTHENTICATION, Reason.TOKEN_MISSING)
    reply = await edge.after(0.2)

    assert (reply.status, reply.json()["code"]) == (401, "token-missing")


async def test_who_becomes_known_late_is_kept_waiting_from_then_on(edge: Edge) -> None:
    edge.codec.known = False
    asking = edge.ask()
    await asyncio.sleep(0.2)
    edge.codec.known = True
    await asyncio.sleep(0.2)
    edge.slow.go.set()

    assert KEEP_ALIVE in chunks(await asking)


async def test_a_client_that_leaves_ends_its_request_and_its_signs_of_life(edge: Edge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(ASK)
    async with asyncio.timeout(5):
        await reader.readuntil(KEEP_ALIVE)
    before = len(asyncio.all_tasks())
    writer.transport.abort()

    await until(lambda: edge.spy.outcomes)
    assert (edge.spy.outcomes[0].status, edge.spy.outcomes[0].cancelled) == (200, "client-left")
    assert len(edge.running) == 0
    await until(lambda: len(asyncio.all_tasks()) < before)


@pytest.mark.parametrize(
    ("why", "code"),
    [(Ended.STOPPED, "stopped-by-operator"), (Ended.TOKEN_REVOKED, "token-unknown")],
)
async def test_who_is_ended_while_waiting_is_told_so(edge: Edge, why: Ended, code: str) -> None:
    asking = edge.ask()
    await asyncio.sleep(0.2)
    edge.running.end(lambda *_: True, why)

    ((name, problem),) = events(await asking)
    assert isinstance(problem, dict)
    assert (name, problem["code"]) == (b"error", code)
    assert edge.spy.outcomes[0].cancelled == why.value


async def test_whose_token_is_revoked_before_anything_was_sent_is_cut_off(edge: Edge) -> None:
    edge.codec.known = False
    asking = edge.ask()
    await until(lambda: len(edge.running) == 1)
    await asyncio.sleep(0.05)
    edge.running.end(lambda *_: True, Ended.TOKEN_REVOKED)

    assert (await asking).data == b""
    await until(lambda: edge.spy.outcomes)
    assert edge.spy.outcomes[0].cancelled == "token-revoked"


async def test_what_fails_in_keeping_somebody_waiting_cuts_the_answer(edge: Edge) -> None:
    edge.codec.held_up = ValueError("no")
    reply = await edge.after(0.2)

    assert reply.data == b""
    assert edge.spy.outcomes[0].cancelled == "broken-off"
