"""Whatever an agent does wrong: what its caller gets, that it is counted once, and what remains.

Each fault is tried by a message and by a tool call, on a new connection and on one that was used
before. What is called next works, and no connection is left.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

import aiohttp
import pytest
from doubles import grant, inbound
from raw_agent import FINE, Line, RawAgent, raw_agent, whole
from wire import until

from proxy.actions import Invoke, Relay
from proxy.decision import Allow, Decision, Denied
from proxy.exchange import Content, Document, Stream
from proxy.isolation.upstream import Upstream
from proxy.isolation.upstream.session import Limits
from proxy.metrics import Metrics
from proxy.reasons import Layer, Reason
from proxy.trace import Trace
from proxy.values import Headers

LIMITS = Limits(connect=0.5, answer=0.3, idle=0.2, total=0.8, moment=0.05)
CLOSE, RESET, STAY = "close", "reset", "stay"
Step = bytes | float | str
OK = "HTTP/1.1 200 OK"


@dataclass(frozen=True)
class Fault:
    """What the agent does; the reason of the refusal, or None, and the status that is counted.

    `whole`: whether the answer is there to its end; `stalls`: whether it ends by our clock.
    """

    steps: tuple[Step, ...]
    reason: Reason | None
    status: int = 0
    whole: bool = True
    stalls: bool = False


def head(*lines: str, status: str = OK) -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode("latin-1")


def lost(*steps: Step) -> Fault:
    """No answer that can be told from none."""
    return Fault(steps, Reason.UPSTREAM_UNREACHABLE)


def late(*steps: Step) -> Fault:
    """No answer in time."""
    return Fault(steps, Reason.UPSTREAM_LATE)


def unreadable(*steps: Step, status: int = 0) -> Fault:
    """An answer that is not passed on."""
    return Fault(steps, Reason.UPSTREAM_UNREADABLE, status)


def broken(*steps: Step) -> Fault:
    """An answer that begins, and does not end."""
    return Fault(steps, None, 200, whole=False)


def stalled(*steps: Step) -> Fault:
    """An answer that begins, and for the end of which nobody waits."""
    return Fault(steps, None, 200, whole=False, stalls=True)


def fine(*steps: Step, status: int = 200) -> Fault:
    """No fault, though it may look like one."""
    return Fault(steps, None, status)


CHUNKED = head("Transfer-Encoding: chunked")
FAULTS = {
    # nothing
    "closed at once": lost(CLOSE),
    "reset at once": lost(RESET),
    "silent": late(STAY),
    "empty lines": lost(b"\r\n\r\n", CLOSE),
    # half a head
    "half a status line, closed": lost(b"HTTP/1.1 20", CLOSE),
    "half a status line, reset": lost(b"HTTP/1.1 20", 0.02, RESET),
    "half a status line, silent": late(b"HTTP/1.1 20", STAY),
    "half a head, closed": lost(b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE),
    "half a head, silent": late(b"HTTP/1.1 200 OK\r\nContent-Le", STAY),
    "a head that trickles": late(b"HTTP/1.1 200 OK\r\n", *(0.05, b"X-A: b\r\n") * 20),
    # no HTTP
    "garbage": lost(b"hello\r\n\r\n", STAY),
    "HTTP/0.9": lost(b"<html>hello</html>", CLOSE),
    "HTTP/2": lost(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", STAY),
    "HTTP/2.0 in words": unreadable(head(status="HTTP/2.0 200 OK"), STAY, status=200),
    "TLS": lost(b"\x15\x03\x03\x00\x02\x02\x28", CLOSE),
    "SSH": lost(b"SSH-2.0-OpenSSH_9.6\r\n", STAY),
    # statuses
    "status 99": lost(head(status="HTTP/1.1 99 X"), STAY),
    "status 099": unreadable(head(status="HTTP/1.1 099 X"), STAY),
    "status 600": unreadable(head(status="HTTP/1.1 600 X"), STAY),
    "status 999": unreadable(head(status="HTTP/1.1 999 X"), STAY),
    "status 1000": lost(head(status="HTTP/1.1 1000 X"), STAY),
    "status abc": lost(head(status="HTTP/1.1 abc X"), STAY),
    "no status": lost(head(status="HTTP/1.1"), STAY),
    "100, then nothing": late(head(status="HTTP/1.1 100 Continue"), STAY),
    "100 without end": lost(*(head(status="HTTP/1.1 100 Continue"),) * 500, STAY),
    "100 without end, at once": lost(head(status="HTTP/1.1 100 Continue") * 500, STAY),
    "103, then an answer": fine(head("Link: </a>", status="HTTP/1.1 103 Early Hints") + FINE),
    "101 unasked": unreadable(
        head("Upgrade: websocket", "Connection: Upgrade", status="HTTP/1.1 101 Go"), b"xx", STAY
    ),
    "206 unasked": unreadable(whole(b"fine", status="206 Partial Content"), status=206),
    "204 with a body": lost(head("Content-Length: 4", status="HTTP/1.1 204 No") + b"fine", STAY),
    # heads
    "a status line of 10 MB": lost(b"HTTP/1.1 200 " + b"a" * 10_000_000, STAY),
    "a field of 10 MB": lost(head(f"X-A: {'a' * 10_000_000}"), STAY),
    "a name of 10 MB": lost(head(f"{'a' * 10_000_000}: x"), STAY),
    "10,000 fields": lost(head(*(f"X-{n}: a" for n in range(10_000))), STAY),
    "NUL in a field": lost(head("X-A: a\0b"), STAY),
    "NUL in a name": lost(head("X\0A: a"), STAY),
    "CR in a field": lost(head("X-A: a\rb"), STAY),
    "a control in a field": unreadable(head("X-A: a\x01b"), STAY, status=200),
    "no UTF-8 in a field": unreadable(head("X-A: a\xffb"), STAY, status=200),
    "no colon": lost(head("X-A"), STAY),
    "no name": lost(head(": a"), STAY),
    "a space before the colon": lost(head("X-A : a"), STAY),
    "a folded field": fine(head("X-A: a\r\n b", "Content-Length: 4") + b"fine"),
    # lengths
    "two lengths": lost(head("Content-Length: 4", "Content-Length: 5") + b"fine", STAY),
    "one length twice": lost(head("Content-Length: 4", "Content-Length: 4") + b"fine", STAY),
    "a list of lengths": lost(head("Content-Length: 4, 4") + b"fine", STAY),
    "a negative length": lost(head("Content-Length: -4") + b"fine", STAY),
    "a length with a sign": lost(head("Content-Length: +4") + b"fine", STAY),
    "a length past 2^64": lost(head(f"Content-Length: {2**70}") + b"fine", STAY),
    "a length and chunks": lost(
        head("Content-Length: 4", "Transfer-Encoding: chunked") + b"4\r\nfine\r\n0\r\n\r\n", STAY
    ),
    "chunks and a length": lost(
        head("Transfer-Encoding: chunked", "Content-Length: 4") + b"4\r\nfine\r\n0\r\n\r\n", STAY
    ),
    "compressed in transfer": unreadable(head("Transfer-Encoding: gzip"), STAY, status=200),
    "compressed": unreadable(whole(b"fine", "Content-Encoding: gzip"), status=200),
    # bodies
    "shorter than its length, closed": broken(head("Content-Length: 9"), 0.02, b"fine", CLOSE),
    "shorter than its length, reset": broken(head("Content-Length: 9"), 0.02, b"fine", 0.02, RESET),
    "shorter than its length, silent": stalled(head("Content-Length: 9"), 0.02, b"fine", STAY),
    "no last chunk": broken(CHUNKED, 0.02, b"4\r\nfine\r\n", CLOSE),
    "half a chunk": broken(CHUNKED, 0.02, b"9\r\nfine", CLOSE),
    "no end of the trailer": broken(CHUNKED, 0.02, b"4\r\nfine\r\n0\r\nX-A: b\r\n", CLOSE),
    "chunks, then silence": stalled(CHUNKED, 0.02, b"4\r\nfine\r\n", STAY),
    "a chunk of no size": broken(CHUNKED, 0.02, b"ZZ\r\nfine\r\n0\r\n\r\n", STAY),
    "a chunk of a negative size": broken(CHUNKED, 0.02, b"-4\r\nfine\r\n0\r\n\r\n", STAY),
    "a chunk past 2^64": broken(CHUNKED, 0.02, b"f" * 17 + b"\r\nfine", STAY),
    "a chunk that does not end": broken(CHUNKED, 0.02, b"4\r\nfineXX0\r\n\r\n", STAY),
    "a chunk of no size at once": lost(CHUNKED + b"ZZ\r\nfine\r\n0\r\n\r\n", STAY),
    "until it is reset": broken(head(), b"fine", 0.02, RESET),
    "until it is silent": stalled(head(), b"fine", STAY),
    "until it is closed": fine(head(), b"fine", CLOSE),
    "until it is closed, in HTTP/1.0": fine(head(status="HTTP/1.0 200 OK"), b"fine", CLOSE),
    "a body that trickles": stalled(head("Content-Length: 99"), *(0.05, b"x") * 40),
    # more than was asked for
    "garbage after the answer": lost(FINE + b"garbage", STAY),
    "another answer": fine(FINE + whole(b"forged"), STAY),
    "half of another answer": fine(FINE + b"HTTP/1.1 200 OK\r\nX-", STAY),
}


@dataclass
class Faulty:
    """An agent that does a fault once it is `armed`, once."""

    fault: Fault
    armed: bool = False
    done: bool = False

    async def behave(self, line: Line) -> None:
        while await line.request():
            if not self.armed or self.done:
                await line.say(FINE)
                continue
            self.done = True
            await self.misbehave(line)
            if self.fault.steps[-1] in (CLOSE, RESET):
                return

    async def misbehave(self, line: Line) -> None:
        for step in self.fault.steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, bytes):
                await line.say(step)
            elif step == RESET:
                line.reset()
            elif step == STAY:
                await line.rest()


@dataclass
class Bench:
    """A backend at an agent, with what is counted."""

    agent: RawAgent
    backend: Upstream
    metrics: Metrics

    async def ask(self, plan: Relay | Invoke) -> tuple[Decision[Content] | Reason, bytes]:
        trace = Trace(inbound(), (self.metrics,))
        try:
            content = await trace.step(Layer.ISOLATION, self.backend.run(plan, grant(plan)))
        except Denied as denied:
            return denied.reason, b""
        assert isinstance(content, Document | Stream)
        if isinstance(content, Document):
            return Allow(content), b"fine" if content.value == {"text": "fine"} else b""
        try:
            return Allow(content), b"".join([frame.data async for frame in content.frames])
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, TimeoutError):
            return Allow(content), b"broken off"
        finally:
            content.release()

    def counted(self) -> Counter[str]:
        """Requests to the agent, by the class of their status."""
        counts: Counter[str] = Counter()
        for line in self.metrics.render().decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith("sidegate_upstream_requests_total") and float(value):
                counts[name.split('"')[1]] = int(float(value))
        return counts

    @property
    def connections(self) -> tuple[int, int]:
        """How many are in use, and how many rest."""
        connector = self.backend._session.client.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        return len(connector._acquired), sum(map(len, connector._conns.values()))


RELAY = Relay("POST", "/v1/chat", Headers(), b"hello")
LOOK = Relay("GET", "/v1/chat", Headers(), b"")
INVOKE = Invoke("/tools/add", {}, 0.4)


def expected(fault: Fault, plan: Relay | Invoke) -> tuple[Reason | None, int, bytes]:
    """A tool call is answered as a whole or not at all."""
    if fault.reason is not None:
        return fault.reason, fault.status, b""
    if fault.whole:
        return None, fault.status, b"fine"
    if isinstance(plan, Relay):
        return None, fault.status, b"broken off"
    return (Reason.UPSTREAM_LATE if fault.stalls else Reason.UPSTREAM_UNREACHABLE), 0, b""


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("plan", [RELAY, INVOKE], ids=["message", "tool call"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_counted_and_over(
    name: str, plan: Relay | Invoke, *, kept: bool
) -> None:
    fault = FAULTS[name]
    faulty = Faulty(fault)
    counts: Counter[str] = Counter({"2xx": 1})
    async with raw_agent(faulty.behave) as agent:
        bench = Bench(agent, Upstream(agent.url, {}, LIMITS), Metrics("test", ()))
        if kept:
            counts["2xx"] += 2
            assert (await bench.ask(RELAY))[1] == b"fine"
            await asyncio.sleep(0.06)  # so that it is seen to be kept
            assert (await bench.ask(LOOK))[1] == b"fine"
        faulty.armed = True

        answer, body = await bench.ask(plan)

        reason, status, words = expected(fault, plan)
        assert body == words
        assert answer is reason if reason else isinstance(answer, Allow)
        counts[f"{status // 100}xx" if status else "none"] += 1
        assert (await bench.ask(RELAY))[1] == b"fine"
        assert bench.counted() == counts
        assert len(agent.seen) == counts.total()
        await until(lambda: bench.connections == (0, agent.open))
        assert agent.open <= 3  # of what was healthy
        await bench.backend.aclose()
        await until(lambda: agent.open == 0)
