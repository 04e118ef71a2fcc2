"""What all other values are made of: JSON, header fields, and what is awaited before a request.

They stand below `actions` and `exchange`, which say what is asked and what passes between layers.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

Before = Callable[[], Awaitable[None]]
"""Awaited when the agent is reached and has received nothing yet; OSError keeps it so."""


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in the order received; names compare without case (RFC 9110 section 5.1)."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The first value of `name`, or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        wanted = name.lower()
        return [value for key, value in self.fields if key.lower() == wanted]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)
