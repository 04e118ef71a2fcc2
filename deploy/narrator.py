"""What the tour prints: each request as a curl line, its answer, and whether it was right."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass

COLUMNS = 96
LINES_MAX = 16
TOLD_HEADERS = ("Content-Type", "WWW-Authenticate", "Retry-After", "Cache-Control", "Location")

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


def paint(text: str, style: str) -> str:
    """Colour the text where someone looks at a terminal."""
    return f"\x1b[{style}m{text}\x1b[0m" if COLOUR else text


def clip(line: str) -> str:
    """Cut a line to the width of the page."""
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"


def shorten(text: str) -> list[str]:
    """Keep the first lines, each cut to the width of the page."""
    lines = text.rstrip("\n").split("\n")
    rest = len(lines) - LINES_MAX
    kept = [clip(line) for line in lines[:LINES_MAX]]
    return [*kept, f"… {rest} more lines"] if rest > 0 else kept


def lay_out(value: object, margin: int = 0) -> str:
    """Write JSON with each value on one line where it fits, else one line for each member."""
    line = json.dumps(value, ensure_ascii=False)
    if margin + len(line) <= COLUMNS or not isinstance(value, dict | list) or not value:
        return line
    inner = margin + 2
    if isinstance(value, dict):
        start, end = "{}"
        members = [f"{json.dumps(name)}: {lay_out(item, inner)}" for name, item in value.items()]
    else:
        start, end = "[]"
        members = [lay_out(item, inner) for item in value]
    separator = ",\n" + " " * inner
    return f"{start}\n{' ' * inner}{separator.join(members)}\n{' ' * margin}{end}"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end; `spread_secs` lie between its first and its last byte."""

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str
    spread_secs: float

    def value(self, *path: str) -> object:
        """Look up a value of the JSON body by its keys; None where there is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def pretty(self) -> str:
        """Lay out a JSON body; leave another as it is."""
        try:
            return lay_out(json.loads(self.text))
        except ValueError:
            return self.text


def curl(method: str, url: str, headers: Mapping[str, str], body: object) -> str:
    """Write the request as a command that does the same."""
    words = ["curl", "-s", url]
    if method != ("GET" if body is None else "POST"):
        words[2:2] = ["-X", method]
    line = shlex.join(words)
    for name, value in headers.items():
        # Double quotes: the token stands as $TOKEN.
        line += f' -H "{name}: {value}"'
    if body is not None:
        line += f" --json {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    return line


class Narrator:
    """Prints the steps and keeps count of what was not as expected."""

    def __init__(self) -> None:
        self.steps = 0
        self.failures: list[str] = []

    def title(self, text: str) -> None:
        """Begin a step."""
        self.steps += 1
        self.say(paint(f"\n{self.steps:2}. {text}", BOLD))

    def command(self, line: str) -> None:
        """Print what is typed."""
        self.say(f"    $ {line}")

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, flush=True)

    def block(self, text: str, style: str = DIM) -> None:
        """Print a body, indented and shortened."""
        for line in shorten(text):
            self.say(paint(f"      {line}", style))

    def answer(self, answer: Answer) -> None:
        """Print status, the headers that tell something, and the body."""
        self.say(paint(f"      HTTP {answer.status} {answer.reason}", YELLOW))
        for name in TOLD_HEADERS:
            if name in answer.headers and answer.headers[name] != "application/json; charset=utf-8":
                self.say(paint(f"      {name}: {answer.headers[name]}", DIM))
        self.block(answer.pretty())

    def expect(self, holds: str, *, found: object, wanted: object) -> None:
        """Say that something holds, or what was found in its place."""
        if found == wanted:
            self.say(paint(f"    ✓ {holds}", GREEN))
            return
        self.say(paint(f"    ✗ {holds}: expected {wanted!r}, found {found!r}", RED))
        self.failures.append(f"step {self.steps}: {holds}: expected {wanted!r}, found {found!r}")
