"""Layers 3, 4 and 5 over a real workspace, as far as they have to do with placeholders."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from consenting import SEAL, authorizer
from doubles import CLIENT, Clock, FakeBackend, inbound
from policies import ADD, RUN, policy

from proxy.actions import Effect, FileRead, FileWrite, Invoke, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Policy
from proxy.authorization.sources import Sources
from proxy.authorization.tools.catalogue import Place, Tool
from proxy.decision import Allow, Deny
from proxy.exchange import Access, Document, Grant, Principal, Role, Route
from proxy.isolation.workspace import WorkspaceFiles
from proxy.protection.cleaner import Cleaner
from proxy.protection.detector import Detector
from proxy.protection.held import Held
from proxy.protection.masks import Masks
from proxy.protection.outgoing import Outgoing
from proxy.protection.placeholders import Placeholders
from proxy.protection.redactor import shipped_rules
from proxy.protection.requests import Requests
from proxy.protection.structure import walk
from proxy.protocols.rest import ToolCodec
from proxy.reasons import Reason
from proxy.values import Json

TOOLS = Route("tools", frozenset({"POST"}), "/tools/{name}", ToolCodec(), Access.BEARER, "tools")
ANOTHER = Principal("client-2", Role.CLIENT)
PATTERN = "ghp_" + "x9K2mQ7vL4pR8sT1wY6z" + "B3nC5dF0gH2jA8kE"


def tool(name: str, effect: Effect, **fields: object) -> Tool:
    return replace(Tool(name, effect, Place.UPSTREAM, path=f"/tools/{name}"), **fields)  # type: ignore[arg-type]


EDIT = tool("fs.edit", Effect.WRITE, paths=("options.path",))
MOVE = tool("fs.move", Effect.WRITE, paths=("source", "destination"))
SEARCH = tool("fs.search", Effect.READ, paths=("path",))
START = tool("fs.start", Effect.EXECUTE, paths=("path",))
FETCH = tool("web.fetch", Effect.READ, urls=("url",))
PUT = tool("web.put", Effect.WRITE, urls=("url",))
SAY = tool("chat.say", Effect.WRITE)
ALL = (ADD, RUN, EDIT, MOVE, SEARCH, START, FETCH, PUT, SAY)


def cleaner(masks: Masks | None = None) -> Cleaner:
    return Cleaner(Detector(shipped_rules(), Held(())), masks or Masks())


def outgoing(*, refuses: bool) -> Outgoing:
    return Outgoing(cleaner, refuses=refuses)


@dataclass
class Rig:
    """Whoever calls it gets what a client would get: a result, or the reason for a refusal."""

    workspace: Workspace
    policy: Policy
    clock: Clock
    placeholders: Placeholders
    requests: Requests
    upstream: FakeBackend

    @classmethod
    def over(cls, folder: Path, scanner: Outgoing | None = None) -> "Rig":
        workspace = Workspace.open(str(folder), (), only=True)
        rules, clock = policy(workspace, ("echo", "cat"), tools=ALL), Clock()
        sources = Sources(rules.tool_rules.tools, workspace)
        held = Placeholders(SEAL.mac, sources.read, clock)
        return cls(workspace, rules, clock, held, Requests(scanner, held, sources), FakeBackend())

    async def grant(
        self, name: str, arguments: Mapping[str, object], principal: Principal = CLIENT
    ) -> Grant | Reason:
        """What layer 3 makes of a call."""
        body = json.dumps({"arguments": arguments}).encode()
        headers = {"Content-Type": "application/json"}
        request = inbound(TOOLS, method="POST", capture=name, headers=headers, body=body)
        granted = await authorizer(self.policy, preparation=self.requests).authorize(
            request, principal
        )
        return granted.reason if isinstance(granted, Deny) else granted.value

    async def call(
        self, name: str, arguments: Mapping[str, object], principal: Principal = CLIENT
    ) -> Json | Reason:
        """What a client is shown of it."""
        granted = await self.grant(name, arguments, principal)
        if isinstance(granted, Reason):
            return granted
        plan = granted.plan
        try:
            backend = WorkspaceFiles() if isinstance(plan, FileRead | FileWrite) else self.upstream
            done = await backend.run(plan, granted)  # type: ignore[arg-type]
            assert isinstance(done, Allow)
            assert isinstance(done.value, Document)
            return self.shown(granted, done.value.value)
        finally:
            granted.close()

    def shown(self, grant: Grant, value: Json) -> Json:
        masks = Masks("placeholder", {}, functools.partial(self.placeholders.mask, grant))
        settled = self.placeholders.settled(grant, value, walk(value, cleaner(masks)))
        return walk(value, cleaner(Masks("full"))) if settled is None else settled.value

    async def read(self, path: str, principal: Principal = CLIENT) -> str:
        result = await self.call("file_read", {"path": path}, principal)
        assert isinstance(result, dict), result
        return str(result["content"])

    async def write(self, path: str, content: str, principal: Principal = CLIENT) -> Json | Reason:
        return await self.call("file_write", {"path": path, "content": content}, principal)

    async def sent(self, name: str, arguments: Mapping[str, object]) -> Json | Reason:
        """The arguments that the agent's own tool is called with."""
        granted = await self.grant(name, arguments)
        if isinstance(granted, Reason):
            return granted
        granted.close()
        assert isinstance(granted.plan, Invoke)
        return granted.plan.arguments


def call(name: str, **arguments: Json) -> ToolCall:
    return ToolCall(name, arguments)
