"""Codes and links: what they are traded for, by whom, and how often."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doubles import Clock
from state.backends import SEAL

from proxy.authentication.pairing import CODE_SECONDS, Pairing
from proxy.authentication.tokens import hash_token
from proxy.decision import Allow, Deny
from proxy.exchange import Peer, Principal, Role
from proxy.reasons import Reason
from proxy.scope import Autonomy, Minting, Scope
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import MAX_LINKS, Redeemed, Redemption, TokenRecord

PEER = Peer("10.0.0.1")
WRONG = Redemption(Redeemed.WRONG)
NARROW = Scope(("/tools/*",), ("file_read",), Autonomy.READONLY)


@dataclass
class FakeCodes:
    """`Codes` that always answers the same, and remembers what it was asked."""

    answer: Redemption = WRONG
    offered: list[tuple[str, Minting, float]] = field(default_factory=list)
    attempts: list[tuple[str, str, TokenRecord, float]] = field(default_factory=list)

    async def put(self, code: str, minting: Minting, expires: float) -> None:
        self.offered.append((code, minting, expires))

    async def pending(self, now: float) -> bool:
        return False

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        self.attempts.append((code, peer, token, now))
        return self.answer


@dataclass
class FakeLinks:
    """`Links` that knows none, and remembers what it was asked."""

    offered: list[tuple[bytes, str, float]] = field(default_factory=list)

    async def put(self, digest: bytes, label: str, expires: float) -> None:
        self.offered.append((digest, label, expires))

    async def redeem(self, digest: bytes, token: TokenRecord, now: float) -> TokenRecord | None:
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield opened
    await opened.aclose()


@pytest.fixture
def pairing(store: SqliteStore, clock: Clock) -> Pairing:
    return Pairing(store.codes, store.links, clock)


def over(codes: FakeCodes, clock: Clock | None = None) -> Pairing:
    return Pairing(codes, FakeLinks(), clock or Clock())


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


# Codes


async def test_code_is_six_digits() -> None:
    codes = FakeCodes()
    pairing = over(codes)
    offered = [await pairing.offer() for _ in range(200)]

    assert all(re.fullmatch(r"[0-9]{6}", code) for code in offered)
    assert len(set(offered)) > 150
    assert [code for code, _, _ in codes.offered] == offered


@pytest.mark.parametrize("minting", [None, Minting("laptop", NARROW, 3600)], ids=["plain", "full"])
async def test_code_is_kept_for_ten_minutes_with_what_it_makes(minting: Minting | None) -> None:
    codes = FakeCodes()
    code = await over(codes, Clock(1000.0)).offer(minting)

    assert CODE_SECONDS == 600
    assert codes.offered == [(code, minting or Minting(), 1600.0)]


async def test_right_code_makes_a_client_with_a_new_token(
    pairing: Pairing, store: SqliteStore, clock: Clock
) -> None:
    decision = await pairing.redeem(await pairing.offer(Minting("laptop", NARROW, 60)), PEER)

    assert isinstance(decision, Allow)
    issued = decision.value.issued
    assert issued is not None
    assert re.fullmatch(r"zc_[0-9a-f]{64}", issued)
    (record,) = await store.tokens.list(clock.now)
    assert record == TokenRecord(
        record.id,
        hash_token(issued),
        Role.CLIENT,
        "laptop",
        clock.now,
        NARROW,
        clock.now + 60,
    )
    assert decision.value == Principal(record.id, Role.CLIENT, PEER, issued=issued)
    assert decision.facts == {"pairing": "paired"}


async def test_what_a_code_makes_lives_from_when_it_is_redeemed(
    pairing: Pairing, store: SqliteStore, clock: Clock
) -> None:
    code = await pairing.offer(Minting(lifetime=60))
    clock.now += 500
    await pairing.redeem(code, PEER)

    (record,) = await store.tokens.list(clock.now)
    assert (record.created, record.expires) == (clock.now, clock.now + 60)


async def test_only_the_digest_of_a_token_is_stored(pairing: Pairing, tmp_path: Path) -> None:
    code, link = await pairing.offer(), await pairing.offer_link("console")
    decision = await pairing.redeem(code, PEER)
    assert isinstance(decision, Allow)
    assert decision.value.issued is not None

    data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert hash_token(decision.value.issued) in data
    for hidden in (code, link, decision.value.issued, decision.value.issued.removeprefix("zc_")):
        assert hidden.encode() not in data


async def test_code_with_spaces_around_it_is_right(pairing: Pairing) -> None:
    assert isinstance(await pairing.redeem(f" {await pairing.offer()}\t", PEER), Allow)


async def test_code_is_good_for_one_use(pairing: Pairing) -> None:
    code = await pairing.offer()
    await pairing.redeem(code, PEER)

    assert await pairing.redeem(code, PEER) == Deny(Reason.CODE_WRONG)


@pytest.mark.parametrize(
    "guess",
    [
        *("", "abcdef", "12345", "1234567", "000000'--", "-00001", "1e5", "\udcff\udcff", "\ud800"),
        "\u0661\u0662\u0663\u0664\u0665\u0666",
    ],
)
async def test_anything_else_is_wrong(
    guess: str, pairing: Pairing, store: SqliteStore, clock: Clock
) -> None:
    await pairing.offer()
    denied = await pairing.redeem(guess, PEER)

    assert denied == Deny(Reason.CODE_WRONG)
    assert denied.facts == {"pairing": "wrong"}
    assert await store.tokens.list(clock.now) == []


async def test_code_is_wrong_after_ten_minutes(pairing: Pairing, clock: Clock) -> None:
    code = await pairing.offer()
    clock.now += CODE_SECONDS

    assert await pairing.redeem(code, PEER) == Deny(Reason.CODE_WRONG)


async def test_right_code_is_of_no_use_to_who_is_locked_out(pairing: Pairing, clock: Clock) -> None:
    code = await pairing.offer()
    for _ in range(5):
        assert await pairing.redeem(other(code), PEER) == Deny(Reason.CODE_WRONG)
    clock.now += 60

    locked = await pairing.redeem(code, PEER)

    assert locked == Deny(Reason.PAIRING_LOCKED)
    assert locked.facts == {"pairing": "locked", "retry_after": 240.0}
    assert isinstance(await pairing.redeem(code, Peer("10.0.0.2")), Allow)


@pytest.mark.parametrize("nothing", ["", " ", " \t "])
async def test_a_request_without_a_code_is_no_guess(pairing: Pairing, nothing: str) -> None:
    """Any web page can have the owner's browser send one, and would lock the owner out."""
    code = await pairing.offer()
    for _ in range(20):
        assert await pairing.redeem(nothing, PEER) == Deny(Reason.CODE_WRONG)

    assert isinstance(await pairing.redeem(code, PEER), Allow)


