"""The laws of everything remembered, and that every store keeps them."""

import asyncio
import hashlib
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import FrozenInstanceError, replace
from functools import partial
from pathlib import Path

import pytest
from state.backends import BACKENDS, NAMES

from proxy.exchange import Role
from proxy.scope import Autonomy, Minting, Scope
from proxy.state import store as interface
from proxy.state.letters import MAX_LETTER_BYTES, MAX_LETTERS, Condition, Letter, Put
from proxy.state.store import (
    FORGET_SECONDS,
    LOCKOUT_SECONDS,
    MAX_FAILURES,
    MAX_LINKS,
    MAX_WRONG,
    Begun,
    Claim,
    Redeemed,
    Redemption,
    Standing,
    Store,
    TokenRecord,
)

NOW = 1_700_000_000.0
CODE = "274659"
PLAIN = Minting()
WRONG = Redemption(Redeemed.WRONG)
NARROW = Scope(routes=("/v1/*", "/é"), tools=("fs.read", 'odd "name"'), level=Autonomy.SUPERVISED)

Reopen = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=NAMES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    folder = tmp_path / "state"
    folder.mkdir()
    return partial(BACKENDS[request.param], folder)


@pytest.fixture
async def store(reopen: Reopen) -> AsyncIterator[Store]:
    async with reopen() as store:
        yield store


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def token(name: str = "a", role: Role = Role.CLIENT, now: float = NOW) -> TokenRecord:
    return TokenRecord(name, digest(name), role, "", now)


async def offer(store: Store, code: str = CODE, minting: Minting = PLAIN) -> None:
    await store.codes.put(code, minting, NOW + 600)


async def redeem(
    store: Store, code: str = CODE, peer: str = "10.0.0.1", name: str = "a", now: float = NOW
) -> Redemption:
    return await store.codes.redeem(code, peer, token(name, now=now), now)


async def pairs(store: Store, peer: str = "10.0.0.1", name: str = "a", now: float = NOW) -> bool:
    return (await redeem(store, CODE, peer, name, now)).outcome is Redeemed.PAIRED


async def fail(store: Store, peer: str = "10.0.0.1", times: int = 1, now: float = NOW) -> None:
    for _ in range(times):
        assert await redeem(store, "wrong", peer, now=now) == WRONG


async def add(store: Store, *names: str) -> None:
    for name in names:
        await store.tokens.add(token(name))


def ids(records: Iterable[TokenRecord | Letter]) -> list[str]:
    return [record.id for record in records]


# The interface.


VERBS = [
    pytest.param(verb, id=f"{owner.__name__}.{name}")
    for owner in vars(interface).values()
    if inspect.isclass(owner) and getattr(owner, "_is_protocol", False)
    for name, verb in vars(owner).items()
    if inspect.isfunction(verb) and not name.startswith("_")
]


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_of_the_state_are_asynchronous(verb: object) -> None:
    assert inspect.iscoroutinefunction(verb)


def test_all_verbs_were_looked_at() -> None:
    assert len(VERBS) > 25


def test_outcomes_are_the_words_of_the_metric() -> None:
    assert [outcome.value for outcome in Redeemed] == ["paired", "wrong", "locked"]


def test_only_a_lockout_says_how_long_to_wait() -> None:
    assert Redemption(Redeemed.WRONG).retry_after == 0.0
    assert Redemption(Redeemed.LOCKED, 3.0).retry_after == 3.0


def test_record_has_no_place_for_a_token() -> None:
    assert TokenRecord.__slots__ == (
        *("id", "digest", "role", "label", "created"),
        *("scope", "expires", "used"),
    )


def test_record_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        token().role = Role.OPERATOR  # type: ignore[misc]


def test_interface_names_no_database() -> None:
    text = inspect.getsource(interface).lower()

    assert "sql" not in text
    assert "redis" not in text


# Codes.


async def test_code_is_exchanged_for_a_token(store: Store) -> None:
    await offer(store)

    assert await redeem(store) == Redemption(Redeemed.PAIRED, token=token())
    assert await store.tokens.list(NOW) == [token()]


async def test_token_takes_label_scope_and_lifetime_of_the_code(store: Store) -> None:
    await offer(store, minting=Minting("laptop", NARROW, 3600.0))
    minted = replace(token(), label="laptop", scope=NARROW, expires=NOW + 3600)

    assert (await redeem(store)).token == minted
    assert await store.tokens.find(digest("a"), NOW) == minted


async def test_lifetime_of_a_token_begins_when_the_code_is_redeemed(store: Store) -> None:
    await offer(store, minting=Minting(lifetime=60.0))
    await redeem(store, now=NOW + 500)

    assert await store.tokens.find(digest("a"), NOW + 559) is not None
    assert await store.tokens.find(digest("a"), NOW + 560) is None


async def test_what_the_caller_says_of_the_token_does_not_widen_it(store: Store) -> None:
    await offer(store, minting=Minting("laptop", NARROW, 60.0))
    asked = replace(token(), label="root", scope=Scope(), expires=None)
    redemption = await store.codes.redeem(CODE, "peer", asked, NOW)

    assert redemption.token == replace(token(), label="laptop", scope=NARROW, expires=NOW + 60)


async def test_code_is_good_for_one_use(store: Store) -> None:
    await offer(store)
    await redeem(store)

    assert await redeem(store, name="b") == WRONG
    assert ids(await store.tokens.list(NOW)) == ["a"]


