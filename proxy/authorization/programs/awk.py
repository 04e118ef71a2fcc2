"""The language of awk: which files a program names, and whether it runs or reads anything else.

A program is cut into pieces as every awk cuts it; what one might read as the end of an expression
and another as a part of it is refused.
"""

import re
from collections.abc import Sequence

from proxy.authorization.programs.spec import READS, RUNS, UNKNOWN, Bar, Reader, Reading
from proxy.reasons import Reason

LONGEST = 8192
_TOO_LONG = Bar("too long to be judged", Reason.COMMAND_TOO_COMPLEX)
_UNKNOWABLE = Bar(UNKNOWN, Reason.COMMAND_UNKNOWABLE)
# Told by their mere names, wherever they stand: the cost is a program that prints such a word.
_RUNNING = re.compile(r"system|\bextension\b")
_READING = re.compile(r"ENVIRON|\bARG[VC]\b|SYMTAB|FUNCTAB")
_PIECE = re.compile(
    r"(?P<blank>[ \t]+|#[^\n]*)"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<word>[A-Za-z_]\w*|\d[\w.]*|\.\d+)"
    r"|(?P<sign>\|\||\|&|&&|>>|>=|<=|==|!=|!~|\+\+|--|\*\*=?|[-+*/%^]=|[^\s])"
    r"|(?P<line>\n)",
)
_EXPRESSION = re.compile(r"/((?:[^/\\\n\[]|\\.|\[(?![\]^]*\])(?:[^\]/\\\n]|\\.)*\])*)/")
_VALUES = {")", "]", "$", "++", "--", '"'}
_KEYWORDS = {"print", "printf", "return", "in", "case", "delete", "exit", "else", "do"}
_CONTINUED_COMMENT = re.compile(r"#[^\n]*\\\n")
_UNCLEAR = {"++", "--", "getline", "length", "$"}
_GOES_ON = {",", "&&", "||", "?", ":"}
_OUTPUTS = {"/dev/stdout", "/dev/stderr", "/dev/null"}


def _cut(program: str) -> list[str] | None:
    """The pieces of a program, without blanks and expressions; None where they are not certain."""
    pieces: list[str] = []
    heads: list[bool] = []
    at, headed = 0, False
    while at < len(program):
        if program[at] == "/" and (headed or not _follows_value(pieces)):
            found = _EXPRESSION.match(program, at)
        else:
            found = _PIECE.match(program, at)
        if found is None:
            return None
        at = found.end()
        if found.re is _PIECE and found.lastgroup == "blank":
            continue
        piece = found[0] if found.re is _PIECE else "//"
        if piece == "(":
            heads.append(bool(pieces) and pieces[-1] in {"if", "while", "for"})
        if piece == '"' or (piece.startswith("/") and pieces[-1:] and pieces[-1] in _UNCLEAR):
            return None
        headed = piece == ")" and bool(heads) and heads.pop()
        pieces.append(piece)
    return pieces


def _follows_value(pieces: Sequence[str]) -> bool:
    """Whether a slash here divides."""
    if not pieces:
        return False
    last = pieces[-1]
    if last in _VALUES or last.startswith('"') or last == "//":
        return True
    return bool(re.match(r"[\w.]", last)) and last not in _KEYWORDS


def _read(program: str) -> Reading:
    if len(program) > LONGEST:
        return _TOO_LONG
    if _CONTINUED_COMMENT.search(program):
        return _UNKNOWABLE
    program = program.replace("\\\n", "")
    if _RUNNING.search(program):
        return Bar(RUNS)
    if _READING.search(program):
        return Bar(READS)
    pieces = _cut(program)
    if pieces is None:
        return _UNKNOWABLE
    if {"|", "|&", "@"} & set(pieces):
        return Bar(RUNS)
    return _files(pieces)


def _files(pieces: Sequence[str]) -> Reading:
    """The files that `print … > FILE` and `getline < FILE` name."""
    files: list[str] = []
    printing, depth = False, 0
    for place, piece in enumerate(pieces):
        depth += (piece in {"(", "["}) - (piece in {")", "]"})
        if piece in {"print", "printf"}:
            printing, depth = True, 0
        elif piece in {";", "}", "{"} or (piece == "\n" and pieces[place - 1] not in _GOES_ON):
            printing = printing and depth > 0
        directed = printing and depth <= 0 and piece in {">", ">>"}
        if directed or (piece == "<" and "getline" in pieces[:place]):
            name = _literal(pieces[place + 1 : place + 3])
            if name is None:
                return _UNKNOWABLE
            files.extend([name] if name not in _OUTPUTS else [])
    return tuple(files)


def _literal(pieces: Sequence[str]) -> str | None:
    """A name that is one plain string and the whole of the operand."""
    ends = not pieces[1:] or pieces[1] in {";", "\n", "}", ")"}
    if not pieces or not re.fullmatch(r'"[^"\\]+"', pieces[0]) or not ends:
        return None
    return pieces[0][1:-1]


AWK = Reader(_read, code=True)
