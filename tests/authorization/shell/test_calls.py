"""What the simple commands of a line come to."""

import pytest
from reading import call, refusal, script

from proxy.authorization.shell.calls import Calls
from proxy.authorization.shell.flow import State
from proxy.authorization.shell.script import Script
from proxy.decision import Malformed
from proxy.reasons import Reason


def test_nothing_is_an_empty_script() -> None:
    assert Calls().script() == Script(())


def test_what_is_noted_twice_counts_once() -> None:
    calls = Calls()
    calls.note(["a", "b"], ["c"])
    calls.note(["b"], ["c", "d"])

    assert calls.script() == Script((), ("a", "b"), ("c", "d"), written_before=(0, 0))


@pytest.mark.parametrize("name", ["cd", "exit", "eval", "PATH", "a-b", "f"])
def test_a_function_needs_a_name_of_its_own(name: str) -> None:
    calls = Calls()
    calls.define("f", State())

    with pytest.raises(Malformed) as refused:
        calls.define(name, State())

    assert refused.value.reason is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("f a; g b", ()),
        ("f *; g", (2,)),
        ("f é*; g *", (9,)),
        ("f [a] ?b; g", (2, 6)),
        ('for x in *.a b; do f "$x"; done', (9,)),
        ("f a* ./* ''* \"$x\"* \\**", ()),
    ],
)
async def test_it_is_known_where_a_pattern_begins_its_word(
    line: str, bare: tuple[int, ...]
) -> None:
    if refused := await refusal(line):
        assert (refused, bare) == (Reason.COMMAND_UNKNOWABLE, ())
    else:
        assert (await script(line)).bare == bare


async def test_a_call_that_may_run_in_two_folders_counts_twice() -> None:
    assert (await script("cd a; f b")).calls == (call("f", "b", folder="a"), call("f", "b"))


async def test_a_call_that_does_nothing_needs_no_listing() -> None:
    assert (await script(": a; true b; false; exit 1")).calls == ()
