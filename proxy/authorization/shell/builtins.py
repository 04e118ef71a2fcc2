"""What the shell itself does with the name of a program, or with words given to one.

Most names are a program's, and the allowlist decides. A few are the shell's own: those that do
nothing need no listing, and those that change what later words mean, or run what they are given,
are refused, since nobody could tell what the rest of the line does.
"""

import itertools
import re
from collections.abc import Sequence

from proxy.decision import Malformed
from proxy.reasons import Reason

IDLE = frozenset({":", "true", "false", "break", "continue", "exit", "return"})
MOVE = "cd"

_REFUSED = frozenset(
    {
        # run their words or a file in the shell itself
        *("eval", "source", ".", "builtin", "coproc", "trap", "fc", "jobs"),
        # change what names, words or options mean
        *("alias", "unalias", "hash", "enable", "set", "shopt", "bind", "emulate", "setopt"),
        *("complete", "compgen", "compopt", "history", "whence", "zmodload", "autoload"),
        # change variables
        *("export", "readonly", "declare", "typeset", "local", "unset", "let", "nameref"),
        *("read", "readarray", "mapfile", "getopts", "shift", "print", "vared", "integer", "float"),
        # change the folder in ways of their own
        *("pushd", "popd", "dirs", "chdir"),
    }
)
_RESERVED = frozenset(
    {
        *("if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until"),
        *("for", "in", "select", "function", "time", "foreach", "end", "repeat", "nocorrect"),
        "noglob",
    }
)
# There may be no program of that name, so that a shell has to run them.
_SHELL_ONLY = frozenset({"command", "exec", "type", "ulimit", "umask", "times", "wait", "suspend"})
_WRAPPERS = frozenset({"command", "exec"})
_TESTS = frozenset({"test", "["})
_ASSIGNING = {"printf": "-v", "wait": "-p"}
_OWN = IDLE | _REFUSED | _SHELL_ONLY | {MOVE}
_NUMBER = re.compile("[0-9]{1,9}")


def has_own_rules(name: str) -> bool:
    """Whether the shell does something of its own with a first word."""
    return name in _OWN or name in _RESERVED


def needs_shell(name: str) -> bool:
    """Whether it takes a shell to run a call of this name."""
    return name in _SHELL_ONLY


def is_free(name: str) -> bool:
    """Whether a function of this name would hide nothing that the shell does."""
    return not has_own_rules(name) and name not in _TESTS and name not in _ASSIGNING


def check(argv: Sequence[str]) -> None:
    """Refuse a call by which the shell would do more than start a program; raises Malformed."""
    name, words = argv[0], argv[1:]
    if not name or name.startswith("-"):
        raise Malformed(Reason.COMMAND_MALFORMED, name)
    if _is_unknowable(name, words):
        raise Malformed(Reason.COMMAND_UNKNOWABLE, name)


def _is_unknowable(name: str, words: Sequence[str]) -> bool:
    if name in _REFUSED or name in _RESERVED - {"time"}:
        return True
    if name in _WRAPPERS:
        return _hides_own(words)
    if name in IDLE - {":", "true", "false"}:
        return not all(_NUMBER.fullmatch(word) for word in words)
    return _evaluates(name, words)


def _hides_own(words: Sequence[str]) -> bool:
    """Whether a wrapper of the shell would run another of its own, or change the shell itself."""
    start = next((at for at, word in enumerate(words) if not word.startswith("-")), None)
    if start is None:
        return True
    return has_own_rules(words[start]) or _evaluates(words[start], words[start + 1 :])


def _evaluates(name: str, words: Sequence[str]) -> bool:
    """Whether the shell would read a word as a variable, whose subscript it then runs."""
    if name in _ASSIGNING:
        options = itertools.takewhile(lambda word: re.match("-[^-]", word), words)
        return any(option.startswith(_ASSIGNING[name]) for option in options)
    return name in _TESTS and any(
        word in {"-v", "-R"} or ("[" in word and ("$" in word or "`" in word)) for word in words
    )