async def test_lockout_ends_by_the_clock(pairing: Pairing, clock: Clock) -> None:
    code = await pairing.offer()
    for _ in range(5):
        await pairing.redeem(other(code), PEER)
    clock.now += 300

    assert isinstance(await pairing.redeem(code, PEER), Allow)


async def test_attempts_are_counted_by_the_key_of_the_peer() -> None:
    codes = FakeCodes()
    await over(codes, Clock(1000.0)).redeem("123456", Peer("2001:db8::/64"))

    ((code, peer, _, now),) = codes.attempts
    assert (code, peer, now) == ("123456", "2001:db8::/64", 1000.0)


async def test_no_denial_holds_the_code_or_the_token() -> None:
    codes = FakeCodes()
    for outcome in (Redeemed.WRONG, Redeemed.LOCKED):
        codes.answer = Redemption(outcome, 1.0)
        denied = await over(codes).redeem("123456", PEER)

        assert "123456" not in repr(denied)
        assert "zc_" not in repr(denied)


# Links


async def test_link_is_128_random_bits_that_are_kept_as_their_digest_for_ten_minutes() -> None:
    links = FakeLinks()
    pairing = Pairing(FakeCodes(), links, Clock(1000.0))
    made = [await pairing.offer_link("console") for _ in range(100)]

    assert all(re.fullmatch(r"[0-9a-f]{32}", link) for link in made)
    assert len(set(made)) == 100
    assert links.offered == [(hash_token(link), "console", 1600.0) for link in made]


