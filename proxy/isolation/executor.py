"""Do what was granted, in the place that the plan names.

A backend is one verb: it is handed a plan and the grant that carries it, and answers with what came
of it or why it was not done. It decides nothing about permission.
"""

import contextlib
from dataclasses import dataclass
from typing import Protocol, TypeVar, assert_never

from proxy.actions import (
    Collect,
    Command,
    Enqueue,
    FileList,
    FilePlan,
    FileRead,
    FileWrite,
    Invoke,
    Known,
    Operate,
    Relay,
)
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document, Grant, Raw
from proxy.isolation.once import Once
from proxy.mcp import McpCall, McpTalk
from proxy.reasons import Reason

PlanT_contra = TypeVar("PlanT_contra", contravariant=True)


_NOT_BEGUN = frozenset(
    {
        *(Reason.SANDBOX_UNAVAILABLE, Reason.SANDBOX_BUSY, Reason.WORKSPACE_FULL),
        *(Reason.UPSTREAM_MISSING, Reason.UPSTREAM_DOWN, Reason.MCP_UNAVAILABLE),
        *(Reason.FILE_TOO_LARGE, Reason.FILE_NOT_TEXT, Reason.STATE_UNAVAILABLE),
    }
)


class Backend(Protocol[PlanT_contra]):
    """A place to run."""

    async def run(self, plan: PlanT_contra, grant: Grant) -> Decision[Content]:
        """Do `plan`; a cancelled call leaves nothing running."""
        ...


@dataclass(frozen=True)
class Executor:
    """Layer 4."""

    sandbox: Backend[Command]
    files: Backend[FilePlan]
    upstream: Backend[Invoke | Relay]
    inbox: Backend[Enqueue]
    operations: Backend[Operate]
    answers: Backend[Collect]
    servers: Backend[McpCall | McpTalk]
    once: Once

    async def execute(self, grant: Grant) -> Decision[Raw]:
        """What came of the grant, untouched; under a key, now or earlier."""
        raw = await self._done(grant)
        if grant.unspent is not None and _certainly_undone(raw):
            with contextlib.suppress(OSError):  # what cannot be given back stays spent
                await grant.unspent()
        return raw

    async def _done(self, grant: Grant) -> Decision[Raw]:
        if grant.once is not None:
            return await self.once.run(grant, grant.once, self._run)
        done = await self._run(grant)
        return done if isinstance(done, Deny) else Allow(Raw(grant, done.value), done.facts)

    async def _run(self, grant: Grant) -> Decision[Content]:
        plan = grant.plan
        match plan:
            case Command():
                return await self.sandbox.run(plan, grant)
            case FileRead() | FileWrite() | FileList():
                return await self.files.run(plan, grant)
            case Invoke() | Relay():
                return await self.upstream.run(plan, grant)
            case Enqueue():
                return await self.inbox.run(plan, grant)
            case Operate():
                return await self.operations.run(plan, grant)
            case Collect():
                return await self.answers.run(plan, grant)
            case McpCall() | McpTalk():
                return await self.servers.run(plan, grant)
            case Known():
                return Allow(Document(plan.value, plan.status))
        assert_never(plan)


def _certainly_undone(raw: Decision[Raw]) -> bool:
    """Whether nothing was begun. What an agent refused, or answered too late, it may have done."""
    if isinstance(raw, Allow):
        return raw.value.replayed
    return raw.reason in _NOT_BEGUN or raw.reason.code.startswith("idempotency-")
