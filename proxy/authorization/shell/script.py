"""What a command line would do, as far as its grammar tells: the programs that it would run.

The counterpart of `commands`, which reads lines, and of `allowlist`, which judges what was read.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One program that would run, with the words that it is given, program first.

    `patterns`: the positions of words that the shell would replace by the names of files; they are
    never the program's. `fed`: its standard input is not what Sidegate gave it, but a pipe, a
    here-document, a here-string or a file, so that an interpreter would run it. `folder`: where its
    relative paths begin, seen from where the line does. A line that may run a call in several ways
    holds it several times.
    """

    argv: tuple[str, ...]
    patterns: frozenset[int] = frozenset()
    fed: bool = False
    folder: str = "."


@dataclass(frozen=True, slots=True)
class Script:
    """A whole line. `plain`: it is one call and nothing else, to be run without a shell.

    `paths`: the files that the line itself reads or looks at, and the folders that it changes to;
    `written`: those that redirections may write. Harmless ones, such as /dev/null, are left out;
    relative ones begin where the line does. `bare`: the bytes of the line at which a pattern begins
    its word.
    """

    calls: tuple[Call, ...]
    paths: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    plain: bool = False
    bare: tuple[int, ...] = ()
    written_before: tuple[int, ...] = ()
    """For each of `written`: how many of the calls come before it in the line."""