@pytest.mark.parametrize("form", ["{}", " {}\t"])
async def test_right_link_makes_an_operator_with_a_new_token(
    pairing: Pairing, store: SqliteStore, clock: Clock, form: str
) -> None:
    decision = await pairing.redeem_link(form.format(await pairing.offer_link("console")), PEER)

    assert isinstance(decision, Allow)
    issued = decision.value.issued
    assert issued is not None
    assert re.fullmatch(r"zo_[0-9a-f]{64}", issued)
    (record,) = await store.tokens.list(clock.now)
    assert record == TokenRecord(record.id, hash_token(issued), Role.OPERATOR, "console", clock.now)
    assert decision.value == Principal(record.id, Role.OPERATOR, PEER, issued=issued)
    assert decision.facts == {"pairing": "paired"}


@pytest.mark.parametrize(
    "offered",
    [
        *("", " ", "0" * 32, "x", "{}0", "{} {}", "\udce4"),
        pytest.param("{code}", id="a code"),
        pytest.param("{digest}", id="the digest of one"),
    ],
)
async def test_anything_else_makes_nobody(
    pairing: Pairing, store: SqliteStore, clock: Clock, offered: str
) -> None:
    link, code = await pairing.offer_link("console"), await pairing.offer()
    guess = offered.format(link, link, code=code, digest=hash_token(link).hex())
    denied = await pairing.redeem_link(guess, PEER)

    assert denied == Deny(Reason.CODE_WRONG)
    assert denied.facts == {"pairing": "wrong"}
    assert link not in repr(denied)
    assert await store.tokens.list(clock.now) == []


async def test_link_in_capitals_is_another(pairing: Pairing) -> None:
    """Of three million links one has no letter in it."""
    link = (await pairing.offer_link("console")).upper()

    assert link.isdigit() or await pairing.redeem_link(link, PEER) == Deny(Reason.CODE_WRONG)


async def test_a_link_is_no_code(pairing: Pairing) -> None:
    link = await pairing.offer_link("console")

    assert await pairing.redeem(link, PEER) == Deny(Reason.CODE_WRONG)
    assert isinstance(await pairing.redeem_link(link, PEER), Allow)


async def test_link_is_good_for_one_use(pairing: Pairing) -> None:
    link = await pairing.offer_link("console")
    await pairing.redeem_link(link, PEER)

    assert await pairing.redeem_link(link, PEER) == Deny(Reason.CODE_WRONG)


async def test_link_is_nothing_after_ten_minutes(pairing: Pairing, clock: Clock) -> None:
    link = await pairing.offer_link("console")
    clock.now += CODE_SECONDS

    assert await pairing.redeem_link(link, PEER) == Deny(Reason.CODE_WRONG)


async def test_links_wait_beside_each_other_and_beside_a_code(pairing: Pairing) -> None:
    first, code, second = (
        await pairing.offer_link("a"),
        await pairing.offer(),
        await pairing.offer_link("b"),
    )

    assert isinstance(await pairing.redeem_link(second, PEER), Allow)
    assert isinstance(await pairing.redeem(code, PEER), Allow)
    assert isinstance(await pairing.redeem_link(first, PEER), Allow)


async def test_the_oldest_of_too_many_links_is_void(pairing: Pairing) -> None:
    first, *rest = [await pairing.offer_link("a") for _ in range(MAX_LINKS + 1)]

    assert await pairing.redeem_link(first, PEER) == Deny(Reason.CODE_WRONG)
    assert isinstance(await pairing.redeem_link(rest[0], PEER), Allow)


async def test_no_stranger_locks_an_operator_out(pairing: Pairing) -> None:
    link = await pairing.offer_link("console")
    code = await pairing.offer()
    for _ in range(10):
        await pairing.redeem_link("0" * 32, PEER)
        await pairing.redeem(other(code), PEER)

    assert isinstance(await pairing.redeem_link(link, PEER), Allow)
