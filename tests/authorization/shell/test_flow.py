"""What is known at a point of a line: on every way that leads there."""

import pytest
from reading import refusal, script, vectors

from proxy.authorization.shell.flow import State, joined
from proxy.authorization.shell.words import Value
from proxy.decision import Malformed
from proxy.reasons import Reason


@pytest.mark.parametrize(
    ("line", "argvs"),
    [
        pytest.param("x=a; x=b; f $x", [("f", "b")], id="one after the other"),
        pytest.param("x=a; (x=b; g $x); f $x", [("g", "b"), ("f", "a")], id="a subshell"),
        pytest.param("x=a; x=b & f $x", [("f", "a")], id="the background"),
        pytest.param(
            "x=a; if g; then x=b; fi; f $x", [("g",), ("f", "b"), ("f", "a")], id="a branch"
        ),
        pytest.param(
            "if g; then x=a; else x=b; fi; f $x",
            [("g",), ("f", "a"), ("f", "b")],
            id="two branches",
        ),
        pytest.param("x=a; g && x=b; f $x", [("g",), ("f", "b"), ("f", "a")], id="and"),
        pytest.param("x=a; g || x=b; f $x", [("g",), ("f", "a"), ("f", "b")], id="or"),
        pytest.param("x=a; g | x=b; f $x", [("g",), ("f", "a"), ("f", "b")], id="a pipe"),
        pytest.param("x=a; { x=b; } >/no; f $x", [("f", "a"), ("f", "b")], id="a redirection"),
        pytest.param("x=a; case b in b) x=c;; esac; f $x", [("f", "a"), ("f", "c")], id="a case"),
        pytest.param(
            "for x in a b; do g; done; f $x", [("g",), ("f", "a"), ("f", "b")], id="a loop"
        ),
    ],
)
async def test_a_variable_is_all_that_it_may_be(line: str, argvs: list[tuple[str, ...]]) -> None:
    assert await vectors(line) == argvs


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("f $x; x=a", id="before"),
        pytest.param("if g; then x=a; fi; f $x", id="on one way"),
        pytest.param("g && x=a; f $x", id="if something succeeds"),
        pytest.param("(x=a); f $x", id="in a subshell"),
        pytest.param("x=a & f $x", id="in the background"),
        pytest.param("x=a | g; f $x", id="in a pipe"),
        pytest.param("while g; do x=a; done; f $x", id="in a loop"),
        pytest.param("while g; do f $x; x=a; done", id="in the round before"),
        pytest.param("x=a; while g; do f $x; x=$x.b; done", id="more in every round"),
        pytest.param("x=a; while x=b; do x=c; break; done; f $x", id="in a round that was left"),
        pytest.param("for y in a; do x=b; done; f $x", id="in a loop over words"),
        pytest.param("g() { x=a; }; x=b; g; f $x", id="in a function"),
        pytest.param(
            "g() { x=a; }; x=b; for y in c; do f $x; g; done", id="in a function in a loop"
        ),
        pytest.param("x=a; g() { f $x; }; x=b; g", id="for a function that is called later"),
    ],
)
async def test_what_may_not_have_happened_is_not_known(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_UNKNOWABLE


# The folder


@pytest.mark.parametrize(
    ("line", "folders"),
    [
        pytest.param("cd a && f", ["a"], id="if it succeeds"),
        pytest.param("cd a; f", ["a", "."], id="or not"),
        pytest.param("cd a || f", ["."], id="if it fails"),
        pytest.param("cd a && g; f", ["a", "."], id="after a list"),
        pytest.param("cd a && cd b && f", ["a/b"], id="twice"),
        pytest.param("cd a && cd b; f", ["a/b", ".", "a"], id="the second time or not"),
        pytest.param("! cd a && f", ["a", "."], id="negated"),
        pytest.param("(cd a && g); f", ["."], id="in a subshell"),
        pytest.param("cd a & f", ["."], id="in the background"),
        pytest.param("cd a | g; f", [".", "a"], id="in a pipe, where some shells stay"),
        pytest.param("if cd a; then f; fi", ["a"], id="as a condition"),
        pytest.param("if cd a; then g; else f; fi", ["."], id="as a condition that fails"),
        pytest.param("if g; then cd a; fi; f", ["a", "."], id="on one way"),
        pytest.param("cd /a/b && f", ["/a/b"], id="absolute"),
        pytest.param("cd a/.. && f", ["a/..", "."], id="back by a link, or by its name"),
        pytest.param("x=a; cd $x && f", ["a"], id="by a variable"),
        pytest.param(
            "for x in a b; do (cd $x && f); done", ["a", "b"], id="in a subshell of a loop"
        ),
    ],
)
async def test_relative_paths_begin_where_they_may(line: str, folders: list[str]) -> None:
    found = [call.folder for call in (await script(line)).calls if call.argv == ("f",)]

    assert found == folders


@pytest.mark.parametrize(
    "line",
    [
        *(
            "cd",
            "cd -",
            "cd ''",
            "cd -P a",
            "cd -- a",
            "cd a b",
            "cd $x",
            "cd ~",
            "cd *",
            "LANG=C cd a",
        ),
        *("while g; do cd a; done", "for x in a b; do cd $x; done", "g() { cd a; }", "cd a >b"),
        *("command cd a", "chdir a", "pushd a", "time cd a", "'cd' -"),
    ],
)
async def test_a_folder_that_is_not_certain_is_refused(line: str) -> None:
    assert await refusal(line) in {Reason.COMMAND_UNKNOWABLE, Reason.COMMAND_UNPARSABLE}


async def test_a_folder_is_a_path_of_the_line() -> None:
    assert (await script("cd a && cd ../b && f >c")).paths == ("a", "a/../b", "b")
    assert (await script("cd a && cd b && f >c")).written == ("a/b/c",)


# The limits


def test_values_without_number_are_too_complex() -> None:
    with pytest.raises(Malformed) as refused:
        State().knows("x", [Value(str(number)) for number in range(1000)])

    assert refused.value.reason is Reason.COMMAND_TOO_COMPLEX


def test_folders_without_number_are_too_complex() -> None:
    with pytest.raises(Malformed) as refused:
        State().moves([str(number) for number in range(100)])

    assert refused.value.reason is Reason.COMMAND_TOO_COMPLEX


def test_what_only_one_of_two_states_knows_is_not_known_after() -> None:
    one, other = State().knows("x", [Value("a")]), State()

    assert joined(one, other).values == {}
    assert joined(one, one.knows("x", [Value("b")])).values == {"x": (Value("a"), Value("b"))}
