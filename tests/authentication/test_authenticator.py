"""Who is asking: each kind of route, and the one credential that opens it."""

import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from doubles import HEALTH, Clock, inbound
from pydantic import SecretStr
from state.backends import SEAL

from proxy.authentication.authenticator import Authenticator, bearer_token
from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import Machine, TokenBook, hash_token
from proxy.config.channels import TelegramConfig
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Access, Inbound, Peer, Principal, Role, Route
from proxy.limits import Limiter, per_minute
from proxy.protocols.operator import OperationCodec
from proxy.reasons import Reason
from proxy.scope import Minting, Scope
from proxy.state.sqlite.store import SqliteStore

PEER = Peer("10.0.0.1")
LISTED = "a token of the configuration"
MACHINE = "the token of a machine"
SECRET = "a-secret-of-the-tests"
NARROW = Scope(tools=("file_read",))


def route(access: Access) -> Route:
    return Route("route", frozenset({"POST"}), "/route", OperationCodec("verb"), access)


def bearing(authorization: str | None) -> Inbound:
    headers = {} if authorization is None else {"Authorization": authorization}
    return inbound(route(Access.BEARER), headers=headers)


def coded(code: str | None, access: Access = Access.CODE) -> Inbound:
    headers = {} if code is None else {"X-Pairing-Code": code}
    return inbound(route(access), headers=headers)


def linked(link: str | None) -> Inbound:
    return coded(link, Access.LINK)


def managing(token: str | None) -> Inbound:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return inbound(route(Access.OPERATOR), headers=headers)


def hooked(
    token: str | None = None, secret: str | None = None, *, channel: str | None = "webhook"
) -> Inbound:
    """A request for a route with a bearer token, which a secret may guard, too."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    headers |= {} if secret is None else {"X-Webhook-Secret": secret}
    guarded = replace(route(Access.BEARER), channel=channel)
    return inbound(guarded, headers=headers)


@dataclass
class Door:
    """An authenticator over a real state."""

    store: SqliteStore
    clock: Clock
    folder: Path
    rates: Mapping[str, Limiter] = field(
        default_factory=lambda: {"webhook": per_minute("webhook", 3)}
    )

    @property
    def pairing(self) -> Pairing:
        return Pairing(self.store.codes, self.store.links, self.clock)

    @property
    def book(self) -> TokenBook:
        machines = (Machine("robot", hash_token(MACHINE), Role.AGENT, NARROW),)
        return TokenBook(self.store.tokens, self.clock, (hash_token(LISTED),), machines)

    async def ask(
        self,
        request: Inbound,
        peer: Peer = PEER,
        *,
        require_pairing: bool = True,
        secrets: tuple[str, ...] | None = None,
    ) -> Decision[Principal]:
        """The verdict on a request; `secrets` are those of the webhook."""
        section = TelegramConfig(secret_token=SecretStr(SECRET), allowed_users=("7",))
        channels = Channels((section.channel(),), secrets, self.store.replays, self.clock)
        authenticator = Authenticator(
            self.pairing, self.book, channels, self.rates, require_pairing=require_pairing
        )
        return await authenticator.authenticate(request, peer)

    async def pair(self) -> tuple[str, str]:
        """A new client's token and its id."""
        decision = await self.ask(coded(await self.pairing.offer()))
        assert isinstance(decision, Allow)
        assert decision.value.issued is not None
        return decision.value.issued, decision.value.id

    async def link(self) -> tuple[str, str]:
        """A new operator's token and its id."""
        decision = await self.ask(linked(await self.pairing.offer_link("console")))
        assert isinstance(decision, Allow)
        assert decision.value.issued is not None
        return decision.value.issued, decision.value.id


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
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
    public = Principal("public", Role.PUBLIC, PEER)

    assert await door.ask(inbound(HEALTH, headers=headers)) == Allow(public)


async def test_request_without_a_route_is_nobody(door: Door) -> None:
    assert await door.ask(inbound(None)) == Deny(Reason.ROUTE_UNKNOWN)


# Bearer tokens.


async def test_paired_token_is_its_principal(door: Door) -> None:
    token, token_id = await door.pair()
    client = Principal(token_id, Role.CLIENT, PEER, presented=token)

    assert await door.ask(bearing(f"Bearer {token}")) == Allow(client)


async def test_listed_token_is_a_client(door: Door) -> None:
    decision = await door.ask(bearing(f"Bearer {LISTED}"))

    assert isinstance(decision, Allow)
    assert decision.value.role is Role.CLIENT
    assert re.fullmatch(r"listed-[0-9a-f]{8}", decision.value.id)