async def test_code_is_redeemed_once_however_many_try_at_one_time(store: Store) -> None:
    await offer(store)
    redemptions = await asyncio.gather(
        *(redeem(store, peer=f"10.0.0.{number}", name=str(number)) for number in range(40))
    )

    assert Counter(each.outcome for each in redemptions) == {Redeemed.PAIRED: 1, Redeemed.WRONG: 39}
    assert len(await store.tokens.list(NOW)) == 1


@pytest.mark.parametrize(
    "guess",
    [
        "",
        "0",
        "27465",
        "2746590",
        "274658",
        " 274659",
        "274659\n",
        "\u0662\u0667\u0664\u0666\u0665\u0669",
        "\udcff",
        chr(0xD800),
        "%",
    ],
)
async def test_anything_but_the_code_is_wrong(guess: str, store: Store) -> None:
    await offer(store)

    assert await redeem(store, guess) == WRONG
    assert await store.tokens.list(NOW) == []


@pytest.mark.parametrize(
    ("seconds", "good"), [(0, True), (599.9, True), (600, False), (601, False)]
)
async def test_code_expires(seconds: float, good: bool, store: Store) -> None:  # noqa: FBT001
    await offer(store)

    assert await store.codes.pending(NOW + seconds) is good
    assert await pairs(store, now=NOW + seconds) is good


async def test_new_code_voids_the_earlier_one(store: Store) -> None:
    await offer(store, "111111", Minting("first"))
    await offer(store, CODE, Minting("second"))

    assert await redeem(store, "111111") == WRONG
    assert (await redeem(store)).token == replace(token(), label="second")


async def test_code_is_pending_until_it_is_redeemed(store: Store) -> None:
    assert not await store.codes.pending(NOW)
    await offer(store)
    assert await store.codes.pending(NOW)
    await redeem(store)
    assert not await store.codes.pending(NOW)


# Lockouts.


async def test_sixth_attempt_after_five_wrong_ones_is_locked_out(store: Store) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES)

    assert await redeem(store) == Redemption(Redeemed.LOCKED, LOCKOUT_SECONDS)
    assert await store.codes.pending(NOW)


async def test_lockout_lasts_five_minutes_from_the_last_failure(store: Store) -> None:
    assert LOCKOUT_SECONDS == 300
    await offer(store)
    await fail(store, times=MAX_FAILURES)

    assert await redeem(store, now=NOW + 100) == Redemption(Redeemed.LOCKED, 200)
    assert await redeem(store, now=NOW + 299) == Redemption(Redeemed.LOCKED, 1)
    assert await pairs(store, now=NOW + 300)


async def test_attempts_while_locked_neither_lengthen_it_nor_count(store: Store) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES)
    for _ in range(2 * MAX_WRONG):
        locked = await redeem(store, "wrong", now=NOW + 299)

    assert locked == Redemption(Redeemed.LOCKED, 1)
    assert await pairs(store, now=NOW + 300)


async def test_count_ends_with_the_lockout(store: Store) -> None:
    await fail(store, times=MAX_FAILURES)
    await fail(store, times=MAX_FAILURES, now=NOW + 300)

    assert (await redeem(store, now=NOW + 301)).outcome is Redeemed.LOCKED


async def test_four_failures_are_forgotten_after_a_success(store: Store) -> None:
    await fail(store, times=MAX_FAILURES - 1)
    await offer(store)
    assert await pairs(store)

    await fail(store, times=MAX_FAILURES)


async def test_failures_long_ago_do_not_count(store: Store) -> None:
    await fail(store, times=MAX_FAILURES - 1)
    await fail(store, times=MAX_FAILURES, now=NOW + FORGET_SECONDS + 1)


async def test_slow_guessing_is_counted_within_the_time_to_forget(store: Store) -> None:
    for number in range(MAX_FAILURES):
        await fail(store, now=NOW + number * (FORGET_SECONDS - 1))

    after = NOW + (MAX_FAILURES - 1) * (FORGET_SECONDS - 1)
    assert (await redeem(store, now=after)).outcome is Redeemed.LOCKED


async def test_new_code_ends_every_lockout(store: Store) -> None:
    """Who makes one is the operator, who may share an address with a guesser."""
    await fail(store, times=MAX_FAILURES)
    await offer(store)
    await fail(store, times=MAX_FAILURES - 1)

    assert await pairs(store)


async def test_failures_count_while_no_code_is_pending(store: Store) -> None:
    await fail(store, times=MAX_FAILURES)

    assert (await redeem(store)).outcome is Redeemed.LOCKED


async def test_failures_count_while_the_code_has_expired(store: Store) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES, now=NOW + 601)

    assert (await redeem(store, now=NOW + 601)).outcome is Redeemed.LOCKED


async def test_answers_do_not_tell_whether_a_code_is_pending(store: Store) -> None:
    without = [await redeem(store, "wrong", "10.0.0.1") for _ in range(MAX_FAILURES + 1)]
    await offer(store)
    pending = [await redeem(store, "wrong", "10.0.0.2") for _ in range(MAX_FAILURES + 1)]

    assert without == pending


async def test_another_peer_is_not_affected(store: Store) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES)

    assert await pairs(store, peer="10.0.0.2")


async def test_guesses_at_one_time_lock_out_as_well(store: Store) -> None:
    redemptions = await asyncio.gather(*(redeem(store, "wrong") for _ in range(40)))

    outcomes = Counter(each.outcome for each in redemptions)
    assert outcomes == {Redeemed.WRONG: MAX_FAILURES, Redeemed.LOCKED: 40 - MAX_FAILURES}


