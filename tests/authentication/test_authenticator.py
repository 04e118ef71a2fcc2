import hashlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from doubles import HEALTH, Clock, inbound

from proxy.authentication.authenticator import ANONYMOUS, Authenticator, bearer_token
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook, hash_token
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Access, Inbound, Peer, Principal, Role, Route
from proxy.protocols.rest import OperationCodec
from proxy.reasons import Reason
from proxy.state.sqlite import SqliteStore

PEER = Peer("10.0.0.1")
LISTED = "a token of the configuration"


def route(access: Access) -> Route:
    return Route("route", frozenset({"POST"}), "/route", OperationCodec("verb"), access)


def bearing(authorization: str | None) -> Inbound:
    headers = {} if authorization is None else {"Authorization": authorization}
    return inbound(route(Access.BEARER), headers=headers)


def coded(code: str | None) -> Inbound:
    headers = {} if code is None else {"X-Pairing-Code": code}
    return inbound(route(Access.CODE), headers=headers)


@dataclass
class Door:
    """An authenticator over a real state."""

    store: SqliteStore
    clock: Clock
    folder: Path

    @property
    def pairing(self) -> Pairing:
        return Pairing(self.store.codes, self.clock)

    async def ask(
        self, request: Inbound, peer: Peer = PEER, *, require_pairing: bool = True
    ) -> Decision[Principal]:
        digest = hashlib.sha256(LISTED.encode()).hexdigest()
        book = TokenBook(self.store.tokens, (digest,))
        authenticator = Authenticator(self.pairing, book, require_pairing=require_pairing)
        return await authenticator.authenticate(request, peer)

    async def pair(self) -> tuple[str, str]:
        """A new token and its id."""
        decision = await self.ask(coded(await self.pairing.offer()))
        assert isinstance(decision, Allow)
        assert decision.value.issued is not None
        return decision.value.issued, decision.value.id


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = SqliteStore(str(tmp_path / "sidegate.db"))
    yield Door(store, Clock(), tmp_path)
    await store.aclose()


# Routes for everybody.


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="without a credential"),
        pytest.param({"Authorization": "Bearer wrong"}, id="with a wrong one"),
        pytest.param({"Authorization": f"Bearer {LISTED}"}, id="with a right one"),
    ],
)
async def test_public_route_asks_for_nothing(headers: dict[str, str], door: Door) -> None:
    public = Principal("public", Role.PUBLIC)

    assert await door.ask(inbound(HEALTH, headers=headers)) == Allow(public)


async def test_request_without_a_route_is_nobody(door: Door) -> None:
    assert await door.ask(inbound(None)) == Deny(Reason.ROUTE_UNKNOWN)


# Bearer tokens.


async def test_paired_token_is_its_principal(door: Door) -> None:
    token, token_id = await door.pair()
    client = Principal(token_id, Role.CLIENT, presented=token)

    assert await door.ask(bearing(f"Bearer {token}")) == Allow(client)


async def test_listed_token_is_a_client(door: Door) -> None:
    decision = await door.ask(bearing(f"Bearer {LISTED}"))

    assert isinstance(decision, Allow)
    assert decision.value.role is Role.CLIENT
    assert re.fullmatch(r"listed-[0-9a-f]{8}", decision.value.id)


