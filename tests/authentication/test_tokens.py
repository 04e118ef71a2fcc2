"""Bearer tokens: how they are made, recognized, replaced and lost."""

import hashlib
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from doubles import Clock
from state.backends import SEAL

from proxy.authentication.tokens import Machine, TokenBook, hash_token, mint, new_token
from proxy.exchange import Peer, Principal, Role
from proxy.scope import Autonomy, Minting, Scope
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import TokenRecord

NOW = 1_700_000_000.0
PEER = Peer("10.0.0.1")
NARROW = Scope(("/tools/*",), ("file_read", "github.*"), Autonomy.READONLY)
BEARERS = [Role.CLIENT, Role.OPERATOR]


class Careless:
    """`Tokens` that answers with whatever it has, as a broken look-up would."""

    def __init__(self, record: TokenRecord) -> None:
        self.record = record

    async def add(self, record: TokenRecord) -> None:
        self.record = record

    async def find(self, digest: bytes, now: float) -> TokenRecord | None:
        return self.record

    async def list(self, now: float) -> list[TokenRecord]:
        return [self.record]

    async def revoke(self, token_id: str) -> bool:
        return True

    async def rotate(self, token_id: str, digest: bytes, now: float) -> TokenRecord | None:
        return self.record

    async def touch(self, used: Mapping[str, float]) -> None:
        """Remember nothing."""

    async def alive(self, token_ids: Collection[str], now: float) -> Mapping[str, bytes]:
        return {}


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield opened
    await opened.aclose()


@pytest.fixture
def book(store: SqliteStore, clock: Clock) -> TokenBook:
    return TokenBook(store.tokens, clock)


def listing(book: TokenBook, *tokens: str, machines: tuple[Machine, ...] = ()) -> TokenBook:
    """The same book, with a configuration."""
    return TokenBook(book.tokens, book.clock, tuple(map(hash_token, tokens)), machines)


def machine(name: str, token: str, role: Role = Role.AGENT, scope: Scope = NARROW) -> Machine:
    return Machine(name, hash_token(token), role, scope)


# Made


@pytest.mark.parametrize(("role", "prefix"), [(Role.CLIENT, "zc_"), (Role.OPERATOR, "zo_")])
def test_token_is_64_hexadecimal_digits_behind_the_prefix_of_its_role(
    role: Role, prefix: str
) -> None:
    assert re.fullmatch(rf"{prefix}[0-9a-f]{{64}}", mint(role, NOW)[0])
    assert re.fullmatch(rf"{prefix}[0-9a-f]{{64}}", new_token(role))


def test_no_two_tokens_are_equal() -> None:
    minted = [mint(Role.CLIENT, NOW) for _ in range(100)]

    assert len({token for token, _ in minted}) == 100
    assert len({record.id for _, record in minted}) == 100


@pytest.mark.parametrize("role", BEARERS)
def test_record_holds_the_digest_and_nothing_of_the_token(role: Role) -> None:
    token, record = mint(role, NOW)

    assert record == TokenRecord(record.id, hashlib.sha256(token.encode()).digest(), role, "", NOW)
    assert re.fullmatch(r"[0-9a-f]{8}", record.id)
    assert record.id not in token
    assert token.partition("_")[2] not in repr(record)


def test_record_holds_what_was_wished_of_it() -> None:
    _, record = mint(Role.CLIENT, NOW, Minting("laptop", NARROW, 3600.0))

    assert (record.label, record.scope, record.expires) == ("laptop", NARROW, NOW + 3600)


@pytest.mark.parametrize("token", ["", "zc_", "a" * 100_000, "\xe4", "\udce4", "\0"])
def test_anything_that_a_header_holds_has_a_digest(token: str) -> None:
    assert len(hash_token(token)) == 32


async def test_a_token_is_stored_before_it_is_told(book: TokenBook, store: SqliteStore) -> None:
    token, record = await book.create(Role.CLIENT, Minting("laptop", NARROW))

    assert await store.tokens.find(hash_token(token), NOW) == record
    assert (record.label, record.scope) == ("laptop", NARROW)


# Recognized


@pytest.mark.parametrize("role", BEARERS)
@pytest.mark.parametrize("scope", [Scope(), NARROW], ids=["unbound", "narrow"])
async def test_stored_token_is_its_principal_with_its_role_scope_and_peer(
    book: TokenBook, role: Role, scope: Scope
) -> None:
    token, record = await book.create(role, Minting(scope=scope))

    assert await book.recognize(token, PEER) == Principal(
        record.id, role, PEER, scope, presented=token
    )


