"""A here-document in the place of a word, `"$(cat <<'END' … )"`: how messages are often written.

Its value is the text itself, without the line ends behind it, and only this one form is read. The
counterpart is `calls`, which has `cat` judged like every program of a line.
"""

import re

from proxy.authorization.shell.words import Node, keys, parts

PROGRAM = "cat"

_DELIMITER = re.compile(r"[A-Za-z0-9_]+")
# Shells that look for the end of a substitution by its characters take these for their own.
_ACTIVE = re.compile(r"['\"`$\\]")
_NOTES = ("Comments", "Last")


def inlined(word: Node) -> tuple[Node, int]:
    """The word with each such document as literal text, and how many there were."""
    pieces = [_inlined(piece) for piece in parts(word)]
    return {**word, "Parts": [piece for piece, _ in pieces]}, sum(count for _, count in pieces)


def _inlined(piece: Node) -> tuple[Node, int]:
    if piece.get("Type") != "DblQuoted":
        return piece, 0
    texts = [_text(inner) for inner in piece.get("Parts", [])]
    inner = [
        each if text is None else {"Type": "Lit", "Value": text}
        for each, text in zip(piece.get("Parts", []), texts, strict=True)
    ]
    return {**piece, "Parts": inner}, sum(text is not None for text in texts)


def _text(piece: Node) -> str | None:
    """What the piece is, where it is such a document."""
    match piece:
        case {
            "Type": "CmdSubst",
            "Stmts": [
                {
                    "Cmd": {"Type": "CallExpr", "Args": [program]} as call,
                    "Redirs": [{"Op": "<<", "Word": end, "Hdoc": body} as document],
                } as statement
            ],
        }:
            forms = (
                _is_only(piece, {"Type", "Stmts"}),
                _is_only(statement, {"Cmd", "Redirs"}),
                _is_only(call, {"Type", "Args"}),
                _is_only(document, {"Op", "Word", "Hdoc"}),
                _sole(program, "Lit") == PROGRAM,
                _DELIMITER.fullmatch(_sole(end, "SglQuoted")),
            )
            text = _sole(body, "Lit").rstrip("\n")
            return text if all(forms) and _is_inert(text, _sole(end, "SglQuoted")) else None
    return None


def _is_only(node: Node, known: set[str]) -> bool:
    """Whether there is nothing more to the node, not even a comment."""
    return keys(node) == known and not any(key.endswith(_NOTES) for key in node)


def _sole(word: Node, kind: str) -> str:
    """The text of a word of one part; empty where it is another."""
    match parts(word):
        case [{"Type": found, "Value": str(text)} as part] if found == kind:
            return text if keys(part) == {"Type", "Value"} else ""
    return ""


def _is_inert(text: str, end: str) -> bool:
    """Whether even a shell that counts brackets finds the end of the substitution.

    bash takes a line inside of one for the end of the document that only begins like it.
    """
    depth = 0
    for mark in re.findall(r"[()]", text):
        depth += 1 if mark == "(" else -1
        if depth < 0:
            return False
    return bool(text) and depth == 0 and end not in text and _ACTIVE.search(text) is None
