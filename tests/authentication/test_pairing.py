import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doubles import Clock

from proxy.authentication.pairing import CODE_SECONDS, Pairing
from proxy.authentication.tokens import hash_token
from proxy.decision import Allow, Deny
from proxy.exchange import Peer, Principal, Role
from proxy.reasons import Reason
from proxy.state.sqlite import SqliteStore
from proxy.state.store import Redeemed, Redemption, TokenRecord

PEER = Peer("10.0.0.1")
WRONG = Redemption(Redeemed.WRONG)


@dataclass
class FakeCodes:
    """`Codes` that always answers the same, and remembers what it was asked."""

    answer: Redemption = WRONG
    offered: list[tuple[str, str, float]] = field(default_factory=list)
    attempts: list[tuple[str, str, TokenRecord, float]] = field(default_factory=list)

    async def put(self, code: str, label: str, expires: float) -> None:
        self.offered.append((code, label, expires))

    async def pending(self, now: float) -> bool:
        return False

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        self.attempts.append((code, peer, token, now))
        return self.answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "sidegate.db"))
    yield opened
    await opened.aclose()


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_code_is_six_digits() -> None:
    codes = FakeCodes()
    pairing = Pairing(codes, Clock())
    offered = [await pairing.offer() for _ in range(200)]

    assert all(re.fullmatch(r"[0-9]{6}", code) for code in offered)
    assert len(set(offered)) > 150
    assert [code for code, _, _ in codes.offered] == offered


async def test_code_is_kept_for_ten_minutes_with_its_label() -> None:
    codes, clock = FakeCodes(), Clock(1000.0)
    code = await Pairing(codes, clock).offer("laptop")

    assert CODE_SECONDS == 600
    assert codes.offered == [(code, "laptop", 1600.0)]


async def test_right_code_makes_a_client_with_a_new_token(store: SqliteStore, clock: Clock) -> None:
    pairing = Pairing(store.codes, clock)
    decision = await pairing.redeem(await pairing.offer("laptop"), PEER)

    assert isinstance(decision, Allow)
    issued = decision.value.issued
    assert issued is not None
    assert re.fullmatch(r"zc_[0-9a-f]{64}", issued)
    (record,) = await store.tokens.list()
    assert record.digest == hash_token(issued)
    assert (record.label, record.created) == ("laptop", clock.now)
    assert decision.value == Principal(record.id, Role.CLIENT, issued=issued)
    assert decision.facts == {"pairing": "paired"}


async def test_only_the_digest_of_a_token_is_stored(
    store: SqliteStore, clock: Clock, tmp_path: Path
) -> None:
    pairing = Pairing(store.codes, clock)
    code = await pairing.offer()
    decision = await pairing.redeem(code, PEER)
    assert isinstance(decision, Allow)
    assert decision.value.issued is not None

    data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert hash_token(decision.value.issued) in data
    for hidden in (code, decision.value.issued, decision.value.issued.removeprefix("zc_")):
        assert hidden.encode() not in data


async def test_code_with_spaces_around_it_is_right(store: SqliteStore, clock: Clock) -> None:
    pairing = Pairing(store.codes, clock)

    assert isinstance(await pairing.redeem(f" {await pairing.offer()}\t", PEER), Allow)


async def test_code_is_good_for_one_use(store: SqliteStore, clock: Clock) -> None:
    pairing = Pairing(store.codes, clock)
    code = await pairing.offer()
    await pairing.redeem(code, PEER)

    assert await pairing.redeem(code, PEER) == Deny(Reason.CODE_WRONG)


@pytest.mark.parametrize("guess", ["", "abcdef", "12345", "1234567", "000000'--", "-00001", "1e5"])
async def test_anything_else_is_wrong(guess: str, store: SqliteStore, clock: Clock) -> None:
    pairing = Pairing(store.codes, clock)
    await pairing.offer()
    denied = await pairing.redeem(guess, PEER)

    assert denied == Deny(Reason.CODE_WRONG)
    assert denied.facts == {"pairing": "wrong"}
    assert await store.tokens.list() == []


async def test_code_is_wrong_after_ten_minutes(store: SqliteStore, clock: Clock) -> None:
    pairing = Pairing(store.codes, clock)
    code = await pairing.offer()
    clock.now += CODE_SECONDS

    assert await pairing.redeem(code, PEER) == Deny(Reason.CODE_WRONG)


async def test_right_code_is_of_no_use_to_who_is_locked_out(
    store: SqliteStore, clock: Clock
) -> None:
    pairing = Pairing(store.codes, clock)
    code = await pairing.offer()
    for _ in range(5):
        assert await pairing.redeem(other(code), PEER) == Deny(Reason.CODE_WRONG)
    clock.now += 60

    locked = await pairing.redeem(code, PEER)

    assert locked == Deny(Reason.PAIRING_LOCKED)
    assert locked.facts == {"pairing": "locked", "retry_after": 240.0}
    assert isinstance(await pairing.redeem(code, Peer("10.0.0.2")), Allow)


async def test_lockout_ends_by_the_clock(store: SqliteStore, clock: Clock) -> None:
    pairing = Pairing(store.codes, clock)
    code = await pairing.offer()
    for _ in range(5):
        await pairing.redeem(other(code), PEER)
    clock.now += 300

    assert isinstance(await pairing.redeem(code, PEER), Allow)


async def test_attempts_are_counted_by_the_key_of_the_peer() -> None:
    codes, clock = FakeCodes(), Clock(1000.0)
    await Pairing(codes, clock).redeem("123456", Peer("2001:db8::/64"))

    ((code, peer, _, now),) = codes.attempts
    assert (code, peer, now) == ("123456", "2001:db8::/64", 1000.0)


async def test_no_denial_holds_the_code_or_the_token() -> None:
    codes = FakeCodes()
    for outcome in (Redeemed.WRONG, Redeemed.LOCKED):
        codes.answer = Redemption(outcome, 1.0)
        denied = await Pairing(codes, Clock()).redeem("123456", PEER)

        assert "123456" not in repr(denied)
        assert "zc_" not in repr(denied)
