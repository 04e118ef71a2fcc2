"""Scopes as text, the same in every store. What is not understood whole is no scope at all."""

import json

from proxy.scope import Autonomy, Scope


def scope_text(scope: Scope) -> str:
    """A scope as it is stored."""
    return json.dumps({"routes": scope.routes, "tools": scope.tools, "level": scope.level})


def parse_scope(text: str) -> Scope:
    """A scope that was stored; raises ValueError for anything that is not understood whole."""
    value = json.loads(text)
    if not isinstance(value, dict) or value.keys() != {"routes", "tools", "level"}:
        raise ValueError("not a scope")
    level = value["level"]
    return Scope(
        _names(value["routes"]),
        _names(value["tools"]),
        None if level is None else Autonomy(level),
    )


def _names(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("not a list of names")
    return tuple(value)