@pytest.mark.parametrize("wrong", [MAX_WRONG - 1, MAX_WRONG, MAX_WRONG + 1])
async def test_hundred_wrong_guesses_over_all_peers_void_the_code(wrong: int, store: Store) -> None:
    await offer(store)
    for number in range(wrong):
        await fail(store, peer=f"10.0.{number}.1")

    assert await store.codes.pending(NOW) is (wrong < MAX_WRONG)
    assert await pairs(store) is (wrong < MAX_WRONG)


async def test_new_code_is_not_voided_by_guesses_at_an_earlier_one(store: Store) -> None:
    await offer(store, "111111")
    for number in range(MAX_WRONG - 1):
        await fail(store, peer=f"10.0.{number}.1")
    await offer(store)
    await fail(store, peer="10.1.0.1")

    assert await pairs(store)


# Links.


async def test_link_is_exchanged_for_a_token_that_takes_its_label(store: Store) -> None:
    await store.links.put(digest("link"), "console", NOW + 60)
    operator = replace(token(role=Role.OPERATOR), scope=NARROW, expires=NOW + 3600)
    minted = replace(operator, label="console")

    assert await store.links.redeem(digest("link"), operator, NOW) == minted
    assert await store.tokens.find(digest("a"), NOW) == minted


async def test_link_is_good_for_one_use(store: Store) -> None:
    await store.links.put(digest("link"), "", NOW + 60)
    await store.links.redeem(digest("link"), token("a"), NOW)

    assert await store.links.redeem(digest("link"), token("b"), NOW) is None
    assert ids(await store.tokens.list(NOW)) == ["a"]


async def test_link_is_redeemed_once_however_many_try_at_one_time(store: Store) -> None:
    await store.links.put(digest("link"), "", NOW + 60)
    minted = await asyncio.gather(
        *(store.links.redeem(digest("link"), token(str(each)), NOW) for each in range(40))
    )

    assert len([each for each in minted if each]) == 1
    assert len(await store.tokens.list(NOW)) == 1


@pytest.mark.parametrize(("seconds", "good"), [(59.9, True), (60, False), (61, False)])
async def test_link_expires(seconds: float, good: bool, store: Store) -> None:  # noqa: FBT001
    await store.links.put(digest("link"), "", NOW + 60)
    minted = await store.links.redeem(digest("link"), token(), NOW + seconds)

    assert (minted is not None) is good
    assert len(await store.tokens.list(NOW)) == good


@pytest.mark.parametrize("guess", [b"", b"link", digest("other")])
async def test_anything_but_a_link_is_none(guess: bytes, store: Store) -> None:
    await store.links.put(digest("link"), "", NOW + 60)

    assert await store.links.redeem(guess, token(), NOW) is None
    assert await store.tokens.list(NOW) == []


async def test_hundred_links_wait_and_the_oldest_goes_for_another(store: Store) -> None:
    assert MAX_LINKS == 100
    for number in range(MAX_LINKS + 1):
        await store.links.put(digest(f"link {number}"), "", NOW + 6000 - number)

    assert await store.links.redeem(digest("link 0"), token("a"), NOW) is None
    assert await store.links.redeem(digest("link 1"), token("b"), NOW)
    assert await store.links.redeem(digest(f"link {MAX_LINKS}"), token("c"), NOW)


async def test_links_and_codes_are_apart(store: Store) -> None:
    await offer(store)
    await store.links.put(digest("link"), "", NOW + 60)
    await store.links.redeem(digest("other"), token(), NOW)

    assert await pairs(store, name="a")
    assert await store.links.redeem(digest("link"), token("b"), NOW)


# Tokens.


async def test_token_is_found_by_its_digest_alone(store: Store) -> None:
    await add(store, "a", "b")

    assert await store.tokens.find(digest("b"), NOW) == token("b")
    assert await store.tokens.find(digest("c"), NOW) is None
    assert await store.tokens.find(b"", NOW) is None
    assert await store.tokens.find(b"a", NOW) is None


@pytest.mark.parametrize("role", Role)
async def test_role_is_kept(role: Role, store: Store) -> None:
    await store.tokens.add(token(role=role))

    assert await store.tokens.find(digest("a"), NOW) == token(role=role)


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(Scope(), id="no bound"),
        pytest.param(Scope((), (), None), id="nothing"),
        pytest.param(Scope(routes=("/a",)), id="routes"),
        pytest.param(Scope(tools=("",)), id="a tool without a name"),
        pytest.param(Scope(level=Autonomy.READONLY), id="level"),
        pytest.param(NARROW, id="all"),
    ],
)
async def test_scope_is_kept(scope: Scope, store: Store) -> None:
    record = replace(token(), scope=scope)
    await store.tokens.add(record)

    assert await store.tokens.find(digest("a"), NOW) == record
    assert await store.tokens.list(NOW) == [record]


async def test_tokens_are_listed_oldest_first(store: Store) -> None:
    for name, created in (("young", 3.0), ("old", 1.0), ("middle", 2.0)):
        await store.tokens.add(token(name, now=NOW + created))

    assert ids(await store.tokens.list(NOW)) == ["old", "middle", "young"]


async def test_revoked_token_is_forgotten_and_the_others_stay(store: Store) -> None:
    await add(store, "a", "b")

    assert await store.tokens.revoke("a")
    assert not await store.tokens.revoke("a")
    assert await store.tokens.find(digest("a"), NOW) is None
    assert ids(await store.tokens.list(NOW)) == ["b"]


@pytest.mark.parametrize("token_id", ["", "b", "%", "A", "*", "a' OR '1'='1", "\0"])
async def test_token_that_is_not_there_cannot_be_revoked(token_id: str, store: Store) -> None:
    await add(store, "a")

    assert not await store.tokens.revoke(token_id)
    assert ids(await store.tokens.list(NOW)) == ["a"]


