"""What is done to a request before it is judged: secrets masked or refused, stand-ins put back.

The call that comes of it is the one that layer 3 decides on, has approved, and records. A secret is
put back only where it came from: in the text of a call that writes to that very place and does
nothing else. Never in a path, a URL, a command line, a message or a request for the agent.
"""

import functools
import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from proxy.actions import Action, Forward, Known, Message, Plan, ToolCall
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.duplex import Socket
from proxy.exchange import Principal
from proxy.jsonrpc import Notification, Request, Response
from proxy.mcp import Rpc, Via
from proxy.protection.cleaner import Spared
from proxy.protection.outgoing import Outgoing
from proxy.protection.placeholders import MARK, Placeholders
from proxy.protection.spoken import beside, reworded, said_in
from proxy.protocols.visible import Find
from proxy.reasons import Reason
from proxy.values import Json

T = TypeVar("T")
_Secret = tuple[int, int, str]

_UNKNOWN = Deny(Reason.PLACEHOLDER_UNKNOWN, facts=Facts(rule="protection.style"))
_MOST = 4096  # restored calls, and values of them, that are remembered
_SHORTEST = 4  # characters of a value that can be hidden without hiding everything
_PRIVATE = tuple(map(chr, range(0xE000, 0xF900)))  # characters that mean nothing to anybody


class Places(Protocol):
    """What layer 3 knows of the places that calls are about."""

    def written(self, call: ToolCall) -> str | None:
        """The place that a call writes to, and does nothing else with."""
        ...

    def reached(self, call: ToolCall, plan: Plan) -> str | None:
        """The place of a call by its plan: the very file that is open."""
        ...

    def is_for_files(self, call: ToolCall) -> bool:
        """Whether a call may write to a file what is in its arguments, and is no command."""
        ...

    def roles(self, call: ToolCall) -> frozenset[str]:
        """The arguments that say where, and not what."""
        ...


@dataclass(frozen=True, slots=True)
class _Lifted:
    """Arguments with a hole for each stand-in, and what belongs there, in their order."""

    arguments: Mapping[str, Json]
    values: tuple[str, ...] = ()
    hole: str = ""
    source: str = ""


