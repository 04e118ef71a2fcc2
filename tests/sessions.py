"""A session with an agent of bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from raw_agent import Behave, RawAgent, keep, raw_agent

from proxy.decision import Deny
from proxy.isolation.upstream.session import Call, Limits, Session
from proxy.values import Headers

MOMENT = 0.3


@asynccontextmanager
async def pair(
    behave: Behave = keep, limits: Limits | None = None
) -> AsyncIterator[tuple[RawAgent, Session]]:
    """An agent, and a session with it."""
    async with raw_agent(behave) as agent:
        session = Session(agent.url, limits or Limits(moment=MOMENT))
        try:
            yield agent, session
        finally:
            await session.aclose()


def call(method: str = "GET", headers: Headers | None = None, body: bytes = b"") -> Call:
    return Call(method, "/", headers or Headers(), body)


async def keeping(session: Session) -> None:
    """See that the agent keeps its connections: one has rested for a moment, and is used again."""
    await ask(session, call("GET"))
    await asyncio.sleep(MOMENT + 0.1)
    await ask(session, call("GET"))


async def ask(session: Session, asked: Call) -> str | Deny:
    """The body of the answer."""
    answer = await session.send(asked, 5.0)
    if isinstance(answer, Deny):
        return answer
    async with answer:
        return (await answer.read()).decode()
