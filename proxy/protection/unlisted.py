"""Pieces of texts in events of a shape that is not listed, known by how they come.

Where two events in a row have different short strings at the same place, one of them with a blank
at its edge, they are pieces of one text: words for themselves, such as those of a state, have none.
The text begins with the second.
"""

from collections.abc import Container, Iterator, Mapping

from proxy.protection.deltas import Delta, Path, strings

_SHORT = 64  # characters of a piece that tells of others
_LARGE = 4096  # characters of an event that is too large to be made for one
_MOST = 32  # texts


class Unlisted:
    """What is known of one stream. `_last`: the short strings of the event before."""

    def __init__(self) -> None:
        self._known: set[tuple[str, Path]] = set()
        self._last: tuple[str, Mapping[Path, str]] = "", {}

    def deltas(
        self, data: str, value: object, name: str, listed: Container[int]
    ) -> Iterator[Delta]:
        """The pieces in an event beside those that begin where `listed` says.

        A JSON-RPC message is whole.
        """
        if not isinstance(value, Mapping) or "jsonrpc" in value or len(data) > _LARGE:
            return
        found = [each for each in strings(data) if each[1] not in listed]
        self._compare(name, {path: text for path, _, text in found if len(text) <= _SHORT})
        for path, start, text in found:
            if (name, path) in self._known:
                yield Delta((name, "unlisted", path), {}, path, start, text)

    def _compare(self, name: str, short: Mapping[Path, str]) -> None:
        before, self._last = self._last, (name, short)
        if before[0] == name:
            for path, text in short.items():
                if len(self._known) < _MOST and _alike(before[1].get(path, text), text):
                    self._known.add((name, path))


def _alike(one: str, other: str) -> bool:
    return one != other and any(" " in (text[:1], text[-1:]) for text in (one, other))