async def test_token_that_has_expired_is_as_good_as_forgotten(store: Store) -> None:
    record = replace(token(), expires=NOW + 60)
    await store.tokens.add(record)

    assert await store.tokens.find(digest("a"), NOW + 59.9) == record
    assert await store.tokens.find(digest("a"), NOW + 60) is None
    assert await store.tokens.list(NOW + 60) == []
    assert set(await store.tokens.alive({"a"}, NOW + 60)) == frozenset()
    assert await store.tokens.rotate("a", digest("new"), NOW + 60) is None
    assert await store.tokens.find(digest("new"), NOW) is None


async def test_rotated_token_has_another_digest_and_is_the_same_otherwise(store: Store) -> None:
    record = replace(token(), label="laptop", scope=NARROW, expires=NOW + 60, used=NOW)
    await store.tokens.add(record)
    rotated = replace(record, digest=digest("new"))

    assert await store.tokens.rotate("a", digest("new"), NOW + 30) == rotated
    assert await store.tokens.find(digest("new"), NOW) == rotated
    assert await store.tokens.find(digest("a"), NOW) is None
    assert await store.tokens.list(NOW) == [rotated]


@pytest.mark.parametrize("token_id", ["", "b", "%"])
async def test_token_that_is_not_there_cannot_be_rotated(token_id: str, store: Store) -> None:
    await add(store, "a")

    assert await store.tokens.rotate(token_id, digest("new"), NOW) is None
    assert await store.tokens.find(digest("new"), NOW) is None
    assert await store.tokens.find(digest("a"), NOW) == token("a")


async def test_last_use_is_remembered_and_never_goes_back(store: Store) -> None:
    await add(store, "a", "b", "c")
    await store.tokens.touch({"a": NOW + 1, "b": NOW + 2})
    await store.tokens.touch({"a": NOW + 3, "b": NOW + 1, "gone": NOW})
    await store.tokens.touch({})

    used = {record.id: record.used for record in await store.tokens.list(NOW)}
    assert used == {"a": NOW + 3, "b": NOW + 2, "c": None}


async def test_use_of_a_revoked_token_does_not_bring_it_back(store: Store) -> None:
    await add(store, "a")
    await store.tokens.revoke("a")
    await store.tokens.touch({"a": NOW})

    assert await store.tokens.list(NOW) == []
    assert await store.tokens.find(digest("a"), NOW) is None


async def test_alive_are_those_that_still_are_tokens(store: Store) -> None:
    await add(store, "a", "b", "c")
    await store.tokens.revoke("b")

    assert set(await store.tokens.alive(["a", "b", "d", "a"], NOW)) == frozenset({"a"})
    assert set(await store.tokens.alive([], NOW)) == frozenset()


# Once.


def claim(key: str = "key", shelf: str = "shelf", fingerprint: str = "same") -> Claim:
    return Claim(key, shelf, fingerprint, bound=3, lease=NOW + 30, expires=NOW + 600)


async def begun(store: Store, key: str = "key", shelf: str = "shelf", now: float = NOW) -> Begun:
    """How it went, for a holder whose lease is thirty seconds."""
    asked = replace(claim(key, shelf), lease=now + 30, expires=now + 600)
    return (await store.once.begin(asked, now)).begun


async def test_first_to_begin_holds_the_key(store: Store) -> None:
    assert await store.once.begin(claim(), NOW) == Standing(Begun.FRESH)
    assert await store.once.begin(claim(), NOW) == Standing(Begun.RUNNING)


async def test_one_begins_however_many_try_at_one_time(store: Store) -> None:
    standings = await asyncio.gather(*(store.once.begin(claim(), NOW) for _ in range(40)))

    outcomes = Counter(each.begun for each in standings)
    assert outcomes == {Begun.FRESH: 1, Begun.RUNNING: 39}


@pytest.mark.parametrize("answer", [b"", b"sealed \x00\xff" * 1000, None])
async def test_answer_of_what_is_done_is_kept_until_the_key_expires(
    answer: bytes | None, store: Store
) -> None:
    await begun(store)
    await store.once.finish("key", answer)

    assert await store.once.begin(claim(), NOW + 599) == Standing(Begun.DONE, answer)
    assert await store.once.begin(claim(), NOW + 600) == Standing(Begun.FRESH)


@pytest.mark.parametrize("ended", ["running", "unknown", "done"])
async def test_key_of_another_request_tells_nothing_of_it(ended: str, store: Store) -> None:
    await begun(store)
    if ended == "unknown":
        await store.once.abandon("key")
    if ended == "done":
        await store.once.finish("key", b"answer")

    other = claim(fingerprint="other")
    assert await store.once.begin(other, NOW) == Standing(Begun.OTHER)
    assert await store.once.begin(other, NOW + 600) == Standing(Begun.FRESH)


async def test_keys_are_apart(store: Store) -> None:
    assert await begun(store, "a") is Begun.FRESH
    assert await begun(store, "b") is Begun.FRESH
    await store.once.finish("a", b"answer")

    assert await begun(store, "b") is Begun.RUNNING


@pytest.mark.parametrize(
    ("seconds", "found"), [(29.9, Begun.RUNNING), (30, Begun.UNKNOWN), (599, Begun.UNKNOWN)]
)
async def test_nobody_knows_whether_it_was_done_when_the_lease_ends(
    seconds: float, found: Begun, store: Store
) -> None:
    await begun(store)

    assert await begun(store, now=NOW + seconds) is found
    assert await begun(store, now=NOW + seconds) is found


async def test_unknown_ends_when_the_key_expires(store: Store) -> None:
    await begun(store)
    assert await begun(store, now=NOW + 31) is Begun.UNKNOWN

    assert await begun(store, now=NOW + 600) is Begun.FRESH


