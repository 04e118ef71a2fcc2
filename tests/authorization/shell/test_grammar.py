"""Every program that a line would run, whatever the construct it stands in."""

import pytest
from reading import call, refusal, script, vectors

from proxy.authorization.shell.grammar import read
from proxy.authorization.shell.script import Call
from proxy.decision import Malformed
from proxy.reasons import Reason


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param("a; b", "ab", id="a list"),
        pytest.param("a\nb\n\nc", "abc", id="lines"),
        pytest.param("a && b || c", "abc", id="conditions"),
        pytest.param("a | b | c", "abc", id="a pipe"),
        pytest.param("a & b &", "ab", id="the background"),
        pytest.param("! a", "a", id="a negation"),
        pytest.param("(a; (b))", "ab", id="subshells"),
        pytest.param("{ a; { b; }; }", "ab", id="blocks"),
        pytest.param("if a; then b; elif c; then d; else e; fi", "abcde", id="branches"),
        pytest.param("if a; then b; fi", "ab", id="a branch"),
        pytest.param("while a; do b; done", "ab", id="while"),
        pytest.param("until a; do b; done", "ab", id="until"),
        pytest.param("for x in y; do a; done", "a", id="a loop over words"),
        pytest.param("case x in y) a;; z|w) b;; *) c;; esac", "abc", id="a case"),
        pytest.param("case x in y) ;; (z) a; esac", "a", id="a case that does nothing"),
        pytest.param("a() { b; }; c", "bc", id="a function"),
        pytest.param("a() { b; }; a; a | a", "b", id="calls of a function"),
        pytest.param("a() (b) >c; a", "b", id="a function in a subshell"),
        pytest.param("a() { b; }; e() { a; c; }; e", "bc", id="a function that calls another"),
        pytest.param("a # b\nc", "ac", id="a comment"),
        pytest.param("a '; b' \"| c\"", "a", id="quoted operators"),
        pytest.param("a <<E; b\nc; d\nE\ne", "abe", id="a document"),
        pytest.param("a \\\n  -x; b", "ab", id="a line that goes on"),
        pytest.param("true && a || exit 1; : x; false", "a", id="what does nothing"),
        pytest.param("while true; do a && break; done", "a", id="a loop that is left"),
        pytest.param("LANG=C a; LC_ALL=C TZ=UTC b", "ab", id="harmless variables"),
    ],
)
async def test_every_program_is_found(line: str, names: str) -> None:
    assert "".join(argv[0] for argv in await vectors(line)) == names


async def test_time_is_a_program_where_it_is_no_keyword() -> None:
    assert await vectors("time a b | c") == [("time", "a", "b"), ("c",)]
    assert await vectors("time -p a >b") == [("time", "-p", "a")]


