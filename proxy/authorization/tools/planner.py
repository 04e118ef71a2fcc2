"""From a tool and its arguments to the exact thing that would be done, or why it may not be.

A plan leaves nothing open: a command is its vector, a file is an open descriptor. An argument that
the tool does not take is refused, for it would mean something to somebody else.
"""

import asyncio
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from proxy.actions import (
    Command,
    Effect,
    FileList,
    FilePlan,
    FileRead,
    FileWrite,
    Invoke,
    OpenPath,
    Plan,
)
from proxy.authorization.lines import LineJudge
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.refusals import refuse
from proxy.authorization.shell.parser import MAX_LINE
from proxy.authorization.tools.catalogue import FILE_LIST, FILE_READ, Place, Tool
from proxy.authorization.tools.definitions import Definitions, Unchecked
from proxy.authorization.tools.invoked import invoked
from proxy.authorization.tools.rules import ABSENT, MOST_PATHS, reach
from proxy.authorization.tools.served import schema_of, sent
from proxy.authorization.urls.policy import UrlPolicy
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.mcp import McpCall, Via
from proxy.reasons import Reason
from proxy.values import Json

_TIMEOUT, _STDIN = "timeout_secs", "stdin"
_MOST_URLS = 20  # in one argument
_FEW_PATHS = 8  # are looked at without a thread, which costs as much as one of them


