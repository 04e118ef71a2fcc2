"""Which strings of a streamed event are pieces of a longer text, and which text each continues.

Known are the streams of OpenAI (chat, completions, responses), Anthropic, Gemini, Ollama, Cohere,
llama.cpp, TGI, Vercel's UI messages and AG-UI; and whatever calls its pieces a delta, a chunk or a
token. A JSON-RPC message is whole, and so is anything else as far as is known here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.protection.structure import TOKENS, decoded

Path = tuple[str | int, ...]
"""The names and places that lead to a value."""

Ids = Mapping[Path, str]
"""What tells texts of one kind apart, by where it stands; places in arrays are left out."""

_ALWAYS = frozenset({"delta", "textDelta", "inputTextDelta", "argsTextDelta", "partial_json"})
_TEXTS = frozenset(
    {"content", "text", "reasoning", "reasoning_content", "refusal", "thinking", "arguments"}
    | {"input", "transcript", "partial_json"}
)
_ANSWERS = _TEXTS | {"response", "completion", "answer", "output", "token"}
_KEYS = _ALWAYS | _ANSWERS
_FLAGS = frozenset({"done", "stop", "is_finished", "finished", "generated_text", "stop_reason"})
_FINISHED = frozenset({"finish_reason", "finishReason", "stop_reason", "done_reason"}) | _FLAGS
_IDS = (
    *("index", "output_index", "content_index", "summary_index", "item_id"),
    *("messageId", "message_id", "toolCallId", "tool_call_id"),
)
# What stays of the objects around a piece where it is sent alone: within a delta, within another.
_PIECE = (*_IDS, "type")
_INSIDE = (*_PIECE, "id", "role", "logprob", "special", "finish_reason", "finishReason")
_ROOT = (
    *(*_INSIDE, "object", "model", "created", "created_at", "event", "event_type"),
    *("sequence_number", *sorted(_FLAGS)),
)
_PIECES = re.compile("delta|chunk|token(?!s)|generation", re.IGNORECASE)
_SOUNDS = re.compile("audio(?!.*transcript)")  # encoded, and each piece on its own
_ENDS = re.compile(
    r"(?:^|[^A-Za-z]|(?<=[a-z])(?=[A-Z]))"
    r"(?i:done|stop|end|ended|finish|finished|complete|completed|incomplete|failed|error|close)$"
)
_MAX_PATH = 32
_SHORT = 128  # of an id: more tells nothing apart, and would be kept


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the text `name`, whose string begins at `start` of the event's data."""

    name: tuple[object, ...]
    ids: Ids
    path: Path
    start: int
    text: str


def deltas(data: str, value: object, event: str) -> Iterator[Delta]:
    """The pieces in an event whose data, a JSON text, means `value`.

    A mere string may be one (`is_fragment`).
    """
    if isinstance(value, Mapping) and "jsonrpc" in value:
        return
    for path, start, text in strings(data):
        if not path:
            yield Delta((event, "string"), {}, path, start, text)
            return
        around = _around(value, path) if path[-1] in _KEYS else []
        if around and _is_delta(path, around, event):
            ids = _ids(path, around)
            kind = tuple(step for step in path if isinstance(step, str))
            yield Delta((event, _kind(around), kind, *ids.items()), ids, path, start, text)


def endings(value: object, event: str) -> Iterator[Ids]:
    """The ids of the texts that an event says to have ended: all that are not of others."""
    if not isinstance(value, Mapping):
        return
    named = (value.get("type"), value.get("event_type"), event)
    if any(isinstance(name, str) and _ENDS.search(name) for name in named) or _finished(value):
        yield _ids((), [value])
    if isinstance(delta := value.get("delta"), Mapping) and _finished(delta):
        yield _ids((), [value])
    for name in ("choices", "candidates"):
        items = value.get(name)
        for place, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, Mapping) and _finished(item):
                yield {(name,): _told(item.get("index", place))}


def ended(ids: Ids, by: Ids) -> bool:
    """Whether an ending is one of the text with these ids."""
    return all(ids.get(where, told) == told for where, told in by.items())


def is_fragment(event: str) -> bool:
    """Whether an event of mere text is a piece of a longer one: if it is called so.

    Others are whole: to hold back the end of one would change what each says.
    """
    return bool(_PIECES.search(event)) and not _ENDS.search(event)


