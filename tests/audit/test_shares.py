"""How many denials get a row."""

from doubles import Clock

from proxy.audit.shares import (
    MAX_NAMES,
    OTHERS,
    PRINCIPAL_EACH_MINUTE,
    STRANGERS_EACH_MINUTE,
    Shares,
)


def taken(shares: Shares, name: str | None, times: int) -> int:
    return sum(shares.take(name) for _ in range(times))


def test_strangers_share_and_principals_have_their_own() -> None:
    shares = Shares(Clock())

    assert taken(shares, None, 1000) == STRANGERS_EACH_MINUTE
    assert taken(shares, "a", 1000) == PRINCIPAL_EACH_MINUTE
    assert taken(shares, "b", 1000) == PRINCIPAL_EACH_MINUTE


def test_what_was_left_out_is_told_once_in_a_later_minute() -> None:
    clock = Clock()
    shares = Shares(clock)
    assert list(shares.told()) == []
    taken(shares, None, STRANGERS_EACH_MINUTE + 3)
    taken(shares, "a", 10)
    assert list(shares.told()) == []

    clock.now += 60

    assert list(shares.told()) == [(None, 3)]
    assert list(shares.told()) == []
    assert shares.take(None)


def test_at_the_end_this_minute_is_told_too() -> None:
    shares = Shares(Clock())
    taken(shares, "a", PRINCIPAL_EACH_MINUTE + 2)

    assert list(shares.told(end=True)) == [("a", 2)]
    assert list(shares.told(end=True)) == []


def test_who_comes_with_ever_new_names_shares_one() -> None:
    clock = Clock()
    shares = Shares(clock)
    for number in range(MAX_NAMES):
        shares.take(str(number))

    kept = sum(shares.take(f"more-{number}") for number in range(2 * PRINCIPAL_EACH_MINUTE))

    assert kept == PRINCIPAL_EACH_MINUTE
    clock.now += 60
    list(shares.told())
    assert shares.take(OTHERS)
