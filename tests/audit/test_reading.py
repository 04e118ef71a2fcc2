"""Rows for people and programs: the right ones, over rotation, and harmless to whoever looks."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from auditing import row, rows_of, write, writer

from proxy.audit import Limits, reading
from proxy.audit.chain import NOTHING, Row, body, row_of
from proxy.audit.reading import COLUMNS, Follower, Selection, as_csv, jsonl, last_rows, readable

LIMITS = Limits(3000, 50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def said(event: str = "denial", **more: object) -> Row:
    found = row_of(NOTHING.next(body("2026-01-31T12:00:00.000+00:00", event, **more))[0])  # type: ignore[arg-type]
    assert found
    return found


def test_all_rows_come_in_order(path: Path) -> None:
    write(path, 60, limits=LIMITS)

    numbers = [each.seq for each in reading.rows(str(path))]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 60


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 11, 40, 1000])
def test_the_last_rows_are_the_last_over_all_files(path: Path, count: int) -> None:
    write(path, 60, limits=LIMITS)
    everything = [each.seq for each in reading.rows(str(path))]

    assert [each.seq for each in last_rows(str(path), count)] == everything[-count:]


def test_rows_longer_than_a_block_are_found(path: Path) -> None:
    made = writer(path)
    for number in range(5):
        made.commit([row(number, 100_000)])
    made.close()

    assert [each.fields.get("n") for each in last_rows(str(path), 3)] == [3, 4, None]


def test_rows_are_followed_over_rotation(path: Path) -> None:
    made = writer(path, limits=LIMITS)
    made.commit([row(0)])
    follower, seen = Follower(str(path), -1), list[int]()
    for number in range(1, 200):
        made.commit([row(number)])
        if number % 40 == 0 or number < 20:
            seen += [each.seq for each in follower.poll()]
    made.close()
    seen += [each.seq for each in follower.poll()]
    follower.close()

    assert seen == [each.seq for each in reading.rows(str(path))]


def test_a_row_of_which_half_is_there_is_shown_when_it_is_whole(path: Path) -> None:
    write(path, 1)
    follower = Follower(str(path), 2)
    line = row_of(path.read_bytes().splitlines(keepends=True)[2]).link.next(row(7))[0]  # type: ignore[union-attr]
    for piece in (line[:30], line[30:-1], line[-1:]):
        assert list(follower.poll()) == []
        with path.open("ab") as file:
            file.write(piece)

    assert [each.fields["n"] for each in follower.poll()] == [7]
    follower.close()


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), True),
        (Selection(event="denial"), True),
        (Selection(event="grant"), False),
        (Selection(principal="a"), True),
        (Selection(principal="b"), False),
        (Selection(since=datetime(2026, 1, 31, 12, tzinfo=UTC)), True),
        (Selection(since=datetime(2026, 1, 31, 13, tzinfo=UTC)), False),
        (Selection(until=datetime(2026, 1, 31, 12, tzinfo=UTC)), False),
        (Selection(until=datetime(2026, 2, 1, tzinfo=UTC)), True),
    ],
    ids=repr,
)
def test_rows_are_chosen_by_what_they_say(selection: Selection, expected: bool) -> None:  # noqa: FBT001
    found = said(principal="a")

    assert selection.has(found, found.fields) is expected


@pytest.mark.parametrize("time", ["", "yesterday", "2026-13-01", "2026-01-31T12:00:00"])
def test_a_row_without_a_moment_is_in_no_time(time: str) -> None:
    assert not Selection(since=datetime(2026, 1, 1, tzinfo=UTC)).has(Row(b"", 0, "", "", time), {})


def test_json_lines_are_those_of_the_log(path: Path) -> None:
    write(path, 3)

    assert "".join(jsonl(reading.rows(str(path)))).encode() == path.read_bytes()


def test_a_table_has_every_field_in_its_column_or_in_the_last(path: Path) -> None:
    write(path, 2)
    table = list(csv.DictReader(io.StringIO("".join(as_csv(reading.rows(str(path)))))))

    assert list(table[0]) == [*COLUMNS, "more"]
    assert [(each["seq"], each["event"]) for each in table] == [
        (str(each["seq"]), each["event"]) for each in rows_of(path)
    ]
    assert json.loads(table[1]["more"]) == {"n": 0, "x": "y" * 40}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_run_by_a_spreadsheet(text: str) -> None:
    _, line = as_csv([said(evidence=text)])
    (cells,) = csv.reader(io.StringIO(line, newline=""))

    assert cells[COLUMNS.index("evidence")] == f"'{text}"


def test_quotes_and_line_ends_stay_in_their_cell() -> None:
    _, line = as_csv([said(evidence='a"b,c\nd')])
    (cells,) = csv.reader(io.StringIO(line, newline=""))

    assert cells[COLUMNS.index("evidence")] == 'a"b,c\nd'


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\u202eb", "a\nb", "\u2028", "\x00"])
def test_nothing_that_is_shown_moves_the_cursor_or_turns_text_round(text: str) -> None:
    assert readable(said(evidence=text)).isprintable()


def test_people_see_what_matters() -> None:
    shown = readable(said(principal="a", reason="tool-unknown", peer=None, signature="ff"))

    expected = "0 2026-01-31T12:00:00.000+00:00 denial principal=a reason=tool-unknown"
    assert shown == expected
