"""The key in its four spellings, and what is none."""

import pytest

from proxy.decision import Malformed
from proxy.protocols.idempotency import given_key, keyed, with_key
from proxy.reasons import Reason
from proxy.values import Headers

STANDARD, ZEROCLAW = "Idempotency-Key", "X-Idempotency-Key"


def headers(*fields: tuple[str, str]) -> Headers:
    return Headers(fields)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        pytest.param([(STANDARD, "8e03978e-40d5")], "8e03978e-40d5", id="bare"),
        pytest.param([(STANDARD, '"8e03978e-40d5"')], "8e03978e-40d5", id="in quotes"),
        pytest.param([(ZEROCLAW, "a")], "a", id="ZeroClaw's name"),
        pytest.param([("idempotency-KEY", "a")], "a", id="names have no case"),
        pytest.param([(STANDARD, "A"), ("a", "b")], "A", id="keys do"),
        pytest.param([(STANDARD, "a"), (ZEROCLAW, '"a"')], "a", id="both, and the same"),
        pytest.param([(STANDARD, " a\t")], "a", id="space around it"),
        pytest.param([(STANDARD, "a,b;c=1'")], "a,b;c=1'", id="other characters"),
        pytest.param([(STANDARD, r'"a\"b\\c"')], 'a"b\\c', id="escapes in quotes"),
        pytest.param([(STANDARD, "a\\b")], "a\\b", id="no escapes outside"),
        pytest.param([(STANDARD, "x" * 255)], "x" * 255, id="255 characters"),
        pytest.param([(STANDARD, f'"{"x" * 255}"')], "x" * 255, id="255 in quotes"),
        # no key
        pytest.param([], None, id="nothing"),
        pytest.param([(STANDARD, "")], None, id="an empty field"),
        pytest.param([(ZEROCLAW, " \t ")], None, id="blanks"),
        pytest.param([(STANDARD, " "), (ZEROCLAW, "a")], "a", id="blanks beside a key"),
    ],
)
def test_a_key_is_read(fields: list[tuple[str, str]], key: str | None) -> None:
    assert given_key(headers(*fields)) == key


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([(STANDARD, "x" * 256)], id="256 characters"),
        pytest.param([(STANDARD, f'"{"x" * 256}"')], id="256 in quotes"),
        pytest.param([(STANDARD, "a b")], id="a space"),
        pytest.param([(STANDARD, '"a b"')], id="a space in quotes"),
        pytest.param([(STANDARD, "a\tb")], id="a tab"),
        pytest.param([(STANDARD, "a\x00b")], id="a control character"),
        pytest.param([(STANDARD, "a\x7f")], id="DEL"),
        pytest.param([(STANDARD, "\x0b")], id="a control character alone"),
        pytest.param([(STANDARD, "\u2003")], id="a space of another kind alone"),
        pytest.param([(STANDARD, "ä")], id="not ASCII"),
        pytest.param([(STANDARD, "a\udcff")], id="a byte that is no text"),
        pytest.param([(STANDARD, '""')], id="empty quotes"),
        pytest.param([(STANDARD, '"a')], id="a quote that does not end"),
        pytest.param([(STANDARD, '"a"b"')], id="a quote too many"),
        pytest.param([(STANDARD, r'"a\b"')], id="an escape that is none"),
        pytest.param([(STANDARD, '"a";p=1')], id="a parameter"),
        pytest.param([(STANDARD, "a"), (ZEROCLAW, "b")], id="two keys"),
        pytest.param([(STANDARD, "a"), (STANDARD, "b")], id="two of one name"),
    ],
)
def test_what_is_no_key_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(Malformed) as raised:
        given_key(headers(*fields))

    assert raised.value.reason is Reason.IDEMPOTENCY_MALFORMED


def test_a_key_goes_up_with_what_has_none() -> None:
    assert with_key(headers(("A", "1"), (ZEROCLAW, " ")), "k") == headers(
        ("A", "1"), (STANDARD, "k")
    )


@pytest.mark.parametrize("name", [STANDARD, ZEROCLAW, "idempotency-key"])
def test_the_sender_s_own_key_stays(name: str) -> None:
    given = headers((name, '"theirs"'), ("A", "1"))

    assert with_key(given, "k") == given


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ([(STANDARD, "a")], True),
        ([("x-idempotency-KEY", "a")], True),
        ([(STANDARD, '""')], True),
        ([(STANDARD, " "), (ZEROCLAW, "a")], True),
        ([(STANDARD, " \t")], False),
        ([("Idempotency", "a")], False),
        ([], False),
    ],
)
def test_what_stands_in_the_place_of_a_key_is_seen(
    fields: list[tuple[str, str]], *, there: bool
) -> None:
    assert keyed(headers(*fields)) is there