async def test_renewed_key_is_held_longer(store: Store) -> None:
    for key in ("a", "b", "c"):
        await begun(store, key)
    await store.once.renew(["a", "b", "gone"], NOW + 60, NOW)
    await store.once.renew([], NOW + 90, NOW)

    found = {key: await begun(store, key, now=NOW + 59) for key in ("a", "b", "c")}
    assert found == {"a": Begun.RUNNING, "b": Begun.RUNNING, "c": Begun.UNKNOWN}
    assert await begun(store, "a", now=NOW + 60) is Begun.UNKNOWN
    assert await begun(store, "gone", "another shelf") is Begun.FRESH


async def test_only_a_running_key_is_renewed(store: Store) -> None:
    for key in ("done", "left"):
        await begun(store, key)
    await store.once.finish("done", b"answer")
    await store.once.abandon("left")
    await store.once.renew(["done", "left"], NOW + 60, NOW)

    assert await store.once.begin(claim("done"), NOW) == Standing(Begun.DONE, b"answer")
    assert await begun(store, "left") is Begun.UNKNOWN


async def test_what_ends_after_its_lease_is_done_all_the_same(store: Store) -> None:
    await begun(store)
    assert await begun(store, now=NOW + 31) is Begun.UNKNOWN
    await store.once.finish("key", b"late")

    assert await store.once.begin(claim(), NOW + 32) == Standing(Begun.DONE, b"late")


async def test_released_key_is_free_again(store: Store) -> None:
    await begun(store)
    await store.once.release("key")

    assert await store.once.begin(claim(fingerprint="other"), NOW) == Standing(Begun.FRESH)


async def test_what_is_done_cannot_be_released_or_abandoned(store: Store) -> None:
    await begun(store)
    await store.once.finish("key", b"answer")
    await store.once.release("key")
    await store.once.abandon("key")

    assert await store.once.begin(claim(), NOW) == Standing(Begun.DONE, b"answer")


async def test_abandoned_key_is_unknown_until_it_expires(store: Store) -> None:
    await begun(store)
    await store.once.abandon("key")

    assert await begun(store) is Begun.UNKNOWN
    assert await begun(store, now=NOW + 599) is Begun.UNKNOWN
    assert await begun(store, now=NOW + 600) is Begun.FRESH


async def test_key_that_nobody_holds_cannot_be_ended(store: Store) -> None:
    await store.once.finish("key", b"answer")
    await store.once.release("key")
    await store.once.abandon("key")
    await store.once.renew(["key"], NOW + 60, NOW)

    assert await begun(store) is Begun.FRESH


async def test_key_that_is_held_does_not_expire(store: Store) -> None:
    """However long it takes: another call under it would be a second one."""
    held = Claim("key", "shelf", "same", 3, NOW + 30, NOW + 30)
    await store.once.begin(held, NOW)
    await store.once.renew(["key"], NOW + 60, NOW + 20)

    assert (await store.once.begin(held, NOW + 40)).begun is Begun.RUNNING
    await store.once.renew(["key"], NOW + 90, NOW + 50)
    assert (await store.once.begin(held, NOW + 80)).begun is Begun.RUNNING
    assert (await store.once.begin(replace(held, lease=NOW + 120), NOW + 90)).begun is Begun.FRESH


async def test_shelf_on_which_all_run_is_full(store: Store) -> None:
    for key in ("a", "b", "c"):
        assert await begun(store, key) is Begun.FRESH

    assert await begun(store, "d") is Begun.FULL
    assert await begun(store, "a") is Begun.RUNNING
    await store.once.release("b")
    assert await begun(store, "d") is Begun.FRESH


async def test_shelf_gives_up_no_key_whose_end_is_unknown(store: Store) -> None:
    for key in ("a", "b", "c"):
        await begun(store, key)
    await store.once.abandon("a")

    assert await begun(store, "d", now=NOW + 31) is Begun.FULL
    assert await begun(store, "a", now=NOW + 31) is Begun.UNKNOWN


async def test_full_shelf_gives_up_its_oldest_key_that_is_done(store: Store) -> None:
    for number, key in enumerate(("a", "b", "c")):
        await begun(store, key, now=NOW + number)
    await store.once.finish("c", b"c")
    await store.once.finish("b", b"b")

    assert await begun(store, "d", now=NOW + 3) is Begun.FRESH
    assert await begun(store, "a", now=NOW + 3) is Begun.RUNNING
    assert await begun(store, "c", now=NOW + 3) is Begun.DONE
    assert await begun(store, "b", now=NOW + 3) is Begun.FRESH  # and "c" has made room
    assert await begun(store, "e", now=NOW + 3) is Begun.FULL


async def test_full_shelf_leaves_the_others_alone(store: Store) -> None:
    await begun(store, "other", "another shelf")
    await store.once.finish("other", b"answer")
    for key in ("a", "b", "c"):
        await begun(store, key, now=NOW + 1)

    assert await begun(store, "d", now=NOW + 1) is Begun.FULL
    assert await begun(store, "other", "another shelf") is Begun.DONE
    assert await begun(store, "more", "another shelf") is Begun.FRESH


async def test_key_that_has_expired_takes_no_room(store: Store) -> None:
    for key in ("a", "b", "c"):
        await begun(store, key)

    assert await begun(store, "d", now=NOW + 600) is Begun.FRESH


