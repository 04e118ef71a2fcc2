"""The value of a word of the shell, where it can be known before the line runs.

A word is known where it is made of literal text, and of variables that the line itself set to
literal text. Everything else that a shell would put in its place makes the line unknowable: the
output of a program, arithmetic, braces, homes, variables of the environment.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.decision import Malformed
from proxy.reasons import Reason

Node = dict[str, Any]

_MOST_VALUATIONS = 100
_TILDE = re.compile(r"(?:\A|[=:])~")
_PATTERN = frozenset("*?[")
_SPECIAL = frozenset("*?[\\")  # what a pattern reads otherwise than quoted, and in brackets these
_BRACKETED = _SPECIAL | frozenset("]!^-")
_CLASSES = ("[^", "[:", "[=", "[.")  # not every shell knows these
_UNSPLIT = re.compile(r"[A-Za-z0-9_./:@%+,=^-]+")
_POSITION = frozenset({"Offset", "Line", "Col"})
_VARIABLE = frozenset({"Type", "Short", "Param"})


@dataclass(frozen=True, slots=True)
class Value:
    """What a word is. `pattern`: the shell puts the names of files in its place, if there are."""

    text: str
    pattern: bool = False


Valuation = Mapping[str, Value]


def unknowable(evidence: str = "") -> Malformed:
    """Of a line of which nobody can tell what it does."""
    return Malformed(Reason.COMMAND_UNKNOWABLE, evidence)


def keys(node: Node) -> set[str]:
    """What the parser says of a node, apart from where it stands and of the comments beside it."""
    return {key for key, value in node.items() if not (_is_position(value) or _is_note(key))}


def expect(node: Node, known: set[str] | frozenset[str]) -> None:
    """Refuse a node that has more to it than is known."""
    if not keys(node) <= known:
        raise Malformed(Reason.COMMAND_UNPARSABLE)


def _is_position(value: object) -> bool:
    if not isinstance(value, dict) or not value or not set(value) <= _POSITION:
        return False
    return all(isinstance(number, int) for number in value.values())


def _is_note(key: str) -> bool:
    return key == "Comments" or key.endswith("Last")


def parts(word: Node) -> list[Node]:
    """What a word is made of; a kind of word that is not known is refused."""
    if not keys(word) <= {"Type", "Parts"} or word.get("Type", "Word") != "Word":
        raise unknowable()
    found: list[Node] = word.get("Parts", [])
    return found


def valuations(
    words: Iterable[Node], values: Mapping[str, tuple[Value, ...]]
) -> Iterator[Valuation]:
    """Every way in which the variables of `words` may be set, one after the other."""
    used = sorted({name for word in words for name in _names(parts(word))})
    if not set(used) <= set(values):
        raise unknowable()
    most = 1
    for name in used:
        most *= len(values[name])
    if most > _MOST_VALUATIONS:
        raise Malformed(Reason.COMMAND_TOO_COMPLEX)
    for chosen in itertools.product(*(values[name] for name in used)):
        yield dict(zip(used, chosen, strict=True))


def _names(pieces: Iterable[Node]) -> Iterator[str]:
    for piece in pieces:
        if piece.get("Type") == "ParamExp":
            yield _name(piece)
        elif piece.get("Type") == "DblQuoted":
            yield from _names(piece.get("Parts", []))


def _name(piece: Node) -> str:
    """The variable of a plain `$x` or `${x}`; nothing else that can stand there is known."""
    if not keys(piece) <= _VARIABLE or keys(piece["Param"]) != {"Value"}:
        raise unknowable()
    return str(piece["Param"]["Value"])


def literal(word: Node) -> str:
    """The value of a word that holds no variable and no pattern."""
    return fixed(word, {})


def fixed(word: Node, valuation: Valuation) -> str:
    """The value of a word that the shell must not replace by the names of files."""
    value = evaluate(word, valuation)
    if value.pattern:
        raise unknowable(value.text)
    return value.text


def evaluate(word: Node, valuation: Valuation) -> Value:
    """The value of a word, in which each variable stands for what `valuation` says."""
    text, bare = _read(parts(word), valuation)
    if _is_replaced(bare):
        raise unknowable(text)
    return Value(text, _is_pattern(text, bare))


def inert(word: Node) -> None:
    """Refuse a word that is only compared, never looked for, where its text is not known."""
    _read(parts(word), {})


def _read(pieces: list[Node], valuation: Valuation) -> tuple[str, str]:
    """The text, and as much of it as is not quoted or a pattern, with x for all the rest."""
    text, bare = "", ""
    for piece in pieces:
        match piece:
            case {"Type": "Lit", "Value": str(raw)} if keys(piece) == {"Type", "Value"}:
                more, shown = _unescape(raw)
            case {"Type": "SglQuoted"} if keys(piece) <= {"Type", "Value"}:
                more = str(piece.get("Value", ""))
                shown = "x" * len(more)
            case {"Type": "DblQuoted"} if keys(piece) <= {"Type", "Parts"}:
                more, shown = _double_quoted(piece.get("Parts", []), valuation)
            case {"Type": "ParamExp"}:
                more = _unsplit(piece, valuation)
                shown = "x" * len(more)
            case _:
                raise unknowable()
        text += more
        bare += shown
    return text, bare


def _unescape(raw: str) -> tuple[str, str]:
    """An unquoted literal without its backslashes, and with each escaped character as x."""
    bare = re.sub(r"\\.", "x", raw, flags=re.DOTALL)
    if bare.endswith("\\"):
        raise Malformed(Reason.COMMAND_UNPARSABLE)
    return re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL), bare


def _double_quoted(pieces: list[Node], valuation: Valuation) -> tuple[str, str]:
    """The same of a text in double quotes, in which a variable may stand for the name of a file."""
    text, bare, raw = "", "", ""
    for piece in [*pieces, None]:
        if piece is not None and piece.get("Type") == "Lit" and keys(piece) == {"Type", "Value"}:
            raw += piece["Value"]
            continue
        text += _unescape_quoted(raw)
        bare, raw = bare.ljust(len(text), "x"), ""
        if piece is None:
            continue
        if piece.get("Type") != "ParamExp":
            raise unknowable()
        value = _one(piece, valuation)
        text += value.text
        bare += value.text if value.pattern else "x" * len(value.text)
    return text, bare


def _unescape_quoted(raw: str) -> str:
    return re.sub(r'\\([$`"\\])', r"\1", raw)


def _one(piece: Node, valuation: Valuation) -> Value:
    """The one value of a variable inside a word."""
    value = valuation.get(_name(piece))
    if value is None:
        raise unknowable()
    return value


def _unsplit(piece: Node, valuation: Valuation) -> str:
    """An unquoted variable whose value no shell splits, drops or takes for a pattern."""
    value = _one(piece, valuation)
    if value.pattern or not _UNSPLIT.fullmatch(value.text):
        raise unknowable(value.text)
    return value.text


def _is_replaced(bare: str) -> bool:
    """Whether a shell might put something else in the place of the unquoted part of a word."""
    inside = bare.partition("{")[2].rpartition("}")[0]
    return "," in inside or ".." in inside or _TILDE.search(bare) is not None


def _is_pattern(text: str, bare: str) -> bool:
    """Whether files are looked for by this word; one of which that is not sure is refused."""
    bracket = bare.find("[")
    if "*" not in bare and "?" not in bare and (bracket < 0 or "]" not in text[bracket:]):
        return False
    special = _SPECIAL if bracket < 0 else _BRACKETED
    quoted = any(was != now and now in special for was, now in zip(bare, text, strict=True))
    if quoted or any(each in text for each in _CLASSES) or not all(map(_is_tame, text.split("/"))):
        raise unknowable(text)
    return True


def _is_tame(component: str) -> bool:
    """Whether a part of a pattern stays where it is, whatever files there are."""
    hidden = component.startswith(".") and not _PATTERN.isdisjoint(component)
    return component != ".." and not hidden