def lone(value: object, path: Path, text: str) -> object:
    """An event with `text` at `path`, and of the rest what names the text and is not added up.

    Who puts pieces together adds up the names, roles and ids of a delta, too.
    """
    return _lone(value, path, text, _ROOT)


def _lone(value: object, path: Path, text: str, kept: tuple[str, ...]) -> object:
    if not path:
        return text
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping) and isinstance(step, str):
        stay = {name: value[name] for name in kept if name in value and _is_short(value[name])}
        inside = _PIECE if step == "delta" or kept is _PIECE else _INSIDE
        return {**stay, step: _lone(value.get(step), rest, text, inside)}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [_lone(value[step], rest, text, kept)]
    return text


def _is_short(value: object) -> bool:
    return value is None or isinstance(value, int | float) or _is_name(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _SHORT


def _is_delta(path: Path, around: list[Mapping[str, object]], event: str) -> bool:
    key, names = path[-1], [step for step in path if isinstance(step, str)]
    if _SOUNDS.search(f"{_kind(around)} {event} {names[:-1]}"):
        return False
    if key in _ALWAYS or (key in _TEXTS and "delta" in names[:-1]):
        return True
    if names in (["choices", "text"], ["candidates", "content", "parts", "text"]):
        return True
    if key not in _ANSWERS or len(names) > len(("message", "content")):
        return False
    return bool(_FLAGS & around[0].keys()) or _says_piece(around, event)


def _says_piece(around: list[Mapping[str, object]], event: str) -> bool:
    """Whether an event is called a piece, and not the end of them."""
    names = [event, *(each.get(name) for each in around for name in ("type", "event_type"))]
    told = [name for name in names if isinstance(name, str)]
    return any(map(_PIECES.search, told)) and not any(map(_ENDS.search, told))


def _kind(around: list[Mapping[str, object]]) -> str:
    """What sort of piece it is, where the whole event or its delta says so."""
    kinds = [around[0].get("type")]
    if isinstance(delta := around[0].get("delta"), Mapping):
        kinds.append(delta.get("type"))
    return " ".join(kind[:_SHORT] for kind in kinds if isinstance(kind, str))


def _ids(path: Path, around: list[Mapping[str, object]]) -> dict[Path, str]:
    """What tells a text apart, in all the objects around it."""
    ids: dict[Path, str] = {}
    places = [at for at, step in enumerate(path) if isinstance(step, int)]
    for at in places:
        ids[tuple(step for step in path[:at] if isinstance(step, str))] = str(path[at])
    depths = [at for at, step in enumerate(path) if isinstance(step, str)] or [0]
    for each, depth in zip(around, depths, strict=True):
        where = tuple(step for step in path[:depth] if isinstance(step, str))
        for name in _IDS:
            if name in each:
                inside = depth > 0 and isinstance(path[depth - 1], int) and name == "index"
                ids[where if inside else (*where, name)] = _told(each[name])
        if "id" in each and "type" in each and "index" not in each:
            ids[*where, "id"] = _told(each["id"])
    return ids


def _told(told: object) -> str:
    return str(told)[:_SHORT] if isinstance(told, str | int) else ""


def _finished(value: Mapping[str, object]) -> bool:
    return any(value.get(name) not in (None, False, "", "null") for name in _FINISHED)


def _around(value: object, path: Path) -> list[Mapping[str, object]]:
    """The objects that a path leads through; none of it where it does not lead there."""
    found: list[Mapping[str, object]] = []
    for step in path:
        if isinstance(value, Mapping) and isinstance(step, str):
            found.append(value)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return []
    return found


def strings(data: str) -> Iterator[tuple[Path, int, str]]:
    """Every string of a JSON text that is a value, with its path and where it begins."""
    path: list[str | int] = []
    step: str | int = ""
    for token in TOKENS.finditer(data):
        first = token[0][0]
        if token[2]:
            step = decoded(token[1])
        elif first in "]}":
            step = path.pop()
            step = step + 1 if isinstance(step, int) else step
        else:
            if first == '"' and len(path) <= _MAX_PATH:
                where = (*path[1:], step) if path else ()
                yield where, token.start(), decoded(token[1])
            if first in "[{":
                path.append(step)
                step = 0 if first == "[" else ""
            elif isinstance(step, int):
                step += 1
