"""Real files, and the kernel's own answers."""

import ctypes
import errno
import os
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel import open_files

from proxy.beneath import (
    Opening,
    best_opening,
    open_beneath,
    open_folder,
    real_path,
    walk_beneath,
)

Make = Callable[[Path], object]
BOTH = pytest.mark.parametrize("opening", [open_beneath, walk_beneath])


def build(root: Path) -> None:
    """`workspace` with what may be read in it, beside `outside` with what may not."""
    workspace, outside = root / "workspace", root / "outside"
    (workspace / "sub" / "deep").mkdir(parents=True)
    outside.mkdir()
    for folder in (workspace, workspace / "sub", workspace / "sub" / "deep"):
        (folder / "file").write_text("inside")
    (outside / "file").write_text("outside")
    links = {
        "to_sub": "sub",
        "to_file": "file",
        "to_link": "to_file",
        "sub/back": "../file",
        "up": "..",
        "relative": "../outside",
        "absolute": str(outside),
        "absolute_in": str(workspace / "file"),
        "loop": "loop",
        "ping": "pong",
        "pong": "ping",
        "root": "/",
        "magic": f"/proc/self/fd/{os.open('/', os.O_RDONLY)}",
        "proc_root": "/proc/self/root",
        "dangling": "nowhere",
    }
    for name, target in links.items():
        (workspace / name).symlink_to(target)


@contextmanager
def laid_out() -> Iterator[Path]:
    """The folder around a workspace and its outside."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        build(root)
        try:
            yield root
        finally:
            os.close(int(os.readlink(root / "workspace" / "magic").rpartition("/")[2]))


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with laid_out() as folder:
        yield folder


@pytest.fixture(scope="module")
def workspace(root: Path) -> Iterator[int]:
    descriptor = open_folder(str(root / "workspace"))
    yield descriptor
    os.close(descriptor)


def read(opening: Opening, folder: int, path: str) -> bytes:
    descriptor = opening(folder, path, os.O_RDONLY)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def refusal(opening: Opening, folder: int, path: str) -> str:
    """The name of the error that opening ends in."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is looked at
        read(opening, folder, path)
    return errno.errorcode[caught.value.errno or 0]


@BOTH
@pytest.mark.parametrize(
    "path",
    [
        *("file", "./file", "sub/file", "sub//file", "sub/./deep/file"),
        # up and down again, without leaving
        *("sub/../file", "sub/deep/../../file"),
        # links that stay inside
        *("to_file", "to_link", "to_sub/file", "to_sub/deep/../file", "sub/back"),
    ],
)
def test_what_lies_beneath_is_opened(workspace: int, path: str, opening: Opening) -> None:
    assert read(opening, workspace, path) == b"inside"


@BOTH
@pytest.mark.parametrize(
    ("path", "error"),
    [
        # up and out
        *(("..", "EXDEV"), ("../outside/file", "EXDEV"), ("sub/../../outside/file", "EXDEV")),
        *(("../workspace/file", "EXDEV"), ("sub/deep/../../../workspace/file", "EXDEV")),
        # absolute, even where it names a file inside
        *(("/etc/passwd", "EXDEV"), ("/", "EXDEV"), ("//etc/passwd", "EXDEV")),
        # links that lead out
        *(("up/outside/file", "EXDEV"), ("relative/file", "EXDEV"), ("absolute/file", "EXDEV")),
        *(("absolute_in", "EXDEV"), ("root/etc/passwd", "EXDEV"), ("to_sub/../up", "EXDEV")),
        *(("magic/etc/passwd", "EXDEV"), ("proc_root/etc/passwd", "EXDEV")),
        # loops
        *(("loop", "ELOOP"), ("loop/file", "ELOOP"), ("ping", "ELOOP")),
        # no such thing
        *(("", "ENOENT"), ("missing", "ENOENT"), ("dangling", "ENOENT"), ("sub/missing", "ENOENT")),
        *(("file/", "ENOTDIR"), ("file/file", "ENOTDIR"), ("file/..", "ENOTDIR")),
        # no name at all
        *(("\0", "EINVAL"), ("file\0", "EINVAL"), ("file\0/../../outside", "EINVAL")),
        *(("\ud800", "EINVAL"), ("file\udfff", "EINVAL")),
        # longer than any name
        *(("a" * 256, "ENAMETOOLONG"), ("sub/" * 2000 + "file", "ENAMETOOLONG")),
    ],
)
def test_what_leads_out_or_nowhere_is_refused(
    workspace: int, path: str, error: str, opening: Opening
) -> None:
    assert refusal(opening, workspace, path) == error


@BOTH
@pytest.mark.parametrize("path", ["cwd", "root", "root/etc/passwd", "exe", "fd/0"])
def test_magic_link_is_never_followed(path: str, opening: Opening) -> None:
    folder = open_folder("/proc/self")
    try:
        assert refusal(opening, folder, path) in {"ELOOP", "EXDEV"}
    finally:
        os.close(folder)


@BOTH
def test_name_that_is_not_utf8_is_a_name(root: Path, workspace: int, opening: Opening) -> None:
    raw = os.fsencode(root / "workspace") + b"/\xff"
    with open(raw, "wb") as file:
        file.write(b"inside")

    assert read(opening, workspace, os.fsdecode(b"\xff")) == b"inside"


@BOTH
def test_folder_itself_is_beneath_itself(root: Path, workspace: int, opening: Opening) -> None:
    descriptor = opening(workspace, ".", os.O_PATH)

    assert real_path(descriptor) == str(root / "workspace")
    os.close(descriptor)


