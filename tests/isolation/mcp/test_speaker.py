"""One process: what it says reaches who it is for, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from talking import Program, Said, notification, plain, result

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.link import Event, Replies
from proxy.isolation.mcp.speaker import Speaker
from proxy.jsonrpc import Message, Notification, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason


@asynccontextmanager
async def speaking(
    answer: Callable[[Said], list[Said | bytes]],
) -> AsyncIterator[tuple[Speaker, Program]]:
    program = Program(answer)
    speaker = Speaker("fs", program, asyncio.get_running_loop().time)
    await speaker.start()
    try:
        yield speaker, program
    finally:
        await speaker.end()
        assert program.discarded


async def messages(replies: Replies | Deny) -> list[Message | None]:
    assert isinstance(replies, Replies)
    async with asyncio.timeout(5):
        return [event.message async for event in replies.events]


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_request_is_answered() -> None:
    async with speaking(plain) as (speaker, _):
        replies = await speaker.send(Request(1, "tools/list"))

        assert isinstance(replies, Replies)
        assert not replies.streamed
        assert await messages(replies) == [Response(1, {"of": "tools/list"})]


async def test_two_requests_get_each_its_own_answer() -> None:
    first: list[Said] = []

    def crossed(message: Said) -> list[Said | bytes]:
        first.append(message)
        return [] if len(first) < 2 else [result(each, n=each["id"]) for each in reversed(first)]

    async with speaking(crossed) as (speaker, _):
        one, two = await asyncio.gather(
            speaker.send(Request(1, "a")), speaker.send(Request("1", "b"))
        )

        assert await messages(one) == [Response(1, {"n": 1})]
        assert await messages(two) == [Response("1", {"n": "1"})]


async def test_progress_goes_to_the_request_that_has_its_token() -> None:
    def slow(message: Said) -> list[Said | bytes]:
        if message["method"] == "second":
            return [
                notification("notifications/progress", progressToken="a", progress=1),
                result(message),
                {"jsonrpc": "2.0", "id": 1, "result": {}},
            ]
        return []

    async with speaking(slow) as (speaker, _):
        first = asyncio.create_task(
            speaker.send(Request(1, "first", {"_meta": {"progressToken": "a"}}))
        )
        await settled()
        second = await speaker.send(Request(2, "second"))

        assert await messages(second) == [Response(2, {})]
        progress = Notification("notifications/progress", {"progressToken": "a", "progress": 1})
        assert await messages(await first) == [progress, Response(1, {})]


async def test_what_is_asked_goes_to_the_latest_request_and_otherwise_to_who_listens() -> None:
    def asks(message: Said) -> list[Said | bytes]:
        if message["method"] == "call":
            return [{"jsonrpc": "2.0", "id": 7, "method": "roots/list"}, result(message)]
        return [notification("notifications/tools/list_changed")]

    async with speaking(asks) as (speaker, _):
        listening = await speaker.send(Verb.LISTEN)
        assert isinstance(listening, Replies)
        await speaker.send(Notification("poke"))
        called = await speaker.send(Request(1, "call"))

        assert await messages(called) == [Request(7, "roots/list"), Response(1, {})]
        async with asyncio.timeout(5):
            event = await anext(aiter(listening.events))
        assert event == Event(Notification("notifications/tools/list_changed"))
        listening.release()


@pytest.mark.parametrize(
    "said",
    [
        b"hello\n",
        b"{}\n",
        b'{"jsonrpc":"2.0","id":1,"id":2,"result":{}}\n',
        b'[{"jsonrpc":"2.0","id":1,"result":{}}]\n',
        b"\xff\n",
        b"x" * (5 << 20),
    ],
    ids=["words", "nothing", "doubled key", "batch", "no UTF-8", "no end"],
)
async def test_what_is_no_message_ends_it(said: bytes) -> None:
    async with speaking(lambda _: [said]) as (speaker, _):
        async with asyncio.timeout(5):
            assert await speaker.send(Request(1, "x")) == Deny(Reason.MCP_UNREADABLE)

        assert speaker.gone
        assert await speaker.send(Request(2, "x")) == Deny(Reason.MCP_UNAVAILABLE)


async def test_who_waits_for_a_process_that_ends_is_told() -> None:
    def begins(_: Said) -> list[Said | bytes]:
        return [notification("notifications/message", level="info", data="1")]

    async with speaking(begins) as (speaker, program):
        replies = await speaker.send(Request(1, "x"))
        program.end()

        with pytest.raises(Denied) as raised:
            await messages(replies)
        assert raised.value.reason is Reason.MCP_UNREADABLE


async def test_an_id_that_waits_is_not_used_again() -> None:
    async with speaking(lambda _: []) as (speaker, _):
        waiting = asyncio.create_task(speaker.send(Request(1, "x")))
        await settled()

        assert await speaker.send(Request(1, "y")) == Deny(Reason.MESSAGE_MALFORMED)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        again = asyncio.create_task(speaker.send(Request(1, "y")))
        await settled()
        assert not again.done()
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)


async def test_an_answer_that_nobody_waits_for_is_nobodys() -> None:
    async with speaking(lambda m: [result({"id": 99}), result(m)]) as (speaker, _):
        assert await messages(await speaker.send(Request(1, "x"))) == [Response(1, {})]


async def test_who_takes_nothing_is_cut_off_in_the_end() -> None:
    flood = [notification("notifications/message", level="info", data=n) for n in range(2000)]
    async with speaking(lambda _: [*flood]) as (speaker, _):
        replies = await speaker.send(Request(1, "x"))
        await asyncio.sleep(0.1)

        with pytest.raises(Denied):
            await messages(replies)


async def test_what_it_complains_of_is_no_message() -> None:
    async with speaking(plain) as (speaker, program):
        program.complain("warning: deprecated\n" * 100)

        assert await messages(await speaker.send(Request(1, "x"))) == [Response(1, {"of": "x"})]


async def test_what_nobody_has_taken_has_a_size() -> None:
    large = notification("notifications/message", level="info", data="x" * (3 << 20))
    async with speaking(lambda _: [large] * 8) as (speaker, _):
        replies = await speaker.send(Request(1, "x"))
        await asyncio.sleep(0.3)

        with pytest.raises(Denied):
            await messages(replies)


async def test_who_says_too_much_for_nobody_is_ended() -> None:
    lost: list[bool] = []
    program = Program(plain)
    now = asyncio.get_running_loop().time
    speaker = Speaker("fs", program, now, lambda: lost.append(True))
    await speaker.start()
    program.write(b'{"jsonrpc":"2.0","method":"notifications/message"}\n' * 10_001)

    async with asyncio.timeout(5):
        while not lost:
            assert not speaker.gone
            await asyncio.sleep(0)
    assert speaker.gone
    await speaker.end()
    assert lost == [True]


async def test_after_half_of_a_message_nothing_more_is_said() -> None:
    class Deaf(Program):
        async def say(self, data: bytes) -> None:
            self.said.append({"half": data})
            await asyncio.Event().wait()

    program = Deaf(plain)
    speaker = Speaker("fs", program, asyncio.get_running_loop().time)
    await speaker.start()
    first = asyncio.create_task(speaker.send(Request(1, "x")))
    second = asyncio.create_task(speaker.send(Request(2, "y")))
    await settled()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    async with asyncio.timeout(5):
        assert await second == Deny(Reason.MCP_UNREADABLE)
    assert speaker.gone
    assert len(program.said) == 1
    await speaker.end()
