"""The language of sed: which files a script names, and whether it runs anything.

A script is read as GNU sed and busybox read it. Where they could differ, it is refused: a bracket
with a bracket or its end escaped inside, a line end in an expression, a label that goes on.
"""

import re

from proxy.authorization.programs.spec import RUNS, UNKNOWN, Bar, Reader, Reading
from proxy.reasons import Reason

_BLANKS = re.compile(r"[\s;]*")
_ADDRESS = re.compile(r"\d+(?:~\d+)?|\$|[+~]\d+")
_FLAGS = re.compile(r"[gpiImM\d]*")
_LABEL = re.compile(r"[ \t]*[\w.-]*[ \t]*")
_NUMBER = re.compile(r"[ \t]*\d*[ \t]*")
_TEXT = re.compile(r"(?:\\.|[^\\\n])*\\?", re.DOTALL)
_GAP = re.compile(r"[ \t]*")
_BRACKET = re.compile(r"\^?(?:\[:\w+:\]|[^\]\[\\\n]|\\[^\]\n])+\]")
_LINE = re.compile(r"[^\n]*")
_OUTPUTS = {"/dev/stdout", "/dev/stderr"}
LONGEST = 8192
_TOO_LONG = Bar("too long to be judged", Reason.COMMAND_TOO_COMPLEX)
_UNKNOWABLE = Bar(UNKNOWN, Reason.COMMAND_UNKNOWABLE)
_RUNS = Bar(RUNS)


class _Script:
    """A script and how far it has been read. A method that gives False did not understand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.files: list[str] = []
        self.runs = False

    def read(self) -> bool:
        while True:
            self._match(_BLANKS)
            if self.at == len(self.text):
                return True
            if not (self._addresses() and self._command()):
                return False

    def _match(self, form: re.Pattern[str]) -> str:
        found = form.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def _next(self) -> str:
        """The next character, which is taken; "" at the end."""
        char = self.text[self.at : self.at + 1]
        self.at += 1
        return char

    def _addresses(self) -> bool:
        if not self._address():
            return False
        self._match(_GAP)
        if self.text[self.at : self.at + 1] == ",":
            self.at += 1
            self._match(_GAP)
            if not self._address():
                return False
        self._match(re.compile(r"[ \t!]*"))
        return True

    def _address(self) -> bool:
        if self._match(_ADDRESS):
            return True
        start = self.text[self.at : self.at + 1]
        if start not in {"/", "\\"}:
            return True
        self.at += 1
        delimiter = self._next() if start == "\\" else "/"
        if not self._expression(delimiter):
            return False
        self._match(re.compile(r"[IM]*"))
        return True

    def _expression(self, delimiter: str) -> bool:
        """Read up to the delimiter, which is an ordinary character in brackets."""
        if delimiter in {"", "\n", "\\", " ", ";", "["}:
            return False
        while (char := self._next()) != delimiter:
            escaped = self._next() if char == "\\" else ""
            bracketed = char == "[" and not self._match(_BRACKET)
            if char in {"", "\n"} or escaped == "\n" or bracketed:
                return False
        return True

    def _replacement(self, delimiter: str) -> bool:
        while (char := self._next()) != delimiter:
            if char in {"", "\n"} or (char == "\\" and not self._next()):
                return False
        return True

    def _command(self) -> bool:
        match self._next():
            case "{" | "}":
                return True
            case "=" | "d" | "D" | "g" | "G" | "h" | "H" | "n" | "N" | "p" | "P" | "x" | "z" | "F":
                return self._ends()
            case ("l" | "L" | "q" | "Q" | "b" | "t" | "T" | ":") as name:
                self._match(_NUMBER if name in "lLqQ" else _LABEL)
                return self._ends()
            case ("a" | "i" | "c" | "#") as name:
                self._match(_LINE if name == "#" else _TEXT)
                return True
            case "r" | "R" | "w" | "W":
                return self._file()
            case "s":
                return self._substitute()
            case "y":
                return self._transliterate()
            case "e":
                self.runs = True
        return False

    def _transliterate(self) -> bool:
        delimiter = self._next()
        return all(map(self._replacement, (delimiter, delimiter))) and self._ends()

    def _substitute(self) -> bool:
        delimiter = self._next()
        if not (self._expression(delimiter) and self._replacement(delimiter)):
            return False
        self._match(_FLAGS)
        if self.text[self.at : self.at + 1] == "e":
            self.runs = True
            return False
        if self.text[self.at : self.at + 1] == "w":
            self.at += 1
            return self._file()
        return self._ends()

    def _file(self) -> bool:
        name = self._match(_LINE).strip(" \t")
        self.files.extend([name] if name not in _OUTPUTS else [])
        return bool(name)

    def _ends(self) -> bool:
        self._match(_GAP)
        return self.text[self.at : self.at + 1] in {"", ";", "\n", "}", "#"}


def _read(text: str) -> Reading:
    if len(text) > LONGEST:
        return _TOO_LONG
    script = _Script(text)
    if script.read():
        return tuple(script.files)
    return _RUNS if script.runs else _UNKNOWABLE


SED = Reader(_read, code=True)
