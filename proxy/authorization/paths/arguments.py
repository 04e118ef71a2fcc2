"""What a program may read as a path in one of its arguments.

The whole operand, what follows "=" (if=/x, --file=/x) or a first "@" (@/x), what is glued to an
option (-f/x, -C../x), and whatever looks like a path behind ":" or "," (host:/x). What follows the
scheme of a URL is a host.
"""

import re
from collections.abc import Iterator

# Two slashes behind a colon begin the host of a URL, three its path.
_MARKED = re.compile(r"([=:,@])(?=/|~|\.\.)(?<!:(?=//[^/]))")
_MOST_MARKED = 64  # more paths in one word are no argument, but a way to keep us busy
_HARMLESS = {"/dev/null"}


def candidates(word: str) -> list[str] | None:
    """Every path that may be read in `word`, in order; None where there are too many to judge."""
    if len(_MARKED.findall(word)) > _MOST_MARKED:
        return None
    return [path for path in dict.fromkeys(_read(word)) if path and path not in _HARMLESS]


def _read(word: str) -> Iterator[str]:
    if word in {"-", "--"}:
        return
    name, _, value = word.partition("=")
    if word.startswith("-"):
        yield from _glued(name)
    else:
        yield word
    yield value
    if word.startswith(("@", "-")):
        yield word.partition("@")[2]
    for mark in _MARKED.finditer(word):
        yield word[mark.end(1) :]


def _glued(option: str) -> Iterator[str]:
    """What stands in one word with an option: behind its letter, or from where a path begins."""
    if re.match("-[^-]", option):
        yield option[2:]
    for beginning in (r"/|\.\.|~", r"\."):
        found = re.search(beginning, option)
        if found:
            yield option[found.start() :]
