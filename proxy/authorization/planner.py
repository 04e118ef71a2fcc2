"""From a tool and its arguments to the exact thing that would be done, or why it may not be.

A plan leaves nothing open: a command is its vector, a file is an open descriptor. An argument that
the tool does not take is refused, for it would mean something to somebody else.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from proxy.actions import (
    Command,
    Effect,
    FileList,
    FilePlan,
    FileRead,
    FileWrite,
    Invoke,
    Json,
    OpenPath,
    Plan,
)
from proxy.authorization.catalogue import FILE_LIST, FILE_READ, Place, Tool
from proxy.authorization.commands import CommandParser
from proxy.authorization.paths import Workspace
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.reasons import Reason

_TIMEOUT = "timeout_secs"
_RULES = {
    Reason.PATH_FORBIDDEN: "autonomy.forbidden_paths",
    Reason.PATH_OUTSIDE_WORKSPACE: "autonomy.workspace_dir",
    Reason.WORKSPACE_MISSING: "autonomy.workspace_dir",
}


@dataclass(frozen=True)
class Planner:
    """The rules on arguments. `workspace` is None where the folder does not exist."""

    allowed_commands: frozenset[str]
    parser: CommandParser
    workspace: Workspace | None

    async def plan(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        """What calling `tool` would do. A plan with an open file must be closed."""
        match tool.place:
            case Place.SANDBOX:
                return await self._command(tool, arguments)
            case Place.WORKSPACE:
                return self._file(tool, arguments)
            case Place.UPSTREAM:
                return await self._invoke(tool, arguments)
        assert_never(tool.place)

    async def _command(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        if not set(arguments) <= {tool.command, _TIMEOUT}:
            return Deny(Reason.ARGUMENTS_INVALID)
        seconds = _seconds(arguments.get(_TIMEOUT, tool.seconds), tool.seconds)
        argv = await self._judge(arguments.get(tool.command or ""), mounted=True)
        if isinstance(argv, Deny):
            return argv
        if seconds is None:
            return Deny(Reason.ARGUMENTS_INVALID)
        return Allow(Command(argv.value, seconds, writes=tool.effect is not Effect.READ))

    async def _judge(self, line: Json, *, mounted: bool) -> Decision[tuple[str, ...]]:
        """A command line as the vector that may run."""
        if not isinstance(line, str):
            return Deny(Reason.ARGUMENTS_INVALID)
        argv = await self.parser.parse(line)
        if isinstance(argv, Deny):
            return argv
        if argv.value[0] not in self.allowed_commands:
            rule = Facts(rule="autonomy.allowed_commands")
            return Deny(Reason.COMMAND_NOT_ALLOWED, evidence=argv.value[0], facts=rule)
        if self.workspace is None:
            return _refuse(Reason.WORKSPACE_MISSING)
        for word in argv.value[1:]:
            reason = self.workspace.check_argument(word, mounted=mounted)
            if reason is not None:
                return _refuse(reason, word)
        return argv

    def _file(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        path, content = arguments.get("path"), arguments.get("content")
        reads = tool.name in {FILE_READ.name, FILE_LIST.name}
        if set(arguments) != ({"path"} if reads else {"path", "content"}):
            return Deny(Reason.ARGUMENTS_INVALID)
        if not isinstance(path, str) or not (reads or isinstance(content, str)):
            return Deny(Reason.ARGUMENTS_INVALID)
        if self.workspace is None:
            return _refuse(Reason.WORKSPACE_MISSING)
        if tool.name == FILE_READ.name:
            return _opened(self.workspace.file(path), path, FileRead)
        if tool.name == FILE_LIST.name:
            return _opened(self.workspace.listing(path), path, FileList)
        text = str(content)
        return _opened(self.workspace.place(path), path, lambda file: FileWrite(file, text))

    async def _invoke(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        """A call of the agent's own tool: its marked arguments are judged here, not opened.

        Its command goes up as the vector that was judged, quoted so that any shell reads just that.
        """
        if tool.command is not None:
            argv = await self._judge(arguments.get(tool.command), mounted=False)
            if isinstance(argv, Deny):
                return argv
            arguments = {**arguments, tool.command: shlex.join(argv.value)}
        for name in tool.paths:
            path = arguments.get(name)
            if not isinstance(path, str):
                return Deny(Reason.ARGUMENTS_INVALID)
            if self.workspace is None:
                return _refuse(Reason.WORKSPACE_MISSING)
            reason = self.workspace.check(path)
            if reason is not None:
                return _refuse(reason, path)
        return Allow(Invoke(tool.path, arguments, tool.seconds))


def _opened(
    found: Decision[OpenPath], path: str, plan: Callable[[OpenPath], FilePlan]
) -> Decision[Plan]:
    return _refuse(found.reason, path) if isinstance(found, Deny) else Allow(plan(found.value))


def _refuse(reason: Reason, evidence: str = "") -> Deny:
    rule = _RULES.get(reason)
    return Deny(reason, evidence, Facts(rule=rule) if rule else Facts())


def _seconds(asked: Json, ceiling: float) -> float | None:
    """The time limit that a caller may have; None where it did not ask for seconds."""
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked > 0:
        return None
    return ceiling if asked > ceiling else float(asked)
