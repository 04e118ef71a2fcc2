"""The interface to the definitions of tools that are trusted: a part of `store`, with its rules.

A definition is known by the server, the tool and a digest of all that its callers are shown. Names
and content are a server's own words.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_PINNED = 5000
"""Tools of one server."""
MAX_DIGESTS = 8
"""Definitions of one tool. What waits makes room for what comes, the oldest first."""
MAX_ACCEPTED = MAX_DIGESTS - 1
"""Those of them that are trusted: there is always room for one that waits."""
MAX_DEFINITION_BYTES = 256 << 10
MAX_SERVER_BYTES = 32 << 20
"""Content that is kept of one server."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A tool as its server shows it. `note`: why it is not trusted at first sight, or empty."""

    tool: str
    digest: str
    content: bytes
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """A definition that is remembered. `accepted`: since when it is trusted; None while it waits.

    `seen`: when it was first. `content` is canonical JSON, and empty in lists.
    """

    server: str
    tool: str
    digest: str
    note: str
    seen: float
    accepted: float | None
    content: bytes = b""


class Pins(Protocol):
    """Definitions of tools, of which the first is trusted, and another when the operator says."""

    async def see(self, server: str, tools: Sequence[Seen], now: float) -> frozenset[str]:
        """Remember what is shown, one definition of each tool; the names of what is trusted.

        The first of a tool is, unless it has a note; another waits, and what is known stays as it
        is. What is too large or too much is not remembered, and not trusted.
        """
        ...

    async def get(self, server: str, tool: str) -> list[Pin]:
        """Those of one tool, oldest first, whole."""
        ...

    async def list(self, most: int) -> list[Pin]:
        """Those that are remembered, without content, what waits before what is trusted.

        Then by server, tool and age; no more than `most`.
        """
        ...

    async def accept(self, server: str, tool: str, digest: str, now: float) -> bool:
        """Trust exactly this one; False where it is not remembered.

        Past MAX_ACCEPTED, the one that was accepted first is forgotten.
        """
        ...

    async def forget(self, server: str, tool: str) -> int:
        """Forget a tool, whose next definition is then the first; how many it had."""
        ...


def fitting(tools: Sequence[Seen]) -> list[Seen]:
    """What can be remembered at all: no tool that is shown twice, and nothing too large."""
    count = Counter(each.tool for each in tools)
    return [
        each
        for each in tools
        if count[each.tool] == 1 and len(each.content) <= MAX_DEFINITION_BYTES
    ]
