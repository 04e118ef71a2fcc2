"""The calls of the engine's API that a sandbox's life takes; there are no others.

A call is matched whole: method, path, each key of the query with its value. What goes up is written
from what was matched. Versions before 1.41 are left out, since engines do for them what they did
then: they gave a container the host's view of control groups.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qs, quote

from proxy.decision import Malformed
from proxy.guard.head import Head
from proxy.guard.refusal import Refusal
from proxy.guard.rules import Rules
from proxy.isolation.docker.container import OWNER_LABEL
from proxy.protocols.strict_json import dumps, loads_object
from proxy.values import Json

GUARD_LABEL = "sidegate.guard"
NAME = r"sidegate-[0-9a-f]{32}"
"""The form of a container's name."""

_LEAST_VERSION = 41
_VERSION = re.compile(r"/v1\.([1-9][0-9])(/.*)")
_ID = r"[0-9a-f]{64}"
_YES, _BIT = r"1|true", r"0|1"
_LABEL = re.compile(r"sidegate\.[a-z.-]{1,40}(?:=[A-Za-z0-9._:-]{0,200})?")
_MOST_LABELS = 8


class Verb(Enum):
    """What a call does."""

    VERSION = "version"
    PING = "ping"
    INFO = "info"
    IMAGE = "image"
    LIST = "list"
    CREATE = "create"
    INSPECT = "inspect"
    ATTACH = "attach"
    START = "start"
    WAIT = "wait"
    KILL = "kill"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class _Row:
    verb: Verb
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    versioned: bool = True


def _of_container(verb: Verb, method: str, end: str, query: Mapping[str, str]) -> _Row:
    return _Row(verb, method, rf"/containers/(?P<subject>{_ID}|{NAME}){end}", query)


_STREAMS = {
    "detachKeys": "",
    "logs": "0",
    **dict.fromkeys(("stdin", "stdout", "stderr"), _BIT),
    "stream": "1",
}
_ENDED = {"condition": "not-running|next-exit|removed"}
_SIGNAL = {"signal": r"(?:SIG)?[A-Z]{2,6}[12]?|[1-9]|[1-5][0-9]|6[0-4]"}
_TABLE = (
    _Row(Verb.VERSION, "GET", "/version", versioned=False),
    _Row(Verb.PING, "GET", "/_ping", versioned=False),
    _Row(Verb.INFO, "GET", "/info"),
    _Row(Verb.IMAGE, "GET", "/images/(?P<subject>.+)/json"),
    _Row(Verb.LIST, "GET", "/containers/json", {"all": _YES, "filters": ".{1,2000}"}),
    _Row(Verb.CREATE, "POST", "/containers/create", {"name": NAME}),
    _of_container(Verb.INSPECT, "GET", "/json", {}),
    _of_container(Verb.ATTACH, "POST", "/attach", _STREAMS),
    _of_container(Verb.START, "POST", "/start", {}),
    _of_container(Verb.WAIT, "POST", "/wait", _ENDED),
    _of_container(Verb.KILL, "POST", "/kill", _SIGNAL),
    _of_container(Verb.REMOVE, "DELETE", "", dict.fromkeys(("force", "v"), _YES)),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One of the calls. `subject`: the container, by id or name, that it is about, or the image."""

    verb: Verb
    method: str
    version: str
    path: str
    query: Mapping[str, str]
    subject: str = ""

    def target(self, container: str = "") -> str:
        """The request-target to ask the engine for; `container` in the place of the subject."""
        path = self.path.replace(self.subject, container, 1) if container else self.path
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        return f"{self.version}{path}?{query}" if query else f"{self.version}{path}"


def call_of(head: Head, rules: Rules) -> Call | Refusal:
    """The call that a request is."""
    version, path = _version(head.path)
    for row in _TABLE:
        match = re.fullmatch(row.path, path)
        if row.method == head.method and match and (version or not row.versioned):
            query = _query(head.query, row.query)
            if query is None or not _fits(row, head):
                return Refusal(400, f"{row.verb.value} is asked for in a form that is not allowed")
            call = Call(row.verb, row.method, version, path, query, **match.groupdict())
            return _judged(call, rules)
    return Refusal(403, "this call is not allowed")


def _version(path: str) -> tuple[str, str]:
    """The prefix that states a version, and the rest; no prefix where it is none of ours."""
    match = _VERSION.fullmatch(path)
    if match is None or int(match[1]) < _LEAST_VERSION:
        return "", path
    return path[: match.start(2)], match[2]


def _query(text: str, known: Mapping[str, str]) -> dict[str, str] | None:
    """Each key at most once, and with a value that it may have."""
    found: dict[str, str] = {}
    for pair in text.split("&") if text else ():
        key, equals, value = pair.partition("=")
        if not equals or key in found or not re.fullmatch(known.get(key, "(?!)"), value):
            return None
        found[key] = value
    return found


def _fits(row: _Row, head: Head) -> bool:
    """Whether it has a body, and asks for the connection, just where that belongs to the call."""
    creates = row.verb is Verb.CREATE
    if head.upgrade != (row.verb is Verb.ATTACH):
        return False
    return head.json and head.length > 0 if creates else head.length == 0


def _judged(call: Call, rules: Rules) -> Call | Refusal:
    """What the rules make of it."""
    if call.verb is Verb.IMAGE and call.subject not in rules.images:
        return Refusal(403, "the configuration does not name this image")
    if call.verb is Verb.CREATE and "name" not in call.query:
        return Refusal(400, "a container is created with a name, which tells whose it is")
    if call.verb is not Verb.LIST:
        return call
    filters = _filters(call.query.get("filters", "%7B%7D"), rules.name)
    if filters is None:
        return Refusal(403, "containers are listed by labels of Sidegate's only")
    query = {**call.query, "filters": filters}
    return Call(call.verb, call.method, call.version, call.path, query)


def _filters(text: str, name: str) -> str | None:
    """The filters with our label among them; None where they hold more than labels of ours.

    The owner's is left out: who broke into Sidegate may have made containers in another's name,
    which would outlive every sweep. All of a guard's are of one Sidegate.
    """
    try:
        [value] = parse_qs(f"filters={text}", strict_parsing=True, errors="strict")["filters"]
        wish = loads_object(value.encode())
    except (ValueError, Malformed):
        return None
    labels = wish.get("label", [])
    if wish.keys() - {"label"} or not isinstance(labels, list) or len(labels) > _MOST_LABELS:
        return None
    if not all(isinstance(label, str) and _LABEL.fullmatch(label) for label in labels):
        return None
    return own_filters(name, *(each for each in labels if not each.startswith(f"{OWNER_LABEL}=")))


def own_filters(name: str, *labels: str) -> str:
    """The value of a query that asks for the containers of a guard."""
    wanted: list[Json] = [*labels, f"{GUARD_LABEL}={name}"]
    return quote(dumps({"label": wanted}).decode(), safe="")
