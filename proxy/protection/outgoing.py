"""Secrets in what goes up: arguments of tools, messages and requests for the agent, and sockets.

A request is masked, or refused. What cannot be searched is refused. Headers are left alone: the
caller's own credential is one. Of a provider's post only the fields are searched that hold the
words of somebody: it has tokens of its own, without which the agent could not answer.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote, unquote_plus

from proxy.actions import Relay, Upload
from proxy.decision import Allow, Decision, Denied, Deny, Facts, Malformed
from proxy.duplex import Closing, Socket, SocketEvent
from proxy.protection.apart import apart
from proxy.protection.cleaner import Cleaner, Spared
from proxy.protection.structure import json_text, walk
from proxy.protocols.strict_json import dumps, loads
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

T = TypeVar("T")

_RULE = Facts(rule="protection.scan_requests")
_FORM = "application/x-www-form-urlencoded"
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_WORDS = frozenset(
    {
        *("body", "caption", "content", "description", "message", "name", "text", "title", "value"),
    }
)
# What proves bytes that are no longer these.
_PROOFS = ("signature", "-signature-256", "-signature-ed25519", "digest", "-md5", "signature-input")


class Outgoing:
    """What looks for secrets. `cleaner` makes what masks those of one request; `refuses`: none."""

    def __init__(self, cleaner: Callable[[], Cleaner], *, refuses: bool) -> None:
        self._cleaner = cleaner
        self._refuses = refuses

    async def value(self, value: Json, spared: Spared | None = None) -> Decision[Json]:
        """The arguments of a tool."""
        cleaner = self._sparing(spared)
        size = len(json.dumps(value))
        return self._judged(await apart(size, walk, value, cleaner), cleaner)

    async def relay(
        self, relay: Relay, spared: Spared | None = None, *, words: bool = False
    ) -> Decision[Relay]:
        """A request for the agent; with `words`, a message. Raises Malformed as its body does."""
        cleaner = self._sparing(spared)
        path, mark, query = relay.target.partition("?")
        relay = replace(relay, target=path + mark + _form(query, cleaner))
        upload = relay.upload
        if not relay.body if upload is None else upload.length == 0:
            return self._judged(relay, cleaner)
        kind = _kind(relay.headers)
        if kind is None:
            return Deny(Reason.REQUEST_UNREADABLE, facts=_RULE)
        if upload is not None:
            if not self._refuses and spared is None and not _is_structured(kind):
                pieces = _scrubbed(upload.pieces, cleaner)
                headers = _unproven(relay.headers)
                relay = replace(relay, headers=headers, upload=Upload(None, pieces))
                return Allow(relay, Facts(masked=cleaner.tally))
            data = b"".join([piece async for piece in upload.pieces])
            relay = replace(relay, body=data, upload=None)
        clean = _message if words else _body
        data = await apart(len(relay.body), clean, relay.body, kind, cleaner)
        if data != relay.body:
            relay = replace(relay, headers=_unproven(relay.headers), body=data)
        return self._judged(relay, cleaner)

    def socket(self, socket: Socket) -> Socket:
        """A socket that takes only what may be said to the agent; raises Denied for the rest."""

        async def send(event: SocketEvent) -> None:
            await socket.send(event if isinstance(event, Closing) else await self._said(event))

        return replace(socket, send=send)

    async def _said(self, message: str | bytes) -> str | bytes:
        cleaner = self._cleaner()
        data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        shown = self._judged(await apart(len(data), _body, data, "", cleaner), cleaner)
        if isinstance(shown, Deny):
            raise Denied(Layer.AUTHORIZATION, shown.reason, shown.facts)
        return shown.value.decode() if isinstance(message, str) else shown.value

    def _judged(self, value: T, cleaner: Cleaner) -> Decision[T]:
        """What was masked, unless there was something and nothing may be."""
        if self._refuses and cleaner.tally.total():
            return Deny(Reason.SECRET_IN_REQUEST, ", ".join(sorted(cleaner.tally)), _RULE)
        return Allow(value, Facts(masked=cleaner.tally) if cleaner.tally else Facts())

    def _sparing(self, spared: Spared | None) -> Cleaner:
        cleaner = self._cleaner()
        return cleaner if spared is None else cleaner.sparing(spared)


def _kind(headers: Headers) -> str | None:
    """The media type of a body; None where it is one that cannot be searched."""
    encodings = ",".join(headers.all("content-encoding")).lower().replace(" ", "")
    media, *parameters = (headers.get("content-type") or "").lower().split(";")
    given = [each.strip().removeprefix("charset=") for each in parameters if "charset=" in each]
    if encodings not in {"", "identity"} or any(each.strip('"') not in _CHARSETS for each in given):
        return None
    return media.strip()


def _is_structured(kind: str) -> bool:
    return kind == _FORM or kind.endswith(("/json", "+json"))


def _body(data: bytes, kind: str, cleaner: Cleaner) -> bytes:
    """A body, as a whole."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return cleaner.data(data)
    return (_form(text, cleaner) if kind == _FORM else json_text(text, cleaner)).encode()


def _message(data: bytes, kind: str, cleaner: Cleaner) -> bytes:
    """A message for the agent: all of one that is ours, the words of a provider's."""
    if kind == _FORM:
        return _form(data.decode("utf-8", "surrogateescape"), cleaner, _WORDS).encode(
            "utf-8", "surrogateescape"
        )
    try:
        value = loads(data)
    except Malformed:
        return _body(data, kind, cleaner)
    if isinstance(value, Mapping) and isinstance(value.get("message"), str):
        return _body(data, kind, cleaner)
    shown = _words(value, cleaner)
    return data if shown == value else dumps(shown)


def _words(value: Json, cleaner: Cleaner, key: str = "") -> Json:
    """A value in which the words of people are clean."""
    if isinstance(value, str):
        return json_text(value, cleaner) if key in _WORDS else value
    if isinstance(value, Mapping):
        return {name: _words(inner, cleaner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_words(item, cleaner, key) for item in value]
    return value


def _form(text: str, cleaner: Cleaner, only: frozenset[str] = frozenset()) -> str:
    """A query or form: only what holds a secret is written anew."""
    return "&".join(_pair(pair, cleaner, only) for pair in text.split("&"))


def _pair(pair: str, cleaner: Cleaner, only: frozenset[str]) -> str:
    name, equals, value = pair.partition("=")
    key, meant = unquote_plus(name), unquote_plus(value)
    if only and key not in only:
        return pair
    shown = None if only else cleaner.member(key, meant)
    shown = json_text(meant, cleaner) if shown is None else shown
    named = json_text(key, cleaner)
    name = name if named == key else quote(named, safe="")
    return name + equals + (value if shown == meant else quote(shown, safe=""))


def _unproven(headers: Headers) -> Headers:
    """The fields without proofs of what the body was."""
    return Headers(
        tuple((name, value) for name, value in headers if not name.lower().endswith(_PROOFS))
    )


async def _scrubbed(pieces: AsyncIterator[bytes], cleaner: Cleaner) -> AsyncIterator[bytes]:
    scrubber = cleaner.scrubber()
    async for piece in pieces:
        if data := scrubber.scrub(piece, final=False):
            yield data
    if data := scrubber.scrub(b"", final=True):
        yield data