async def test_listed_token_is_an_unbound_client_named_by_its_digest(book: TokenBook) -> None:
    token = "a token of my own"
    principal = await listing(book, "another", token).recognize(token, PEER)

    digest = hashlib.sha256(token.encode()).hexdigest()
    assert principal == Principal(f"listed-{digest[:8]}", Role.CLIENT, PEER, presented=token)


@pytest.mark.parametrize("role", [Role.CLIENT, Role.AGENT])
async def test_token_of_the_configuration_is_its_named_principal(
    book: TokenBook, role: Role
) -> None:
    machines = (machine("other", "theirs"), machine("robot", "mine", role))
    principal = await listing(book, machines=machines).recognize("mine", PEER)

    assert principal == Principal("principal:robot", role, PEER, NARROW, presented="mine")


async def test_a_named_principal_is_not_widened_by_a_list(book: TokenBook) -> None:
    """The same token in both places: the bounds of the name hold."""
    twice = listing(book, "mine", machines=(machine("robot", "mine"),))
    principal = await twice.recognize("mine", PEER)

    assert principal is not None
    assert (principal.role, principal.scope) == (Role.AGENT, NARROW)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("zc_" + "0" * 64, id="another token"),
        pytest.param(hash_token("token").hex(), id="the digest instead of the token"),
        pytest.param(hash_token("token").hex().upper(), id="the digest in capitals"),
        pytest.param(hash_token("token").decode("latin-1"), id="the digest in bytes"),
        pytest.param("token ", id="a space more"),
        pytest.param("Token", id="another case"),
        pytest.param("token\0", id="a NUL more"),
        pytest.param("toke", id="a letter less"),
        pytest.param("robot", id="a name instead of a token"),
        pytest.param("principal:robot", id="a principal instead of a token"),
        pytest.param("\udce4", id="a raw byte"),
    ],
)
async def test_anything_else_is_nobody(book: TokenBook, token: str) -> None:
    await book.create(Role.CLIENT, Minting("robot"))
    full = listing(book, "token", machines=(machine("robot", "a machine's own"),))

    assert await full.recognize(token, PEER) is None


async def test_record_of_another_token_is_not_believed(clock: Clock) -> None:
    _, record = mint(Role.OPERATOR, NOW)

    assert await TokenBook(Careless(record), clock).recognize("zc_" + "0" * 64, PEER) is None


async def test_a_broken_look_up_hides_no_token_of_the_configuration(clock: Clock) -> None:
    _, record = mint(Role.OPERATOR, NOW)
    book = TokenBook(Careless(record), clock, (hash_token("mine"),))
    principal = await book.recognize("mine", PEER)

    assert principal is not None
    assert principal.role is Role.CLIENT


async def test_a_token_is_good_until_the_moment_it_expires(book: TokenBook, clock: Clock) -> None:
    token, _ = await book.create(Role.CLIENT, Minting(lifetime=60))

    clock.now = NOW + 59.9
    assert await book.recognize(token, PEER) is not None
    clock.now = NOW + 60
    assert await book.recognize(token, PEER) is None


async def test_a_revoked_token_is_nobody(book: TokenBook, store: SqliteStore) -> None:
    token, record = await book.create(Role.OPERATOR, Minting())
    assert await store.tokens.revoke(record.id)

    assert await book.recognize(token, PEER) is None


# Rotated


@pytest.mark.parametrize("role", BEARERS)
async def test_a_new_token_takes_the_place_of_the_old_with_all_that_was_known(
    book: TokenBook, clock: Clock, role: Role
) -> None:
    old, record = await book.create(role, Minting("laptop", NARROW, 3600))
    clock.now += 60

    new = await book.rotate(record.id)

    assert new is not None
    assert new[:3] == old[:3]
    assert await book.recognize(old, PEER) is None
    assert await book.recognize(new, PEER) == Principal(
        record.id, role, PEER, NARROW, presented=new
    )
    (kept,) = await book.tokens.list(clock.now)
    assert kept == replace(record, digest=hash_token(new))


@pytest.mark.parametrize("token_id", ["", "00000000", "principal:robot", "' OR 1=1 --"])
async def test_there_is_nothing_to_rotate_where_there_is_no_token(
    book: TokenBook, token_id: str
) -> None:
    token, _ = await book.create(Role.CLIENT, Minting())

    assert await listing(book, machines=(machine("robot", "mine"),)).rotate(token_id) is None
    assert await book.recognize(token, PEER) is not None


