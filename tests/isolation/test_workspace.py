"""Files of the workspace, each by the descriptor that its grant carries."""

import asyncio
import fcntl
import os
import stat
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from doubles import grant
from wire import until

from proxy.actions import FileList, FilePlan, FileRead, FileWrite, OpenPath
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.isolation.workspace import MAX_ENTRIES, MAX_FILE, WorkspaceFiles
from proxy.reasons import Reason

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

Open = Callable[..., OpenPath]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open a file or folder as layer 3 would, with what may be put in it; closed at the end."""
    paths: list[OpenPath] = []

    def run(path: Path, leaf: str = "") -> OpenPath:
        paths.append(OpenPath(os.open(path, os.O_RDONLY), leaf))
        return paths[-1]

    yield run
    for path in paths:
        path.close()


async def run(plan: FilePlan) -> Decision[Content]:
    return await WorkspaceFiles().run(plan, grant(plan))


def unread(descriptor: int) -> int:
    """How many bytes lie in a pipe."""
    count = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    return int.from_bytes(count, sys.byteorder)


async def value_of(plan: FilePlan) -> object:
    done = await run(plan)
    assert isinstance(done, Allow)
    assert isinstance(done.value, Document)
    return done.value.value


# Reading


@pytest.mark.parametrize(
    "text",
    ["", "hello\n", "grüße 🦀\r\n", "\ufeffmarked", "nul \x00 inside", "x" * MAX_FILE],
    ids=["nothing", "a line", "not ASCII", "a byte order mark", "a NUL", "all that is allowed"],
)
async def test_a_text_is_read_whole(tmp_path: Path, opened: Open, text: str) -> None:
    (tmp_path / "a").write_bytes(text.encode())

    assert await value_of(FileRead(opened(tmp_path / "a"))) == {"content": text}


async def test_a_file_past_the_limit_is_not_read(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").write_bytes(b"x" * (MAX_FILE + 1))

    assert await run(FileRead(opened(tmp_path / "a"))) == Deny(Reason.FILE_TOO_LARGE)


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"\x89PNG\r\n", b"half \xc3", b"\xed\xa0\x80", b"\xc0\xaf"]
)
async def test_what_is_no_text_is_not_guessed_at(tmp_path: Path, opened: Open, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)

    assert await run(FileRead(opened(tmp_path / "a"))) == Deny(Reason.FILE_NOT_TEXT)


async def test_the_descriptor_decides_and_not_the_name(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").write_text("judged")
    file = opened(tmp_path / "a")
    (tmp_path / "a").unlink()
    (tmp_path / "a").write_text("put in its place")

    assert await value_of(FileRead(file)) == {"content": "judged"}


async def test_an_error_of_the_disk_is_a_denial(tmp_path: Path, opened: Open) -> None:
    """A folder cannot be read: the error is the kernel's, and the answer a reason."""
    done = await run(FileRead(opened(tmp_path)))

    assert done == Deny(Reason.FILE_FAILED)
    assert "directory" in done.evidence


async def test_a_call_that_is_left_reads_on_from_no_other_file() -> None:
    """The trace gives a descriptor back with the call, and its number may mean another file."""
    ours, theirs = os.pipe()  # a file that takes long to read
    bait, baiting = os.pipe()  # and one of somebody else's
    os.write(baiting, b"another file")
    call = asyncio.create_task(run(FileRead(OpenPath(ours))))
    os.write(theirs, b"the beginning")
    await until(lambda: unread(theirs) == 0)

    call.cancel()
    await asyncio.wait({call}, timeout=0.3)
    if call.done():
        os.dup2(bait, ours)
    os.write(theirs, b"more")
    await until(lambda: unread(theirs) == 0)
    await asyncio.sleep(0.1)
    read_of_the_other = len(b"another file") - unread(bait)

    for descriptor in (theirs, baiting):
        os.close(descriptor)
    await asyncio.wait({call})
    await asyncio.sleep(0.1)
    for descriptor in (ours, bait):
        os.close(descriptor)
    assert read_of_the_other == 0
    assert call.cancelled()


# Writing


async def test_a_file_is_replaced_whole(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").write_text("a longer text than the new one")

    done = await value_of(FileWrite(opened(tmp_path, "a"), "grüße"))

    assert done == {"bytes_written": 7}
    assert (tmp_path / "a").read_bytes() == "grüße".encode()
    assert os.listdir(tmp_path) == ["a"]


async def test_whoever_has_the_old_file_open_keeps_it(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").write_text("old")
    reader = opened(tmp_path / "a")

    await run(FileWrite(opened(tmp_path, "a"), "new"))

    assert os.read(reader.descriptor, 10) == b"old"
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o664, 0o400])
async def test_a_replaced_file_keeps_its_mode(tmp_path: Path, opened: Open, mode: int) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(mode)

    await run(FileWrite(opened(tmp_path, "a"), "new"))

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6755, 0o1755])
async def test_a_replaced_program_loses_its_special_bits(
    tmp_path: Path, opened: Open, mode: int
) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(mode)

    await run(FileWrite(opened(tmp_path, "a"), "#!/bin/sh\nrm -rf /"))

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


