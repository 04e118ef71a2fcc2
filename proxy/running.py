"""Every request that is being served, so that it can be found and ended.

Each runs as a task of its own. Whoever ends one says why, and the reason stands in its outcome.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from proxy.actions import Action
from proxy.exchange import Principal
from proxy.trace import Trace


class Ended(StrEnum):
    """Why a request ended before its answer."""

    BROKEN_OFF = "broken-off"
    CLIENT_LEFT = "client-left"
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - a reason, not a token
    STOPPED = "stopped"


@dataclass
class Entry:
    """One request under way. `ended` is what its outcome says if it is cancelled."""

    trace: Trace
    task: "asyncio.Task[object]"
    ended: Ended = Ended.CLIENT_LEFT


Wanted = Callable[[Principal, Action | None], bool]
"""Whether to end what runs for a principal; None: it is not granted yet what is done."""


class Holder(Protocol):
    """Whoever lets something run on without a request that waits for it."""

    def principals(self) -> frozenset[str]:
        """For whom."""
        ...

    def end(self, wanted: Wanted) -> None:
        """End what is wanted of it."""
        ...


class Running:
    """The registry. `others` hold what runs on without its request."""

    def __init__(self, *others: Holder) -> None:
        self._others = others
        self._entries: dict[int, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def entered(self, trace: Trace) -> Iterator[Entry]:
        """The current task, listed for as long as the block runs."""
        task = asyncio.current_task()
        assert task is not None
        entry = self._entries[id(trace)] = Entry(trace, task)
        try:
            yield entry
        finally:
            del self._entries[id(trace)]

    def principals(self) -> frozenset[str]:
        """For whom something runs."""
        traces = [entry.trace for entry in self._entries.values()]
        here = (trace.principal.id for trace in traces if trace.principal is not None)
        return frozenset(here).union(*(other.principals() for other in self._others))

    def end_principal(self, principal: str) -> None:
        """End everything that runs for a principal whose credential is gone."""
        self.end(lambda who, _: who.id == principal, Ended.TOKEN_REVOKED)

    def end(self, wanted: Wanted, why: Ended) -> None:
        """End what is wanted of all that runs for somebody who is known."""

        def of(trace: Trace) -> bool:
            action = trace.grant.action if trace.grant is not None else None
            return trace.principal is not None and wanted(trace.principal, action)

        self._end(of, why)
        for other in self._others:
            other.end(wanted)

    async def drain(self, seconds: float) -> None:
        """Let what runs finish for a while, then end the rest and wait until it is gone."""
        tasks = {entry.task for entry in self._entries.values()}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        self._end(lambda _: True, Ended.STOPPED)
        tasks = {entry.task for entry in self._entries.values()}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _end(self, wanted: Callable[[Trace], bool], why: Ended) -> None:
        for entry in [entry for entry in self._entries.values() if wanted(entry.trace)]:
            entry.ended = why
            entry.task.cancel()
