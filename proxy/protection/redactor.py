"""Let nothing out that looks like a secret, or is one that Sidegate holds."""

import asyncio
import functools
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from proxy.actions import Headers, Json
from proxy.decision import Allow, Decision, Malformed
from proxy.duplex import Closing, Socket, SocketEvent
from proxy.exchange import Clean, Content, Document, Frame, Raw, Role, Stream
from proxy.protection.finder import Finder, Secret
from proxy.protection.rules import OWN, Rules, compile_rules
from proxy.protection.scrubber import Scrubber, masked, rule_name
from proxy.protocols.strict_json import dumps, loads

RULES = ("token", "api-key", "password", "secret", "bearer", "held")

_OPAQUE = ("image/", "audio/", "video/", "font/")
_MIN_VALUE = 6
_PIECE = 4096
_HEAVY = 65536


class Redactor:
    """Layer 5. `held` are the values that must never be seen outside."""

    def __init__(self, held: Iterable[str]) -> None:
        self._held = tuple(held)
        self._rules = compile_rules(self._held)
        self._held_only = compile_rules(self._held, patterns=False)
        self._finder = Finder(self._held)
        self._compiled_with = functools.lru_cache(maxsize=16)(self._compile_with)

    async def redact(self, raw: Raw) -> Decision[Clean]:
        """What may be sent of a raw answer."""
        principal = raw.grant.principal
        rules = self._rules_for(principal.presented)
        if raw.content.masked and principal.role is Role.OPERATOR:
            rules = self._held_only  # the patterns would hide what the operator decides on
        tally: Counter[str] = Counter()
        issued = principal.issued
        match raw.content:
            case Document(value=value, status=status):
                issued = raw.content.issued or issued
                if _weight(value) > _HEAVY:  # in a thread, so that nobody else waits for it
                    value = await asyncio.to_thread(_walk, value, rules, tally)
                else:
                    value = _walk(value, rules, tally)
                content: Content = Document(value, status)
            case Stream(frames=frames) as stream:
                if not _opaque(stream):
                    frames = _scrub(frames, rules, tally)
                headers = self._headers(stream.headers, rules, tally)
                content = Stream(stream.status, headers, frames, stream.release)
            case Socket(events=events) as socket:
                headers = self._headers(socket.headers, rules, tally)
                content = replace(socket, headers=headers, events=_heard(events, rules, tally))
            case _ as unreachable:
                assert_never(unreachable)
        return Allow(Clean(content, issued, raw.replayed, tally))

    def text(self, text: str) -> str:
        """A short text for the audit log, whole."""
        return _text(text, self._rules, Counter())

    def find(self, text: str, key: str = "") -> list[Secret]:
        """The secrets of a text that an operator decides on, and nothing else than secrets."""
        return self._finder.find(text, key)

    def _headers(self, headers: Headers, rules: Rules, tally: Counter[str]) -> Headers:
        """Header values scrubbed like any text. A cookie that is set is the client's to have."""
        return Headers(
            tuple(
                (name, _text(value, self._held_only if _is_cookie(name) else rules, tally))
                for name, value in headers
            )
        )

    def _rules_for(self, presented: str | None) -> Rules:
        """The rules for one caller, whose own credential must not come back to anybody either.

        The tokens that Sidegate makes have a rule already; rules of one's own cost megabytes.
        """
        if presented is None or re.fullmatch(OWN, presented):
            return self._rules
        return self._compiled_with(presented)

    def _compile_with(self, presented: str) -> Rules:
        return compile_rules((*self._held, presented))


def _is_cookie(name: str) -> bool:
    return name.lower() == "set-cookie"