@root_only
async def test_a_replaced_file_keeps_its_owner(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").write_text("old")
    os.chown(tmp_path / "a", 1234, 2345)

    await run(FileWrite(opened(tmp_path, "a"), "new"))

    status = (tmp_path / "a").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
async def test_a_new_file_is_readable_to_all_whatever_the_umask(
    tmp_path: Path, opened: Open, umask: int
) -> None:
    before = os.umask(umask)
    try:
        await run(FileWrite(opened(tmp_path, "new"), "x"))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644


@root_only
async def test_a_new_file_belongs_to_whom_its_folder_belongs(tmp_path: Path, opened: Open) -> None:
    os.chown(tmp_path, 1234, 2345)

    await run(FileWrite(opened(tmp_path, "new"), "x"))

    status = (tmp_path / "new").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


async def test_a_link_that_came_to_stand_there_is_replaced_and_not_followed(
    tmp_path: Path, opened: Open
) -> None:
    folder, outside = tmp_path / "workspace", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("untouched")
    place = opened(folder, "a")
    (folder / "a").symlink_to(outside)

    await run(FileWrite(place, "new"))

    assert outside.read_text() == "untouched"
    assert (folder / "a").read_text() == "new"
    assert not (folder / "a").is_symlink()


async def test_a_folder_that_moved_is_still_the_one_written_to(
    tmp_path: Path, opened: Open
) -> None:
    (tmp_path / "judged").mkdir()
    place = opened(tmp_path / "judged", "a")
    (tmp_path / "judged").rename(tmp_path / "moved")
    (tmp_path / "judged").mkdir()

    await run(FileWrite(place, "new"))

    assert os.listdir(tmp_path / "judged") == []
    assert os.listdir(tmp_path / "moved") == ["a"]


async def test_what_is_no_text_is_not_written(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").write_text("old")

    assert await run(FileWrite(opened(tmp_path, "a"), "\ud800")) == Deny(Reason.FILE_NOT_TEXT)

    assert (tmp_path / "a").read_text() == "old"


async def test_a_folder_in_the_way_is_left_alone(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a").mkdir()

    assert await run(FileWrite(opened(tmp_path, "a"), "x")) == Deny(Reason.FILE_FAILED)

    assert os.listdir(tmp_path) == ["a"]


async def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    small_disk: Path, opened: Open
) -> None:
    (small_disk / "a").write_text("old")

    done = await run(FileWrite(opened(small_disk, "a"), "x" * 200_000))

    assert done == Deny(Reason.FILE_FAILED)
    assert os.listdir(small_disk) == ["a"]
    assert (small_disk / "a").read_text() == "old"


# Listing


async def test_a_listing_names_kinds_and_sizes_in_order(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "file").write_text("12345")
    (tmp_path / "Folder").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".hidden").write_text("")

    done = await value_of(FileList(opened(tmp_path)))

    assert isinstance(done, dict)
    assert done["truncated"] is False
    rows = [(entry["name"], entry["type"]) for entry in done["entries"]]
    assert rows == [
        (".hidden", "file"),
        ("Folder", "folder"),
        ("dangling", "link"),
        ("file", "file"),
        ("link", "link"),
        ("pipe", "other"),
    ]
    assert done["entries"][3] == {"name": "file", "type": "file", "size": 5}


async def test_what_the_plan_hides_is_not_listed(tmp_path: Path, opened: Open) -> None:
    for name in (".env", "a", "b.pem"):
        (tmp_path / name).touch()
    file = replace(opened(tmp_path), hides=lambda name: name in {".env", "b.pem"})

    assert await value_of(FileList(file)) == {
        "entries": [{"name": "a", "type": "file", "size": 0}],
        "truncated": False,
    }


async def test_a_name_that_is_no_text_is_listed_all_the_same(tmp_path: Path, opened: Open) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/a\xff", os.O_CREAT | os.O_WRONLY))

    done = await value_of(FileList(opened(tmp_path)))

    assert done == {
        "entries": [{"name": "a\ufffd", "type": "file", "size": 0}],
        "truncated": False,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("more", "truncated"), [(0, False), (1, True)])
async def test_a_long_listing_is_cut_and_says_so(
    tmp_path: Path, opened: Open, more: int, *, truncated: bool
) -> None:
    for number in range(MAX_ENTRIES + more):
        os.close(os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY))

    done = await value_of(FileList(opened(tmp_path)))

    assert isinstance(done, dict)
    assert len(done["entries"]) == MAX_ENTRIES
    assert done["truncated"] is truncated


async def test_entries_that_come_and_go_do_not_fail_a_listing(tmp_path: Path, opened: Open) -> None:
    """Every file_write makes and renames such an entry, and so does every build."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(50):
                (tmp_path / f"{number}").touch()
            for number in range(50):
                (tmp_path / f"{number}").unlink()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        done = [await run(FileList(opened(tmp_path))) for _ in range(200)]
    finally:
        stop.set()
        thread.join()

    assert [each for each in done if isinstance(each, Deny)] == []
