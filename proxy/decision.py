"""What a layer answers, and the three exceptions.

A layer returns `Allow(value)` or `Deny(reason)`; it never logs, counts, audits or speaks HTTP. The
counterpart is `trace`, where decisions are recorded and a `Deny` becomes `Denied`.

    Denied       a layer refused; raised by Trace.step, answered by the caller's own codec
    Malformed    a reader or codec met input it does not accept; a `Deny` with that reason
    ConfigError  the configuration is unusable; all problems at once
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypedDict, TypeVar

from proxy.reasons import Layer, Reason

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Quota:
    """Where somebody stands under a rate of `limit` uses in `window` seconds.

    `remaining` uses are left, all of them again in `reset` seconds; `wait` is the time to the next,
    None where this one was let through.
    """

    policy: str
    limit: int
    window: int
    remaining: int
    reset: float
    wait: float | None = None


class Facts(TypedDict, total=False):
    """The closed set of what observers may learn beside the decision itself.

    None of it comes from a caller: these become metric labels and response headers.
    """

    pairing: str
    """How a pairing attempt ended: paired, wrong or locked."""
    retry_after: float
    """Seconds until the same request may succeed."""
    quota: Quota
    """Where the caller stands under the rate that was counted."""
    channel: str
    """The channel whose webhook was verified."""
    verification: str
    """How that ended: verified, invalid, stale, replayed, closed or denied."""
    rule: str
    """The configuration key that decided, e.g. `autonomy.allowed_commands`."""
    known: str
    """What of Sidegate's own tables decided, e.g. `git -c: runs other programs`."""
    observed: Reason
    """What would have refused this, were rules not only observed."""
    masked: Mapping[str, int]
    """Secrets masked in the request, by rule. It grows while a body is sent on as it comes."""
    waited: float
    """Seconds that a human took to decide, which are not the layer's."""
    approval: str
    """The id of the approval that this was done under."""
    runtime: str
    """Where a command ran: docker; or as a process: bwrap, user or unconfined."""
    result: str
    """How the command ended: ok, failed, timeout, oom, lost or cancelled."""
    upstream_status: int
    """The status that the upstream answered, or 0 where it did not answer."""


@dataclass(frozen=True, slots=True)
class Allow(Generic[T_co]):
    """The layer lets the request pass, and this is the value it made for the next."""

    value: T_co
    facts: Facts = field(default_factory=Facts, compare=False)


@dataclass(frozen=True, slots=True)
class Deny:
    """The layer refuses. `evidence` goes to the audit log only, never to the caller."""

    reason: Reason
    evidence: str = field(default="", compare=False)
    facts: Facts = field(default_factory=Facts, compare=False)


Decision = Allow[T_co] | Deny


def told(error: BaseException) -> str:
    """What an error says; those that say nothing, such as time-outs, are told by their name."""
    return str(error) or type(error).__name__


class Denied(Exception):
    """A layer refused this request."""

    def __init__(self, layer: Layer, reason: Reason, facts: Facts | None = None) -> None:
        super().__init__(f"{layer}: {reason.code}")
        self.layer = layer
        self.reason = reason
        self.facts = facts or Facts()


class Malformed(Exception):
    """The input cannot be accepted, for this reason."""

    def __init__(self, reason: Reason, evidence: str = "") -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.evidence = evidence


class ConfigError(Exception):
    """The configuration is unusable. A problem is a line: `file:line:col: key: what is wrong`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
