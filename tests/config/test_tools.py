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
        "commands": None,
        "paths": (),
        "urls": (),
        "rules": {},
        "approval": None,
        "rate_per_minute": None,
        "timeout_secs": None,
        "docker": None,
        "env": {},
        "path": None,
        "dispatch": None,
        "description": "",
    }


@pytest.mark.parametrize(
    "entry",
    [
        UPSTREAM,
        SANDBOX,
        {**UPSTREAM, "command": "line", "paths": ["path"], "path": "/v1/tools/x"},
        {**UPSTREAM, "timeout_secs": 3600, "description": "Two\nlines."},
        {**UPSTREAM, "urls": ["url?", "options.next"], "approval": "deny", "rate_per_minute": 0},
        {**UPSTREAM, "dispatch": {"tool": "a", "arguments": "b"}},
        {**SANDBOX, "commands": "any", "rules": {"line": {"max_length": 9}}},
        *[{**SANDBOX, "effect": effect} for effect in Effect],
        {**SANDBOX, "docker": {"image": "own:1", "pool_size": 2}, "env": {"TOKEN": "t"}},
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
        ({**UPSTREAM, "backend": "mcp"}, {"x.backend": "must be sandbox, upstream or mcp:"}),
        ({**UPSTREAM, "path": "x"}, {"x.path": "must be a plain absolute path"}),
        ({**UPSTREAM, "paths": "x"}, {"x.paths": "Input should be a valid tuple"}),
        ({**UPSTREAM, "paths": [""]}, {"x.paths.0": "must be the name of an argument"}),
        ({**SANDBOX, "paths": ["a"]}, {"x.paths": "only with backend: upstream"}),
        ({**SANDBOX, "urls": ["a"]}, {"x.urls": "only with backend: upstream"}),
        ({**SANDBOX, "dispatch": "none"}, {"x.dispatch": "only with backend: upstream"}),
        ({**UPSTREAM, "commands": "any"}, {"x.commands": "only with backend: sandbox"}),
        ({**UPSTREAM, "commands": "listed"}, {"x.commands": "only with backend: sandbox"}),
        ({**UPSTREAM, "command": ""}, {"x.command": "must not be empty"}),
        ({**UPSTREAM, "timeout_secs": 0}, {"x.timeout_secs": "Input should be greater than 0"}),
        ({**UPSTREAM, "timeout_secs": 3601}, {"x.timeout_secs": "Input should be less than or"}),
        ({**UPSTREAM, "approve": "auto"}, {"x.approve": "Extra inputs are not permitted"}),
        (
            {**UPSTREAM, "rules": {"a": {"max": "1"}}, "effect": None},
            {"x.rules.a.max": "must be a number", "x.effect": "required"},
        ),
        (
            {**UPSTREAM, "rules": {"a": {"min": 2, "max": 1}}, "effect": None},
            {"x.rules.a.min": "must be at most max", "x.effect": "required"},
        ),
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


@pytest.mark.parametrize("name", ["", "a/b", "a b", "git?ub.x", "[a]", "ä"])
def test_name_of_a_tool_is_plain_but_for_stars(name: str) -> None:
    (problem,) = problems({name: UPSTREAM}).values()

    assert problem.startswith("must be a tool name: NAME or SERVER.NAME, where * stands for")


# Patterns


@pytest.mark.parametrize(
    "entries",
    [
        {"*": UPSTREAM},
        {"github.*": UPSTREAM, "*.read_*": {"approval": "auto"}},
        {"*": {"approval": "ask", "timeout_secs": 5, "rules": {"a": {"optional": True}}}},
        {"a.*": {"effect": "read"}, "*": {"backend": "upstream"}, "a.b": {}},
        {"a.*": {"effect": "read", "backend": "sandbox", "command": "line"}, "a.b": {}},
    ],
    ids=str,
)
def test_what_an_entry_lacks_a_pattern_may_say(entries: dict[str, object]) -> None:
    assert TOOLS.validate_python(entries)


def test_what_no_pattern_says_is_missing() -> None:
    found = problems({"a.*": {"effect": "read"}, "b.*": {"backend": "upstream"}, "a.b": {}})

    assert found == {"a.b.backend": "required for a tool that is not built in"}


def test_what_patterns_say_must_fit_the_tool() -> None:
    entries = {"*": {"backend": "sandbox", "effect": "read"}, "a": {"paths": ["path"]}}

    assert problems(entries).keys() == {"a.command", "a.paths"}


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ({"a.*": {"backend": "sandbox"}}, "a.*.backend"),
        ({"a.*": SANDBOX}, "a.*.backend"),
        ({"a.*": SANDBOX, "b.c": UPSTREAM}, "a.*.backend"),
        ({"s*": SANDBOX}, "s*.backend"),
        ({"a.*": {"effect": "read", "command": "line"}}, "a.*.command"),
        ({"a.*": {"command": "line"}, "b.*": UPSTREAM}, "a.*.command"),
    ],
    ids=str,
)
def test_a_pattern_that_makes_no_tool_is_refused(entries: dict[str, object], key: str) -> None:
    assert list(problems(entries)) == [key]


