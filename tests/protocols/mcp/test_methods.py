import pytest

from proxy.mcp import Era, Group
from proxy.protocols.mcp.methods import ASKED, METHODS, SAID_DOWN, SAID_UP, TASKS, offered, served
from proxy.values import Json

ALL = frozenset(Group)
TOOLS = frozenset({Group.TOOLS})


def test_all_that_belongs_to_a_group_is_named_in_one_table() -> None:
    free = {name for name, method in METHODS.items() if method.group is None}

    assert free == {"initialize", "ping", "server/discover", "subscriptions/listen"}
    assert not METHODS.keys() & (ASKED.keys() | SAID_UP.keys() | SAID_DOWN.keys())


def test_what_names_something_of_a_server_is_called() -> None:
    uncalled = {name for name, method in METHODS.items() if method.group and not method.called}

    assert uncalled == {
        *("tools/list", "resources/list", "resources/templates/list", "prompts/list"),
        "logging/setLevel",
    }


def test_only_calls_change_something() -> None:
    acting = {name for name, method in METHODS.items() if method.acts}

    assert acting == {"tools/call", "tasks/cancel", "tasks/update"}
    assert all(METHODS[name].called for name in acting)


def test_each_era_has_its_own_opening() -> None:
    assert METHODS["initialize"].eras == {Era.LEGACY}
    assert METHODS["server/discover"].eras == {Era.MODERN}
    assert METHODS["tools/call"].eras == set(Era)


def test_what_a_server_asks_of_its_client_needs_a_group() -> None:
    assert set(ASKED.values()) == {Group.SAMPLING, Group.ELICITATION}


@pytest.mark.parametrize(
    ("capabilities", "allow", "left"),
    [
        ({"tools": {"listChanged": True}, "prompts": {}}, TOOLS, {"tools": {"listChanged": True}}),
        ({"tools": {}, "resources": {}, "logging": {}, "completions": {}}, frozenset(), {}),
        ({"tools": {}, "unheard": {}}, ALL, {"tools": {}}),
        ({"tools": True, "prompts": None}, ALL, {}),
        ({"extensions": {TASKS: {}, "x/apps": {}}}, ALL, {"extensions": {TASKS: {}}}),
        ({"extensions": {TASKS: {}}}, TOOLS, {}),
        ({"experimental": {"anything": {}}, "extensions": 1}, ALL, {}),
        ({"tasks": {"cancel": {}}}, frozenset({Group.TASKS}), {"tasks": {"cancel": {}}}),
    ],
)
def test_a_server_shows_only_what_it_is_allowed(
    capabilities: dict[str, Json], allow: frozenset[Group], left: dict[str, Json]
) -> None:
    assert served(capabilities, allow) == left


@pytest.mark.parametrize(
    ("allow", "left"),
    [
        (frozenset(), set()),
        (frozenset({Group.SAMPLING}), {"sampling"}),
        (frozenset({Group.ELICITATION}), {"elicitation", "roots"}),
        (ALL, {"sampling", "elicitation", "roots"}),
    ],
)
def test_a_client_offers_only_what_the_server_may_ask(
    allow: frozenset[Group], left: set[str]
) -> None:
    capabilities: dict[str, Json] = {"sampling": {}, "elicitation": {}, "roots": {}, "more": {}}

    assert offered(capabilities, allow).keys() == left
