"""The tests of bash, and what they evaluate."""

import pytest
from reading import refusal, script

from proxy.reasons import Reason


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("a", ()),
        ("-n a", ()),
        ("-f a", ("a",)),
        ("! -d a/b", ("a/b",)),
        ("a == b*", ()),
        ("a =~ ^b", ()),
        ("1 -lt 2", ()),
        ("a -nt b", ("a", "b")),
        ("-f a && ( -d b || -z c )", ("a", "b")),
    ],
)
async def test_a_condition_looks_at_files(condition: str, paths: tuple[str, ...]) -> None:
    found = await script(f"[[ {condition} ]] && f", bash=True)

    assert (found.paths, [call.argv for call in found.calls]) == (paths, [("f",)])


async def test_a_condition_knows_the_variables_and_the_folder() -> None:
    assert (await script('cd a && x=b && [[ -f "$x" ]]', bash=True)).paths == ("a", "a/b")


@pytest.mark.parametrize(
    "condition",
    [
        *("-v a[$(id)]", "-v 'a[$(id)]'", "-R a", "-o a", "-t 1"),
        *("'a[$(id)]' -eq 0", "0 -eq 'a[$(id)]'", "a -lt 1", "x -gt y"),
        *("$x", "-n $x", "-f $(f)", "`f` == a", "a == $(f)", "a == $x", "a -nt $x", "-f *"),
    ],
)
async def test_what_a_condition_evaluates_is_refused(condition: str) -> None:
    assert await refusal(f"[[ {condition} ]]", bash=True) is Reason.COMMAND_UNKNOWABLE
