"""The audit log: one JSON line for every grant, denial and outcome.

A row for something that acts on the world is on the disk before the thing is done. Rows go out at
once when the writer is idle; what arrives while it writes goes together in the next write, so that
a burst costs one flush and not a hundred. No row holds a body or a secret; the evidence of a denial
is the one word that a rule refused, redacted.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime

from proxy.actions import Detail, Halt, Json, Operate, Ruling, ToolCall
from proxy.decision import Allow, Deny, Facts
from proxy.exchange import Address, Clock, Grant, Role
from proxy.limits import Share
from proxy.protocols.strict_json import dumps
from proxy.trace import Outcome, Step, Trace

# What is allowed to lag behind: past it, the next row waits for the disk like an acting one.
MAX_LAG = 1000
STRANGERS_EACH_MINUTE = 60
# What an operator has written: whatever it is, it is redacted, and kept as far as this.
_SAID = {"subject": 100, "ids": 65536, "of": 300, "why": 300}


class AuditFile:
    """Lines appended to one file of mode 0600, durably and in order."""

    def __init__(self, path: str, failed: Callable[[], None]) -> None:
        """Open the file; raises OSError. `failed` is called for every write that is lost."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._failed = failed
        self._lines: list[bytes] = []
        self._written: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._mend()

    def _mend(self) -> None:
        """End a line that a crash cut short, so that the next row is a line of its own."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    async def append(self, line: bytes, *, wait: bool) -> None:
        """Write a line; with `wait`, return when it is on the disk, or raise OSError."""
        self._lines.append(line)
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        if wait or len(self._lines) > MAX_LAG:
            await asyncio.shield(written)

    async def _write_all(self) -> None:
        while self._lines:
            lines, self._lines = self._lines, []
            written, self._written = self._written, None
            assert written is not None
            try:
                await asyncio.to_thread(self._write, b"".join(lines))
            except OSError as error:
                self._failed()
                written.set_exception(error)
                written.exception()  # nobody may be waiting for it
            else:
                written.set_result(None)

    def _write(self, data: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, data) != len(data):
                raise OSError("short write")  # noqa: TRY301 - undone below, like any other
            os.fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise

    async def aclose(self) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            await self._writer
        os.close(self._descriptor)


class AuditLog:
    """`Observer`: what is worth a row, and what the row says. `redact` cleans evidence."""

    def __init__(self, file: AuditFile, clock: Clock, redact: Callable[[str], str]) -> None:
        self._file = file
        self._clock = clock
        self._redact = redact
        self._strangers = Share(STRANGERS_EACH_MINUTE, clock)

    async def step(self, trace: Trace, step: Step) -> None:
        """A row for each grant and each denial; an acting grant waits for its own.

        What is public is no grant: whoever asks how we are must not be able to fill the disk.
        """
        match step.decision:
            case Allow(value=Grant() as grant) if grant.principal.role is not Role.PUBLIC:
                row = {"event": "grant", **_subject(trace), **_digest(grant)}
                row |= _observed(step.decision.facts)
                await self._append(row, wait=grant.acting)
            case Deny(reason=reason, evidence=evidence) if await self._has_room(trace):
                row = {"event": "denial", **_subject(trace), "layer": step.layer.value}
                row |= {"reason": reason.code, "evidence": self._redact(evidence)[:1000]}
                await self._append(row, wait=False)

    async def _has_room(self, trace: Trace) -> bool:
        """Whether a denial gets a row: every one of a known principal, a share of strangers'."""
        if trace.principal is not None:
            return True
        left_out = self._strangers.take()
        if left_out:
            await self._append({"event": "denials-left-out", "count": left_out}, wait=False)
        return left_out is not None

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        """A row for how it ended, where anything was granted."""
        if trace.grant is None or trace.grant.principal.role is Role.PUBLIC:
            return
        row: dict[str, Json] = {"event": "outcome", **_subject(trace), "status": outcome.status}
        row["duration_ms"] = round(outcome.seconds * 1000)
        if outcome.cancelled:
            row["cancelled"] = outcome.cancelled
        if "result" in outcome.facts:
            row["result"] = outcome.facts["result"]
        if outcome.redactions:
            row["redactions"] = dict(outcome.redactions)
        await self._append(row, wait=False)

    async def _append(self, row: dict[str, Json], *, wait: bool) -> None:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        for key in _SAID.keys() & row.keys():  # it may be a token in the place of its id
            row[key] = self._redact(str(row[key]))[: _SAID[key]]
        await self._file.append(dumps({"time": time, **row}) + b"\n", wait=wait)


def _subject(trace: Trace) -> dict[str, Json]:
    inbound, grant = trace.inbound, trace.grant
    subject: dict[str, Json] = {
        "request_id": inbound.request_id,
        "door": inbound.route.door,
        "peer": str(_address(trace) or "local"),
        "principal": trace.principal.id if trace.principal else None,
    }
    if grant is not None:
        subject["action"] = type(grant.action).__name__
        if isinstance(grant.action, ToolCall):
            subject["tool"] = grant.action.tool
        elif isinstance(grant.action, Operate):
            subject["verb"] = grant.action.verb
            subject["subject"] = grant.action.subject
            subject |= _detail(grant.action.detail)
    return subject


def _observed(facts: Facts) -> dict[str, Json]:
    """What would have refused it, were rules not only observed."""
    return {"observed": facts["observed"].code} if "observed" in facts else {}


def _detail(detail: Detail | None) -> dict[str, Json]:
    """What an operator decides or stops, which must be known later."""
    match detail:
        case Ruling(ids, approve, seconds, session):
            lasting = {"for": "session" if session else seconds} if session or seconds else {}
            decision = "approve" if approve else "deny"
            return {"ids": " ".join(ids), "decision": decision, **lasting}
        case Halt(tool, principal, why):
            wanted = {"tool": tool, "of": principal, "why": why}
            return {key: value for key, value in wanted.items() if value}
    return {}


def _address(trace: Trace) -> Address | None:
    """The client's address, which a trusted proxy states for it."""
    forwarded = trace.peer.forwarded if trace.peer else None
    return forwarded.address if forwarded else trace.inbound.connection.address


def _digest(grant: Grant) -> dict[str, Json]:
    """What ties the row to the exact call without telling what was in it."""
    if not isinstance(grant.action, ToolCall):
        return {}
    return {"arguments_sha256": hashlib.sha256(dumps(grant.action.arguments)).hexdigest()}
