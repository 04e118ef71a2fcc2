"""Rows that hold each other: any that is another, or elsewhere, does not follow."""

import hashlib
import io
import json

import pytest
from auditing import row
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.chain import BREAK, LONGEST, NOTHING, RECOVERED, ZEROS, Walk, body, lines, row_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def chain(*bodies: bytes) -> list[bytes]:
    made, link = [], NOTHING
    for each in bodies:
        line, link = link.next(each)
        made.append(line)
    return made


def follows(rows: list[bytes]) -> bool:
    walk = Walk(NOTHING)
    return None not in [walk.feed(line) for line in rows]


ROWS = chain(*(row(number) for number in range(5)))


def test_the_first_row_stands_after_zeros_and_the_next_names_its_line() -> None:
    first, second = map(json.loads, ROWS[:2])

    assert (first["seq"], first["prev"]) == (0, ZEROS)
    assert (second["seq"], second["prev"]) == (1, hashlib.sha256(ROWS[0][:-1]).hexdigest())


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=8))
def test_whatever_rows_say_they_follow(said: list[dict[str, object]]) -> None:
    made = chain(*(json.dumps(each).encode() for each in said))

    assert follows(made)
    assert [row_of(line).link.seq for line in made if row_of(line)] == list(range(len(said)))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([*ROWS[:2], *ROWS[3:]], id="one is removed"),
        pytest.param([ROWS[0], ROWS[2], ROWS[1], *ROWS[3:]], id="two are exchanged"),
        pytest.param([*ROWS[:2], ROWS[1], *ROWS[2:]], id="one stands twice"),
        pytest.param(ROWS[1:], id="the first is removed"),
        pytest.param([*ROWS[:3], b"\n", *ROWS[3:]], id="an empty line"),
        pytest.param([*ROWS[:3], b'{"n":1}\n', *ROWS[3:]], id="a line of another"),
        pytest.param([ROWS[0], ROWS[1][:-1] + b" \n", *ROWS[2:]], id="a blank at the end"),
    ],
)
def test_what_was_changed_does_not_follow(rows: list[bytes]) -> None:
    assert not follows(rows)


def test_a_bit_that_is_another_anywhere_but_in_the_last_row_shows() -> None:
    text = b"".join(ROWS)
    for place in range(len(text) - len(ROWS[-1]) - 1):
        changed = bytearray(text)
        changed[place] ^= 1
        assert not follows(list(lines(io.BytesIO(bytes(changed)))))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_row_or_none(data: bytes) -> None:
    Walk(None).feed(data)
    Walk(NOTHING).feed(data)


@pytest.mark.parametrize("number", [b"-1", b"01", b"1e3", b"9" * 30, b'"0"'])
def test_numbers_have_one_form(number: bytes) -> None:
    assert row_of(b'{"seq":%s,"prev":"%s"}\n' % (number, ZEROS.encode())) is None


def told(event: str, **more: object) -> bytes:
    return body("2026-01-31T00:00:00.000+00:00", event, **more)  # type: ignore[arg-type]


def test_what_a_crash_left_is_passed_over_where_a_row_tells_exactly_that() -> None:
    walk = Walk(NOTHING)
    walk.feed(ROWS[0])
    assert walk.link
    rest = b'{"seq":1,"pr\n'
    walk.feed(rest)
    said = told(RECOVERED, bytes=len(rest), sha256=hashlib.sha256(rest).hexdigest())

    line, link = walk.link.next(said)

    assert walk.feed(line)
    assert walk.feed(link.next(row(2))[0])


@pytest.mark.parametrize("rest", [b"something else\n", b""])
def test_what_it_does_not_tell_is_not_passed_over(rest: bytes) -> None:
    walk = Walk(NOTHING)
    walk.feed(ROWS[0])
    assert walk.link
    walk.feed(b'{"seq":1,"pr\n')
    said = told(RECOVERED, bytes=len(rest), sha256=hashlib.sha256(rest).hexdigest())

    assert walk.feed(walk.link.next(said)[0]) is None
    assert walk.stray
    assert walk.stray.why == "expected row 1, found what is no row"


def test_after_a_break_another_chain_begins() -> None:
    walk = Walk(NOTHING)
    for line in (*ROWS[:2], ROWS[4]):
        walk.feed(line)
    assert walk.stray
    assert walk.stray.why == "expected row 2, found row 4"

    line, link = row_of(ROWS[4]).link.next(told(BREAK, why="it was cut"))  # type: ignore[union-attr]

    assert walk.feed(line)
    assert walk.stray is None
    assert walk.feed(link.next(row(6))[0])


def test_a_row_says_its_event_and_time() -> None:
    found = row_of(ROWS[0])

    assert found
    assert (found.event, found.time) == ("grant", "2026-01-31T00:00:00.000+00:00")
    assert found.fields["n"] == 0


def test_a_line_without_end_comes_in_pieces() -> None:
    pieces = list(lines(io.BytesIO(b"x" * (2 * LONGEST + 5))))

    assert [len(piece) for piece in pieces] == [LONGEST, LONGEST, 5]


def test_an_empty_object_is_a_row_too() -> None:
    assert json.loads(NOTHING.next(b"{}")[0])["seq"] == 0


@given(st.lists(st.sampled_from([*ROWS, b"\n", b"x", ROWS[1][:-1]]), max_size=8))
def test_who_asks_for_no_row_is_answered_the_same(rows: list[bytes]) -> None:
    walk, quick = Walk(NOTHING), Walk(NOTHING)
    for line in rows:
        assert quick.passes(line) is (walk.feed(line) is not None)

    assert quick.link == walk.link
    assert (quick.stray and quick.stray.why) == (walk.stray and walk.stray.why)
