"""How much of a line a parser has to work on, told before one is asked.

What is quoted, a comment or a document costs a parser little, and may be long; every word, operator
and expansion costs it much, and nesting more than in proportion. As long as it is certain how a
shell takes the line apart, the cheap parts are left out of the count; from the first doubt on,
everything counts.
"""

import re
from collections.abc import Iterator

from proxy.decision import Malformed
from proxy.reasons import Reason

_MOST_PIECES = 2000
_MOST_WORDS = 400
_MOST_STATEMENTS = 200
_MOST_NESTED = 50
_MOST_EXPANSIONS = 100

_PIECE = re.compile(
    r"""
    (?P<document> (?<!<) << (?!<) (?P<dash>-?) [ \t]*
        (?: '(?P<single>\w++)' | "(?P<double>\w++)" | (?P<bare>\w++) ) (?![^\s;|&<>)]) )
    | (?P<quoted> '[^']*+' | \\[^\n] | (?<![^\s;|&]) \# [^\n]*+ )
    | (?P<text> "(?: [^"$`\\]++ | \\[^\n] | \$[a-z_]\w*+ )*+" )
    | (?P<line> \n )
    | (?P<other> [^'"\\#$`<(\n]++ | [<#] | \((?!\() | \$[a-z_]\w*+ | \$\? )
    """,
    re.VERBOSE,
)
_LET = re.compile(r"\blet\b")  # in whose expression << is no document
_NESTED = re.compile(r"&&|\|\||[|&({!]|\b(?:if|elif|while|until|for|case|do|time|function)\b")
_STATEMENTS = re.compile(r"&&|\|\||[|&;\n<>]")


def check(line: str) -> None:
    """Refuse a line that would keep a parser busy; raises Malformed."""
    outline = "".join(_outline(line))
    if (
        len(outline.split()) > _MOST_WORDS
        or len(_STATEMENTS.findall(outline)) > _MOST_STATEMENTS
        or len(_NESTED.findall(outline)) > _MOST_NESTED
        or outline.count("$") + outline.count("`") > _MOST_EXPANSIONS
    ):
        raise Malformed(Reason.COMMAND_TOO_COMPLEX)


def _outline(line: str) -> Iterator[str]:
    """The line, with as little as can be in the place of its cheap parts."""
    at, pieces = 0, 0
    ends: list[tuple[re.Pattern[str], bool]] = []
    while (found := _PIECE.match(line, at)) and not _LET.search(found[0]):
        pieces += 1
        if pieces > _MOST_PIECES:
            raise Malformed(Reason.COMMAND_TOO_COMPLEX)
        at = found.end()
        if found["document"]:
            ends.append((_end(found), found["bare"] is not None))
        yield _cheap(found)
        if found["line"]:
            for end, expanded in ends:
                body = end.search(line, at)
                if body is None:
                    yield line[at:]
                    return
                if expanded:
                    yield "".join(re.findall(r"[$`]", line[at : body.start()]))
                at = body.end()
            ends.clear()
    yield line[at:]


def _end(document: re.Match[str]) -> re.Pattern[str]:
    """What the end of a document looks like."""
    word = document["single"] or document["double"] or document["bare"]
    indent = r"\t*+" if document["dash"] else ""
    return re.compile(rf"^{indent}{word}(?:\n|\Z)", re.MULTILINE)


def _cheap(piece: re.Match[str]) -> str:
    if piece["quoted"]:
        return "x"
    if piece["text"]:
        if piece["text"].count("\\") > _MOST_PIECES:
            raise Malformed(Reason.COMMAND_TOO_COMPLEX)
        return "x" + "$" * re.sub(r"\\.", "", piece["text"]).count("$")
    return piece[0]