async def test_smaller_bound_holds_at_once(store: Store) -> None:
    for number, key in enumerate(("a", "b", "c")):
        await begun(store, key, now=NOW + number)
        await store.once.finish(key, b"")

    assert await store.once.begin(replace(claim("d"), bound=1), NOW + 3) == Standing(Begun.FRESH)
    assert await begun(store, "c", now=NOW + 3) is Begun.FRESH


# Replays.


async def test_what_was_seen_is_not_first_again(store: Store) -> None:
    assert await store.replays.first("a", NOW + 60, NOW)
    assert not await store.replays.first("a", NOW + 60, NOW)
    assert await store.replays.first("b", NOW + 60, NOW)


async def test_one_is_first_however_many_come_at_one_time(store: Store) -> None:
    firsts = await asyncio.gather(*(store.replays.first("a", NOW + 60, NOW) for _ in range(40)))

    assert Counter(firsts) == {True: 1, False: 39}


async def test_what_was_seen_is_remembered_until_it_expires(store: Store) -> None:
    await store.replays.first("a", NOW + 60, NOW)

    assert not await store.replays.first("a", NOW + 999, NOW + 59.9)
    assert await store.replays.first("a", NOW + 120, NOW + 60)
    assert not await store.replays.first("a", NOW + 180, NOW + 119)


# The inbox.


def letter(name: str = "a", due: float = 0.0, stored: float = 0.0) -> Letter:
    """A letter at seconds from now."""
    return Letter(name, "slack", f"sealed {name} \0".encode(), NOW + stored, NOW + due)


async def send(store: Store, now: float = NOW) -> Letter:
    """Claim a letter for a minute and begin to send it."""
    claimed = await store.inbox.claim(now, now + 60)
    assert claimed is not None
    assert await store.inbox.sending(claimed.id, claimed.held, claimed.held)
    return claimed


async def conditions(store: Store) -> dict[str, Condition]:
    return {each.id: each.condition for each in await store.inbox.list(NOW)}


async def test_letter_is_claimed_as_it_was_put(store: Store) -> None:
    assert await store.inbox.put(letter()) is Put.STORED
    assert await store.inbox.claim(NOW, NOW + 60) == letter()


async def test_letter_is_stored_once_under_its_id(store: Store) -> None:
    await store.inbox.put(letter())

    assert await store.inbox.put(replace(letter(), content=b"other")) is Put.KNOWN
    assert await store.inbox.claim(NOW, NOW + 60) == letter()
    assert await store.inbox.claim(NOW, NOW + 60) is None


async def test_letter_is_stored_once_however_often_it_comes_at_one_time(store: Store) -> None:
    puts = await asyncio.gather(*(store.inbox.put(letter()) for _ in range(40)))

    assert Counter(puts) == {Put.STORED: 1, Put.KNOWN: 39}


async def test_letters_are_claimed_in_the_order_in_which_they_are_due(store: Store) -> None:
    for name, due in (("c", -1), ("a", -3), ("later", 5), ("b", -2)):
        await store.inbox.put(letter(name, due))

    claimed = [await store.inbox.claim(NOW, NOW + 60) for _ in range(4)]
    assert [each and each.id for each in claimed] == ["a", "b", "c", None]
    assert (await store.inbox.claim(NOW + 5, NOW + 60)) == letter("later", 5)


async def test_each_letter_is_claimed_once_however_many_ask_at_one_time(store: Store) -> None:
    for number in range(10):
        await store.inbox.put(letter(str(number)))
    claimed = await asyncio.gather(*(store.inbox.claim(NOW, NOW + 60) for _ in range(40)))

    assert sorted(each.id for each in claimed if each) == [str(number) for number in range(10)]


