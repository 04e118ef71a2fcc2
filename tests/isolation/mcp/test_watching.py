"""What clients want to hear beside answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_doubles import ALL

from proxy.isolation.mcp.watching import MAX_URIS, Watched, Watches, everything, is_wanted, wanted
from proxy.mcp import Group
from proxy.values import Json

UPDATED = "notifications/resources/updated"


def test_only_what_is_known_and_allowed_is_wanted() -> None:
    said: Json = {"toolsListChanged": True, "promptsListChanged": 1, "odd": True}
    assert wanted(said, ALL) == {"toolsListChanged": True}
    assert wanted(said, frozenset({Group.PROMPTS})) == {}
    uris: Json = {"resourceSubscriptions": ["x:y", 1]}
    assert wanted(uris, ALL) == {"resourceSubscriptions": ["x:y"]}
    assert wanted(uris, frozenset()) == {}


@pytest.mark.parametrize(
    "said", [None, [], {"resourceSubscriptions": "x"}, {"resourceSubscriptions": ["x"] * 257}]
)
def test_what_is_no_wish_is_none(said: Json) -> None:
    assert wanted(said, ALL) is None


@given(st.dictionaries(st.text(max_size=4), st.none() | st.booleans() | st.text(max_size=3)))
def test_a_wish_never_grows(said: dict[str, Json]) -> None:
    assert (wanted(said, ALL) or {}).items() <= said.items()


def test_nothing_is_heard_that_was_not_wished_for() -> None:
    wish = everything(frozenset({Group.TOOLS, Group.RESOURCES}), ["x:y"])
    assert is_wanted(UPDATED, {"uri": "x:y"}, wish)
    assert not is_wanted(UPDATED, {"uri": "x:z"}, wish)
    assert is_wanted("notifications/tools/list_changed", {}, wish)
    assert not is_wanted("notifications/prompts/list_changed", {}, wish)
    assert not is_wanted("notifications/message", {}, wish)


async def test_who_watches_learns_of_a_change() -> None:
    watched = Watched()
    before = watched.changed
    assert watched.subscribe("one", "x")
    assert before.is_set()
    assert not watched.changed.is_set()
    assert all(watched.subscribe("one", f"{n}") for n in range(MAX_URIS - 1))
    assert not watched.subscribe("one", "more")
    watched.unsubscribe("one", "x")
    watched.unsubscribe("two", "x")
    assert watched.subscribe("one", "more")


async def test_sessions_are_kept_apart_and_the_oldest_forgotten() -> None:
    watches = Watches()
    watches.of("s").level = "error"
    assert (watches.level("s"), watches.level("t")) == ("error", None)
    for n in range(4096):
        watches.of(f"{n}")
    assert watches.level("s") is None
    watches.drop("0")
    watches.drop("0")
