import hashlib
import re
from collections.abc import Callable

import pytest

from proxy.authentication.tokens import TokenBook, hash_token, mint
from proxy.exchange import Principal, Role
from proxy.state.store import TokenRecord

NOW = 1_700_000_000.0


class Book:
    """`Tokens` that holds these records."""

    def __init__(self, *records: TokenRecord) -> None:
        self.records = {record.digest: record for record in records}

    async def find(self, digest: bytes) -> TokenRecord | None:
        return self.records.get(digest)

    async def list(self) -> list[TokenRecord]:
        return [*self.records.values()]

    async def revoke(self, token_id: str) -> bool:
        return False


class Careless(Book):
    """`Tokens` that answers with whatever it has, as a broken look-up would."""

    async def find(self, digest: bytes) -> TokenRecord | None:
        return next(iter(self.records.values()))


def listed(*tokens: str) -> tuple[str, ...]:
    return tuple(hashlib.sha256(token.encode()).hexdigest() for token in tokens)


def test_token_is_64_hexadecimal_digits_behind_a_prefix() -> None:
    token, _ = mint(Role.CLIENT, NOW)

    assert re.fullmatch(r"zc_[0-9a-f]{64}", token)


def test_no_two_tokens_are_equal() -> None:
    minted = [mint(Role.CLIENT, NOW) for _ in range(100)]

    assert len({token for token, _ in minted}) == 100
    assert len({record.id for _, record in minted}) == 100


@pytest.mark.parametrize("role", Role)
def test_record_holds_the_digest_and_nothing_of_the_token(role: Role) -> None:
    token, record = mint(role, NOW)

    assert record.digest == hashlib.sha256(token.encode()).digest()
    assert (record.role, record.label, record.created) == (role, "", NOW)
    assert record.id not in token


@pytest.mark.parametrize("token", ["", "zc_", "a" * 100_000, "\xe4", "\udce4", "\0"])
def test_anything_that_a_header_holds_has_a_digest(token: str) -> None:
    assert len(hash_token(token)) == 32


async def test_paired_token_is_its_principal() -> None:
    token, record = mint(Role.CLIENT, NOW)
    principal = await TokenBook(Book(record), ()).recognize(token)

    assert principal == Principal(record.id, Role.CLIENT, presented=token)


@pytest.mark.parametrize("role", Role)
async def test_role_is_that_of_the_record(role: Role) -> None:
    token, record = mint(role, NOW)
    principal = await TokenBook(Book(record), ()).recognize(token)

    assert principal is not None
    assert principal.role is role


async def test_listed_token_is_a_client_named_by_its_digest() -> None:
    token = "a token of my own"
    principal = await TokenBook(Book(), listed("another", token)).recognize(token)

    digest = hashlib.sha256(token.encode()).hexdigest()
    assert principal == Principal(f"listed-{digest[:8]}", Role.CLIENT, presented=token)


@pytest.mark.parametrize("case", [str.upper, str.lower], ids=["upper", "lower"])
async def test_listed_digest_compares_without_case(case: Callable[[str], str]) -> None:
    book = TokenBook(Book(), (case(listed("token")[0]),))

    assert await book.recognize("token") is not None


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("zc_" + "0" * 64, id="another token"),
        pytest.param(listed("token")[0], id="the digest instead of the token"),
        pytest.param(listed("token")[0].upper(), id="the digest in capitals"),
        pytest.param("token ", id="a space more"),
        pytest.param("Token", id="another case"),
        pytest.param("token\0", id="a NUL more"),
        pytest.param("toke", id="a letter less"),
    ],
)
async def test_anything_else_is_nobody(token: str) -> None:
    book = TokenBook(Book(mint(Role.CLIENT, NOW)[1]), listed("token"))

    assert await book.recognize(token) is None


async def test_record_of_another_token_is_not_believed() -> None:
    _, record = mint(Role.OPERATOR, NOW)

    assert await TokenBook(Careless(record), ()).recognize("zc_" + "0" * 64) is None


async def test_book_is_empty_where_nobody_could_present_a_token() -> None:
    record = mint(Role.CLIENT, NOW)[1]

    assert await TokenBook(Book(), ()).empty()
    assert not await TokenBook(Book(record), ()).empty()
    assert not await TokenBook(Book(), listed("token")).empty()