async def test_the_same_call_counts_once() -> None:
    assert (await script("a; a; b; a")).calls == (call("a"), call("b"))


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("a b", True),
        ("a *", True),
        ("a b;", True),
        ("a # b", True),
        ("'a' \\b", True),
        *((line, False) for line in ("a; b", "a &", "! a", "(a)", "{ a; }", "a >b", "a 2>&1")),
        *((line, False) for line in ("LANG=C a", "a && true", "x=b; a", "x=b", "true", "cd a")),
        # there may be no such program
        *((line, False) for line in ("command -v a", "type a", "ulimit -a", "exec a", "time a")),
    ],
)
async def test_a_plain_line_is_one_call_and_nothing_else(line: str, *, plain: bool) -> None:
    assert (await script(line)).plain is plain


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("a $(b)", id="substitution"),
        pytest.param("$a", id="a program from a variable"),
        pytest.param("for x in; do a; done", id="a loop over nothing"),
        pytest.param("for x in $y; do a; done", id="a loop over what is not known"),
        pytest.param("a() { a; }; a", id="a function that calls itself"),
        pytest.param("a() { a | a & }; a", id="a bomb"),
        pytest.param("a() { b; }; b() { a; }; a", id="two functions that call each other"),
        pytest.param("a; a() { b; }", id="a function that was a program before"),
        pytest.param("(a() { b; }); a", id="a function of a subshell"),
        pytest.param("if a; then b() { c; }; fi; b", id="a function of one way"),
        pytest.param("a() { b; }; a() { c; }; a", id="a function that is made twice"),
        pytest.param("cd() { a; }; cd b", id="a function in the place of a builtin"),
        pytest.param("a() { b; }; cd c && a", id="a function that runs in another folder"),
        pytest.param("a() { b; }; LANG=C a", id="a variable for a function"),
        pytest.param('a() { b "$1"; }; a c', id="a parameter of a function"),
        pytest.param("eval a", id="a line in a word"),
        pytest.param("a; . b", id="a script"),
        pytest.param("LANG=$(a) b", id="a variable from a program"),
        pytest.param("x=$(a)", id="an assignment from a program"),
        pytest.param("case $x in a) b;; esac", id="a case of what is not known"),
        pytest.param("case a in $x) b;; esac", id="a pattern that is not known"),
        pytest.param("true $(a)", id="a word for what does nothing"),
    ],
)
async def test_what_nobody_can_tell_is_refused(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    "line",
    [
        *(
            "A=1 a",
            "A=1",
            "PATH=. a",
            "LD_PRELOAD=./x a",
            "IFS=x; a",
            "ifs=x",
            "path=x",
            "http_proxy=x",
        ),
        *(
            "npm_config_script_shell=x",
            "x=1 a",
            "for PATH in a; do b; done",
            "for A in a; do b; done",
        ),
        *(
            "LANG=../x a",
            "TZ=:/etc/passwd a",
            "LC_ALL=/tmp/x a",
            "LANG='a b' c",
            "BASH_ENV=x a",
        ),
    ],
)
async def test_a_variable_that_programs_read_is_refused(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_VARIABLE_NOT_ALLOWED


@pytest.mark.parametrize(
    "line",
    [
        *(
            "select x in a; do b; done",
            "for ((;;)); do a; done",
            "((1))",
            "let 1",
            "declare a=1",
            "coproc a",
        ),
        *(
            "function a { b; }; a",
            "a <(b)",
            "a >(b)",
            "A[0]=1 a",
            "case a in a) b;& c) d;; esac",
            "x=(a b)",
            "x+=a",
            "a=([1]=b)",
            "a &!",
        ),
    ],
)
async def test_a_construct_that_is_not_followed_is_refused(line: str) -> None:
    for bash in (False, True):
        assert await refusal(line, bash=bash) is not None


async def test_values_without_number_are_too_complex() -> None:
    words = " ".join(map(str, range(60)))
    line = f"for x in {words}; do for y in {words}; do a $x; b $y; c $x $y; done; done"

    assert await refusal(line) is Reason.COMMAND_TOO_COMPLEX


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Stmts": []}, id="no statement"),
        pytest.param({"Stmts": [{"Cmd": {}}]}, id="no kind"),
        pytest.param({"Stmts": [{"Cmd": None}]}, id="no command"),
        pytest.param({"Stmts": 1}, id="no list"),
        pytest.param({"Stmts": [{"Cmd": {"Type": "CallExpr"}}]}, id="no words"),
        pytest.param({"Stmts": [{"New": 1}]}, id="a new key"),
        pytest.param({"Stmts": [{"Redirs": [{"Op": ">"}]}]}, id="no target"),
    ],
)
def test_a_tree_of_another_form_is_unparsable(tree: dict[str, object]) -> None:
    with pytest.raises(Malformed) as refused:
        read(tree)

    assert refused.value.reason is Reason.COMMAND_UNPARSABLE


def test_a_kind_of_command_that_is_not_known_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        read({"Stmts": [{"Cmd": {"Type": "New"}}]})

    assert refused.value.reason is Reason.COMMAND_UNKNOWABLE


async def test_a_pattern_is_marked_where_it_stands() -> None:
    assert (await script("a; time b c *")).calls[1] == Call(("time", "b", "c", "*"), frozenset({3}))
