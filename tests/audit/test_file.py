"""Group commit: what must be on the disk is, in order, and what cannot be is told."""

import asyncio
import errno
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auditing import KEY, Written, checked, row, write

from proxy.audit import MAX_LAG, AuditFile, Limits
from proxy.audit.reading import rows


@pytest.fixture
async def written(tmp_path: Path) -> AsyncIterator[Written]:
    made = Written(tmp_path / "audit.jsonl")
    yield made
    await made.file.aclose()


@pytest.fixture
async def full() -> AsyncIterator[Written]:
    """An audit file on a disk that has no room left."""
    made = Written(Path("/dev/full"))
    yield made
    await made.file.aclose()


async def settle(file: AuditFile) -> None:
    """Wait until everything before this line is on the disk."""
    await file.append(b'{"event":"mark"}\n', wait=True)


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    made = Written(tmp_path / "audit.jsonl", KEY)
    await made.file.aclose()

    for path in (made.path, tmp_path / "audit.jsonl.head"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_must_be_on_record_is_there_when_append_returns(written: Written) -> None:
    await written.file.append(b'{"n":1}\n', wait=True)

    assert written.rows() == [{"n": 1}]


async def test_rows_of_many_at_once_are_all_there_in_order(written: Written) -> None:
    async def one(number: int) -> None:
        line = json.dumps({"n": number, "x": "y" * 300}).encode() + b"\n"
        await written.file.append(line, wait=number % 3 == 0)

    await asyncio.gather(*(one(number) for number in range(3 * MAX_LAG)))
    await settle(written.file)

    assert [each["n"] for each in written.rows()[:-1]] == list(range(3 * MAX_LAG))
    assert written.lost == 0


async def test_what_may_lag_does_not_lag_for_ever(written: Written) -> None:
    """Past the bound the next row waits for the disk, as an acting one does."""
    for number in range(MAX_LAG):
        await written.file.append(b'{"n":%d}\n' % number, wait=False)
    assert written.rows() == []

    await written.file.append(b'{"n":-1}\n', wait=False)

    assert len(written.rows()) == MAX_LAG + 1


async def test_what_nobody_waits_for_is_written_in_a_moment(written: Written) -> None:
    for number in range(2):
        await written.file.append(b'{"n":%d}\n' % number, wait=False)

    await asyncio.sleep(0.5)

    assert written.rows() == [{"n": 0}, {"n": 1}]


async def test_who_waits_waits_for_no_moment(written: Written) -> None:
    """And what came before goes first, whoever waits for it."""
    await written.file.append(b'{"n":0}\n', wait=False)
    await written.file.append(b'{"n":1}\n', wait=True)

    assert written.rows() == [{"n": 0}, {"n": 1}]


async def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    made = Written(tmp_path / "audit.jsonl")
    for number in range(10):
        await made.file.append(b'{"n":%d}\n' % number, wait=False)

    await made.file.aclose()

    assert len(made.rows()) == 10


async def test_it_is_continued_and_never_begun_anew(tmp_path: Path) -> None:
    for number in range(2):
        made = Written(tmp_path / "audit.jsonl")
        await made.file.append(b'{"n":%d}\n' % number, wait=True)
        await made.file.aclose()

    assert made.rows() == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize("path", ["no/such/folder", "."])
def test_a_place_that_cannot_be_written_to_is_told_at_once(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="irectory"):
        AuditFile(str(tmp_path / path), lambda: None)


# No room


async def test_a_row_that_must_be_there_and_cannot_be_is_an_error(full: Written) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        await full.file.append(b"{}\n", wait=True)

    assert full.lost == 1


async def test_a_row_that_may_lag_and_is_lost_is_counted(full: Written) -> None:
    await full.file.append(b"{}\n", wait=False)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        await full.file.append(b"{}\n", wait=True)

    assert full.lost >= 1


async def test_all_who_wait_for_a_write_that_fails_are_told(full: Written) -> None:
    waiting = [full.file.append(b"{}\n", wait=True) for _ in range(20)]

    done = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(each) for each in done] == [OSError] * 20


async def test_a_cancelled_wait_stays_cancelled_and_its_loss_is_counted(full: Written) -> None:
    waiting = asyncio.create_task(full.file.append(b"{}\n", wait=True))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    await asyncio.sleep(0.2)
    assert full.lost == 1


async def test_when_there_is_room_again_it_goes_on(small_disk: Path) -> None:
    """What was written of the row that failed is taken back, so that each line is a whole one."""
    made = Written(small_disk / "audit.jsonl")
    await made.file.append(b'{"n":1}\n', wait=True)
    (small_disk / "filler").write_bytes(b"x" * 48_000)

    with pytest.raises(OSError, match=r"short write|No space left"):
        await made.file.append(b'{"n":2,"x":"%s"}\n' % (b"y" * 20_000), wait=True)

    (small_disk / "filler").unlink()
    await made.file.append(b'{"n":3}\n', wait=True)
    await made.file.aclose()
    first, lost, last = made.rows()
    assert (first, last) == ({"n": 1}, {"n": 3})
    assert (lost["event"], lost["count"]) == ("rows-lost", 1)
    assert made.lost == 1
    assert checked(made.path, None).problems == []


async def test_a_log_that_was_cut_is_told_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 5)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))

    made = Written(path, KEY)
    await made.file.append(row(9), wait=True)
    await made.file.aclose()

    assert made.file.broken == "rows 3 to 6 are missing or changed"
    assert len(checked(path).problems) == 1


async def test_a_disk_that_is_full_at_the_start_stops_no_start(full: Written) -> None:
    assert full.lost == 0


async def test_many_who_write_at_once_over_many_files_make_one_chain(tmp_path: Path) -> None:
    made = Written(tmp_path / "audit.jsonl", KEY, Limits(20_000, 100))

    async def one(number: int) -> None:
        for step in range(10):
            await made.file.append(row(number * 10 + step, 200), wait=step % 2 == 0)

    await asyncio.gather(*(one(number) for number in range(100)))
    await made.file.aclose()

    report = checked(made.path)
    assert (report.problems, report.notes, report.unsigned) == ([], [], 0)
    assert report.files > 5
    numbers = [each.fields.get("n") for each in rows(str(made.path)) if each.event == "grant"]
    assert sorted(n for n in numbers if isinstance(n, int)) == list(range(1000))


async def test_rows_are_signed_at_the_end(tmp_path: Path) -> None:
    made = Written(tmp_path / "audit.jsonl", KEY)
    await made.file.append(row(0), wait=False)
    await made.file.aclose()

    assert (checked(made.path).checkpoints, checked(made.path).unsigned) == (1, 0)
