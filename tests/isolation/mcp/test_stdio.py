"""A server that is a program: a process for each session, and none beside them."""

import asyncio
from collections.abc import Callable

import pytest
from talking import Program, Said, plain
from wire import until

from proxy.decision import Deny
from proxy.isolation.mcp.link import Replies, Sent
from proxy.isolation.mcp.stdio import StdioLink
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason

INITIALIZE = Request(0, "initialize", {"protocolVersion": "2025-11-25"})


class Programs:
    """The processes that were started."""

    def __init__(
        self, answer: Callable[[Said], list[Said | bytes]] = plain, *, fails: bool = False
    ) -> None:
        self.made: list[Program] = []
        self._answer = answer
        self._fails = fails

    def __call__(self) -> Program:
        self.made.append(Program(self._answer, fails=self._fails))
        return self.made[-1]


async def nothing() -> str | None:
    return None


async def opened(link: StdioLink) -> str:
    replies = await link.send(Sent(INITIALIZE))
    assert isinstance(replies, Replies)
    [event] = [event async for event in replies.events]
    assert event.message == Response(0, {"of": "initialize"})
    return replies.session


async def test_each_session_is_a_process_of_its_own() -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing)
    first, second = await opened(link), await opened(link)

    assert first != second
    assert len(programs.made) == 2
    await link.send(Sent(Notification("notifications/initialized"), first))
    assert [each["method"] for each in programs.made[0].said] == [
        "initialize",
        "notifications/initialized",
    ]
    assert len(programs.made[1].said) == 1
    await link.aclose()
    assert all(program.discarded for program in programs.made)


async def test_a_session_that_is_not_there_is_not_found() -> None:
    link = StdioLink("fs", Programs(), nothing)
    replies = await link.send(Sent(Request(1, "tools/list"), "made-up"))

    assert isinstance(replies, Replies)
    assert replies.status == 404
    await link.aclose()


async def test_the_end_of_a_session_is_that_of_its_process() -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing)
    session = await opened(link)
    await link.send(Sent(Verb.END, session))
    await asyncio.sleep(0)
    replies = await link.send(Sent(Request(1, "x"), session))

    assert isinstance(replies, Replies)
    assert replies.status == 404
    await link.aclose()
    assert programs.made[0].discarded


async def test_a_process_that_ended_is_a_session_that_ended() -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing)
    session = await opened(link)
    programs.made[0].end()
    await asyncio.sleep(0.05)
    replies = await link.send(Sent(Request(1, "x"), session))

    assert isinstance(replies, Replies)
    assert replies.status == 404
    await link.aclose()


async def test_there_are_no_more_processes_than_there_may_be() -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing, most=2)
    session = await opened(link)
    await opened(link)

    assert await link.send(Sent(INITIALIZE)) == Deny(Reason.MCP_UNAVAILABLE)
    await link.send(Sent(Verb.END, session))
    await opened(link)
    await link.aclose()
    assert len(programs.made) == 3


@pytest.mark.parametrize("message", [Request(1, "server/discover"), Request(1, "tools/list")])
async def test_nothing_is_started_for_what_opens_no_session(message: Request) -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing)
    replies = await link.send(Sent(message))

    assert isinstance(replies, Replies)
    [event] = [event async for event in replies.events]
    assert event.message == Response(1, Failure(-32601, "Method not found"))
    assert await link.send(Sent(Notification("x"))) == Deny(Reason.SESSION_MISSING)
    assert not programs.made


async def test_what_cannot_be_started_is_unavailable() -> None:
    programs = Programs(fails=True)
    link = StdioLink("fs", programs, nothing)

    assert await link.send(Sent(INITIALIZE)) == Deny(Reason.MCP_UNAVAILABLE)
    await link.aclose()
    assert programs.made[0].discarded


async def test_who_leaves_while_it_starts_leaves_nothing() -> None:
    programs = Programs(lambda _: [])
    link = StdioLink("fs", programs, nothing)
    task = asyncio.create_task(link.send(Sent(INITIALIZE)))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await link.aclose()

    assert programs.made[0].discarded


async def test_what_is_missing_is_told_with_the_name_of_the_server() -> None:
    async def image() -> str | None:
        return "the image alpine:3.20 is not in the engine"

    lacking = await StdioLink("fs", Programs(), image).missing()

    assert lacking == "the MCP server fs: the image alpine:3.20 is not in the engine"
    assert await StdioLink("fs", Programs(), nothing).missing() is None


async def test_a_process_of_no_more_use_is_removed_at_once() -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing, most=1)
    await opened(link)
    programs.made[0].write(b"no message\n")
    await until(lambda: programs.made[0].discarded)
    await asyncio.sleep(0)

    await opened(link)  # there is room for another
    await link.aclose()


async def test_one_that_clients_left_makes_room_for_another() -> None:
    programs = Programs()
    link = StdioLink("fs", programs, nothing, most=2, spared=0.02)
    left = await opened(link)
    await asyncio.sleep(0.03)
    used = await opened(link)
    await opened(link)

    gone = await link.send(Sent(Request(1, "x"), left))
    assert isinstance(gone, Replies)
    assert gone.status == 404
    there = await link.send(Sent(Request(1, "x"), used))
    assert isinstance(there, Replies)
    assert there.status == 200
    assert await link.send(Sent(INITIALIZE)) == Deny(Reason.MCP_UNAVAILABLE)
    await link.aclose()


async def test_where_there_is_no_place_for_it_it_is_unavailable() -> None:
    def nowhere() -> Program:
        raise OSError("the workspace's disk is nearly full")

    link = StdioLink("fs", nowhere, nothing)

    assert await link.send(Sent(INITIALIZE)) == Deny(Reason.MCP_UNAVAILABLE)
    await link.aclose()
