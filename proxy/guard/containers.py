"""Whose container it is: the guard's own have its label, and a name of Sidegate's form.

The name as well, since a label may come with an image. A label is set at the creation and never
changes, so nothing has to outlive a restart. What was found is remembered, for names as for ids,
and the engine is asked for what is not.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping

from proxy.guard.calls import NAME, own_filters
from proxy.guard.engine import ANSWER_SECONDS, Engine
from proxy.guard.refusal import Refusal
from proxy.guard.rules import Rules
from proxy.values import Json

UNKNOWN = Refusal(404, "there is no such container of Sidegate's")
CROWDED = Refusal(503, "there are as many containers as the configuration needs at most")
TAKEN = Refusal(409, "a container of this name is being created")

_CREATED = re.compile(rb"HTTP/1\.[01] 201 .*\"Id\": ?\"([0-9a-f]{64})\"", re.DOTALL)


class Containers:
    """Those of this guard."""

    def __init__(self, engine: Engine, rules: Rules) -> None:
        self._engine = engine
        self._rules = rules
        self._known: dict[str, str] = {}  # by id and by name
        self._created: dict[str, asyncio.Event] = {}  # names whose creation is under way
        self._creating = 0

    async def find(self, subject: str) -> str | Refusal:
        """The id of one of ours, by its id or name; raises OSError."""
        if subject in self._created:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._created[subject].wait()
        if subject not in self._known:
            await self.refresh()
        return self._known.get(subject, UNKNOWN)

    async def refresh(self) -> int:
        """Ask the engine which there are, and say how many; raises OSError."""
        found = await self._engine.ask(
            f"/containers/json?all=1&filters={own_filters(self._rules.name)}"
        )
        if not isinstance(found, list):
            raise OSError("the engine's list of containers makes no sense")
        self._known = {}
        for each in found:
            if isinstance(each, Mapping) and (names := _names(each)):
                self._learn(str(each.get("Id")), names)
        return len(found)

    @contextlib.asynccontextmanager
    async def creating(self, name: str | None) -> AsyncIterator[Refusal | None]:
        """Room for one more while it is created; raises OSError.

        Whoever asks for its name meanwhile waits, since the engine may be about to make it.
        """
        if name in self._created:
            yield TAKEN
            return
        done = asyncio.Event()
        if name is not None:
            self._created[name] = done
        self._creating += 1
        try:
            yield None if await self._has_room() else CROWDED
        finally:
            self._creating -= 1
            self._created.pop(name or "", None)
            done.set()

    def learn(self, answer: bytes, name: str | None) -> None:
        """Take in the engine's answer to a create call."""
        if match := _CREATED.match(answer):
            self._learn(match[1].decode(), [name] if name else [])

    def _learn(self, container: str, names: list[str]) -> None:
        self._known.update(dict.fromkeys((container, *names), container))

    async def _has_room(self) -> bool:
        """Those that are gone are only known by asking, which is done when it seems full."""
        most = self._rules.containers - self._creating
        return len({*self._known.values()}) <= most or await self.refresh() <= most


def _names(listed: Mapping[str, Json]) -> list[str]:
    names = listed.get("Names")
    texts = [str(name).removeprefix("/") for name in names] if isinstance(names, list) else []
    return [text for text in texts if re.fullmatch(NAME, text)]
