"""What an operator decides, and what it stops, as request bodies."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import Field

from proxy.actions import Action, Halt, Operate, Ruling, Selection
from proxy.config.patterns import MAX_NAME
from proxy.config.section import Section
from proxy.config.text import Form, ToolPattern
from proxy.decision import Malformed
from proxy.exchange import Inbound
from proxy.protocols.operator import BodyCodec, OperationCodec, accepted
from proxy.reasons import Reason
from proxy.values import Json

MAX_GRANT = 8 * 3600
"""Seconds that a tool may be granted for: a working day."""
MAX_BATCH = 1000

AskId = Annotated[str, Form(r"[A-Za-z0-9_-]{1,64}", "the id of an approval")]
# The id of whoever sends a message may be what its provider likes.
Whom = Annotated[str, Form(r"[!-~](?:[ -~]{0,254}[!-~])?", "the id of a principal")]
Why = Annotated[str, Form(r"[^\x00-\x1f\x7f]{0,200}", "up to 200 characters on one line")]


class Listed(Section):
    """What may be said of a list of calls: `all=1` for those that do not wait, too."""

    everything: Annotated[Literal["0", "1"], Field(alias="all")] = "0"


class Decide(Section):
    """What may be said of one call that waits: `{"decision", "for"?}`."""

    decision: Literal["approve", "deny"]
    lasting: Annotated[
        Annotated[float, Field(gt=0, le=MAX_GRANT)] | Literal["session"] | None, Field(alias="for")
    ] = None

    def ruling(self, *ids: str) -> Ruling:
        """The same on the calls of these ids."""
        if self.lasting is not None and self.decision == "deny":
            raise Malformed(Reason.ARGUMENTS_INVALID, "nothing is denied for a time")
        session = self.lasting == "session"
        seconds = self.lasting if isinstance(self.lasting, int | float) else None
        return Ruling(ids, self.decision == "approve", seconds, session)


class DecideAll(Decide):
    """What may be said of several: `{"ids", "decision", "for"?}`."""

    ids: Annotated[tuple[AskId, ...], Field(strict=False, min_length=1, max_length=MAX_BATCH)]


class Stopping(Section):
    """What may be stopped: `{"tool"? | "principal"?, "why"?}`; with neither, everything."""

    tool: Annotated[ToolPattern, Field(max_length=MAX_NAME)] | None = None
    principal: Whom | None = None
    why: Why = ""


class QueueCodec(OperationCodec):
    """`GET /approvals`, whose query says which of them."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation; a key that is said twice could be meant as either."""
        pairs = parse_qsl(inbound.query, keep_blank_values=True)
        if len(dict(pairs)) < len(pairs):
            raise Malformed(Reason.ARGUMENTS_INVALID, "said twice")
        return self.operation(inbound.capture or "", dict(pairs))

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The operation, and which calls are wanted."""
        everything = accepted(Listed, body).everything == "1"
        return Operate(self.verb, subject, Selection(everything))


class RulingCodec(BodyCodec):
    """`POST /approvals/{id}`."""

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The decision on that one."""
        return Operate(self.verb, subject, accepted(Decide, body).ruling(subject))


class BatchCodec(BodyCodec):
    """`POST /approvals`."""

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The decision on all of them; one that is named twice is one."""
        wish = accepted(DecideAll, body)
        return Operate(self.verb, subject, wish.ruling(*dict.fromkeys(wish.ids)))


class HaltCodec(BodyCodec):
    """`POST /stops`."""

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """What is to stop."""
        wish = accepted(Stopping, body)
        if wish.tool is not None and wish.principal is not None:
            raise Malformed(Reason.ARGUMENTS_INVALID, "a tool or a principal, not both")
        return Operate(self.verb, subject, Halt(wish.tool, wish.principal, wish.why))
