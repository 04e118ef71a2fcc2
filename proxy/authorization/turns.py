"""What a client may start at an agent that is OpenClaw: nothing, if its credential only reads.

OpenClaw itself heeds scopes only of callers whose identity it believes. So this is decided here, of
every request, and of every message on a WebSocket.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.actions import Relay
from proxy.decision import Allow, Decision, Deny
from proxy.protocols.openclaw.attested import only_reads, scopes_of
from proxy.protocols.openclaw.guard import MethodGuard
from proxy.reasons import Reason
from proxy.scope import Scope

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Turns:
    """The rules: the scopes that clients have, and the methods open beside those built in."""

    scopes: Sequence[str]
    methods: Sequence[str] = ()

    def relayed(self, relay: Relay, scope: Scope) -> Decision[Relay]:
        """The request as it may go up, by a credential of this scope."""
        reads = only_reads(scope)
        if reads and relay.method not in _SAFE:
            return Deny(Reason.SCOPE_INSUFFICIENT)
        if relay.upgrade is None:
            return Allow(relay)
        guard = MethodGuard(scopes_of(self.scopes, scope), self.methods, reads=reads)
        return Allow(replace(relay, guard=guard))
