"""Streamable HTTP towards a real connection: what a server receives, and what is made of it."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from wire import Agent, Step, agent, until

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.http import HttpLink
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.upstream.session import Limits
from proxy.jsonrpc import Failure, Message, Notification, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason
from proxy.values import Headers

OWN = {"Authorization": "Bearer servers-own"}
CALL = Sent(Request(1, "tools/call", {"name": "add"}))
TOLD = Sent(Notification("notifications/initialized"))
DONE = Response(1, {"content": []})
DATA = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
FAILED = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'

Reach = Callable[..., Awaitable[tuple[Agent, HttpLink]]]


def answer(
    body: bytes = DATA, kind: str = "application/json", *fields: str, status: str = "200 OK"
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    lines += [f"Content-Type: {kind}"] if kind else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream(*fields: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
    return "\r\n".join((*lines, *fields)).encode() + b"\r\n\r\n"


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    """A server that gives this answer, and a link to it."""
    async with AsyncExitStack() as stack:

        async def run(
            *steps: Step, path: str = "/mcp", limits: Limits | None = None
        ) -> tuple[Agent, HttpLink]:
            double = await stack.enter_async_context(agent(*steps))
            link = HttpLink("one", double.url + path, OWN, limits or Limits(idle=None))
            stack.push_async_callback(link.aclose)
            return double, link

        yield run


async def replies_to(link: HttpLink, sent: Sent = CALL) -> Replies:
    replies = await link.send(sent)
    assert isinstance(replies, Replies)
    return replies


async def messages(replies: Replies) -> list[Message | None]:
    return [event.message async for event in replies.events]


# What goes up


@pytest.mark.parametrize(
    ("sent", "line", "accept"),
    [
        (CALL, "POST /mcp HTTP/1.1", ["application/json, text/event-stream"]),
        (TOLD, "POST /mcp HTTP/1.1", ["application/json, text/event-stream"]),
        (Sent(Verb.LISTEN, "s1"), "GET /mcp HTTP/1.1", ["text/event-stream"]),
    ],
)
async def test_a_message_is_posted_and_a_verb_is_a_method(
    reach: Reach, sent: Sent, line: str, accept: list[str]
) -> None:
    server, link = await reach(answer())

    await link.send(sent)

    (received,) = server.seen
    assert received.line == line
    assert received.all("accept") == accept
    assert received.all("accept-encoding") == ["identity"]


async def test_a_session_ends_by_delete(reach: Reach) -> None:
    server, link = await reach(answer(b"", ""))

    replies = await replies_to(link, Sent(Verb.END, "s1"))

    assert server.seen[0].line == "DELETE /mcp HTTP/1.1"
    assert server.seen[0].all("mcp-session-id") == ["s1"]
    assert (replies.status, await messages(replies)) == (202, [])


async def test_the_body_is_the_message_alone(reach: Reach) -> None:
    server, link = await reach(answer())

    await link.send(CALL)

    assert json.loads(server.seen[0].body) == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "add"},
    }


async def test_only_headers_of_mcp_and_the_configured_ones_go_up(reach: Reach) -> None:
    server, link = await reach(answer())
    given = Headers(
        (
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Mcp-Param-City_Name", "Berlin"),
            ("Last-Event-ID", "7"),
            ("Authorization", "Bearer clients-own"),
            ("Cookie", "a=1"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("Mcp-Session-Id", "somebody-elses"),
            ("Mcp-Name", "a\r\nX-Injected: 1"),
            ("Mcp-Method", "täglich"),
            ("Mcp-Bad Name", "1"),
        )
    )

    await link.send(Sent(CALL.message, "s1", given))

    (received,) = server.seen
    assert {name for name, _ in received.fields} == {
        *("host", "content-type", "content-length", "accept", "accept-encoding"),
        *("authorization", "mcp-session-id", "mcp-protocol-version", "mcp-param-city_name"),
        "last-event-id",
    }
    assert received.all("authorization") == ["Bearer servers-own"]
    assert received.all("mcp-session-id") == ["s1"]


@pytest.mark.parametrize("session", ["a b", "a\r\nb", "ä", "x" * 1025])
async def test_what_is_no_session_id_is_not_sent(reach: Reach, session: str) -> None:
    server, link = await reach(answer())

    await link.send(Sent(CALL.message, session))

    assert server.seen[0].all("mcp-session-id") == []


async def test_the_root_is_a_path_too(reach: Reach) -> None:
    server, link = await reach(answer(), path="")

    await link.send(CALL)

    assert server.seen[0].line == "POST / HTTP/1.1"


# What comes back


async def test_a_document_is_one_event(reach: Reach) -> None:
    _, link = await reach(answer(DATA, "application/json", "Mcp-Session-Id: abc"))

    replies = await replies_to(link)

    assert (replies.status, replies.streamed, replies.session) == (200, False, "abc")
    assert await messages(replies) == [DONE]


async def test_a_stream_is_read_as_it_comes(reach: Reach) -> None:
    event = b"id: 1\ndata: " + DATA + b"\n\n"
    pieces = [chunk(event[:9]), chunk(event[9:]), chunk(b": quiet\n\n"), b"0\r\n\r\n"]
    _, link = await reach(stream("Mcp-Session-Id: abc"), 0.05, *pieces)

    replies = await replies_to(link)

    assert (replies.status, replies.streamed, replies.session) == (200, True, "abc")
    assert [event async for event in replies.events] == [Event(DONE, "1")]


@pytest.mark.parametrize("sent", [CALL, TOLD, Sent(Response(1, {})), Sent(Verb.END, "s1")])
@pytest.mark.parametrize("status", ["202 Accepted", "204 No Content", "200 OK"])
async def test_nothing_is_nothing(reach: Reach, sent: Sent, status: str) -> None:
    _, link = await reach(answer(b"", "", status=status))

    replies = await replies_to(link, sent)

    assert (replies.status, await messages(replies)) == (202, [])


async def test_what_needs_no_answer_has_none(reach: Reach) -> None:
    _, link = await reach(answer(b"thank you", "text/plain"))

    replies = await replies_to(link, TOLD)

    assert (replies.status, await messages(replies)) == (202, [])


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Oh"])
async def test_an_error_in_the_words_of_mcp_is_passed_on(reach: Reach, status: str) -> None:
    _, link = await reach(answer(FAILED, status=status))

    replies = await replies_to(link)

    assert replies.status == int(status[:3])
    assert await messages(replies) == [Response(1, Failure(-32601, "no"))]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (Sent(CALL.message, "s1"), "404 Not Found"),
        (Sent(TOLD.message, "s1"), "404 Not Found"),
        (Sent(Verb.LISTEN, "s1"), "405 Method Not Allowed"),
        (Sent(Verb.END, "s1"), "405 Method Not Allowed"),
    ],
)
async def test_some_statuses_say_it_all(reach: Reach, sent: Sent, status: str) -> None:
    _, link = await reach(answer(b"gone", "text/plain", status=status))

    replies = await replies_to(link, sent)

    assert (replies.status, await messages(replies)) == (int(status[:3]), [])


# A hostile server


@pytest.mark.parametrize(
    ("reply", "sent", "reason"),
    [
        pytest.param(answer(b"{", "application/json"), CALL, "unreadable", id="broken JSON"),
        pytest.param(answer(b"[" + DATA + b"]"), CALL, "unreadable", id="a batch"),
        pytest.param(
            answer(DATA.replace(b'"id":1', b'"id":1,"id":2')), CALL, "unreadable", id="two ids"
        ),
        pytest.param(answer(DATA, "text/plain"), CALL, "unreadable", id="another type"),
        pytest.param(answer(DATA, "application/json; x=1"), CALL, "unreadable", id="parameters"),
        pytest.param(
            answer(DATA, "text/event-stream; charset=utf-16"), CALL, "unreadable", id="another set"
        ),
        pytest.param(answer(DATA, ""), CALL, "unreadable", id="no type"),
        pytest.param(
            answer(DATA, "text/plain", "Content-Type: application/json"),
            CALL,
            "unreadable",
            id="two types",
        ),
        pytest.param(
            answer(DATA, "application/json", "Content-Encoding: gzip"),
            CALL,
            "unreadable",
            id="an encoding",
        ),
        pytest.param(
            answer(DATA, "application/json", "Mcp-Session-Id: a", "Mcp-Session-Id: b"),
            CALL,
            "unreadable",
            id="two sessions",
        ),
        pytest.param(
            answer(DATA, "application/json", "Mcp-Session-Id: a b"),
            CALL,
            "unreadable",
            id="a session of two words",
        ),
        pytest.param(
            answer(DATA, "application/json", f"Mcp-Session-Id: {'a' * 1025}"),
            CALL,
            "unreadable",
            id="a long session",
        ),
        pytest.param(
            answer(b'"' + b"a" * (4 << 20) + b'"'), CALL, "unreadable", id="a large document"
        ),
        pytest.param(answer()[:-1], CALL, "unreadable", id="a document that breaks off"),
        pytest.param(answer(), Sent(Verb.LISTEN, "s"), "unreadable", id="no stream to listen to"),
        pytest.param(b"HTTP/1.1 2000 ?\r\n\r\n", CALL, "unreadable", id="no status"),
        pytest.param(b"what?\r\n\r\n", CALL, "unreadable", id="no HTTP"),
        pytest.param(
            answer(status="307 Away", kind="text/plain"), CALL, "refused", id="a redirect"
        ),
        pytest.param(
            answer(b"no", "text/plain", status="400 Bad"), CALL, "refused", id="another error"
        ),
        pytest.param(
            answer(DATA, status="400 Bad")[:-1], CALL, "unreadable", id="an error that breaks off"
        ),
        pytest.param(answer(b"{}", status="500 Oh"), CALL, "refused", id="an error of nobody's"),
        pytest.param(
            answer(b"no", "text/plain", status="404 Gone"), CALL, "refused", id="404, no session"
        ),
        pytest.param(answer(b"", "", status="401 No"), TOLD, "refused", id="401"),
    ],
)
async def test_what_is_not_understood_is_refused(
    reach: Reach, reply: bytes, sent: Sent, reason: str
) -> None:
    server, link = await reach(reply)

    assert await link.send(sent) == Deny(Reason[f"MCP_{reason.upper()}"])

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(chunk(b"data: {\n\n"), id="no message"),
        pytest.param(chunk(b"data: " + b"a" * (4 << 20)), id="an event without end"),
        pytest.param(b"zz\r\n", id="no chunk"),
        pytest.param(b"", id="it breaks off"),
    ],
)
async def test_a_stream_that_is_not_understood_breaks_off(reach: Reach, end: bytes) -> None:
    _, link = await reach(stream(), chunk(b"data: " + DATA + b"\n\n"), 0.05, end)
    replies = await replies_to(link)

    assert (await anext(replies.events)).message == DONE
    with pytest.raises(Denied) as refused:
        await anext(replies.events)

    assert refused.value.reason is Reason.MCP_UNREADABLE


async def test_a_head_that_does_not_come_is_late(reach: Reach) -> None:
    server, link = await reach(10.0, answer(), limits=Limits(answer=0.2))

    assert await link.send(CALL) == Deny(Reason.MCP_LATE)

    await until(lambda: server.left)


async def test_a_document_that_does_not_end_is_late(reach: Reach) -> None:
    server, link = await reach(answer()[:-1], 10.0, limits=Limits(answer=0.2))

    assert await link.send(CALL) == Deny(Reason.MCP_LATE)

    await until(lambda: server.left)


async def test_a_stream_may_be_silent_for_longer_than_a_head(reach: Reach) -> None:
    event = chunk(b"data: " + DATA + b"\n\n") + b"0\r\n\r\n"
    _, link = await reach(stream(), 0.5, event, limits=Limits(answer=0.2, idle=None))

    assert await messages(await replies_to(link)) == [DONE]


async def test_where_silence_is_limited_it_breaks_the_stream_off(reach: Reach) -> None:
    server, link = await reach(stream(), 10.0, limits=Limits(idle=0.1))
    replies = await replies_to(link)

    with pytest.raises(Denied) as refused:
        await messages(replies)

    assert refused.value.reason is Reason.MCP_LATE
    await until(lambda: server.left)


# Who is not there


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_who_is_not_there_has_received_nothing() -> None:
    link = HttpLink("one", f"http://127.0.0.1:{free_port()}/mcp", {})

    assert await link.send(CALL) == Deny(Reason.MCP_UNAVAILABLE)
    assert str(await link.missing()).startswith("the MCP server one at 127.0.0.1:")

    await link.aclose()


async def test_who_goes_away_unheard_may_have_received_it(reach: Reach) -> None:
    _, link = await reach(b"")

    assert await link.send(CALL) == Deny(Reason.MCP_UNREADABLE)


async def test_what_must_not_be_sent_is_not(reach: Reach) -> None:
    server, link = await reach(answer())

    async def before() -> None:
        raise OSError("no record of it")

    denied = await link.send(Sent(CALL.message, before=before))

    assert denied == Deny(Reason.MCP_UNAVAILABLE)
    assert not server.seen


async def test_a_server_that_is_there_lacks_nothing(reach: Reach) -> None:
    _, link = await reach()

    assert await link.missing() is None


# Leaving


async def test_the_server_sees_at_once_that_nobody_listens(reach: Reach) -> None:
    server, link = await reach(stream(), chunk(b"data: " + DATA + b"\n\n"), 10.0)
    replies = await replies_to(link, Sent(Verb.LISTEN, "s1"))
    await anext(replies.events)
    began = time.monotonic()

    replies.release()
    replies.release()
    await until(lambda: server.left)

    assert time.monotonic() - began < 1.0


async def test_a_reader_that_is_cancelled_leaves_nothing_open(reach: Reach) -> None:
    server, link = await reach(stream(), 10.0)
    replies = await replies_to(link)
    reading = asyncio.create_task(messages(replies))
    await asyncio.sleep(0.05)

    reading.cancel()
    await until(lambda: server.left)

    assert reading.cancelled()


async def test_a_call_that_is_cancelled_leaves_nothing_open(reach: Reach) -> None:
    server, link = await reach(10.0, answer())
    calling = asyncio.create_task(link.send(CALL))
    await until(lambda: server.seen)

    calling.cancel()
    await until(lambda: server.left)

    assert calling.cancelled()


async def test_a_stream_that_nobody_reads_is_given_back(reach: Reach) -> None:
    server, link = await reach(stream(), 10.0)

    (await replies_to(link)).release()

    await until(lambda: server.left)