async def test_an_expired_token_is_not_brought_back(book: TokenBook, clock: Clock) -> None:
    _, record = await book.create(Role.CLIENT, Minting(lifetime=60))
    clock.now += 60

    assert await book.rotate(record.id) is None


# Who there is


async def test_book_is_empty_where_no_client_could_present_a_token(
    book: TokenBook, clock: Clock
) -> None:
    assert await book.empty()

    await book.create(Role.OPERATOR, Minting())
    assert await book.empty()

    await book.create(Role.CLIENT, Minting(lifetime=60))
    assert not await book.empty()

    clock.now += 60
    assert await book.empty()


async def test_a_client_s_token_of_the_configuration_is_one(book: TokenBook) -> None:
    assert not await listing(book, "token").empty()
    assert not await listing(book, machines=(machine("robot", "mine", Role.CLIENT),)).empty()


async def test_an_agent_is_no_client(book: TokenBook) -> None:
    """Its token is in the configuration from the start, and the owner must pair all the same."""
    assert await listing(book, machines=(machine("robot", "mine", Role.AGENT),)).empty()


async def test_gone_is_who_had_a_stored_token_and_has_it_no_longer(
    book: TokenBook, store: SqliteStore, clock: Clock
) -> None:
    here = (await book.create(Role.CLIENT, Minting()))[1].id
    revoked = (await book.create(Role.OPERATOR, Minting()))[1].id
    expired = (await book.create(Role.CLIENT, Minting(lifetime=60)))[1].id
    await store.tokens.revoke(revoked)
    clock.now += 60

    assert await book.gone([here, revoked, expired]) == {revoked, expired}


@pytest.mark.parametrize(
    "principal",
    ["public", "anonymous", "uid-0", "listed-01234567", "principal:0123abcd", "telegram:01234567"],
)
async def test_who_never_had_one_is_not_gone(book: TokenBook, principal: str) -> None:
    assert await book.gone([principal]) == frozenset()


# When they were used


async def used(book: TokenBook) -> list[float | None]:
    return [record.used for record in await book.tokens.list(NOW)]


async def test_a_use_is_remembered_once_it_is_flushed(book: TokenBook, clock: Clock) -> None:
    token, _ = await book.create(Role.CLIENT, Minting())
    await book.create(Role.CLIENT, Minting())
    clock.now = NOW + 5
    await book.recognize(token, PEER)
    clock.now = NOW + 7
    await book.recognize(token, PEER)
    await book.recognize("another", PEER)
    assert await used(book) == [None, None]

    await book.flush()

    assert await used(book) == [NOW + 7, None]


async def test_an_old_use_is_not_flushed_over_a_newer_one(
    book: TokenBook, store: SqliteStore
) -> None:
    token, record = await book.create(Role.CLIENT, Minting())
    await book.recognize(token, PEER)
    await store.tokens.touch({record.id: NOW + 9})

    await book.flush()

    assert await used(book) == [NOW + 9]


async def test_a_use_waits_while_the_state_is_away(
    book: TokenBook, store: SqliteStore, tmp_path: Path
) -> None:
    token, _ = await book.create(Role.CLIENT, Minting())
    await book.recognize(token, PEER)
    await store.aclose()
    with pytest.raises(OSError, match="cannot be used"):
        await book.flush()

    again = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    book.tokens = again.tokens
    await book.flush()

    assert await used(book) == [NOW]
    await again.aclose()


async def test_a_token_that_another_replica_rotated_is_gone(book: TokenBook) -> None:
    """Its id lives on; what runs was let in by the old one."""
    token, record = await book.create(Role.CLIENT, Minting())
    await book.recognize(token, PEER)
    assert await book.gone({record.id}) == frozenset()

    await book.tokens.rotate(record.id, b"a new digest", NOW)

    assert await book.gone({record.id}) == {record.id}


async def test_what_ran_under_the_old_token_is_gone_although_the_new_one_came(
    book: TokenBook,
) -> None:
    token, record = await book.create(Role.CLIENT, Minting())
    await book.recognize(token, PEER)

    new = await book.rotate(record.id)
    assert new is not None
    await book.recognize(new, PEER)

    assert await book.gone({record.id}) == {record.id}
    assert await book.gone({record.id}) == frozenset()
