"""What an operator demands of arguments, applied. The counterpart is `rules` of the configuration.

A rule looks at the value as the caller sent it and decides by type first: true is not 1, and the
text of a number is no number. What it cannot look at, it refuses.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.authorization.paths.workspace import Workspace
from proxy.config.rules import LONGEST, RuleConfig, demands
from proxy.decision import Deny, Facts
from proxy.reasons import Reason
from proxy.values import Json

MOST_PATHS = 100
"""Paths in one argument: each costs up to some milliseconds to look at."""

ABSENT: Final = object()
"""What `reach` finds where there is no such argument."""

UNSEEN: Final = object()
"""What `reach` finds where it cannot look: a list or a text may hold what somebody else finds."""


def reach(arguments: Mapping[str, Json], name: str) -> object:
    """The argument called `name`, in which a dot reaches into an object; else ABSENT or UNSEEN.

    Null is as if there were nothing in it. A key that holds the dot itself (`options.force`) is
    taken by some for the whole way, so where there is one nobody knows what the tool would find.
    """
    found: object = arguments
    rest = name
    while rest:
        if not isinstance(found, Mapping):
            return ABSENT if found is None else UNSEEN
        if any("." in key and f"{rest}.".startswith(f"{key}.") for key in found):
            return UNSEEN
        part, _, rest = rest.partition(".")
        if part not in found:
            return ABSENT
        found = found[part]
    return found


@dataclass(frozen=True, slots=True)
class Rule:
    """One argument's rule. `key`: where the configuration has it."""

    key: str
    name: str
    demands: tuple[Callable[[object], bool], ...] = field(compare=False, repr=False)
    under: str | None = None
    optional: bool = False

    @classmethod
    def build(cls, entry: str, name: str, section: RuleConfig) -> "Rule":
        """The rule that an entry of the table of tools has for an argument."""
        key = f"tools.{entry}.rules.{name}"
        return cls(key, name, tuple(demands(section)), section.under, section.optional)

    def broken(self, arguments: Mapping[str, Json], workspace: Workspace | None) -> Deny | None:
        """Why these arguments break the rule; None where they keep it."""
        value = reach(arguments, self.name)
        if value is ABSENT and self.optional:
            return None
        if value is ABSENT or value is UNSEEN:
            return self._deny(Reason.ARGUMENT_NOT_ALLOWED, "")
        if not all(demand(value) for demand in self.demands):
            return self._deny(Reason.ARGUMENT_NOT_ALLOWED, value)
        if self.under is not None:
            return self._outside(self.under, value, workspace)
        return None

    def _outside(self, folder: str, value: object, workspace: Workspace | None) -> Deny | None:
        if workspace is None:
            return Deny(Reason.WORKSPACE_MISSING, facts=Facts(rule="autonomy.workspace_dir"))
        paths = value if isinstance(value, list | tuple) else [value]
        if len(paths) > MOST_PATHS:
            return self._deny(Reason.ARGUMENT_NOT_ALLOWED, "")
        for path in paths:
            if not isinstance(path, str) or not _is_beneath(path, folder, workspace):
                return self._deny(Reason.ARGUMENT_NOT_ALLOWED, path)
            reason = workspace.check(path)
            if reason is None and not workspace.within(path, folder):
                reason = Reason.ARGUMENT_NOT_ALLOWED
            if reason is not None:
                return self._deny(reason, path)
        return None

    def _deny(self, reason: Reason, value: object) -> Deny:
        return Deny(reason, str(value)[:LONGEST], Facts(rule=self.key))


def _is_beneath(path: str, folder: str, workspace: Workspace) -> bool:
    """Whether the spelling of `path` leads into `folder`, both seen from the workspace."""
    parts = path.split("/")
    if ".." in parts or "\0" in path:
        return False
    inside, root = _absolute(path, workspace), _absolute(folder, workspace)
    return posixpath.commonpath((inside, root)) == root


def _absolute(path: str, workspace: Workspace) -> str:
    """The path in one spelling: the workspace may be named by its configured name or its own."""
    joined = posixpath.normpath(posixpath.join("/", workspace.folder, path))
    spelled = workspace.spelling
    if joined == spelled or joined.startswith(f"{spelled}/"):
        joined = workspace.folder + joined[len(spelled) :]
    return "/" + joined.lstrip("/")
