"""What OpenClaw is told of a caller."""

import pytest

from proxy.exchange import Peer, Principal, Role
from proxy.protocols.openclaw.attested import LOCAL, SCOPES, USER, attested, scopes_of
from proxy.scope import Autonomy, Scope

BOTH = ("operator.read", "operator.write")


@pytest.mark.parametrize(
    ("level", "scopes"),
    [
        (None, BOTH),
        (Autonomy.FULL, BOTH),
        (Autonomy.SUPERVISED, BOTH),
        (Autonomy.READONLY, ("operator.read",)),
    ],
)
def test_a_credential_that_only_reads_has_the_scope_to_read(
    level: Autonomy | None, scopes: tuple[str, ...]
) -> None:
    assert scopes_of(BOTH, Scope(level=level)) == scopes


def test_scopes_are_said_even_where_there_are_none() -> None:
    reader = Principal("client-1", Role.CLIENT, scope=Scope(level=Autonomy.READONLY))
    fields = attested(reader, ("operator.write",))
    assert (fields[SCOPES], fields[USER]) == ("", "client-1")


def test_a_call_on_which_the_rules_decided_has_the_scopes_that_it_needs() -> None:
    reader = Principal("client-1", Role.CLIENT, scope=Scope(level=Autonomy.READONLY))
    assert attested(reader, BOTH)[SCOPES] == "operator.read"
    assert attested(reader, BOTH, judged=True)[SCOPES] == "operator.read,operator.write"


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::/64", "2001:db8::"),
        *((local, LOCAL) for local in ("127.0.0.1", "127.3.2.1", "::1/64", "local")),
    ],
)
def test_the_address_is_the_one_that_the_connection_came_from(key: str, address: str) -> None:
    """OpenClaw takes no client of its own machine, so those of ours have one that nobody has."""
    fields = attested(Principal("client-1", Role.CLIENT, Peer(key)), BOTH)
    assert fields[SCOPES] == "operator.read,operator.write"
    assert fields.get("X-Forwarded-For") == address
