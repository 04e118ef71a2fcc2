from collections.abc import Mapping

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.actions import Effect
from proxy.config.tools import BUILT_IN, RESERVED, ToolConfig, Tools

TOOLS: TypeAdapter[Mapping[str, ToolConfig]] = TypeAdapter(Tools)
UPSTREAM = {"effect": "read", "backend": "upstream"}
SANDBOX = {"effect": "execute", "backend": "sandbox", "command": "line"}


def problems(entries: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        TOOLS.validate_python(entries)
    return {
        ".".join(map(str, error["loc"])): error["msg"].removeprefix("Value error, ")
        for error in caught.value.errors()
    }


def test_fields_of_a_tool_have_these_defaults() -> None:
    assert TOOLS.validate_python({"x": UPSTREAM})["x"].model_dump() == {
        "effect": Effect.READ,
        "backend": "upstream",
        "command": None,
        "paths": (),
        "timeout_secs": None,
        "path": None,
        "description": "",
    }


@pytest.mark.parametrize(
    "entry",
    [
        UPSTREAM,
        SANDBOX,
        {**UPSTREAM, "command": "line", "paths": ["path"], "path": "/v1/tools/x"},
        {**UPSTREAM, "timeout_secs": 3600, "description": "Two\nlines."},
        *[{**SANDBOX, "effect": effect} for effect in Effect],
    ],
)
def test_declared_tool_has_effect_and_backend(entry: dict[str, object]) -> None:
    assert TOOLS.validate_python({"github.create_issue": entry})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, {"x.effect": "required", "x.backend": "required"}),
        ({"effect": None, "backend": "upstream"}, {"x.effect": "required"}),
        ({"effect": "read", "backend": "sandbox"}, {"x.command": "required with"}),
        ({**SANDBOX, "path": "/x"}, {"x.path": "only with backend: upstream"}),
        ({**UPSTREAM, "effect": "reed"}, {"x.effect": "Input should be"}),
        ({**UPSTREAM, "backend": "mcp"}, {"x.backend": "Input should be"}),
        ({**UPSTREAM, "path": "x"}, {"x.path": "must be a plain absolute path"}),
        ({**UPSTREAM, "paths": "x"}, {"x.paths": "Input should be a valid tuple"}),
        ({**UPSTREAM, "paths": [""]}, {"x.paths.0": "must not be empty"}),
        ({**UPSTREAM, "command": ""}, {"x.command": "must not be empty"}),
        ({**UPSTREAM, "timeout_secs": 0}, {"x.timeout_secs": "Input should be greater than 0"}),
        ({**UPSTREAM, "timeout_secs": 3601}, {"x.timeout_secs": "Input should be less than or"}),
        ({**UPSTREAM, "approval": "auto"}, {"x.approval": "Extra inputs are not permitted"}),
        # what is wrong inside an entry does not hide what is missing in it
        (
            {"backend": "sandbox", "timeout_secs": "5"},
            {"x.timeout_secs": "Input", "x.effect": "required", "x.command": "required"},
        ),
        (None, {"x": "Input should be"}),
        ([], {"x": "Input should be"}),
    ],
)
def test_wrong_entry_is_told_in_full(entry: object, expected: dict[str, str]) -> None:
    found = problems({"x": entry})

    assert found.keys() == expected.keys()
    assert all(found[key].startswith(text) for key, text in expected.items())


@pytest.mark.parametrize("name", ["", "a.b.c", "a b", "*", "github.*", "ä"])
def test_name_of_a_tool_is_plain(name: str) -> None:
    assert list(problems({name: UPSTREAM}).values()) == ["must be a tool name: NAME or SERVER.NAME"]


def test_reserved_name_is_refused() -> None:
    assert problems({RESERVED: {}}) == {"invoke": "this name is reserved"}


def test_built_in_tools_are_these() -> None:
    assert set(BUILT_IN) == {"shell", "file_read", "file_write", "file_list"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_entry_of_a_built_in_tool_needs_nothing(name: str) -> None:
    assert TOOLS.validate_python({name: {}, "x": UPSTREAM})
    assert TOOLS.validate_python({name: {"description": "Mine."}})


def test_time_of_shell_may_be_changed() -> None:
    assert TOOLS.validate_python({"shell": {"timeout_secs": 5}})["shell"].timeout_secs == 5
    assert "file_read.timeout_secs" in problems({"file_read": {"timeout_secs": 5}})


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("effect", "read"),
        ("backend", "upstream"),
        ("command", "line"),
        ("paths", []),
        ("path", "/x"),
    ],
)
def test_nature_of_a_built_in_tool_cannot_be_changed(name: str, key: str, value: object) -> None:
    assert problems({name: {key: value}}) == {
        f"{name}.{key}": "cannot be changed: this tool is built in"
    }


def test_made_entries_are_judged_alike() -> None:
    assert TOOLS.validate_python({"x": ToolConfig(effect=Effect.READ, backend="upstream")})
    assert TOOLS.validate_python({"shell": ToolConfig(timeout_secs=5)})
    assert problems({"x": ToolConfig()}).keys() == {"x.effect", "x.backend"}


def test_table_is_a_mapping() -> None:
    assert len(problems([])) == 1
