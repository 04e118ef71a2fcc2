"""The one place that a call is about: where its answer comes from, and where it writes to.

A place is a text: `file:` and where the file really is, without links; or `url:` and a URL without
its query. A call of which it is not certain has none: a command, or one with several paths.
"""

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.actions import Effect, FileRead, FileWrite, Invoke, Plan, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.tools.catalogue import Catalogue, Tool
from proxy.authorization.tools.rules import ABSENT, reach
from proxy.decision import Deny
from proxy.exchange import Grant
from proxy.mcp import McpCall
from proxy.values import Json

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Sources:
    """The places of calls, by what the table of tools says of their arguments."""

    tools: Catalogue
    workspace: Workspace | None

    def read(self, grant: Grant) -> str | None:
        """The place that the answer to a grant comes from; while the grant is in force.

        What is answered from memory may be of another file than is open now.
        """
        if grant.once is not None or not isinstance(grant.action, ToolCall):
            return None
        return self.reached(grant.action, grant.plan)

    def reached(self, call: ToolCall, plan: Plan) -> str | None:
        """The place of a call by its plan: the very file that is open."""
        match plan:
            case FileRead(file=file):
                return _file(_opened(file.descriptor))
            case FileWrite(file=file):
                return _file(posixpath.join(_opened(file.descriptor) or "", file.leaf))
            case Invoke() | McpCall():
                return self.named(call)
            case _:
                return None

    def named(self, call: ToolCall) -> str | None:
        """The place of a call by its arguments; what is not there has none."""
        tool = self.tools.find(call.tool)
        if tool is None or tool.command or tool.dispatch or tool.opaque:
            return None
        if len(tool.paths) == 1 and not tool.urls:
            return self._path(_text(call.arguments, tool.paths[0]))
        if len(tool.urls) == 1 and not tool.paths:
            return _url(_text(call.arguments, tool.urls[0]))
        return None

    def written(self, call: ToolCall) -> str | None:
        """The place that a call writes to, and does nothing else with."""
        tool = self.tools.find(call.tool)
        return self.named(call) if tool is not None and tool.effect is Effect.WRITE else None

    def is_for_files(self, call: ToolCall) -> bool:
        """Whether a call may write to a file what is in its arguments, and is no command."""
        tool = self.tools.find(call.tool)
        if tool is None or tool.command or tool.effect is Effect.READ:
            return False
        return bool(tool.paths or tool.dispatch or tool.opaque)

    def roles(self, call: ToolCall) -> frozenset[str]:
        """The arguments that say where, and not what."""
        tool = self.tools.find(call.tool)
        return frozenset() if tool is None else _roles(tool)

    def _path(self, path: str | None) -> str | None:
        if path is None or self.workspace is None:
            return None
        found = self.workspace.file(path)
        if isinstance(found, Deny):
            return None
        try:
            return _file(_opened(found.value.descriptor))
        finally:
            found.value.close()


def _roles(tool: Tool) -> frozenset[str]:
    named = (*tool.paths, *tool.urls, *filter(None, (tool.command,)))
    return frozenset(role.removesuffix("?") for role in named)


def _text(arguments: Mapping[str, Json], role: str) -> str | None:
    """The one text of an argument, if it is that."""
    value = reach(arguments, role.removesuffix("?"))
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value is not ABSENT else None


def _opened(descriptor: int) -> str | None:
    """Where an open file is, or was before another was put in its place."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        gone = os.fstat(descriptor).st_nlink == 0
    except OSError:
        return None
    path = path.removesuffix(" (deleted)") if gone else path
    return path if path.startswith("/") else None


def _file(path: str | None) -> str | None:
    return f"file:{path}" if path and path.startswith("/") else None


def _url(url: str | None) -> str | None:
    """A URL in one spelling, without query and fragment."""
    try:
        parts = urlsplit(url or "")
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        return None
    host = (parts.hostname or "").rstrip(".").lower()
    return f"url:{parts.scheme}://{host}:{port}{parts.path or '/'}" if host else None