@pytest.mark.parametrize(
    "entries",
    [
        {"a.*": SANDBOX, "a.b": {}},
        {"*_run": {"command": "line"}, "a.*": UPSTREAM},
        {"*.run": {"command": "line"}, "a.run": UPSTREAM},
        {"a.*": {**UPSTREAM, "command": "line"}},
    ],
    ids=str,
)
def test_a_pattern_that_says_more_of_tools_is_taken(entries: dict[str, object]) -> None:
    assert TOOLS.validate_python(entries)


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "/x"), ("dispatch", {"tool": "a", "arguments": "b"}), ("commands", "any")],
)
def test_what_is_of_one_tool_alone_stands_under_its_name(key: str, value: object) -> None:
    assert problems({"a.*": {**UPSTREAM, key: value}}) == {
        f"a.*.{key}": "only for one tool, by its whole name"
    }


# Tools that call others


@pytest.mark.parametrize("name", ["tool_call", "mcp.callTool", "code.run_python"])
def test_a_tool_that_calls_others_says_how(name: str) -> None:
    assert problems({name: UPSTREAM}).keys() == {f"{name}.dispatch"}
    assert problems({name: {**UPSTREAM, "dispatch": None}}).keys() == {f"{name}.dispatch"}
    assert TOOLS.validate_python({name: {**UPSTREAM, "dispatch": "none"}})
    described = {"tool": "name", "arguments": "args"}
    assert TOOLS.validate_python({name: {**UPSTREAM, "dispatch": described}})


def test_any_tool_may_call_others() -> None:
    described = {"tool": "name", "arguments": "args"}

    assert TOOLS.validate_python({"x": {**UPSTREAM, "dispatch": described}})


def test_reserved_name_is_refused() -> None:
    assert problems({RESERVED: {}}) == {"invoke": "this name is reserved"}


def test_built_in_tools_are_these() -> None:
    assert set(BUILT_IN) == {"shell", "file_read", "file_write", "file_list"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_entry_of_a_built_in_tool_needs_nothing(name: str) -> None:
    assert TOOLS.validate_python({name: {}, "x": UPSTREAM})
    assert TOOLS.validate_python({name: {"description": "Mine."}})


@pytest.mark.parametrize("name", BUILT_IN)
def test_calls_of_a_built_in_tool_may_be_ruled(name: str) -> None:
    entry = {"approval": "deny", "rate_per_minute": 1, "rules": {"path": {"under": "src"}}}

    assert TOOLS.validate_python({name: entry})


def test_lines_of_shell_may_go_unjudged() -> None:
    assert TOOLS.validate_python({"shell": {"commands": "any"}})
    assert "file_read.commands" in problems({"file_read": {"commands": "any"}})


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
        ("urls", []),
        ("path", "/x"),
        ("dispatch", "none"),
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
