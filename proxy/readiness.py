"""What this Sidegate lacks to do all of its work, in sentences for the operator."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from proxy.exchange import Clock

_SECONDS = 2.0


class Part(Protocol):
    """Something that may be missing."""

    async def missing(self) -> str | None:
        """A sentence that says what is missing, or None."""
        ...


@dataclass
class Readiness:
    """What is missing, asked again at most every few seconds, since strangers may ask."""

    parts: tuple[Part, ...]
    workspace_missing: str | None
    clock: Clock
    _answered: float = 0.0
    _asking: "asyncio.Task[list[str]] | None" = None

    async def missing(self) -> list[str]:
        """A sentence for each thing that is missing. All who ask at once share one answer."""
        fresh = self._asking is not None and self.clock() - self._answered < _SECONDS
        if self._asking is None or (self._asking.done() and not fresh):
            self._asking = asyncio.create_task(self._ask())
        return list(await asyncio.shield(self._asking))

    async def aclose(self) -> None:
        """Ask no more of parts that are about to go."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> list[str]:
        lacks = await asyncio.gather(*(part.missing() for part in self.parts))
        self._answered = self.clock()
        return [sentence for sentence in (*lacks, self.workspace_missing) if sentence]
