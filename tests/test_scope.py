"""How far a credential reaches, and that it never reaches further than its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.scope import UNBOUND, Autonomy, Minting, Scope

READONLY, SUPERVISED, FULL = Autonomy.READONLY, Autonomy.SUPERVISED, Autonomy.FULL
PATHS = st.text(alphabet="/ab*", max_size=8).map(lambda rest: f"/{rest}")


# Levels


def test_there_are_three_levels_from_the_least_to_the_most() -> None:
    assert list(Autonomy) == ["readonly", "supervised", "full"]


@pytest.mark.parametrize(
    ("level", "ceiling", "lower"),
    [
        *((READONLY, ceiling, READONLY) for ceiling in (None, READONLY, SUPERVISED, FULL)),
        (SUPERVISED, None, SUPERVISED),
        (SUPERVISED, READONLY, READONLY),
        (SUPERVISED, SUPERVISED, SUPERVISED),
        (SUPERVISED, FULL, SUPERVISED),
        (FULL, None, FULL),
        (FULL, READONLY, READONLY),
        (FULL, SUPERVISED, SUPERVISED),
        (FULL, FULL, FULL),
    ],
    ids=str,
)
def test_a_ceiling_lowers_and_never_raises(
    level: Autonomy, ceiling: Autonomy | None, lower: Autonomy
) -> None:
    assert level.at_most(ceiling) is lower


# Routes


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        (("/a",), "/a"),
        (("/b", "/a"), "/a"),
        (("/a/",), "/a/"),
        (("/a/*",), "/a/"),
        (("/a/*",), "/a/b"),
        (("/a/*",), "/a/b/c"),
        (("/*",), "/"),
        (("/*",), "/a/b"),
        (("/a%20b",), "/a%20b"),
    ],
)
def test_a_path_that_is_named_or_beneath_a_subtree_is_covered(
    routes: tuple[str, ...], path: str
) -> None:
    assert Scope(routes=routes).covers_route(path)


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        # nothing named is nothing covered
        ((), "/"),
        ((), "/a"),
        # another spelling is another path
        (("/a",), "/a/"),
        (("/a",), "/A"),
        (("/a",), "/%61"),
        (("/a",), "//a"),
        (("/a",), "/a/b"),
        (("/a",), "/ab"),
        (("/a",), "/"),
        (("/a",), ""),
        # a subtree does not reach to its side, nor to the folder itself
        (("/a/*",), "/a"),
        (("/a/*",), "/ab"),
        (("/a/*",), "/b/a/c"),
        # a star means something at the end alone
        (("/a*",), "/ab"),
        (("/*/b",), "/a/b"),
        (("/a/*/c",), "/a/b/c"),
        (("*",), "/a"),
    ],
)
def test_any_other_path_is_not(routes: tuple[str, ...], path: str) -> None:
    assert not Scope(routes=routes).covers_route(path)


@given(routes=st.lists(PATHS, max_size=3), more=PATHS, path=PATHS)
def test_a_route_more_never_takes_a_path_away(routes: list[str], more: str, path: str) -> None:
    narrow, wide = Scope(routes=tuple(routes)), Scope(routes=(*routes, more))

    assert not narrow.covers_route(path) or wide.covers_route(path)
    assert wide.covers_route(path) == (
        narrow.covers_route(path) or Scope(routes=(more,)).covers_route(path)
    )


# Tools


@pytest.mark.parametrize(
    ("tools", "name"),
    [
        (("shell",), "shell"),
        (("file_read", "shell"), "shell"),
        (("github.*",), "github.add"),
        (("github.*",), "github."),
        (("file_*",), "file_read"),
        (("file_*",), "file_"),
        (("*",), "shell"),
        (("*",), "github.add"),
    ],
)
def test_a_tool_that_is_named_or_begins_so_is_covered(tools: tuple[str, ...], name: str) -> None:
    assert Scope(tools=tools).covers_tool(name)


@pytest.mark.parametrize(
    ("tools", "name"),
    [
        ((), "shell"),
        (("shell",), "Shell"),
        (("shell",), "shell "),
        (("shell",), "shell2"),
        (("shell",), "hell"),
        (("shell",), ""),
        (("github.*",), "github"),
        (("github.*",), "githubx.add"),
        (("github.*",), "a.github.add"),
        (("*_read",), "file_read"),
        (("f*d",), "file_read"),
    ],
)
def test_any_other_tool_is_not(tools: tuple[str, ...], name: str) -> None:
    assert not Scope(tools=tools).covers_tool(name)


# Nothing said


@pytest.mark.parametrize("name", ["", "/", "/a", "shell", "github.add", "*"])
def test_what_is_unbound_covers_everything(name: str) -> None:
    assert UNBOUND.covers_route(name)
    assert UNBOUND.covers_tool(name)
    assert UNBOUND.level is None


def test_each_bound_stands_for_itself() -> None:
    assert Scope(routes=()).covers_tool("shell")
    assert Scope(tools=()).covers_route("/a")


def test_a_token_without_a_wish_has_no_name_no_bounds_and_no_end() -> None:
    assert Minting() == Minting("", UNBOUND, None)
