"""What goes on the disk: all of it or none, file after file, whatever happens meanwhile."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import pytest
from auditing import KEY, checked, row, rows_of, write, writer
from disks import full, grow

from proxy.audit import Limits
from proxy.audit.writer import CHECKPOINT_ROWS

SMALL = Limits(4000, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def events(path: Path) -> list[str]:
    return [each["event"] for each in rows_of(path)]


def test_the_first_row_says_whose_log_it_is(path: Path) -> None:
    write(path, 1)
    first = rows_of(path)[0]

    assert (first["event"], first["format"], first["instance"]) == ("begin", 1, "c0ffee")
    assert len(first["public_key"]) == 64
    assert events(path) == ["begin", "grant", "checkpoint"]


def test_where_nothing_was_written_nothing_is_signed_again(path: Path) -> None:
    write(path, 1)
    made = writer(path)
    made.commit([])
    made.close()

    assert events(path) == ["begin", "grant", "checkpoint"]


def test_a_checkpoint_comes_after_so_many_rows(path: Path) -> None:
    made = writer(path)
    for number in range(3):
        made.commit([row(number)] * (CHECKPOINT_ROWS // 2))
    made.close()

    assert events(path).count("checkpoint") == 2
    assert checked(path).problems == []


def test_files_follow_each_other_and_the_oldest_goes(path: Path) -> None:
    write(path, 200, limits=SMALL)

    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.head"]
    assert all(each.stat().st_size < 4600 for each in path.parent.iterdir())
    assert events(path)[0] == "continued"
    assert rows_of(path.with_name("audit.jsonl.1"))[-1]["closes"] is True
    report = checked(path)
    assert (report.problems, report.notes) == ([], [])
    assert report.first
    assert report.first > 100


def test_a_log_goes_on_over_restarts_and_rotation(path: Path) -> None:
    for _ in range(20):
        write(path, 7, limits=SMALL)

    assert checked(path).problems == []


@pytest.mark.parametrize("step", ["closed", "shifted", "begun"])
def test_a_rotation_that_a_crash_cut_short_is_done_again(path: Path, step: str) -> None:
    write(path, 60, limits=SMALL)
    if step != "closed":
        path.with_name("audit.jsonl.2").rename(path.with_name("audit.jsonl.3"))
        path.with_name("audit.jsonl.1").rename(path.with_name("audit.jsonl.2"))
        path.rename(path.with_name("audit.jsonl.1"))
    if step == "begun":
        path.touch()

    write(path, 60, limits=SMALL)

    assert checked(path).problems == []
    assert len(list(path.parent.iterdir())) == 4


def test_fewer_files_may_be_kept_from_now_on(path: Path) -> None:
    write(path, 200, limits=Limits(2000, 9))
    write(path, 50, limits=Limits(2000, 2))

    assert checked(path).problems == []
    assert {each.name for each in path.parent.iterdir()} == {
        *("audit.jsonl", "audit.jsonl.1", "audit.jsonl.head"),
    }


def test_a_disk_that_others_fill_does_not_stop_it_before_its_room_is_used(
    small_disk: Path,
) -> None:
    path = small_disk / "audit.jsonl"
    made = writer(path, limits=Limits(8000, 2))
    made.commit([])
    written = 0
    with full(small_disk):
        for written in range(10):
            made.commit([row(written, 300)])
        with pytest.raises(OSError, match=r"short|space"):
            made.commit([row(0, 1000)] * 100)
    made.commit([row(0)])
    made.close()

    assert written == 9
    assert checked(path).problems == []
    assert "rows-lost" in path.read_text()


def test_what_is_lost_is_counted_and_told_with_the_next_row(small_disk: Path) -> None:
    path = small_disk / "audit.jsonl"
    made = writer(path)
    with full(small_disk):
        for _ in range(3):
            with pytest.raises(OSError, match=r"short|space"):
                made.commit([row(0, 30_000), row(1)])
    grow(small_disk, "1m")
    made.commit([row(2)])
    made.close()

    assert [each.get("count") for each in rows_of(path) if each["event"] == "rows-lost"] == [6]
    assert checked(path).problems == []


def test_a_write_that_is_cut_anywhere_is_taken_back(path: Path) -> None:
    """A limit on how large a file may be ends a write in the middle, as a full disk does."""
    made = writer(path)
    made.commit([row(0)])
    size = path.stat().st_size
    before, handler = getrlimit(RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for extra in (0, 1, 50, 150):
            setrlimit(RLIMIT_FSIZE, (size + extra, before[1]))
            with pytest.raises(OSError, match=r"short|large"):
                made.commit([row(1, 200)])
            assert path.stat().st_size == size
    finally:
        setrlimit(RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    made.commit([row(2)])
    made.close()

    assert checked(path).problems == []


# kill -9

WRITER = """
import sys
from auditing import row, writer
from proxy.audit import Limits
from pathlib import Path

made = writer(Path(sys.argv[1]), limits=Limits(60_000, 4))
print("ready", flush=True)
number = 0
while True:
    made.commit([row(number + step, 150) for step in range(1 + number % 17)])
    number += 1 + number % 17
    print(number, flush=True)
"""


def killed(path: Path, after: float) -> None:
    """Run one that writes as fast as it can, and kill it."""
    root = Path(__file__).parents[2]
    python = os.pathsep.join([str(root), str(root / "tests")])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": python},
    ) as process:
        assert process.stdout
        process.stdout.readline()
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            process.stdout.readline()
        process.kill()


def test_after_each_of_many_kills_the_log_is_whole(path: Path) -> None:
    chance = random.Random(2026)
    for _ in range(int(os.environ.get("SIDEGATE_KILLS", "8"))):
        killed(path, chance.uniform(0.0, 0.15))
        report = checked(path)
        assert report.problems == []
        assert report.rows
    write(path, 1)
    assert checked(path, KEY).problems == []


def test_beside_one_who_writes_nothing_looks_wrong(path: Path) -> None:
    """Files are renamed and removed meanwhile, and the last row may be half there."""
    root = Path(__file__).parents[2]
    python = os.pathsep.join([str(root), str(root / "tests")])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": python},
    ) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            process.stdout.readline()
            found = [problem for _ in range(60) for problem in checked(path).problems]
        finally:
            process.kill()

    assert found == []