def _weight(value: Json) -> int:
    """How much text there is in a value, roughly."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + _weight(member) for key, member in value.items())
    return sum(map(_weight, value)) if isinstance(value, list | tuple) else 1


def _opaque(stream: Stream) -> bool:
    """Media that is not text. SVG is."""
    kind = (stream.headers.get("content-type") or "").strip().lower()
    return kind.startswith(_OPAQUE) and not kind.startswith("image/svg")


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))


async def _scrub(
    frames: AsyncIterator[Frame], rules: Rules, tally: Counter[str]
) -> AsyncIterator[Frame]:
    """Every channel through a scrubber of its own. A broken stream shows nothing more."""
    scrubbers: dict[str, Scrubber] = {}
    async for frame in frames:
        scrubber = scrubbers.setdefault(frame.channel, Scrubber(rules, tally))
        for piece in _pieces(frame.data):
            data = scrubber.scrub(piece, final=False)
            if data:
                yield Frame(frame.channel, data)
            await asyncio.sleep(0)  # a text full of secrets is slow, and others must not wait
        if frame.final:
            rest = scrubbers.pop(frame.channel).scrub(b"", final=True)
            yield Frame(frame.channel, rest, final=True)
    for channel, scrubber in scrubbers.items():
        data = scrubber.scrub(b"", final=True)
        if data:
            yield Frame(channel, data)


async def _heard(
    events: AsyncIterator[SocketEvent], rules: Rules, tally: Counter[str]
) -> AsyncIterator[SocketEvent]:
    """Every message of a socket, each on its own, and why it closes."""
    async for event in events:
        if isinstance(event, Closing):
            yield replace(event, reason=_text(event.reason, rules, tally))
        else:
            yield await _message(event, rules, tally)


async def _message(message: str | bytes, rules: Rules, tally: Counter[str]) -> str | bytes:
    """A message, scrubbed; a large one where nobody waits for it."""
    if len(message) > _HEAVY:
        return await asyncio.to_thread(_whole, message, rules, tally)
    return _whole(message, rules, tally)


def _whole(message: str | bytes, rules: Rules, tally: Counter[str]) -> str | bytes:
    """A message: a text, which a binary one may be too, or bytes like those of a body."""
    if isinstance(message, str):
        return _spoken(message, rules, tally)
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return Scrubber(rules, tally).scrub(message, final=True)
    return _spoken(text, rules, tally).encode()


def _spoken(text: str, rules: Rules, tally: Counter[str]) -> str:
    """A text that may be JSON, and then stays JSON; as it came where there is no secret in it."""
    found: Counter[str] = Counter()
    try:
        walked = _walk(loads(text.encode()), rules, found)
    except Malformed:
        return _text(text, rules, tally)
    tally.update(found)
    return dumps(walked).decode() if found else text


def _walk(value: Json, rules: Rules, tally: Counter[str]) -> Json:
    """A JSON value with its strings scrubbed, keys and structure kept."""
    if isinstance(value, str):
        return _text(value, rules, tally)
    if isinstance(value, Mapping):
        members: dict[str, Json] = {}
        for key, member in value.items():
            name = _text(key, rules, tally)
            while name in members:  # two keys that are masked alike are still two
                name += "*"
            members[name] = _member(key, member, rules, tally)
        return members
    if isinstance(value, list | tuple):
        return [_walk(item, rules, tally) for item in value]
    return value


def _member(key: str, value: Json, rules: Rules, tally: Counter[str]) -> Json:
    """A member of an object, whose key may say that its value is a secret."""
    found = rules.key.search(key.encode())
    if found is None:
        return _walk(value, rules, tally)
    if isinstance(value, list | tuple):
        return [_member(key, item, rules, tally) for item in value]
    counts = isinstance(value, int | float) and rule_name(found) == "token"  # max_tokens: 100000
    if isinstance(value, bool | Mapping) or value is None or counts or len(str(value)) < _MIN_VALUE:
        return _walk(value, rules, tally)
    tally[rule_name(found)] += 1
    return masked(str(value).encode("utf-8", "replace")).decode("utf-8", "replace")


def _text(text: str, rules: Rules, tally: Counter[str]) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return Scrubber(rules, tally).scrub(data, final=True).decode("utf-8", "replace")
