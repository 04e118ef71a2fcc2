"""What the operator does about the definitions of tools: look at what has changed, and accept it.

Accepted is one digest, never whatever the server shows next. Definitions are a server's own words:
nothing in them is hidden from who decides, and what is too long to be shown says so.
"""

import asyncio
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.actions import Acceptance, Operate
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Clock, Content, Document
from proxy.operator.rulings import Verb
from proxy.protocols.visible import Find, shown, visible
from proxy.reasons import Reason
from proxy.state.pins import MAX_DEFINITION_BYTES, MAX_PINNED, Pin, Pins
from proxy.values import Json

_MOST_SHOWN = 4 * MAX_DEFINITION_BYTES
_PIECE = re.compile(r"(?:[^\\]|\\[^n]){0,400}(?:\\n)?")
"""Of a line of JSON: a long text goes on in the next line, so that a change in it stands out."""
_MOST_COMPARED = 600
"""Lines: what a server writes must not make the comparing of them take forever."""


@dataclass(frozen=True)
class Pinned:
    """The operator's side of the pins. `find` tells where secrets are."""

    pins: Pins
    find: Find
    clock: Clock

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """What it does."""
        return {
            "mcp-tools.list": self._list,
            "mcp-tools.get": self._get,
            "mcp-tools.accept": self._accept,
            "mcp-tools.forget": self._forget,
        }

    async def _list(self, _: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        found = await self.pins.list(MAX_PINNED)
        return Allow(Document({"tools": [_row(pin) for pin in found]}, masked=True))

    async def _get(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        """One tool, and how what waits differs from what was trusted last, or else that itself."""
        found = await self.pins.get(*_split(plan.subject))
        if not found:
            return Deny(Reason.OPERATION_UNKNOWN)
        value = await asyncio.to_thread(self._shown, found)
        return Allow(Document(value, masked=True))

    async def _accept(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        wish, (server, tool) = plan.detail, _split(plan.subject)
        if not isinstance(wish, Acceptance):
            return Deny(Reason.ARGUMENTS_INVALID)
        if not await self.pins.accept(server, tool, wish.digest, self.clock()):
            return Deny(Reason.OPERATION_UNKNOWN)
        row: Json = {"accepted": plan.subject, "digest": wish.digest}
        return Allow(Document(row, masked=True))

    async def _forget(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        if not (count := await self.pins.forget(*_split(plan.subject))):
            return Deny(Reason.OPERATION_UNKNOWN)
        return Allow(Document({"forgotten": plan.subject, "definitions": count}))

    def _shown(self, pins: Sequence[Pin]) -> Json:
        trusted = [pin for pin in pins if pin.accepted is not None]
        base = max(trusted, key=lambda pin: pin.accepted or 0.0, default=None)
        waiting = [pin for pin in pins if pin.accepted is None]
        lines = [] if base is None or waiting else _lines(base.content)
        return {
            "definitions": [_row(pin) for pin in pins],
            "against": base.digest if base else None,
            "differences": [self._difference(base, pin) for pin in waiting],
            "shown": shown(lines, self.find, _MOST_SHOWN).value,
        }

    def _difference(self, base: Pin | None, pin: Pin) -> Json:
        names = (base.digest[:12] if base else "nothing", pin.digest[:12])
        lines = _compared(_lines(base.content) if base else [], _lines(pin.content), names)
        view = shown(lines, self.find, _MOST_SHOWN)
        return {"digest": pin.digest, "lines": view.value, "masked": view.masked}


def _split(subject: str) -> tuple[str, str]:
    """The server and the tool of a name such as `github.get_me`."""
    server, _, tool = subject.partition(".")
    return server, tool


def _row(pin: Pin) -> Json:
    return {
        "server": visible(pin.server),
        "tool": visible(pin.tool),
        "standing": "pending" if pin.accepted is None else "accepted",
        "digest": pin.digest,
        "note": visible(pin.note),
        "seen": pin.seen,
        "accepted": pin.accepted,
    }


def _lines(content: bytes) -> list[str]:
    """A definition as it is read by a human: JSON, and its long texts in several lines."""
    pretty = json.dumps(json.loads(content), ensure_ascii=False, indent=2, sort_keys=True)
    return [part for line in pretty.split("\n") for part in _PIECE.findall(line) if part]


def _compared(before: list[str], after: list[str], names: tuple[str, str]) -> list[str]:
    """The unified difference; of much that differs, all of the one before all of the other."""
    if max(len(before), len(after)) <= _MOST_COMPARED:
        return [*difflib.unified_diff(before, after, *names, lineterm="")]
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(old), len(new)) <= _MOST_COMPARED:
        changed = [*difflib.unified_diff(old, new, *names, lineterm="")][2:]
    else:
        changed = [*(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    alike = (f"@@ {head} lines alike before, {tail} after @@",)
    return [f"--- {names[0]}", f"+++ {names[1]}", *alike, *changed]


def _alike(before: Sequence[str], after: Sequence[str]) -> int:
    """How many lines two begin with that are the same."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
