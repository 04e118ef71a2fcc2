"""Whether a log is whole: what was done to it is found, and where."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from auditing import KEY, PUBLIC_KEY, checked, row, write, writer

from proxy.audit import Limits
from proxy.audit.chain import NOTHING, Walk, body
from proxy.audit.checkpoints import PURPOSE, signed
from proxy.audit.head import Head
from proxy.audit.verify import verify, verify_files
from proxy.seal import Seal

OTHER = Seal(b"o" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log in three files."""
    made = tmp_path / "audit.jsonl"
    write(made, 40, limits=Limits(4000, 10))
    assert len(list(tmp_path.iterdir())) == 4
    return made


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_what_is_whole_is_told_in_numbers(path: Path) -> None:
    report = checked(path)

    assert (report.problems, report.notes) == ([], [])
    assert (report.files, report.first, report.unsigned) == (3, 0, 0)
    assert report.last == report.rows - 1
    assert report.checkpoints == 3
    assert report.since <= report.until
    assert report.signatures


def test_another_bit_at_any_place_is_found(path: Path) -> None:
    for file in (path, path.with_name("audit.jsonl.1")):
        data = file.read_bytes()
        for place in range(0, len(data), 5):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            file.write_bytes(bytes(changed))
            assert checked(path).problems, (file, place)
        file.write_bytes(data)
    assert checked(path).problems == []


ATTACKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a row is removed": (lambda rows: rows[:3] + rows[4:], ":4: expected row 3, found row 4"),
    "two are exchanged": (
        lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]],
        ":4: expected row 3, found row 4",
    ),
    "one stands twice": (lambda rows: rows[:4] + rows[3:], ":5: expected row 4, found row 3"),
    "a line is put in": (lambda rows: [*rows[:3], b"{}\n", *rows[3:]], ":4: expected row 3"),
    "a row is another": (
        lambda rows: [*rows[:3], rows[3].replace(b'"n":2', b'"n":9'), *rows[4:]],
        ":5: row 3 is not as row 4 says: one of them was changed",
    ),
    "the file is empty": (lambda _: [], ".1:1: expected row 0"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_done_to_the_oldest_file_is_told_with_its_place(path: Path, attack: str) -> None:
    change, expected = ATTACKS[attack]
    oldest = path.with_name("audit.jsonl.2")
    oldest.write_bytes(b"".join(change(lines_of(oldest))))

    problem = checked(path).problems[0]
    if attack == "the file is empty":
        assert "no row says that they were removed" in problem.text
    else:
        assert expected in f"{problem.place}: {problem.text}"


@pytest.mark.parametrize("number", range(1, 12))
def test_rows_that_were_cut_off_the_end_are_missed(path: Path, number: int) -> None:
    rows = lines_of(path)
    path.write_bytes(b"".join(rows[:-number]))

    assert checked(path).problems
    assert verify(str(path), None, None).problems


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"])
def test_a_file_that_was_removed_is_missed(path: Path, name: str) -> None:
    path.with_name(name).unlink()

    assert checked(path).problems


def test_a_head_that_was_removed_or_changed_is_missed(path: Path) -> None:
    head = path.with_name("audit.jsonl.head")
    head.write_bytes(b"x" * 151)
    assert "no head" in checked(path).problems[0].text

    head.unlink()
    assert "head is missing" in checked(path).problems[0].text


def test_who_has_no_key_cannot_write_the_log_anew(path: Path) -> None:
    """Neither with the checkpoints of another key, nor with none, nor with a head of one's own."""
    for each in path.parent.iterdir():
        each.unlink()
    write(path, 40, seal=OTHER)

    assert verify(str(path), KEY, PUBLIC_KEY).problems
    (problem,) = verify(str(path), None, PUBLIC_KEY).problems
    assert "expected a signature of this log's key" in problem.text
    assert verify(str(path), None, OTHER.public_key(PURPOSE)).problems == []


def test_a_log_without_key_and_head_is_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 40, seal=None)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]

    for seal in (KEY, None):
        problems = verify(str(path), seal, PUBLIC_KEY).problems
        assert any("head is missing" in each.text for each in problems)
    assert verify(str(path), None, None).problems == []


def test_two_checkpoints_of_another_key_are_two_problems(tmp_path: Path) -> None:
    path, link, text = tmp_path / "audit.jsonl", NOTHING, b""
    for number, seal in enumerate((KEY, OTHER, KEY, OTHER)):
        line, link = link.next(row(number))
        made = body("2026-01-31T00:00:00.000+00:00", "checkpoint", instance="c0ffee")
        point, link = link.next(signed(link, made, seal))
        text += line + point
    path.write_bytes(text)
    head = Head(f"{path}.head", KEY)
    head.write(link)
    head.close()

    assert [each.place for each in checked(path).problems] == [f"{path}:4", f"{path}:8"]


def test_a_long_log_without_checkpoints_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    made = writer(path, None)
    made.commit([row(0)])
    link, text = made.found.link, b""
    walk = Walk(None)
    for line in lines_of(path):
        walk.feed(line)
    assert walk.link
    link = walk.link
    for number in range(5000):
        line, link = link.next(row(number))
        text += line
    with path.open("ab") as file:
        file.write(text)

    problem, _ = verify(str(path), None, PUBLIC_KEY).problems
    assert "have no checkpoint" in problem.text


def test_what_is_being_written_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    made = writer(path)
    made.commit([row(0)])
    with path.open("ab") as file:
        file.write(b'{"seq":2,"prev"')

    report = checked(path)
    assert report.problems == []
    assert report.notes == [f"{path}:3: 15 bytes of an unfinished row"]
    assert report.unsigned == 2


def test_copies_elsewhere_are_verified_in_any_order(path: Path, tmp_path: Path) -> None:
    names = [path.with_name(name) for name in ("audit.jsonl.1", "audit.jsonl.2")]
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    copies = [str(shutil.copy(name, folder)) for name in names]

    report = verify_files(copies, PUBLIC_KEY)
    assert (report.problems, report.files, report.checkpoints) == ([], 2, 2)
    assert verify_files(copies, OTHER.public_key(PURPOSE)).problems
    assert verify_files([copies[0]], None).problems == []


def test_without_a_key_the_chain_is_checked_and_the_signatures_are_not(path: Path) -> None:
    report = verify(str(path), None, None)

    assert (report.problems, report.signatures) == ([], False)


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"\x00" * 3_000_000, b'{"seq":0}\n'])
def test_what_is_no_log_is_a_problem(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "audit.jsonl").write_bytes(data)

    assert checked(tmp_path / "audit.jsonl").problems


def test_where_there_is_no_log_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no audit log"):
        checked(tmp_path / "audit.jsonl")
