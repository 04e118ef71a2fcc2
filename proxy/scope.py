"""How far a credential reaches: the autonomy of its calls, its routes and its tools.

A scope only ever narrows what the role and the rules allow.
"""

from dataclasses import dataclass
from enum import StrEnum


class Autonomy(StrEnum):
    """How far tools may go without a human, from the least to the most."""

    READONLY = "readonly"
    SUPERVISED = "supervised"
    FULL = "full"

    def at_most(self, ceiling: "Autonomy | None") -> "Autonomy":
        """The lower of the two."""
        order = list(Autonomy)
        return self if ceiling is None else min(self, ceiling, key=order.index)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a credential may be used for, within its role; None is no bound.

    `routes`: raw paths, a trailing `/*` a subtree. `tools`: names, a trailing `*` a prefix.
    `level`: the highest autonomy.
    """

    routes: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    level: Autonomy | None = None

    def covers_route(self, path: str) -> bool:
        """Whether the raw path lies within."""
        return self.routes is None or any(_beneath(path, route) for route in self.routes)

    def covers_tool(self, name: str) -> bool:
        """Whether the tool lies within."""
        return self.tools is None or any(_named(name, tool) for tool in self.tools)


UNBOUND = Scope()
"""Whatever the role and the rules allow."""


@dataclass(frozen=True, slots=True)
class Minting:
    """What a token will be. `lifetime` in seconds; None is for ever."""

    label: str = ""
    scope: Scope = UNBOUND
    lifetime: float | None = None


def _beneath(path: str, route: str) -> bool:
    return path.startswith(route[:-1]) if route.endswith("/*") else path == route


def _named(name: str, tool: str) -> bool:
    return name.startswith(tool[:-1]) if tool.endswith("*") else name == tool
