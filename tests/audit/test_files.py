"""The files of one log: their order, their names, and room for them."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from auditing import write

from proxy.audit import files


def made(folder: Path, *numbers: int) -> str:
    for number in numbers:
        (folder / f"audit.jsonl.{number}").write_text(str(number))
    return str(folder / "audit.jsonl")


def test_older_files_come_first_by_their_number(tmp_path: Path) -> None:
    path = made(tmp_path, 1, 2, 10)
    for other in ("audit.jsonl.head", "audit.jsonl.01", "audit.jsonl.x", "xaudit.jsonl.3"):
        (tmp_path / other).touch()

    assert files.numbers(path) == [1, 2, 10]
    assert files.older(path) == [f"{path}.{number}" for number in (10, 2, 1)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), {"1": "new"}),
        ((1, 2), {"1": "new", "2": "1", "3": "2"}),
        ((2, 3), {"1": "new", "2": "2", "3": "3"}),
        ((1, 3), {"1": "new", "2": "1", "3": "3"}),
    ],
)
def test_a_shift_makes_way_and_loses_nothing(
    tmp_path: Path, before: tuple[int, ...], after: dict[str, str]
) -> None:
    path = made(tmp_path, *before)
    Path(path).write_text("new")

    files.shift(path)
    files.shift(path)

    found = {each.suffix[1:]: each.read_text() for each in tmp_path.iterdir()}
    assert found == after


def test_the_last_row_of_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 3)
    link = files.last_link(str(path))

    assert link
    assert link.seq == 4


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"x" * 3_000_000])
def test_a_file_that_ends_in_no_row_has_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "audit.jsonl").write_bytes(data)

    assert files.last_link(str(tmp_path / "audit.jsonl")) is None


def test_all_are_opened_oldest_first(tmp_path: Path) -> None:
    path = made(tmp_path, 1, 2)
    Path(path).touch()
    with ExitStack() as stack:
        names = [name for name, _ in files.opened(path, stack)]

    assert names == [f"{path}.2", f"{path}.1", path]


def test_where_there_is_none_it_is_said(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(FileNotFoundError, match="no audit log"):
        files.opened(str(tmp_path / "audit.jsonl"), stack)


def test_reserved_room_is_no_part_of_the_file(small_disk: Path) -> None:
    descriptor = os.open(small_disk / "audit.jsonl", os.O_RDWR | os.O_CREAT)
    free = os.statvfs(small_disk).f_bavail
    try:
        end = files.reserve(descriptor, 0, 8192)
        assert (end, os.fstat(descriptor).st_size) == (8192, 0)
        assert os.statvfs(small_disk).f_bavail < free
    finally:
        os.close(descriptor)


def test_no_more_is_reserved_than_a_quarter_of_what_is_free(small_disk: Path) -> None:
    descriptor = os.open(small_disk / "audit.jsonl", os.O_RDWR | os.O_CREAT)
    try:
        assert 0 < files.reserve(descriptor, 0, 1 << 30) <= 65536 // 4
    finally:
        os.close(descriptor)


def test_where_nothing_can_be_reserved_nothing_is() -> None:
    descriptor = os.open("/dev/null", os.O_RDWR)
    try:
        assert files.reserve(descriptor, 5, 100) == 5
    finally:
        os.close(descriptor)
