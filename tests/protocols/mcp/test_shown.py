import json

import pytest

from proxy.mcp import Era, OwnTool
from proxy.protocols.mcp.shown import SCHEMAS, call_result, own_tool
from proxy.values import Json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"content": "text of a file"}, "text of a file"),
        ("words", "words"),
        ({"stdout": "a", "exit_code": 0}, '{"stdout":"a","exit_code":0}'),
        ({"content": "a", "more": 1}, '{"content":"a","more":1}'),
        ({"content": 1}, '{"content":1}'),
        ([1, "ä"], '[1,"ä"]'),
        (None, "null"),
    ],
)
def test_a_result_is_shown_as_text(value: Json, text: str) -> None:
    result = call_result(value, Era.LEGACY)

    assert result["content"] == [{"type": "text", "text": text}]
    assert result["isError"] is False
    assert result.get("structuredContent") == (value if isinstance(value, dict) else None)
    assert ("structuredContent" in result) is isinstance(value, dict)


def test_only_modern_results_say_that_they_are_complete() -> None:
    assert call_result({}, Era.MODERN)["resultType"] == "complete"
    assert "resultType" not in call_result({}, Era.LEGACY)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_built_in_tools_take_what_they_take_and_no_more(name: str) -> None:
    schema = own_tool(name, "words").schema

    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


def test_of_a_declared_tool_the_judged_arguments_are_known() -> None:
    tool = own_tool("openclaw.exec", "Run it.", "command", ("path", "to?"), ("url?", "path"))

    assert tool == OwnTool(
        "openclaw.exec",
        "Run it.",
        {
            "type": "object",
            "properties": {"command": {}, "path": {}, "to": {}, "url": {}},
            "required": ["command", "path"],
            "additionalProperties": True,
        },
    )


def test_a_tool_that_is_not_judged_takes_anything() -> None:
    assert own_tool("x", "").schema["properties"] == {}
