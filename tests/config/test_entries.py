from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config.entries import DispatchConfig, ToolConfig


def test_fields_that_an_entry_has_are_those_that_are_written_and_not_null() -> None:
    entry = ToolConfig.model_validate({"effect": "read", "backend": None, "paths": []})

    assert entry.given() == {"effect": "read", "paths": ()}
    assert ToolConfig().given() == {}


def test_null_is_a_rate() -> None:
    assert ToolConfig(rate_per_minute=None).given() == {"rate_per_minute": None}


@pytest.mark.parametrize("value", [None, "none", {"tool": "a", "arguments": "b.c"}])
def test_a_dispatcher_is_described_or_said_to_be_none(value: object) -> None:
    entry = ToolConfig.model_validate({"dispatch": value})

    assert entry.model_dump(mode="json", exclude_unset=True)["dispatch"] == (
        {"tool": "a", "arguments": "b.c"} if isinstance(value, dict) else value
    )


def test_a_described_dispatcher_has_defaults() -> None:
    assert DispatchConfig(tool="a", arguments="b").model_dump() == {
        "tool": "a",
        "arguments": "b",
        "server": None,
        "prefix": None,
        "calls": None,
    }


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"dispatch": "None"}, ("dispatch",)),
        ({"dispatch": {"tool": "a"}}, ("dispatch", "arguments")),
        ({"dispatch": {"tool": "a", "arguments": "b", "x": 1}}, ("dispatch", "x")),
        ({"dispatch": {"tool": "a..b", "arguments": "b"}}, ("dispatch", "tool")),
        ({"dispatch": {"tool": "a", "arguments": "b", "prefix": "x"}}, ("dispatch", "prefix")),
        ({"approval": "allow"}, ("approval",)),
        ({"commands": "all"}, ("commands",)),
        ({"rate_per_minute": -1}, ("rate_per_minute",)),
        ({"rules": {"a b": {}}}, ("rules", "a b", "[key]")),
        ({"urls": ["a??"]}, ("urls", 0)),
        ({"paths": ["?"]}, ("paths", 0)),
    ],
)
def test_what_is_wrong_is_told_once_where_it_stands(
    entry: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        ToolConfig.model_validate(entry)

    assert [error["loc"] for error in caught.value.errors()] == [place]
