"""See through a tool that calls other tools: the calls that are in its arguments.

What is not where the entry says, or stands beside it without being named there, is refused: the
tool could read its arguments in another way than we do (`name` and `tool` in one call).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from proxy.actions import ToolCall
from proxy.authorization.tools.rules import reach
from proxy.decision import Allow, Decision, Deny, Malformed
from proxy.protocols.strict_json import loads_object
from proxy.reasons import Reason
from proxy.values import Json

MAX_DEPTH = 4
MAX_CALLS = 64
"""Calls that one call may stand for, over all depths."""

_UNREADABLE = Deny(Reason.ARGUMENTS_INVALID)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The arguments that hold a call: its tool, its arguments, and where told its server.

    `calls` holds a list of such calls; `others` are arguments that have rules of their own.
    """

    tool: str
    arguments: str
    server: str | None = None
    prefix: str = ""
    calls: str | None = None
    others: frozenset[str] = frozenset()

    def inner(self, arguments: Mapping[str, Json]) -> Decision[tuple[ToolCall, ...]]:
        """The calls that `arguments` stand for, at least one."""
        own = (self.calls,) if self.calls else self._places
        if not _is_known(arguments, own, self.others):
            return _UNREADABLE
        try:
            calls = tuple(map(self._call, self._items(arguments)))
        except (Malformed, TypeError, ValueError):
            return _UNREADABLE
        return Allow(calls) if 0 < len(calls) <= MAX_CALLS else _UNREADABLE

    @property
    def _places(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.tool, self.arguments, self.server)))

    def _items(self, arguments: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
        if self.calls is None:
            yield arguments
            return
        for item in _sequence(reach(arguments, self.calls)):
            if not isinstance(item, Mapping) or not _is_known(item, self._places):
                raise TypeError
            yield item

    def _call(self, item: Mapping[str, Json]) -> ToolCall:
        name = self.prefix + _text(reach(item, self.tool))
        if self.server is not None:
            name = f"{_text(reach(item, self.server))}.{name}"
        return ToolCall(name, _object(reach(item, self.arguments)))


def _is_known(found: object, own: Iterable[str], others: Iterable[str] = ()) -> bool:
    """Whether an object holds nothing, at any depth, that the entry does not speak about.

    What is at a place of its own may be anything; what is elsewhere is looked into as far as any
    name leads, so that a rule on a whole object lets nothing in beside a call.
    """
    if not isinstance(found, Mapping):
        return found is None
    for key, value in found.items():
        inside, around = _beneath(own, key), _beneath(others, key)
        if "" in inside:
            continue
        around_it = "" in around
        around.discard("")
        known = _is_known(value, inside, around) if inside or around else around_it
        if not known:
            return False
    return True


def _beneath(names: Iterable[str], first: str) -> set[str]:
    """What is left of the names that begin with `first`; empty for one that is just that."""
    return {rest for name in names for head, _, rest in [name.partition(".")] if head == first}


def _sequence(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _object(value: object) -> Mapping[str, Json]:
    """The arguments of a call: an object, or the text of one."""
    if isinstance(value, str):
        return loads_object(value.encode())
    if not isinstance(value, Mapping):
        raise TypeError
    return value