@dataclass(frozen=True)
class Planner:
    """The rules on arguments. `workspace` is None where the folder does not exist.

    `shell` is the sandbox's own, for lines that nobody judges. `mounted`: the sandbox has the
    workspace at MOUNT, and not where it is on this machine. `definitions`: of MCP servers' tools.
    `openclaw`: the agent is one, and its tools are called as it takes them.
    """

    lines: LineJudge
    workspace: Workspace | None
    urls: UrlPolicy
    shell: str = "sh"
    mounted: bool = True
    definitions: Definitions = field(default_factory=Unchecked)
    openclaw: bool = False

    def for_call(self, owner: str) -> "Planner":
        """The same rules, for one call of `owner` and those that it stands for."""
        return replace(self, urls=self.urls.for_call(owner))

    async def plan(
        self, tool: Tool, arguments: Mapping[str, Json], via: Via | None = None
    ) -> Decision[Plan]:
        """What calling `tool` would do. A plan with an open file must be closed."""
        match tool.place:
            case Place.SANDBOX:
                return await self._command(tool, arguments)
            case Place.WORKSPACE:
                return self._file(tool, arguments)
            case Place.UPSTREAM:
                return await self._invoke(tool, arguments)
            case Place.MCP:
                return await self._served(tool, arguments, via)
        assert_never(tool.place)

    async def check(self, tool: Tool, arguments: Mapping[str, Json]) -> Deny | None:
        """Why the agent may not call `tool` by way of another; None where it may.

        What runs is the agent's, whatever Sidegate has of this name, and gets the arguments as they
        are: a command line must mean to its shell what it was judged as.
        """
        inside = replace(tool, place=Place.UPSTREAM, unjudged=False)
        plan = await self.plan(inside, arguments)
        if isinstance(plan, Deny):
            return plan
        assert isinstance(plan.value, Invoke)
        line = str(arguments.get(tool.command or "", ""))
        judged = str(plan.value.arguments.get(tool.command or "", ""))
        return None if _means(line, judged) else Deny(Reason.COMMAND_UNKNOWABLE)

    async def _command(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        stdin = _encoded(arguments.get(_STDIN, ""))
        if not set(arguments) <= {tool.command, _TIMEOUT, _STDIN} or stdin is None:
            return Deny(Reason.ARGUMENTS_INVALID)
        seconds = _seconds(arguments.get(_TIMEOUT, tool.seconds), tool.seconds)
        if tool.unjudged:
            argv, facts = self._unjudged(arguments.get(tool.command or "")), Facts()
        else:
            line = await self.lines.judge(arguments.get(tool.command or ""), mounted=self.mounted)
            if isinstance(line, Deny):
                return line
            argv, facts = Allow(line.value.argv), _noted(line.value.note)
        if isinstance(argv, Deny):
            return argv
        if seconds is None:
            return Deny(Reason.ARGUMENTS_INVALID)
        writes = tool.effect is not Effect.READ
        return Allow(Command(argv.value, seconds, writes, stdin), facts)

    def _unjudged(self, line: Json) -> Decision[tuple[str, ...]]:
        """Any line at all, for a shell in the sandbox."""
        if not isinstance(line, str) or not line.strip() or "\0" in line:
            return Deny(Reason.ARGUMENTS_INVALID)
        if len(line) > MAX_LINE:
            return Deny(Reason.COMMAND_TOO_COMPLEX)
        if self.workspace is None:
            return refuse(Reason.WORKSPACE_MISSING)
        return Allow((self.shell, "-c", line))

    def _file(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        path, content = arguments.get("path"), arguments.get("content")
        reads = tool.name in {FILE_READ.name, FILE_LIST.name}
        if set(arguments) != ({"path"} if reads else {"path", "content"}):
            return Deny(Reason.ARGUMENTS_INVALID)
        if not isinstance(path, str) or not (reads or isinstance(content, str)):
            return Deny(Reason.ARGUMENTS_INVALID)
        if self.workspace is None:
            return refuse(Reason.WORKSPACE_MISSING)
        if tool.name == FILE_READ.name:
            return _opened(self.workspace.file(path), path, FileRead)
        if tool.name == FILE_LIST.name:
            return _opened(self.workspace.listing(path), path, FileList)
        text = str(content)
        return _opened(self.workspace.place(path), path, lambda file: FileWrite(file, text))

    async def _invoke(self, tool: Tool, arguments: Mapping[str, Json]) -> Decision[Plan]:
        """A call of the agent's own tool."""
        judged = await self._judged(tool, arguments)
        if isinstance(judged, Deny):
            return judged
        plan = Invoke(tool.path, judged.value, tool.seconds)
        if self.openclaw:
            return invoked(plan, tool.name, judged.facts)
        return Allow(plan, judged.facts)

    async def _served(
        self, tool: Tool, arguments: Mapping[str, Json], via: Via | None
    ) -> Decision[Plan]:
        """A call of a tool of an MCP server, which is asked only about what may be called."""
        judged = await self._judged(tool, arguments)
        if isinstance(judged, Deny):
            return judged
        schema = await schema_of(tool, via, self.definitions)
        if isinstance(schema, Deny):
            return schema
        request = sent(tool, judged.value, via)
        client = None if via is None else via.client
        call = McpCall(tool.server, request, tool.seconds, client, schema=schema)
        return Allow(call, judged.facts)

    async def _judged(
        self, tool: Tool, arguments: Mapping[str, Json]
    ) -> Decision[Mapping[str, Json]]:
        """The arguments for a tool that is elsewhere: those that are marked are judged, not opened.

        A plain command goes up as the vector that was judged, quoted so that any shell reads just
        that; any other goes up as it is.
        """
        facts = Facts()
        if tool.command is not None:
            line = await self.lines.judge(arguments.get(tool.command), mounted=False)
            if isinstance(line, Deny):
                return line
            facts = _noted(line.value.note)
            if line.value.plain:
                arguments = {**arguments, tool.command: shlex.join(line.value.argv)}
        refused = await self._refused_path(tool, arguments)
        refused = refused or await self._refused_url(tool, arguments)
        return refused or Allow(arguments, facts)

    async def _refused_path(self, tool: Tool, arguments: Mapping[str, Json]) -> Deny | None:
        writes = tool.effect is not Effect.READ
        for role in tool.paths:
            paths = _texts(arguments, role, MOST_PATHS)
            if paths is None:
                return Deny(Reason.ARGUMENTS_INVALID)
            if len(paths) <= _FEW_PATHS:
                refused = self._check_paths(paths, writes=writes)
            else:
                refused = await asyncio.to_thread(self._check_paths, paths, writes=writes)
            if refused is not None:
                return refused
        return None

    def _check_paths(self, paths: Iterable[str], *, writes: bool) -> Deny | None:
        for path in paths:
            if self.workspace is None:
                return refuse(Reason.WORKSPACE_MISSING)
            reason = self.workspace.check(path, writes=writes)
            if reason is not None:
                return refuse(reason, path)
        return None

    async def _refused_url(self, tool: Tool, arguments: Mapping[str, Json]) -> Deny | None:
        for role in tool.urls:
            urls = _texts(arguments, role, _MOST_URLS)
            if urls is None:
                return Deny(Reason.ARGUMENTS_INVALID)
            for url in urls:
                reason = await self.urls.check(url)
                if reason is not None:
                    return refuse(reason, url)
        return None


def _texts(arguments: Mapping[str, Json], role: str, most: int) -> list[str] | None:
    """The texts of an argument that holds one or a list of them; None where it does not."""
    name = role.removesuffix("?")
    value = reach(arguments, name)
    if value is ABSENT or value is None:
        return [] if name != role else None
    items = value if isinstance(value, list | tuple) else [value]
    texts = [item for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) <= most else None


def _means(line: str, judged: str) -> bool:
    """Whether a line is, word for word, the vector that it was judged as."""
    if line == judged:
        return True
    try:
        return shlex.split(line) == shlex.split(judged)
    except ValueError:
        return False


def _encoded(text: Json) -> bytes | None:
    """What a command reads; None for what is no text."""
    try:
        return text.encode() if isinstance(text, str) else None
    except UnicodeEncodeError:
        return None


def _noted(note: str) -> Facts:
    return Facts(known=note) if note else Facts()


def _opened(
    found: Decision[OpenPath], path: str, plan: Callable[[OpenPath], FilePlan]
) -> Decision[Plan]:
    return refuse(found.reason, path) if isinstance(found, Deny) else Allow(plan(found.value))


def _seconds(asked: Json, ceiling: float) -> float | None:
    """The time limit that a caller may have; None where it did not ask for seconds."""
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked > 0:
        return None
    return ceiling if asked > ceiling else float(asked)
