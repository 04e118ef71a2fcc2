"""The rules that a question is asked about: a configuration, its policy, and where each key stands.

Those of a running Sidegate are `in_force`; `overlays` has those that a change would make.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from proxy.authorization.policy import Policy
from proxy.authorization.tools.catalogue import Tool
from proxy.config.commands import program
from proxy.config.loader import Loaded
from proxy.config.presets import entries, preset
from proxy.config.rules import Rules
from proxy.decision import Malformed
from proxy.exchange import Role
from proxy.reasons import Reason
from proxy.values import Json

Changes = Mapping[str, Json]


@dataclass(frozen=True)
class Ruleset:
    """A configuration and its policy."""

    loaded: Loaded
    policy: Policy
    _origins: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def rule(self, key: str) -> str:
        """`key (file:line)`; an item of a list is `key[number]`."""
        if key not in self._origins:
            self._origins[key] = self._place(key.replace("[", ".").replace("]", ""))
        return f"{key} ({self._origins[key]})"

    def _place(self, key: str) -> str:
        place = self.loaded.origin(key)
        if place == "default":
            for name in reversed(self.loaded.config.presets):
                if any(key.startswith(f"tools.{entry}.") for entry in preset(name)):
                    return f"preset {name}"
        return place

    @property
    def programs(self) -> list[str]:
        """The programs that may be run, in the order of autonomy.allowed_commands."""
        return [program(entry) for entry in self.loaded.config.autonomy.allowed_commands]

    @property
    def principals(self) -> tuple[str, ...]:
        """Who may be asked about: principals of the configuration, and the roles of others."""
        return (*self.loaded.config.principals, Role.CLIENT.value, Role.AGENT.value)

    def tool(self, name: str) -> Tool | None:
        """What the catalogue holds under this name."""
        return self.policy.tool_rules.tools.find(name)

    @property
    def tools(self) -> Iterable[str]:
        """The names in the catalogue that are no pattern."""
        return self.policy.tool_rules.tools.exact

    def demand(self, key: str) -> str:
        """What the rule of an argument at this key demands, in the words of the configuration."""
        config = self.loaded.config
        for entry, fields in entries(config.tools, config.presets).items():
            rules = cast("Rules", fields.get("rules", {}))
            for argument, rule in rules.items():
                if key == f"tools.{entry}.rules.{argument}":
                    given = rule.model_dump(mode="json", exclude_unset=True)
                    return ", ".join(f"{name}: {json.dumps(said)}" for name, said in given.items())
        return ""

    def main_argument(self, name: str) -> str | None:
        """The argument that is a tool's command line or, without one, its first path or URL."""
        tool = self.tool(name)
        if tool is None:
            return None
        roles = (*filter(None, (tool.command,)), *tool.paths, *tool.urls)
        return next((role.removesuffix("?") for role in roles if "." not in role), None)


Rulesets = Callable[[Changes], Ruleset]
"""The rules with these changes. Raises ConfigError for invalid ones, Malformed where none may be
asked about."""


def in_force(loaded: Loaded, policy: Policy) -> Rulesets:
    """Those of a running Sidegate, which nobody asks about with changes."""
    ruleset = Ruleset(loaded, policy)

    def rules(changes: Changes) -> Ruleset:
        if changes:
            raise Malformed(Reason.BODY_MALFORMED)
        return ruleset

    return rules
