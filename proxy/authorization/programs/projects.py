"""What single words mean to the tools of a project: its folders, tasks, packages and settings.

`readers` is the sibling for what most programs share.
"""

import re

from proxy.authorization.programs.spec import ASKS, CONNECTS, LOADS, RUNS, Bar, Reader, Reading


def _project(word: str) -> Reading:
    """A folder of the project, with what is optional of it in brackets; never an archive."""
    found = re.fullmatch(r"(\.(?:/[\w-]+)*/?)(?:\[[\w,-]+\])?", word)
    return (found[1],) if found else Bar(LOADS)


def _list_of_packages(word: str) -> Reading:
    """A file that names packages, which could be fetched too."""
    return Bar(CONNECTS) if ":" in word else (word,)


def _setting(word: str) -> Reading:
    """The name of a setting of git, or a pattern of them; a bare word is a subcommand."""
    return () if re.search(r"[^\w-]", word) else Bar(LOADS)


def _task(word: str) -> Reading:
    """What projects call their tasks; other words may be programs."""
    return () if word in {"test", "build", "lint", "start", "install"} else Bar(RUNS)


def _collector(word: str) -> Reading:
    """What measures tests and is a part of them; others are loaded by their names."""
    return () if re.fullmatch(r"(?:XPlat )?Code Coverage", word) else Bar(LOADS)


PROJECT_FOLDER = Reader(_project, code=True)
PACKAGES = Reader(_list_of_packages, code=True)
SETTING = Reader(_setting, code=True)
USUAL_TASK = Reader(_task, code=True)
COLLECTOR = Reader(_collector, code=True)
SETS = Reader(lambda _: Bar(LOADS), code=True)
WAITS = Reader(lambda _: Bar(ASKS), code=True)
