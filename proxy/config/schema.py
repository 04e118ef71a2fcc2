"""The configuration as a JSON Schema, for editors and CI. Committed as config.schema.json.

It holds types, names and forms; what one key demands of another only `sidegate check` knows.
"""

import json
from collections.abc import Iterator
from typing import Any

from proxy.config.model import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ABOUT = (
    "The configuration of Sidegate. A value may also be given as ${ENV}, ${ENV:-default} or "
    "${ENV:?message}, that of a secret as ${secret:NAME} or enc2:…, and every single value by a "
    "variable such as SIDEGATE_GATEWAY__PORT. This schema sees only the file, so it reports ${…} "
    "where anything but text is expected."
)

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema of a whole configuration file."""
    schema = Config.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        _let_secrets_lie_in_files(section)
    for table in _tables(schema):
        table["additionalProperties"] = False
        table["patternProperties"] = dict(map(_with_file, table["patternProperties"].items()))
    return {"$schema": _DIALECT, **schema, "title": "Sidegate", "description": _ABOUT}


def text() -> str:
    """The schema as config.schema.json holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _let_secrets_lie_in_files(section: Schema) -> None:
    """Beside each secret NAME its NAME_file, which will do where NAME is required."""
    properties: Schema = section.get("properties", {})
    for name in [name for name, value in properties.items() if _is_secret(value)]:
        about = f"The file that holds {name}."
        properties[f"{name}_file"] = {"type": "string", "minLength": 1, "description": about}
        if name in section.get("required", ()):
            section["required"].remove(name)
            ways = [{"required": [way]} for way in (name, f"{name}_file")]
            section.setdefault("allOf", []).append({"oneOf": ways})


def _is_secret(value: Schema) -> bool:
    return any(form.get("writeOnly", False) for form in (value, *value.get("anyOf", ())))


def _tables(schema: Schema) -> Iterator[Schema]:
    """Every part of `schema` whose keys are the operator's own."""
    for section in (schema, *schema["$defs"].values()):
        for part in section.get("properties", {}).values():
            if "patternProperties" in part:
                yield part


def _with_file(entry: tuple[str, Schema]) -> tuple[str, Schema]:
    """An entry of a table; that of a secret may also be NAME_file."""
    pattern, value = entry
    return (f"{pattern[:-1]}(?:_file)?$" if value.get("writeOnly") else pattern), value