class Requests:
    """All that is done to a request. `outgoing`: what looks for secrets; None: nobody does."""

    def __init__(
        self, outgoing: Outgoing | None, placeholders: Placeholders | None, places: Places
    ) -> None:
        self._outgoing = outgoing
        self._placeholders = placeholders
        self._places = places
        self._sources: OrderedDict[str, str] = OrderedDict()
        self._values: OrderedDict[str, None] = OrderedDict()

    async def prepared(self, action: Action, principal: Principal) -> Decision[Action]:
        """What is judged in the place of `action`; raises Malformed for a body that breaks off."""
        match action:
            case ToolCall():
                return await self._call(action, principal)
            case Message(relay=relay) | Forward(relay=relay) if self._outgoing is not None:
                words = isinstance(action, Message)
                scanned = await self._outgoing.relay(relay, self._spared(principal), words=words)
                if isinstance(scanned, Deny):
                    return scanned
                return Allow(replace(action, relay=scanned.value), scanned.facts)
            case Rpc(message=Request() | Notification() | Response() as message):
                said = await self._said(said_in(message), principal)
                if isinstance(said, Deny):
                    return said
                return Allow(replace(action, message=reworded(message, said.value)), said.facts)
            case _:
                return Allow(action)

    def misplaced(self, call: ToolCall, principal: Principal, plan: Plan) -> Deny | None:
        """Why a call may not be done in which secrets were put back: it has come to lead elsewhere.

        Between the two, a link may have been put in the place of a file.
        """
        source = self._sources.get(_digest(call, principal)) if self._sources else None
        if source is None or isinstance(plan, Known):
            return None
        return None if self._places.reached(call, plan) == source else _UNKNOWN

    def sent(self, socket: Socket) -> Socket:
        """A socket that takes from the client what may be said to the agent."""
        return socket if self._outgoing is None else self._outgoing.socket(socket)

    def hiding(self, find: Find) -> Find:
        """What finds, in what an operator is shown, also the secrets that were put back."""

        def found(text: str, key: str) -> list[_Secret]:
            return _merged(find(text, key), self._again(text))

        return found

    async def _call(self, call: ToolCall, principal: Principal) -> Decision[Action]:
        lifted = self._lifted(call, principal)
        if lifted is None:
            return _UNKNOWN
        scanned: Decision[Json] = Allow(lifted.arguments)
        if self._outgoing is not None:
            scanned = await self._outgoing.value(lifted.arguments, self._spared(principal))
        if isinstance(scanned, Deny):
            return scanned
        assert isinstance(scanned.value, Mapping)
        call = replace(call, arguments=scanned.value)
        restored: Decision[ToolCall] = Allow(call)
        if lifted.values:
            restored = self._restored(call, principal, lifted)
        if isinstance(restored, Deny) or call.via is None:
            return restored if isinstance(restored, Deny) else Allow(restored.value, scanned.facts)
        return await self._answered(restored.value, call.via, principal, scanned.facts)

    async def _answered(
        self, call: ToolCall, via: Via, principal: Principal, facts: Facts
    ) -> Decision[Action]:
        """The call with what its client says beside it, such as answers to the server."""
        said = await self._said(beside(via.request.params), principal)
        if isinstance(said, Deny):
            return said
        request = replace(via.request, params={**via.request.params, **said.value})
        masked = Counter(facts.get("masked", {})) + Counter(said.facts.get("masked", {}))
        more = Facts(masked=masked) if masked else Facts()
        return Allow(replace(call, via=replace(via, request=request)), Facts(**{**facts, **more}))

    async def _said(
        self, said: Mapping[str, Json], principal: Principal
    ) -> Decision[Mapping[str, Json]]:
        """What is said to a server, as it may be."""
        if self._outgoing is None or not said:
            return Allow(said)
        scanned = await self._outgoing.value(said, self._spared(principal))
        if isinstance(scanned, Deny):
            return scanned
        assert isinstance(scanned.value, Mapping)
        return Allow(scanned.value, scanned.facts)

    def _spared(self, principal: Principal) -> Spared | None:
        """Which texts are stand-ins that the caller was shown; None: there are none at all."""
        held = self._placeholders
        return None if held is None else functools.partial(held.is_known, principal)

    def _lifted(self, call: ToolCall, principal: Principal) -> _Lifted | None:
        """The arguments without stand-ins; None where there is one that cannot be put back."""
        held, roles = self._placeholders, self._places.roles(call)
        marked = (*_texts(call.arguments, roles), *_keys(call.arguments))
        if held is None or not any(map(MARK.search, marked)):
            return _Lifted(call.arguments)
        source, hole = self._places.written(call), _free(call.arguments)
        if source is None or not hole:
            return None if self._places.is_for_files(call) else _Lifted(call.arguments)
        values: list[str] = []
        unknown = any(map(MARK.search, _keys(call.arguments)))

        def lift(text: str) -> str:
            nonlocal unknown
            pieces = held.split(principal, source, text)
            unknown = unknown or pieces is None
            values.extend((pieces or [])[1::2])
            return hole.join((pieces or [])[::2])

        arguments = {
            name: _each(name, value, lift, roles) for name, value in call.arguments.items()
        }
        return None if unknown else _Lifted(arguments, tuple(values), hole, source)

    def _restored(
        self, call: ToolCall, principal: Principal, lifted: _Lifted
    ) -> Decision[ToolCall]:
        """The call with what belongs in its holes, of which none may have been masked."""
        holes = sum(text.count(lifted.hole) for text in _texts(call.arguments))
        if holes != len(lifted.values):
            return Deny(Reason.SECRET_IN_REQUEST, facts=Facts(rule="protection.scan_requests"))
        values = iter(lifted.values)

        def lower(text: str) -> str:
            first, *others = text.split(lifted.hole)
            return first + "".join(next(values) + other for other in others)

        named = call.arguments.items()
        arguments = {name: _each(name, value, lower, frozenset()) for name, value in named}
        restored = replace(call, arguments=arguments)
        _remember(self._sources, _digest(restored, principal), lifted.source)
        for value in lifted.values:
            if len(value) >= _SHORTEST and not MARK.search(value):
                _remember(self._values, value, None)
        return Allow(restored)

    def _again(self, text: str) -> Iterator[_Secret]:
        for value in self._values:
            at = text.find(value)
            while at >= 0:
                yield at, at + len(value), "held"
                at = text.find(value, at + len(value))


def _merged(first: Iterable[_Secret], more: Iterable[_Secret]) -> list[_Secret]:
    """All that is found, in order; what overlaps as one."""
    merged: list[_Secret] = []
    for found in sorted((*first, *more)):
        if merged and found[0] < merged[-1][1]:
            start, end, name = merged.pop()
            merged.append((start, max(end, found[1]), name))
        else:
            merged.append(found)
    return merged


def _remember(kept: OrderedDict[str, T], name: str, value: T) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > _MOST:
        kept.popitem(last=False)


def _digest(call: ToolCall, principal: Principal) -> str:
    """What tells a call apart from others of anybody's."""
    parts = json.dumps([principal.id, call.tool, call.arguments], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()


def _free(arguments: Mapping[str, Json]) -> str:
    """A character that is not in the arguments."""
    used = set("".join((*_texts(arguments), *_keys(arguments))))
    return next((each for each in _PRIVATE if each not in used), "")


def _each(at: str, value: Json, change: Callable[[str], str], but: frozenset[str]) -> Json:
    """A value with each text changed that does not stand at one of the places `but`."""
    if isinstance(value, str):
        return value if at in but else change(value)
    if isinstance(value, Mapping):
        return {key: _each(f"{at}.{key}", inner, change, but) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_each(at, item, change, but) for item in value]
    return value


def _texts(arguments: Mapping[str, Json], but: frozenset[str] = frozenset()) -> list[str]:
    """The texts of some arguments."""
    found: list[str] = []

    def see(text: str) -> str:
        found.append(text)
        return text

    for name, value in arguments.items():
        _each(name, value, see, but)
    return found


def _keys(value: Json) -> Iterator[str]:
    """The names of all members."""
    if isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from _keys(inner)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _keys(item)
