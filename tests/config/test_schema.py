import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.config import keys, schema

COMMITTED = Path(__file__).parents[2] / "config.schema.json"


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object inside `part`."""
    if isinstance(part, dict):
        yield part
    for inside in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from objects(inside)


def test_committed_schema_is_that_of_the_code() -> None:
    """Renew it: python -c 'from proxy.config import schema; print(schema.text(), end="")'."""
    assert COMMITTED.read_text(encoding="utf-8") == schema.text()


def test_schema_names_its_dialect_and_itself() -> None:
    found = schema.json_schema()

    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["title"] == "Sidegate"
    assert "$id" not in found
    assert json.loads(schema.text()) == found


def test_nothing_unknown_is_accepted_anywhere() -> None:
    for part in objects(schema.json_schema()):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False


def test_every_key_is_in_the_schema_and_explained() -> None:
    found = schema.json_schema()
    sections = {"Config": found, **found["$defs"]}
    for key in keys.leaves():
        section = keys.kind(key[:-1])
        assert isinstance(section, type)
        assert key[-1] in sections[section.__name__]["properties"]
    for name, definition in sections.items():
        for key, part in definition.get("properties", {}).items():
            assert "description" in part or "$ref" in part, f"{name}.{key}"


def test_names_of_headers_may_have_the_form_of_a_file() -> None:
    headers = schema.json_schema()["$defs"]["UpstreamConfig"]["properties"]["headers"]
    ((pattern, value),) = headers["patternProperties"].items()

    assert value["writeOnly"]
    for name in ("Authorization", "Authorization_file"):
        assert re.search(pattern, name)
    assert not re.search(pattern, "X_Key")


def test_patterns_are_whole() -> None:
    for part in objects(schema.json_schema()):
        if isinstance(part.get("pattern"), str):
            assert re.compile(part["pattern"]).pattern.startswith("^(?:")
            assert part["pattern"].endswith(")$")