@BOTH
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
def test_descriptors_are_not_inherited(workspace: int, flags: int, opening: Opening) -> None:
    descriptor = opening(workspace, "file", flags)

    assert not os.get_inheritable(descriptor)
    assert not os.get_inheritable(workspace)
    os.close(descriptor)


@BOTH
def test_nothing_is_made_by_opening(root: Path, workspace: int, opening: Opening) -> None:
    assert refusal(opening, workspace, "new") == "ENOENT"
    assert not (root / "workspace" / "new").exists()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(Path.touch, NotADirectoryError, id="a file"),
        pytest.param(Path.exists, FileNotFoundError, id="nothing"),
    ],
)
def test_only_a_folder_is_opened_as_one(tmp_path: Path, make: Make, error: type[OSError]) -> None:
    make(tmp_path / "x")

    with pytest.raises(error):
        open_folder(str(tmp_path / "x"))


def test_real_path_follows_the_file_where_it_goes(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("")
    folder = open_folder(str(tmp_path))
    descriptor = open_beneath(folder, "before", os.O_RDONLY)

    (tmp_path / "before").rename(tmp_path / "after")

    assert real_path(descriptor) == str(tmp_path / "after")
    os.close(descriptor)
    os.close(folder)


def test_the_walk_leaves_nothing_open(workspace: int) -> None:
    before = open_files()

    for path in ("sub/deep/file", "to_sub/../up", "missing/x", "loop", "sub/deep/../../to_link"):
        outcome(walk_beneath, workspace, path)

    assert open_files() == before


def test_a_walk_deeper_than_its_descriptors_last_is_refused(tmp_path: Path) -> None:
    deep = "d/" * 300
    (tmp_path / deep).mkdir(parents=True)
    folder = open_folder(str(tmp_path))

    assert refusal(walk_beneath, folder, deep) == "ELOOP"
    assert outcome(walk_beneath, folder, "d/../" * 300) == errno.EISDIR
    os.close(folder)


def test_the_kernel_opens_where_it_can() -> None:
    assert best_opening() is open_beneath


def without_openat2(code: int) -> None:
    """Let openat2(2) fail with `code` in this process for good, as old filters of engines do."""
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the number of the call
            (0x15, 0, 1, 437),  # is it openat2?
            (0x06, 0, 0, 0x00050000 | code),  # SECCOMP_RET_ERRNO
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", 4, ctypes.addressof(buffer))
    assert _libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert _libc.prctl(22, 2, header, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM], ids=errno.errorcode.get)
def test_where_the_kernel_hides_it_paths_are_walked(tmp_path: Path, code: int) -> None:
    (tmp_path / "file").write_text("inside")
    child = os.fork()
    if not child:
        try:
            without_openat2(code)
            folder = open_folder(str(tmp_path))
            walked = best_opening() is walk_beneath
            kept = outcome(open_beneath, folder, "file") == code
            os._exit(0 if walked and kept and read(walk_beneath, folder, "file") else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


NAMES = ["..", ".", "", "file", "sub", "deep", "missing", "outside", "workspace", "\0", "\ud800"]
LINKS = ["to_sub", "to_file", "back", "up", "relative", "absolute", "loop", "root", "magic"]


def outcome(opening: Opening, folder: int, path: str) -> bytes | int | None:
    """What is read, or the number of the error."""
    try:
        return read(opening, folder, path)
    except OSError as error:
        return error.errno


@given(parts=st.lists(st.sampled_from([*NAMES, *LINKS, "etc", "passwd"]), max_size=8))
@example(parts=["sub", "..", "..", "outside", "file"])
@example(parts=["", "etc", "passwd"])
def test_no_path_whatever_leads_out_and_both_ways_agree(workspace: int, parts: list[str]) -> None:
    path = "/".join(parts)

    found = outcome(walk_beneath, workspace, path)

    assert found == b"inside" or isinstance(found, int)
    assert found == outcome(open_beneath, workspace, path)


_libc = ctypes.CDLL(None, use_errno=True)
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def exchange(one: Path, other: Path) -> None:
    """Let two names change places at one moment."""
    code = _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    assert code == 0, os.strerror(ctypes.get_errno())


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Do `act` over and over in a thread of its own."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.is_set():
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def attempts(opening: Opening, folder: int, path: str) -> Counter[bytes]:
    """What half a second of opening the same path yields."""
    found: Counter[bytes] = Counter()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        try:
            found[read(opening, folder, path)] += 1
        except OSError:
            found[b"refused"] += 1
    return found


@BOTH
def test_race_between_a_folder_and_a_link_out_of_it_is_never_won(opening: Opening) -> None:
    with laid_out() as root:
        folder = open_folder(str(root / "workspace"))
        sub, evil = root / "workspace" / "sub", root / "workspace" / "relative"
        with meanwhile(lambda: exchange(sub, evil)):
            found = attempts(opening, folder, "sub/file")
        os.close(folder)

    assert set(found) == {b"inside", b"refused"}


@BOTH
def test_race_that_moves_a_folder_out_while_it_is_walked_is_never_won(opening: Opening) -> None:
    with laid_out() as root:
        folder = open_folder(str(root / "workspace"))
        inside, outside = root / "workspace" / "sub" / "deep", root / "outside" / "deep"

        def move() -> None:
            inside.rename(outside)
            outside.rename(inside)

        with meanwhile(move):
            found = attempts(opening, folder, "sub/deep/../file")
        os.close(folder)

    assert set(found) == {b"inside", b"refused"}
