"""The rules that a change of the configuration would make, for those who ask about it.

The last few are kept, since a table of questions asks about the same ones again and again.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Mapping

from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.shell.parser import CommandParser
from proxy.config.loader import Loaded, overlay
from proxy.explain.ruleset import Changes, Ruleset
from proxy.pipeline import build_policy
from proxy.places import open_workspace

MOST_KEPT = 64


class Overlays:
    """`loaded`, with any changes over it. Each set of rules has its workspace open until closed."""

    def __init__(self, loaded: Loaded, parser: CommandParser, environ: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._parser = parser
        self._environ = environ
        self._kept: OrderedDict[str, tuple[Ruleset, Workspace | None]] = OrderedDict()

    def __call__(self, changes: Changes) -> Ruleset:
        """The rules with these changes; raises ConfigError for invalid ones."""
        key = json.dumps(changes, sort_keys=True)
        ruleset, workspace = self._kept.pop(key, (None, None))
        if ruleset is None or workspace is None or not _stands(workspace):
            _close(workspace)
            loaded = overlay(self._loaded, changes) if changes else self._loaded
            workspace = open_workspace(loaded, self._environ)
            ruleset = Ruleset(loaded, build_policy(loaded.config, self._parser, workspace))
        self._kept[key] = ruleset, workspace
        if len(self._kept) > MOST_KEPT:
            _close(self._kept.popitem(last=False)[1][1])
        return ruleset

    def close(self) -> None:
        """Give the workspaces back."""
        while self._kept:
            _close(self._kept.popitem()[1][1])


def _stands(workspace: Workspace) -> bool:
    """Whether its folders are still those that were opened: here nothing is fixed by a start."""
    try:
        return workspace.intact() and all(
            os.path.samestat(os.stat(root.folder), os.fstat(root.descriptor))
            for root in workspace.roots
        )
    except OSError:
        return False


def _close(workspace: Workspace | None) -> None:
    if workspace is not None:
        workspace.close()
