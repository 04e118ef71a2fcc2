"""What is worth a row: grants, denials and outcomes.

A row for something that acts on the world is on the disk before the thing is done. No row holds a
body or a secret; the evidence of a denial is the one word that a rule refused, redacted.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from proxy.audit.file import AuditFile
from proxy.audit.rows import Fields, digest, observed, subject, written
from proxy.audit.shares import Shares
from proxy.decision import Allow, Deny
from proxy.exchange import Clock, Grant, Role
from proxy.trace import Outcome, Step, Trace


class AuditLog:
    """`Observer` that writes rows. `redact` cleans whatever others have said."""

    def __init__(self, file: AuditFile, clock: Clock, redact: Callable[[str], str]) -> None:
        self._file = file
        self._clock = clock
        self._redact = redact
        self._shares = Shares(clock)

    async def step(self, trace: Trace, step: Step) -> None:
        """A row for each grant and each denial; an acting grant waits for its own.

        What is public is no grant: whoever asks how we are must not be able to fill the disk.
        """
        match step.decision:
            case Allow(value=Grant() as grant) if grant.principal.role is not Role.PUBLIC:
                row = {"event": "grant", **subject(trace), **digest(grant)}
                row |= observed(step.decision.facts)
                await self._append(row, wait=grant.acting)
            case Deny(reason=reason, evidence=evidence) if await self._has_room(trace):
                row = {"event": "denial", **subject(trace), "layer": step.layer.value}
                row |= {"reason": reason.code, "evidence": evidence}
                await self._append(row | observed(step.decision.facts), wait=False)

    async def _has_room(self, trace: Trace) -> bool:
        """Whether a denial gets a row."""
        await self._tell()
        return self._shares.take(trace.principal.id if trace.principal else None)

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        """A row for how it ended, where anything was granted."""
        if trace.grant is None or trace.grant.principal.role is Role.PUBLIC:
            return
        row: Fields = {"event": "outcome", **subject(trace), "status": outcome.status}
        row["duration_ms"] = round(outcome.seconds * 1000)
        if outcome.cancelled:
            row["cancelled"] = outcome.cancelled
        if "result" in outcome.facts:
            row["result"] = outcome.facts["result"]
        if outcome.redactions:
            row["redactions"] = dict(outcome.redactions)
        await self._append(row, wait=False)

    async def _append(self, row: Fields, *, wait: bool) -> None:
        await self._tell()
        await self._write(row, wait=wait)

    async def _tell(self, *, end: bool = False) -> None:
        """Rows for the denials that earlier minutes left out."""
        for name, count in self._shares.told(end=end):
            row: Fields = {"event": "denials-left-out", "principal": name, "count": count}
            await self._write(row, wait=False)

    async def _write(self, row: Fields, *, wait: bool) -> None:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        await self._file.append(written({"time": time, **row}, self._redact), wait=wait)

    async def aclose(self) -> None:
        """Tell what this minute left out. The file is closed by who opened it."""
        await self._tell(end=True)