async def test_token_of_the_configuration_is_its_named_principal(door: Door) -> None:
    robot = Principal("principal:robot", Role.AGENT, PEER, NARROW, presented=MACHINE)

    assert await door.ask(bearing(f"Bearer {MACHINE}")) == Allow(robot)


async def test_token_carries_its_scope(door: Door) -> None:
    token, record = await door.book.create(Role.CLIENT, Minting("narrow", NARROW))
    decision = await door.ask(bearing(f"Bearer {token}"))

    client = Principal(record.id, Role.CLIENT, PEER, NARROW, presented=token)
    assert decision == Allow(client)


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

    assert decision == Allow(Principal("anonymous", Role.CLIENT, PEER))


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
    assert decision.value == Principal(decision.value.id, Role.CLIENT, PEER, issued=issued)
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
    peer = Peer("local", uid)
    decision = await door.ask(inbound(route(Access.LOCAL_USER)), peer)

    assert decision == Allow(Principal(f"uid-{uid}", Role.OPERATOR, peer))


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


# Operators.


async def test_right_link_issues_an_operator_s_token(door: Door) -> None:
    decision = await door.ask(linked(await door.pairing.offer_link("console")))

    assert isinstance(decision, Allow)
    issued = decision.value.issued
    assert issued is not None
    assert re.fullmatch(r"zo_[0-9a-f]{64}", issued)
    assert decision.value == Principal(decision.value.id, Role.OPERATOR, PEER, issued=issued)


@pytest.mark.parametrize("link", [None, "", "x", "0" * 32])
async def test_wrong_link_is_denied(link: str | None, door: Door) -> None:
    await door.pairing.offer_link("console")

    assert await door.ask(linked(link)) == Deny(Reason.CODE_WRONG)


async def test_a_code_makes_no_operator_and_a_link_no_client(door: Door) -> None:
    code, link = await door.pairing.offer(), await door.pairing.offer_link("console")

    assert await door.ask(linked(code)) == Deny(Reason.CODE_WRONG)
    assert await door.ask(coded(link)) == Deny(Reason.CODE_WRONG)
    assert await door.store.codes.pending(door.clock.now)


async def test_operator_s_token_is_an_operator(door: Door) -> None:
    token, token_id = await door.link()
    operator = Principal(token_id, Role.OPERATOR, PEER, presented=token)

    assert await door.ask(managing(token)) == Allow(operator)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, Reason.TOKEN_MISSING),
        ("", Reason.TOKEN_MISSING),
        ("zo_" + "0" * 64, Reason.TOKEN_UNKNOWN),
    ],
)
@pytest.mark.parametrize("require_pairing", [True, False])
@pytest.mark.parametrize("peer", [PEER, Peer("local", 0)], ids=["away", "root"])
async def test_who_needs_no_token_elsewhere_needs_one_to_operate(
    token: str | None,
    reason: Reason,
    require_pairing: bool,  # noqa: FBT001
    peer: Peer,
    door: Door,
) -> None:
    await door.link()

    assert await door.ask(managing(token), peer, require_pairing=require_pairing) == Deny(reason)


async def test_nobody_becomes_an_operator_by_asking_where_operators_do(door: Door) -> None:
    """Layer 3 refuses them for their role, so it must be the one that they have."""
    client, _ = await door.pair()
    roles = {}
    for token in (client, LISTED, MACHINE):
        decision = await door.ask(managing(token))
        assert isinstance(decision, Allow)
        roles[token] = decision.value.role

    assert roles == {client: Role.CLIENT, LISTED: Role.CLIENT, MACHINE: Role.AGENT}


# The webhook.


async def test_without_a_secret_the_webhook_asks_for_a_token_alone(door: Door) -> None:
    token, token_id = await door.pair()
    decision = await door.ask(hooked(token))

    assert decision == Allow(Principal(token_id, Role.CLIENT, PEER, presented=token))
    assert decision.facts == {}


async def test_with_a_secret_it_asks_for_both(door: Door) -> None:
    token, token_id = await door.pair()
    decision = await door.ask(hooked(token, SECRET), secrets=("another-secret", SECRET))

    assert decision == Allow(Principal(token_id, Role.CLIENT, PEER, presented=token))
    assert decision.facts == {"channel": "webhook", "verification": "verified"}


