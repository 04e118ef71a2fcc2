"""What a client may start at an agent that is OpenClaw."""

import pytest

from proxy.actions import Relay, Upgrade
from proxy.authorization.turns import Turns
from proxy.decision import Allow, Deny
from proxy.protocols.openclaw.guard import MethodGuard
from proxy.reasons import Reason
from proxy.scope import UNBOUND, Autonomy, Scope
from proxy.values import Headers

TURNS = Turns(("operator.read", "operator.write"))
READER = Scope(level=Autonomy.READONLY)


def relay(method: str, upgrade: Upgrade | None = None) -> Relay:
    return Relay(method, "/v1/responses", Headers(), b"", upgrade=upgrade)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_who_only_reads_starts_no_turn(method: str) -> None:
    assert TURNS.relayed(relay(method), READER) == Deny(Reason.SCOPE_INSUFFICIENT)
    assert isinstance(TURNS.relayed(relay(method), UNBOUND), Allow)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_who_only_reads_may_look(method: str) -> None:
    assert TURNS.relayed(relay(method), READER) == Allow(relay(method))


@pytest.mark.parametrize("scope", [READER, UNBOUND])
def test_every_socket_is_guarded(scope: Scope) -> None:
    found = TURNS.relayed(relay("GET", Upgrade()), scope)
    assert isinstance(found, Allow)
    assert isinstance(found.value.guard, MethodGuard)
