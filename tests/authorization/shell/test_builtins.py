"""What the shell does itself, and what therefore nobody can tell."""

import pytest

from proxy.authorization.shell.builtins import check, has_own_rules, is_free, needs_shell
from proxy.decision import Malformed
from proxy.reasons import Reason


@pytest.mark.parametrize(
    "line",
    [
        # run their words
        *(
            "eval ls",
            "source a",
            ". a",
            "builtin ls",
            "trap ls EXIT",
            "jobs -x ls",
            "fc -s",
            "coproc ls",
        ),
        # change what later words mean
        *(
            "alias ls=id",
            "unalias ls",
            "hash -p /x ls",
            "enable -n ls",
            "set -a",
            "shopt -s extglob",
        ),
        *("bind x", "complete -C id x", "compgen -C id", "history -c"),
        # change variables
        *("export A=1", "readonly a", "declare a=1", "typeset a", "local a", "unset a", "let a=1"),
        *("read a", "mapfile a", "readarray a", "getopts a b", "shift"),
        *("printf -v a b", "printf -va b", "wait -p a", "wait -n -p a"),
        # read a word as an expression
        *(
            "test -v a",
            "[ -v a ]",
            "[ -R a ]",
            "test a[$(id)] -eq 1",
            "[ a[`id`] = b ]",
            "exit a[$(id)]",
        ),
        *("return x", "break a"),
        # the same behind a wrapper of the shell
        *(
            "command eval ls",
            "command -p eval ls",
            "command cd a",
            "exec eval ls",
            "command printf -v a b",
        ),
        *("command command eval ls", "command -p test -v a", "exec", "command", "pushd a", "popd"),
        # reserved words, which mean something where they are not quoted
        *("if a", "function a", "then", "select a"),
    ],
)
def test_what_does_more_than_start_a_program_is_unknowable(line: str) -> None:
    with pytest.raises(Malformed) as refused:
        check(line.split())

    assert refused.value.reason is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize("name", ["", "-x", "--help"])
def test_what_names_no_program_is_malformed(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        check([name, "a"])

    assert refused.value.reason is Reason.COMMAND_MALFORMED


@pytest.mark.parametrize(
    "line",
    [
        *(
            "ls -v",
            "echo -v a",
            "printf %s -v",
            "printf -- -v a",
            "test -f a",
            "[ a = b ]",
            "kill -p 1",
        ),
        *(
            "command -v ls",
            "command ls -v",
            "exec ls",
            "exit 1",
            "exit",
            ": eval",
            "true -v",
            "wait",
        ),
        *("type eval", "ulimit -a", "[ a[0] = b ]", "time ls"),
    ],
)
def test_what_only_starts_a_program_is_left_to_the_allowlist(line: str) -> None:
    check(line.split())


def test_a_function_may_not_hide_what_the_shell_does() -> None:
    assert is_free("greet")
    assert is_free("ls")
    for name in ("cd", "exit", "eval", "printf", "test", "time", "command"):
        assert not is_free(name)


def test_some_names_are_no_programs() -> None:
    assert needs_shell("ulimit")
    assert not needs_shell("ls")
    assert has_own_rules("cd")
    assert not has_own_rules("ls")