@pytest.mark.parametrize(
    "form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}", "bEaReR {} "]
)
async def test_scheme_compares_without_case_and_spaces(form: str, door: Door) -> None:
    token, _ = await door.pair()

    assert isinstance(await door.ask(bearing(form.format(token))), Allow)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        # no bearer token at all
        pytest.param(None, Reason.TOKEN_MISSING, id="no header"),
        pytest.param("", Reason.TOKEN_MISSING, id="empty"),
        pytest.param("Bearer", Reason.TOKEN_MISSING, id="scheme alone"),
        pytest.param("Bearer ", Reason.TOKEN_MISSING, id="scheme and a space"),
        pytest.param("Bearer    ", Reason.TOKEN_MISSING, id="scheme and spaces"),
        pytest.param("{}", Reason.TOKEN_MISSING, id="token alone"),
        pytest.param(" Bearer {}", Reason.TOKEN_MISSING, id="space before the scheme"),
        pytest.param("Basic {}", Reason.TOKEN_MISSING, id="Basic"),
        pytest.param("Digest {}", Reason.TOKEN_MISSING, id="Digest"),
        pytest.param("Token {}", Reason.TOKEN_MISSING, id="Token"),
        pytest.param("Bearer:{}", Reason.TOKEN_MISSING, id="colon"),
        pytest.param("Bearer\t{}", Reason.TOKEN_MISSING, id="tab"),
        pytest.param("Bearer={}", Reason.TOKEN_MISSING, id="equals sign"),
        pytest.param("XBearer {}", Reason.TOKEN_MISSING, id="another scheme of that end"),
        # a bearer token that is nobody's
        pytest.param("Bearer zc_" + "0" * 64, Reason.TOKEN_UNKNOWN, id="another token"),
        pytest.param("Bearer {}0", Reason.TOKEN_UNKNOWN, id="a digit more"),
        pytest.param("Bearer {} {}", Reason.TOKEN_UNKNOWN, id="twice"),
        pytest.param("Bearer {},{}", Reason.TOKEN_UNKNOWN, id="list"),
        pytest.param('Bearer "{}"', Reason.TOKEN_UNKNOWN, id="quoted"),
        pytest.param("Bearer Bearer {}", Reason.TOKEN_UNKNOWN, id="scheme twice"),
        pytest.param("Basic x, Bearer {}", Reason.TOKEN_MISSING, id="two schemes"),
        pytest.param("Bearer null", Reason.TOKEN_UNKNOWN, id="null"),
        pytest.param("Bearer *", Reason.TOKEN_UNKNOWN, id="star"),
        pytest.param("Bearer ' OR 1=1 --", Reason.TOKEN_UNKNOWN, id="SQL"),
        pytest.param("Bearer " + "a" * 100_000, Reason.TOKEN_UNKNOWN, id="very long"),
        pytest.param("Bearer \udce4", Reason.TOKEN_UNKNOWN, id="raw byte"),
        pytest.param("Bearer \0", Reason.TOKEN_UNKNOWN, id="NUL"),
    ],
)
async def test_anything_but_a_token_is_nobody(
    authorization: str | None, reason: Reason, door: Door
) -> None:
    token, _ = await door.pair()
    sent = authorization.replace("{}", token) if authorization is not None else None

    assert await door.ask(bearing(sent)) == Deny(reason)


async def test_neither_id_nor_digest_is_a_token(door: Door) -> None:
    token, token_id = await door.pair()
    digest = hash_token(token)

    for form in (token_id, digest.hex(), digest.hex().upper(), f"zc_{digest.hex()}"):
        assert await door.ask(bearing(f"Bearer {form}")) == Deny(Reason.TOKEN_UNKNOWN)


async def test_token_in_another_place_is_none(door: Door) -> None:
    token, _ = await door.pair()
    headers = {"X-Authorization": f"Bearer {token}", "Cookie": f"token={token}"}
    request = inbound(route(Access.BEARER), headers=headers, query=f"access_token={token}")

    assert await door.ask(request) == Deny(Reason.TOKEN_MISSING)


async def test_revoked_token_is_nobody(door: Door) -> None:
    token, token_id = await door.pair()
    await door.store.tokens.revoke(token_id)

    assert await door.ask(bearing(f"Bearer {token}")) == Deny(Reason.TOKEN_UNKNOWN)


async def test_code_does_not_open_a_bearer_route(door: Door) -> None:
    code = await door.pairing.offer()
    request = inbound(route(Access.BEARER), headers={"X-Pairing-Code": code})

    assert await door.ask(request) == Deny(Reason.TOKEN_MISSING)
    assert await door.store.codes.pending(door.clock.now)


