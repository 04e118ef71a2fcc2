"""Where a log ends at a start: what a crash left is gone on from, what somebody did is told."""

from pathlib import Path

import pytest
from auditing import KEY, checked, copy, row, write, writer
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.recovery import Found, find
from proxy.seal import Seal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of a run that ended: begin, rows 1 to 5, a checkpoint."""
    made = tmp_path / "audit.jsonl"
    write(made, 5)
    return made


def found(path: Path, key: Seal | None = KEY) -> Found:
    return find(str(path), key)


def head_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def cut(path: Path, rows: int) -> None:
    """Keep so many rows."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:rows]))


def test_a_log_that_is_whole_goes_on(path: Path) -> None:
    assert (found(path).link.seq, found(path).broken, found(path).unconfirmed) == (6, "", 0)
    assert found(path).stray is None


def test_after_a_crash_at_any_byte_of_what_was_not_confirmed_the_log_goes_on(
    tmp_path: Path,
) -> None:
    """Rows are whole or told as torn; none is lost in silence, none is called tampering."""
    path = tmp_path / "audit.jsonl"
    made = writer(path)
    made.commit([row(0)])
    head, confirmed = head_of(path).read_bytes(), path.stat().st_size
    made.commit([row(1, 0), row(2, 0)])
    data = path.read_bytes()
    for size in range(confirmed, len(data) + 1):
        path.write_bytes(data[:size])
        head_of(path).write_bytes(head)

        write(path, 0)

        after, report = path.read_bytes(), checked(path)
        assert after.startswith(data[:size])
        assert report.problems == []
        left = size - 1 - data.rfind(b"\n", 0, size)
        whole = data[size : size + 1] == b"\n"
        expected = f"a crash left {left + 1 if left and not whole else 0} bytes of no row"
        assert len(report.notes) == (size != confirmed)
        assert all(expected in note for note in report.notes), size


@given(st.binary(max_size=300))
def test_whatever_a_crash_left_behind_confirmed_rows_is_told(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    write(path, 1)
    before = path.read_bytes()
    path.write_bytes(before + data)

    write(path, 1)

    assert path.read_bytes().startswith(before + data)
    assert checked(path).problems == []
    assert len(checked(path).notes) == bool(data)


@pytest.mark.parametrize("zeros", [4096, 1 << 20, (1 << 20) + 1])
def test_zeros_of_a_power_cut_are_told(path: Path, zeros: int) -> None:
    with path.open("ab") as file:
        file.write(bytes(zeros))

    write(path, 1)

    assert checked(path).problems == []
    assert f"{zeros + 1} bytes of no row" in checked(path).notes[0]


@pytest.mark.parametrize("rows", range(7))
def test_rows_that_were_cut_off_break_the_chain(path: Path, rows: int) -> None:
    cut(path, rows)

    assert found(path).broken == f"rows {rows} to 6 are missing or changed"


def test_a_confirmed_row_that_was_changed_breaks_the_chain(path: Path) -> None:
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        assert found(path).broken, place


def test_a_head_that_is_missing_or_of_another_breaks_the_chain(path: Path) -> None:
    other = copy(path, "other")
    head_of(other).unlink()
    assert found(other).broken == "its head is missing"

    assert "not written under this master key" in found(path, Seal(b"o" * 32)).broken

    head_of(path).write_bytes(b"")
    assert "no head" in found(path).broken


def test_a_log_that_was_removed_whole_is_missed(path: Path) -> None:
    path.unlink()
    path.touch()

    assert found(path).broken == "rows 0 to 6 are missing or changed"


def test_a_start_that_ended_before_its_head_was_written_breaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    made = writer(path)
    made.commit([])
    head_of(path).unlink()

    assert found(path).broken == ""
    made.close()


def test_a_chain_that_was_broken_goes_on_as_another_and_the_break_stays(path: Path) -> None:
    cut(path, 3)
    write(path, 2)
    write(path, 2)

    (problem,) = checked(path).problems
    assert "rows 3 to 6 are missing" in problem.text
    assert (problem.place, problem.seq) == (f"{path}:4", 7)


def test_without_a_key_a_torn_end_is_told_and_a_cut_one_cannot_be(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])

    assert found(path, None).stray
    assert not found(path, None).broken