async def test_letter_is_nobody_elses_until_the_lease_ends(store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.claim(NOW, NOW + 60)

    assert await store.inbox.claim(NOW + 59.9, NOW + 90) is None
    assert await store.inbox.claim(NOW + 60, NOW + 120) == letter()
    assert await store.inbox.claim(NOW + 119, NOW + 180) is None


async def test_letter_that_is_sent_is_not_claimed_even_after_its_lease(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)

    assert await store.inbox.claim(NOW + 61, NOW + 90) is None
    assert await conditions(store) == {"a": Condition.SENDING}


async def test_of_two_who_think_they_hold_a_letter_one_sends_it(store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.claim(NOW, NOW + 60)
    await store.inbox.claim(NOW + 60, NOW + 120)
    late = await store.inbox.sending("a", NOW + 60, NOW + 300)
    sends = await asyncio.gather(
        *(store.inbox.sending("a", NOW + 120, NOW + 300) for _ in range(40))
    )

    assert not late
    assert Counter(sends) == {True: 1, False: 39}


@pytest.mark.parametrize("verb", ["postpone", "bury"])
async def test_who_held_a_letter_too_long_says_nothing_of_it(verb: str, store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.claim(NOW, NOW + 60)
    await store.inbox.claim(NOW + 60, NOW + 120)
    await store.inbox.sending("a", NOW + 120, NOW + 300)

    for stale in (0.0, NOW + 60, NOW + 120):
        await getattr(store.inbox, verb)("a", stale, NOW if verb == "postpone" else "why")

    assert await conditions(store) == {"a": Condition.SENDING}


async def test_what_is_being_sent_is_held_anew(store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.claim(NOW, NOW + 15)
    await store.inbox.sending("a", NOW + 15, NOW + 300)

    assert await store.inbox.recover("why", NOW + 299) == 0
    assert await store.inbox.recover("why", NOW + 300) == 1


async def test_dropped_letter_is_not_sent(store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.claim(NOW, NOW + 60)

    assert await store.inbox.drop("a")
    assert not await store.inbox.sending("a", NOW + 60, NOW + 60)
    assert await store.inbox.list(NOW) == []
    assert await store.inbox.put(letter()) is Put.STORED


async def test_letter_that_is_being_sent_cannot_be_dropped(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)

    assert not await store.inbox.drop("a")
    assert await conditions(store) == {"a": Condition.SENDING}


async def test_id_of_a_delivered_letter_is_known_until_it_is_forgotten(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.delivered("a", NOW + 600)

    assert await store.inbox.put(letter(stored=599)) is Put.KNOWN
    assert await store.inbox.put(letter(stored=600)) is Put.STORED


async def test_delivered_letter_is_over(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.delivered("a", NOW + 600)

    assert await store.inbox.list(NOW) == []
    assert await store.inbox.claim(NOW + 90, NOW + 120) is None
    assert not await store.inbox.sending("a", NOW + 60, NOW + 60)
    assert not await store.inbox.retry("a", NOW)
    assert not await store.inbox.drop("a")
    assert await store.inbox.recover("lost", NOW + 90) == 0
    assert await store.inbox.put(letter()) is Put.KNOWN


async def test_what_has_arrived_neither_waits_nor_dies(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.delivered("a", NOW + 600)
    await store.inbox.postpone("a", 0.0, NOW)
    await store.inbox.bury("a", 0.0, "why")

    assert await store.inbox.claim(NOW + 90, NOW + 120) is None
    assert await store.inbox.list(NOW) == []


async def test_postponed_letter_waits_with_one_attempt_more(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.postpone("a", NOW + 60, NOW + 10)

    assert await store.inbox.claim(NOW + 9, NOW + 60) is None
    again = replace(letter(due=10), attempts=1)
    assert await store.inbox.claim(NOW + 10, NOW + 60) == again
    await store.inbox.postpone("a", NOW + 60, NOW + 20)
    assert await store.inbox.claim(NOW + 20, NOW + 60) == replace(letter(due=20), attempts=2)


async def test_letter_that_was_dropped_does_not_come_back(store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.claim(NOW, NOW + 60)
    await store.inbox.drop("a")
    await store.inbox.postpone("a", NOW + 60, NOW)
    await store.inbox.bury("a", NOW + 60, "why")

    assert await store.inbox.list(NOW) == []
    assert await store.inbox.claim(NOW + 90, NOW + 120) is None


async def test_buried_letter_is_not_tried_by_itself(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.bury("a", NOW + 60, "the agent refused it")

    assert await store.inbox.claim(NOW + 90, NOW + 120) is None
    assert not await store.inbox.sending("a", NOW + 60, NOW + 60)
    [dead] = await store.inbox.list(NOW)
    assert dead == replace(
        letter(), content=b"", condition=Condition.DEAD, why="the agent refused it"
    )


async def test_dead_letter_is_tried_again_from_its_first_attempt_on(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.postpone("a", NOW + 60, NOW)
    await send(store)
    await store.inbox.bury("a", NOW + 60, "why")

    assert await store.inbox.retry("a", NOW + 5)
    assert await store.inbox.claim(NOW + 5, NOW + 60) == letter(due=5)


async def test_only_a_dead_letter_is_tried_again(store: Store) -> None:
    await store.inbox.put(letter("a"))
    assert not await store.inbox.retry("a", NOW)
    await send(store)

    assert not await store.inbox.retry("a", NOW)
    assert not await store.inbox.retry("gone", NOW)
    assert await conditions(store) == {"a": Condition.SENDING}


async def test_dead_letter_can_be_dropped(store: Store) -> None:
    await store.inbox.put(letter())
    await store.inbox.bury("a", 0.0, "why")

    assert await store.inbox.drop("a")
    assert not await store.inbox.drop("a")
    assert await store.inbox.list(NOW) == []


async def test_what_was_sent_when_its_lease_ended_is_buried(store: Store) -> None:
    for name in ("sent", "sent later", "claimed", "waiting"):
        await store.inbox.put(letter(name, due=len(await store.inbox.list(NOW)) - 9))
    await send(store)
    await send(store, now=NOW + 10)
    await store.inbox.claim(NOW, NOW + 60)

    assert await store.inbox.recover("nobody knows", NOW + 59.9) == 0
    assert await store.inbox.recover("nobody knows", NOW + 60) == 1
    assert await store.inbox.recover("nobody knows", NOW + 60) == 0
    assert await conditions(store) == {
        "sent": Condition.DEAD,
        "sent later": Condition.SENDING,
        "claimed": Condition.WAITING,
        "waiting": Condition.WAITING,
    }
    assert [each.why for each in await store.inbox.list(NOW) if each.why] == ["nobody knows"]


async def test_letter_that_arrived_after_all_is_not_dead(store: Store) -> None:
    await store.inbox.put(letter())
    await send(store)
    await store.inbox.recover("nobody knows", NOW + 60)
    await store.inbox.delivered("a", NOW + 600)

    assert await store.inbox.list(NOW) == []
    assert await store.inbox.put(letter()) is Put.KNOWN


async def test_letters_are_listed_oldest_first_and_without_content(store: Store) -> None:
    for name, stored, due in (("young", 3, 1), ("old", 1, 3), ("middle", 2, 2)):
        await store.inbox.put(letter(name, due, stored))

    listed = await store.inbox.list(NOW)
    assert ids(listed) == ["old", "middle", "young"]
    assert listed[0] == replace(letter("old", 3, 1), content=b"")


async def test_letter_that_is_not_there_is_false(store: Store) -> None:
    await store.inbox.put(letter())

    assert not await store.inbox.sending("A", 0.0, NOW)
    assert not await store.inbox.drop("A")
    assert await conditions(store) == {"a": Condition.WAITING}


@pytest.mark.slow
async def test_inbox_holds_so_many_letters_that_are_not_delivered(store: Store) -> None:
    for start in range(0, MAX_LETTERS, 500):
        puts = [store.inbox.put(letter(str(start + number), start)) for number in range(500)]
        assert Counter(await asyncio.gather(*puts)) == {Put.STORED: 500}

    assert await store.inbox.put(letter("more")) is Put.FULL
    assert await store.inbox.put(letter("1")) is Put.KNOWN
    sent = await send(store)
    assert await store.inbox.put(letter("more")) is Put.FULL
    await store.inbox.delivered(sent.id, NOW + 600)
    assert await store.inbox.put(letter("more")) is Put.STORED
    assert await store.inbox.put(letter("yet more")) is Put.FULL


@pytest.mark.slow
async def test_inbox_holds_so_many_bytes_that_are_not_delivered(store: Store) -> None:
    large = bytes(MAX_LETTER_BYTES // 8)
    for number in range(7):
        await store.inbox.put(replace(letter(str(number), number - 9), content=large))

    over = replace(letter("over"), content=large + b"!")
    assert await store.inbox.put(over) is Put.FULL
    assert await store.inbox.put(replace(over, content=large)) is Put.STORED
    assert await store.inbox.put(replace(letter("more"), content=b"!")) is Put.FULL
    await store.inbox.bury("1", 0.0, "why")
    assert await store.inbox.put(replace(letter("more"), content=b"!")) is Put.FULL
    await send(store)
    await store.inbox.delivered("0", NOW + 600)
    assert await store.inbox.put(replace(letter("more"), content=large)) is Put.STORED
    assert await store.inbox.drop("1")
    assert await store.inbox.put(replace(letter("last"), content=large)) is Put.STORED


# The store.


async def test_store_that_answers_misses_nothing(store: Store) -> None:
    assert await store.missing() is None


async def test_store_that_was_let_go_is_an_os_error(store: Store) -> None:
    await store.aclose()

    with pytest.raises(OSError, match=r"\w"):
        await store.tokens.find(digest("a"), NOW)
    with pytest.raises(OSError, match=r"\w"):
        await store.once.begin(claim(), NOW)
    assert await store.missing()


async def test_what_was_begun_is_finished_before_the_store_lets_go(reopen: Reopen) -> None:
    async with reopen() as store:
        begun = [asyncio.create_task(store.tokens.add(token(str(each)))) for each in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(*begun)

    async with reopen() as store:
        assert len(await store.tokens.list(NOW)) == 20


async def test_tokens_survive(reopen: Reopen) -> None:
    record = replace(token(), label="laptop", scope=NARROW, expires=NOW + 60, used=NOW)
    async with reopen() as store:
        await store.tokens.add(record)
        await add(store, "revoked", "rotated")
        await store.tokens.revoke("revoked")
        await store.tokens.rotate("rotated", digest("new"), NOW)

    async with reopen() as store:
        assert await store.tokens.find(digest("a"), NOW) == record
        assert await store.tokens.find(digest("revoked"), NOW) is None
        assert await store.tokens.find(digest("rotated"), NOW) is None
        assert await store.tokens.find(digest("new"), NOW) is not None


async def test_codes_links_and_lockouts_survive(reopen: Reopen) -> None:
    async with reopen() as store:
        await offer(store, minting=Minting("later", NARROW, 60.0))
        await store.links.put(digest("link"), "console", NOW + 60)
        await fail(store, peer="locked", times=MAX_FAILURES)
        await fail(store, peer="four", times=MAX_FAILURES - 1)

    async with reopen() as store:
        assert (await redeem(store, peer="locked")).outcome is Redeemed.LOCKED
        await fail(store, peer="four")
        assert (await redeem(store, peer="four")).outcome is Redeemed.LOCKED
        minted = replace(token("b"), label="later", scope=NARROW, expires=NOW + 60)
        assert (await redeem(store, name="b")).token == minted
        console = replace(token("c"), label="console")
        assert await store.links.redeem(digest("link"), token("c"), NOW) == console


async def test_keys_and_replays_survive(reopen: Reopen) -> None:
    async with reopen() as store:
        for key in ("done", "left", "running"):
            await begun(store, key)
        await store.once.finish("done", b"answer")
        await store.once.abandon("left")
        await store.replays.first("seen", NOW + 60, NOW)

    async with reopen() as store:
        assert await store.once.begin(claim("done"), NOW) == Standing(Begun.DONE, b"answer")
        assert await begun(store, "left") is Begun.UNKNOWN
        assert await begun(store, "running") is Begun.RUNNING
        assert await begun(store, "running", now=NOW + 30) is Begun.UNKNOWN
        assert not await store.replays.first("seen", NOW + 60, NOW)


async def test_letters_survive(reopen: Reopen) -> None:
    async with reopen() as store:
        for number, name in enumerate(("delivered", "sent", "dead", "claimed")):
            await store.inbox.put(letter(name, number - 9))
        await send(store)
        await store.inbox.delivered("delivered", NOW + 600)
        await send(store)
        await store.inbox.bury("dead", 0.0, "why")
        await store.inbox.claim(NOW, NOW + 60)
        before = await store.inbox.list(NOW)

    async with reopen() as store:
        assert await store.inbox.list(NOW) == before
        assert await store.inbox.put(letter("delivered")) is Put.KNOWN
        assert await store.inbox.claim(NOW + 59, NOW + 60) is None
        assert await store.inbox.recover("lost", NOW + 60) == 1
        assert await store.inbox.claim(NOW + 60, NOW + 90) == letter("claimed", -6)
