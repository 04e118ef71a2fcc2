"""Real files, and the kernel's own answers."""

import ctypes
import errno
import os
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

from proxy.beneath import open_beneath, open_folder, real_path

Make = Callable[[Path], object]


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


def read(folder: int, path: str, *, follow: bool = True) -> bytes:
    descriptor = open_beneath(folder, path, os.O_RDONLY, follow=follow)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def refusal(folder: int, path: str, *, follow: bool = True) -> str:
    """The name of the error that opening ends in."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is looked at
        read(folder, path, follow=follow)
    return errno.errorcode[caught.value.errno or 0]


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
def test_what_lies_beneath_is_opened(workspace: int, path: str) -> None:
    assert read(workspace, path) == b"inside"


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
def test_what_leads_out_or_nowhere_is_refused(workspace: int, path: str, error: str) -> None:
    assert refusal(workspace, path) == error


@pytest.mark.parametrize("path", ["to_file", "to_link", "to_sub/file", "sub/back", "dangling"])
def test_no_link_is_followed_where_the_caller_says_so(workspace: int, path: str) -> None:
    assert refusal(workspace, path, follow=False) == "ELOOP"


def test_what_needs_no_link_is_opened_without_following(workspace: int) -> None:
    assert read(workspace, "sub/deep/../file", follow=False) == b"inside"


@pytest.mark.parametrize("path", ["cwd", "root", "root/etc/passwd", "exe", "fd/0"])
def test_magic_link_is_never_followed(path: str) -> None:
    folder = open_folder("/proc/self")
    try:
        assert refusal(folder, path) in {"ELOOP", "EXDEV"}
    finally:
        os.close(folder)


def test_name_that_is_not_utf8_is_a_name(root: Path, workspace: int) -> None:
    raw = os.fsencode(root / "workspace") + b"/\xff"
    with open(raw, "wb") as file:
        file.write(b"inside")

    assert read(workspace, os.fsdecode(b"\xff")) == b"inside"


def test_folder_itself_is_beneath_itself(root: Path, workspace: int) -> None:
    descriptor = open_beneath(workspace, ".", os.O_PATH | os.O_DIRECTORY)

    assert real_path(descriptor) == str(root / "workspace")
    os.close(descriptor)


def test_descriptors_are_not_inherited(workspace: int) -> None:
    descriptor = open_beneath(workspace, "file", os.O_RDONLY)

    assert not os.get_inheritable(descriptor)
    assert not os.get_inheritable(workspace)
    os.close(descriptor)


def test_nothing_is_made_by_opening(root: Path, workspace: int) -> None:
    assert refusal(workspace, "new") == "ENOENT"
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


NAMES = ["..", ".", "", "file", "sub", "deep", "missing", "outside", "workspace", "\0", "\ud800"]
LINKS = ["to_sub", "to_file", "back", "up", "relative", "absolute", "loop", "root", "magic"]


@given(
    parts=st.lists(st.sampled_from([*NAMES, *LINKS, "etc", "passwd"]), max_size=8),
    follow=st.booleans(),
)
@example(parts=["sub", "..", "..", "outside", "file"], follow=True)
@example(parts=["", "etc", "passwd"], follow=True)
def test_no_path_whatever_leads_out(workspace: int, parts: list[str], follow: bool) -> None:  # noqa: FBT001
    try:
        content = read(workspace, "/".join(parts), follow=follow)
    except OSError:
        return

    assert content == b"inside"


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


def attempts(folder: int, path: str, *, follow: bool) -> Counter[bytes]:
    """What half a second of opening the same path yields."""
    found: Counter[bytes] = Counter()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        try:
            found[read(folder, path, follow=follow)] += 1
        except OSError:
            found[b"refused"] += 1
    return found


@pytest.mark.parametrize("follow", [True, False])
def test_race_between_a_folder_and_a_link_out_of_it_is_never_won(follow: bool) -> None:  # noqa: FBT001
    with laid_out() as root:
        folder = open_folder(str(root / "workspace"))
        sub, evil = root / "workspace" / "sub", root / "workspace" / "relative"
        with meanwhile(lambda: exchange(sub, evil)):
            found = attempts(folder, "sub/file", follow=follow)
        os.close(folder)

    assert set(found) == {b"inside", b"refused"}


def test_race_that_moves_a_folder_out_while_it_is_walked_is_never_won() -> None:
    with laid_out() as root:
        folder = open_folder(str(root / "workspace"))
        inside, outside = root / "workspace" / "sub" / "deep", root / "outside" / "deep"

        def move() -> None:
            inside.rename(outside)
            outside.rename(inside)

        with meanwhile(move):
            found = attempts(folder, "sub/deep/../file", follow=True)
        os.close(folder)

    assert set(found) == {b"inside", b"refused"}
