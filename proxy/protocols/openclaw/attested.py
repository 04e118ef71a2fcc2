"""What OpenClaw is told of a caller: who it is, and what it may do there.

OpenClaw takes a request without scopes for its owner's, so they are said with each one. It believes
them in the modes `trusted-proxy` and `none` alone; with a shared token it gives all of them.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_interface

from proxy.exchange import Principal
from proxy.scope import Autonomy, Scope

READ = "operator.read"
SCOPES = "x-openclaw-scopes"
USER = "x-forwarded-user"
LOCAL = "192.0.2.1"
"""The address that stands for clients of this machine (RFC 5737)."""


def only_reads(scope: Scope) -> bool:
    """Whether a credential may start nothing that acts."""
    return scope.level is Autonomy.READONLY


def scopes_of(configured: Sequence[str], scope: Scope) -> tuple[str, ...]:
    """The scopes of a caller: those configured, of which one that only reads has that alone."""
    return tuple(each for each in configured if each == READ or not only_reads(scope))


def attested(
    principal: Principal, configured: Sequence[str], *, judged: bool = False
) -> Mapping[str, str]:
    """The header fields that say so.

    `judged`: it is a call of one tool, on which our own rules have decided; OpenClaw asks of each
    that its caller may write.
    OpenClaw takes nobody's word for a client whose address it is not told: where no proxy told it
    to us, it is the one that the connection came from.
    """
    peer = principal.peer
    told = peer is not None and peer.forwarded is not None
    return {
        SCOPES: ",".join(configured if judged else scopes_of(configured, principal.scope)),
        USER: principal.id,
        **({} if told else {"X-Forwarded-For": _address(peer.key if peer is not None else "")}),
    }


def _address(key: str) -> str:
    """The address that limits count by; of a /64, the first one.

    OpenClaw refuses who comes from its own machine by a proxy: those have one that nobody has.
    """
    try:
        address = ip_interface(key).ip
    except ValueError:  # a socket of this machine
        return LOCAL
    return LOCAL if address.is_loopback else str(address)