@pytest.mark.parametrize("secret", [None, "", "another-secret", SECRET.upper(), f"{SECRET}0"])
async def test_a_token_is_no_secret(secret: str | None, door: Door) -> None:
    token, _ = await door.pair()
    denied = await door.ask(hooked(token, secret), secrets=(SECRET,))

    assert denied == Deny(Reason.SIGNATURE_INVALID)
    assert denied.facts == {"channel": "webhook", "verification": "invalid"}


@pytest.mark.parametrize(
    ("token", "reason"), [(None, Reason.TOKEN_MISSING), ("wrong", Reason.TOKEN_UNKNOWN)]
)
async def test_a_secret_is_no_token(token: str | None, reason: Reason, door: Door) -> None:
    assert await door.ask(hooked(token, SECRET), secrets=(SECRET,)) == Deny(reason)


async def test_a_webhook_whose_section_has_no_secret_takes_nothing(door: Door) -> None:
    denied = await door.ask(hooked((await door.pair())[0], SECRET), secrets=())

    assert denied == Deny(Reason.CHANNEL_CLOSED)
    assert denied.facts == {"channel": "webhook", "verification": "closed"}


async def test_without_pairing_the_secret_is_asked_for_all_the_same(door: Door) -> None:
    anonymous = Allow(Principal("anonymous", Role.CLIENT, PEER))
    asked = {
        secret: await door.ask(hooked(None, secret), require_pairing=False, secrets=(SECRET,))
        for secret in (SECRET, "another-secret", None)
    }

    refused = Deny(Reason.SIGNATURE_INVALID)
    assert asked == {SECRET: anonymous, "another-secret": refused, None: refused}


async def test_no_other_route_asks_for_the_webhook_s_secret(door: Door) -> None:
    token, _ = await door.pair()

    assert isinstance(await door.ask(hooked(token, channel=None), secrets=(SECRET,)), Allow)


# Channels, of which `test_channels` says the rest.


def posted(secret: str, sender: int = 7) -> Inbound:
    update = json.dumps({"update_id": 1, "message": {"from": {"id": sender}}}).encode()
    sent = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
    telegram = replace(route(Access.CHANNEL), channel="telegram")
    return inbound(telegram, method="POST", headers=sent, body=update)


async def test_a_channel_is_its_sender_and_needs_no_token(door: Door) -> None:
    decision = await door.ask(posted(SECRET))

    assert decision == Allow(Principal("telegram:7", Role.CLIENT, PEER))
    assert decision.facts == {"channel": "telegram", "verification": "verified"}


@pytest.mark.parametrize("require_pairing", [True, False])
async def test_a_channel_is_closed_to_who_has_not_its_secret(
    door: Door, *, require_pairing: bool
) -> None:
    asked = await door.ask(posted("another-secret"), require_pairing=require_pairing)

    assert asked == Deny(Reason.SIGNATURE_INVALID)


# No state.


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(bearing("Bearer x"), id="a token"),
        pytest.param(bearing(f"Bearer {LISTED}"), id="a token of the configuration"),
        pytest.param(managing("x"), id="an operator's token"),
        pytest.param(coded("123456"), id="a code"),
        pytest.param(linked("0" * 32), id="a link"),
        pytest.param(hooked("x", SECRET), id="a webhook"),
    ],
)
async def test_without_the_state_nobody_is_recognized(request_: Inbound, door: Door) -> None:
    await door.store.aclose()
    denied = await door.ask(request_, secrets=(SECRET,))

    assert denied == Deny(Reason.STATE_UNAVAILABLE)
    assert isinstance(denied, Deny)
    assert denied.evidence == "OSError"


@pytest.mark.parametrize(
    ("request_", "principal"),
    [
        (inbound(HEALTH), Principal("public", Role.PUBLIC, PEER)),
        (posted(SECRET), Principal("telegram:7", Role.CLIENT, PEER)),
    ],
    ids=["public", "telegram"],
)
async def test_who_is_nobody_s_memory_is_recognized_without_it(
    request_: Inbound, principal: Principal, door: Door
) -> None:
    await door.store.aclose()

    assert await door.ask(request_) == Allow(principal)


async def test_our_own_user_is_the_operator_without_it(door: Door) -> None:
    await door.store.aclose()
    peer = Peer("local", os.geteuid())

    assert isinstance(await door.ask(inbound(route(Access.LOCAL_USER)), peer), Allow)


async def test_what_is_missing_is_missing_without_it(door: Door) -> None:
    await door.store.aclose()

    assert await door.ask(bearing(None)) == Deny(Reason.TOKEN_MISSING)
    assert await door.ask(coded("")) == Deny(Reason.CODE_WRONG)
    assert await door.ask(posted("another-secret")) == Deny(Reason.SIGNATURE_INVALID)