async def test_denial_holds_nothing_of_the_token(door: Door) -> None:
    assert "s3cret" not in repr(await door.ask(bearing("Bearer s3cret")))


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Bearer {LISTED}"])
async def test_without_pairing_everybody_is_anonymous(
    authorization: str | None, door: Door
) -> None:
    decision = await door.ask(bearing(authorization), require_pairing=False)

    assert decision == Allow(Principal("anonymous", Role.CLIENT))
    assert ANONYMOUS.role is Role.CLIENT


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("Bearer x", "x"),
        ("bearer  x y ", "x y"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic x", None),
        ("", None),
    ],
)
def test_bearer_token_is_what_follows_the_scheme(authorization: str, token: str | None) -> None:
    assert bearer_token(authorization) == token


# Codes.


async def test_right_code_issues_a_token_that_is_stored_as_its_digest_alone(door: Door) -> None:
    decision = await door.ask(coded(await door.pairing.offer()))

    assert isinstance(decision, Allow)
    issued = decision.value.issued
    assert issued is not None
    assert re.fullmatch(r"zc_[0-9a-f]{64}", issued)
    assert decision.value == Principal(decision.value.id, Role.CLIENT, issued=issued)
    data = b"".join(file.read_bytes() for file in door.folder.iterdir())
    assert hashlib.sha256(issued.encode()).digest() in data
    assert issued.removeprefix("zc_").encode() not in data


@pytest.mark.parametrize("code", [None, "", "x", "00000"])
async def test_wrong_code_is_denied(code: str | None, door: Door) -> None:
    await door.pairing.offer()

    assert await door.ask(coded(code)) == Deny(Reason.CODE_WRONG)


async def test_token_does_not_open_the_route_for_codes(door: Door) -> None:
    token, _ = await door.pair()
    request = inbound(route(Access.CODE), headers={"Authorization": f"Bearer {token}"})

    assert await door.ask(request) == Deny(Reason.CODE_WRONG)


async def test_sixth_attempt_is_locked_out_with_the_time_to_wait(door: Door) -> None:
    code = await door.pairing.offer()
    for _ in range(5):
        assert await door.ask(coded("wrong")) == Deny(Reason.CODE_WRONG)
    denied = await door.ask(coded(code))

    assert denied == Deny(Reason.PAIRING_LOCKED)
    assert denied.facts == {"pairing": "locked", "retry_after": 300.0}


async def test_lockout_closes_only_the_pairing(door: Door) -> None:
    token, _ = await door.pair()
    for _ in range(6):
        await door.ask(coded("wrong"))

    assert isinstance(await door.ask(bearing(f"Bearer {token}")), Allow)


# Users of this machine.


@pytest.mark.parametrize("uid", sorted({0, os.geteuid()}))
async def test_our_own_user_and_root_are_the_operator(uid: int, door: Door) -> None:
    decision = await door.ask(inbound(route(Access.LOCAL_USER)), Peer("local", uid))

    assert decision == Allow(Principal(f"uid-{uid}", Role.OPERATOR))


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(Peer("local", 65534), id="another user"),
        pytest.param(Peer("local", os.geteuid() + 1), id="the next user"),
        pytest.param(Peer("local", -1), id="a user that the kernel does not know"),
        pytest.param(Peer("127.0.0.1"), id="loopback"),
        pytest.param(Peer("local"), id="nobody"),
    ],
)
@pytest.mark.parametrize("require_pairing", [True, False])
async def test_nobody_else_is_the_operator(
    peer: Peer,
    require_pairing: bool,  # noqa: FBT001
    door: Door,
) -> None:
    request = inbound(route(Access.LOCAL_USER), headers={"Authorization": f"Bearer {LISTED}"})

    assert await door.ask(request, peer, require_pairing=require_pairing) == Deny(
        Reason.PEER_UNTRUSTED
    )


async def test_being_root_on_this_machine_is_no_bearer_token(door: Door) -> None:
    assert await door.ask(bearing(None), Peer("local", 0)) == Deny(Reason.TOKEN_MISSING)
