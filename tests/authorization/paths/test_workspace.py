"""The workspace, with real files: what opens, what does not, and that nothing stays open."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxy.actions import OpenPath
from proxy.authorization.paths.forbidden import KEYS, SYSTEM
from proxy.authorization.paths.workspace import Workspace
from proxy.beneath import open_beneath, walk_beneath
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

OUTSIDE = Deny(Reason.PATH_OUTSIDE_WORKSPACE)
FORBIDDEN = Deny(Reason.PATH_FORBIDDEN)
NOT_FOUND = Deny(Reason.PATH_NOT_FOUND)
UNUSABLE = Deny(Reason.PATH_UNUSABLE)
IGNORED = Deny(Reason.PATH_IGNORED)
READ_ONLY = Deny(Reason.PATH_READ_ONLY)

Open = Callable[..., Workspace]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with something in it, and something beside it."""
    workspace = tmp_path / "workspace"
    (workspace / "src").mkdir(parents=True)
    (workspace / "a.txt").write_text("a")
    (workspace / "src" / "b.txt").write_text("b")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "c.txt").write_text("c")
    (tmp_path / "workspace2").mkdir()
    return workspace


@pytest.fixture(params=[open_beneath, walk_beneath])
def opened(folder: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open the workspace, in both ways; closed with the test."""
    with ExitStack() as stack:

        def run(
            *forbidden: str,
            spelling: Path = folder,
            only: bool = True,
            allowed: Iterable[tuple[str, bool]] = (),
            ignore: Iterable[str] = (),
        ) -> Workspace:
            workspace = Workspace.open(
                str(spelling),
                forbidden,
                only=only,
                allowed=allowed,
                ignore=ignore,
                opening=request.param,
            )
            stack.callback(workspace.close)
            return workspace

        yield run


def told(decision: Decision[OpenPath]) -> str | Deny:
    """What was opened, by its real path and the name to put in it; or the refusal. Closes it."""
    if isinstance(decision, Deny):
        return decision
    path = os.readlink(f"/proc/self/fd/{decision.value.descriptor}")
    decision.value.close()
    return os.path.join(path, decision.value.leaf) if decision.value.leaf else path


# Inside


@pytest.mark.parametrize(
    "path",
    [
        *("a.txt", "./a.txt", ".//./a.txt", "src/../a.txt", "src/b.txt", "src//b.txt"),
        *("src/./b.txt", "src/../src/b.txt"),
    ],
)
def test_a_file_inside_is_opened_by_any_spelling(folder: Path, opened: Open, path: str) -> None:
    assert told(opened().file(path)) == os.path.realpath(folder / path)


@pytest.mark.parametrize("path", [".", "./", "src", "src/", "src/.", "src/..", "src/../"])
def test_a_folder_inside_is_opened_by_any_spelling(folder: Path, opened: Open, path: str) -> None:
    assert told(opened().listing(path)) == os.path.realpath(folder / path)


@pytest.mark.parametrize(
    "name", ["new", "src/new", "a.txt", "./new", "src/../new", "ünïcode", "-x"]
)
def test_a_file_is_placed_in_its_folder(folder: Path, opened: Open, name: str) -> None:
    assert told(opened().place(name)) == os.path.normpath(folder / name)
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    "name",
    ["notes..txt", "...", "a b", "a\nb", "50%", "%2e%2e", "..%2f", "a\\b", "$HOME", "*", "#"],
)
def test_an_odd_name_is_only_a_name(folder: Path, opened: Open, name: str) -> None:
    (folder / name).write_text("odd")

    assert told(opened().file(name)) == str(folder / name)
    assert told(opened().place(name)) == str(folder / name)
    assert opened().check(name) is None


def test_a_name_that_is_no_utf_8_is_a_name(folder: Path, opened: Open) -> None:
    with open(os.fsencode(folder) + b"/\xff", "wb"):
        pass

    assert told(opened().file("\udcff")) == str(folder / "\udcff")


def test_the_workspace_may_be_spelled_out(folder: Path, opened: Open) -> None:
    workspace = opened()

    assert told(workspace.file(f"{folder}/a.txt")) == str(folder / "a.txt")
    assert told(workspace.file(f"{folder}//src/b.txt")) == str(folder / "src/b.txt")
    assert told(workspace.listing(str(folder))) == str(folder)
    assert told(workspace.listing(f"{folder}/")) == str(folder)
    assert told(workspace.place(f"{folder}/new")) == str(folder / "new")
    assert workspace.check(f"{folder}/a.txt") is None


def test_a_workspace_behind_a_link_is_known_by_both_names(folder: Path, opened: Open) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    workspace = opened(spelling=link)

    assert (workspace.spelling, workspace.folder) == (str(link), str(folder))
    for spelling in (link, folder):
        assert told(workspace.file(f"{spelling}/a.txt")) == str(folder / "a.txt")
        assert told(workspace.place(f"{spelling}/new")) == str(folder / "new")
        assert workspace.check(f"{spelling}/src") is None
        assert told(workspace.file(f"{spelling}/../beside/c.txt")) == OUTSIDE
        assert told(workspace.file(f"{spelling}2/c.txt")) == OUTSIDE


def test_a_workspace_that_is_replaced_is_still_the_one_that_was_opened(
    folder: Path, opened: Open
) -> None:
    workspace = opened()
    folder.rename(folder.parent / "moved")
    (folder.parent / "workspace").mkdir()
    (folder.parent / "workspace" / "a.txt").write_text("another")

    assert told(workspace.file("a.txt")) == str(folder.parent / "moved" / "a.txt")
    assert told(workspace.place("a.txt")) == str(folder.parent / "moved" / "a.txt")
    assert not workspace.intact()


def test_there_is_no_workspace_where_there_is_no_folder(folder: Path) -> None:
    for path in (folder / "none", folder / "a.txt"):
        with pytest.raises(OSError, match=r"No such|Not a directory"):
            Workspace.open(str(path), (), only=True)


# Outside


@pytest.mark.parametrize(
    "path",
    [
        # up
        *("..", "../", "../beside/c.txt", "src/../../beside/c.txt", "./../beside", "src/../.."),
        *("../workspace/a.txt", "../workspace2", "../" * 40 + "etc/passwd", "none/../../beside"),
        *("a.txt/../../beside", "src/../../workspace/../beside/c.txt"),
        # absolute
        *("/", "//", "/.", "/..", "/etc/passwd", "//etc/passwd", "/tmp", "/none", "/../etc/passwd"),
        *(
            "/proc/self/root/etc/passwd",
            "/proc/self/cwd",
            "/dev/fd/0",
            "/workspace",
            "/./workspace",
        ),
        # somebody's home
        *("~", "~/x", "~root", "~root/x", "~+", "~-", "~nobody/../x"),
    ],
)
def test_nothing_outside_is_opened_or_passed_on(opened: Open, path: str) -> None:
    workspace = opened()

    assert told(workspace.file(path)) == OUTSIDE
    assert told(workspace.listing(path)) == OUTSIDE
    assert told(workspace.place(path)) == OUTSIDE
    assert workspace.check(path) is Reason.PATH_OUTSIDE_WORKSPACE


def test_a_folder_beside_that_begins_with_the_same_name_is_outside(
    folder: Path, opened: Open
) -> None:
    (folder.parent / "workspace2" / "c.txt").write_text("c")

    assert told(opened().file(f"{folder}2/c.txt")) == OUTSIDE
    assert told(opened().place(f"{folder}2/new")) == OUTSIDE


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        pytest.param("a.txt", "a.txt", id="a file beside the link"),
        pytest.param("src/b.txt", "src/b.txt", id="a file below the link"),
        pytest.param("./src/../a.txt", "a.txt", id="a file after a detour"),
        pytest.param("../beside/c.txt", OUTSIDE, id="a file outside"),
        pytest.param("../workspace/a.txt", OUTSIDE, id="a file inside after a detour outside"),
        pytest.param("..", OUTSIDE, id="the folder above"),
        pytest.param("/etc/passwd", OUTSIDE, id="a file of the machine"),
        pytest.param("/", OUTSIDE, id="the root"),
        pytest.param("/proc/self/root", OUTSIDE, id="the root by a magic link"),
        pytest.param("/dev/fd/0", OUTSIDE, id="an open file"),
        pytest.param("none", NOT_FOUND, id="nothing"),
        pytest.param("../none", OUTSIDE, id="nothing, outside"),
        pytest.param("link", UNUSABLE, id="itself"),
        pytest.param(".ssh/id", FORBIDDEN, id="a key"),
    ],
)
def test_a_link_is_what_it_leads_to(
    folder: Path, opened: Open, target: str, verdict: str | Deny
) -> None:
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "id").write_text("key")
    (folder / "link").symlink_to(target)
    expected = str(folder / verdict) if isinstance(verdict, str) else verdict

    assert told(opened().file("link")) == expected
    assert told(opened().file("src/../link")) == expected
    # A write goes through to the file, and a link to nothing is not written through.
    assert told(opened().place("link")) == (UNUSABLE if verdict == NOT_FOUND else expected)


def test_an_absolute_link_leads_outside_even_where_it_comes_back(
    folder: Path, opened: Open
) -> None:
    (folder / "link").symlink_to(folder / "a.txt")

    assert told(opened().file("link")) == OUTSIDE


@pytest.mark.parametrize("target", ["..", "../beside", "/", "/proc/self/cwd"])
def test_a_linked_folder_on_the_way_is_what_it_leads_to(
    folder: Path, opened: Open, target: str
) -> None:
    (folder / "src" / "way").symlink_to(f"../{target}" if target[0] == "." else target)
    workspace = opened()

    for name in ("c.txt", "none", "none/none", "."):
        assert told(workspace.file(f"src/way/{name}")) == OUTSIDE
        assert told(workspace.place(f"src/way/{name}")) == OUTSIDE
        assert workspace.check(f"src/way/{name}") is Reason.PATH_OUTSIDE_WORKSPACE


def test_links_that_lead_in_a_circle_are_unusable(folder: Path, opened: Open) -> None:
    (folder / "x").symlink_to("y")
    (folder / "y").symlink_to("x")

    for path in ("x", "y", "x/a", "src/../x"):
        assert told(opened().file(path)) == UNUSABLE
        assert told(opened().place(path)) == UNUSABLE
        assert opened().check(path) is Reason.PATH_UNUSABLE


def test_a_chain_of_links_too_long_to_follow_is_unusable(folder: Path, opened: Open) -> None:
    (folder / "n0").symlink_to("a.txt")
    for number in range(1, 60):
        (folder / f"n{number}").symlink_to(f"n{number - 1}")

    assert told(opened().file("n30")) == str(folder / "a.txt")
    assert told(opened().file("n59")) == UNUSABLE


# What is no file with one name


def test_a_file_of_two_names_is_not_opened(folder: Path, opened: Open) -> None:
    """The other name may lie anywhere."""
    os.link(folder.parent / "beside" / "c.txt", folder / "hard")

    assert told(opened().file("hard")) == UNUSABLE
    assert told(opened().place("hard")) == UNUSABLE


def test_only_files_are_read_and_only_folders_listed(folder: Path, opened: Open) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as ends:
        ends.bind(str(folder / "socket"))
        for name in ("fifo", "socket"):
            assert told(opened().file(name)) == UNUSABLE
            assert told(opened().listing(name)) == UNUSABLE
            assert told(opened().place(name)) == UNUSABLE
    assert told(opened().file("src")) == UNUSABLE
    assert told(opened().file(".")) == UNUSABLE
    assert told(opened().listing("a.txt")) == UNUSABLE


def test_a_device_is_not_opened_even_outside(opened: Open) -> None:
    assert told(opened(only=False).file("/dev/null")) == FORBIDDEN
    assert told(opened(only=False).place("/dev/null")) == FORBIDDEN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_in_the_workspace_is_not_opened(folder: Path, opened: Open) -> None:
    os.mknod(folder / "null", 0o600 | 0o020000, os.makedev(1, 3))

    assert told(opened().file("null")) == UNUSABLE
    assert told(opened().place("null")) == UNUSABLE


@pytest.mark.parametrize(
    "path", ["", "none", "none/none", "a.txt/", "a.txt/x", "a" * 300, "a/" * 3000]
)
def test_what_is_not_there_is_not_found(opened: Open, path: str) -> None:
    assert told(opened().file(path)) == NOT_FOUND
    assert told(opened().listing(path)) == NOT_FOUND
    assert opened().check(path) is None


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        # no name
        *(("", UNUSABLE), ("new/", UNUSABLE), ("new/.", UNUSABLE), ("new/..", UNUSABLE)),
        # no file
        *(("src", UNUSABLE), ("src/", UNUSABLE), ("src/.", UNUSABLE), ("a.txt/", UNUSABLE)),
        # no folder to put it in
        *(("none/new", NOT_FOUND), ("a.txt/new", UNUSABLE), ("a.txt/x/y", NOT_FOUND)),
        # no name that a file can have
        *(("a" * 300, UNUSABLE), ("src/" + "a" * 300, UNUSABLE), ("a\0", UNUSABLE)),
    ],
)
def test_what_cannot_be_written_is_not_placed(opened: Open, path: str, verdict: Deny) -> None:
    assert told(opened().place(path)) == verdict


@pytest.mark.parametrize(
    "path", ["\0", "a.txt\0", "a.txt\0.png", "src/\0/b", "\ud800", "a\udfff\ud800"]
)
def test_what_is_no_name_is_unusable(opened: Open, path: str) -> None:
    assert told(opened().file(path)) == UNUSABLE
    assert told(opened().listing(path)) == UNUSABLE
    assert told(opened().place(path)) == UNUSABLE
    assert opened().check(path) is Reason.PATH_UNUSABLE


def test_a_folder_that_may_not_be_entered_is_unusable(folder: Path, opened: Open) -> None:
    if os.geteuid() == 0:
        # For root nothing is closed.
        assert told(opened().file("src/b.txt")) == str(folder / "src/b.txt")
        return
    (folder / "src").chmod(0)

    assert told(opened().file("src/b.txt")) == UNUSABLE


# Forbidden


def test_forbidden_paths_are_refused_however_they_are_reached(folder: Path, opened: Open) -> None:
    (folder / "secret").mkdir()
    (folder / "secret" / "key").write_text("key")
    (folder / "way").symlink_to("secret")
    (folder / "name").symlink_to("secret/key")
    workspace = opened("secret")

    for path in (
        *("secret/key", "./secret/key", "src/../secret/key", f"{folder}/secret/key"),
        *("way/key", "name", "way/../way/key", "secret//key", "secret/../secret/key"),
    ):
        assert told(workspace.file(path)) == FORBIDDEN
        assert told(workspace.place(path)) == FORBIDDEN
        assert workspace.check(path) is Reason.PATH_FORBIDDEN
    for path in ("secret", "secret/", "way", "way/"):
        assert told(workspace.listing(path)) == FORBIDDEN
        assert workspace.check(path) is Reason.PATH_FORBIDDEN


@pytest.mark.parametrize("path", ["secret", "secret/key", "src/../secret/key", "secret/a/b"])
def test_a_forbidden_path_is_refused_before_it_exists(opened: Open, path: str) -> None:
    workspace = opened("secret")

    assert told(workspace.file(path)) == FORBIDDEN
    assert told(workspace.place(path)) == FORBIDDEN
    assert workspace.check(path) is Reason.PATH_FORBIDDEN


@pytest.mark.parametrize("path", ["way/new", "dangling"])
def test_a_forbidden_folder_is_not_passed_on_for_a_new_file_behind_a_link(
    folder: Path, opened: Open, path: str
) -> None:
    """A command or an agent that is given such a path may well create the file."""
    (folder / "secret").mkdir()
    (folder / "way").symlink_to("secret")
    (folder / "dangling").symlink_to("secret/new")
    workspace = opened("secret")

    assert isinstance(told(workspace.place(path)), Deny)
    assert workspace.check(path) is Reason.PATH_FORBIDDEN


@pytest.mark.parametrize("key", KEYS)
def test_key_folders_are_refused_in_the_workspace(folder: Path, opened: Open, key: str) -> None:
    (folder / key).mkdir(parents=True)
    (folder / key / "id").write_text("key")

    assert told(opened().file(f"{key}/id")) == FORBIDDEN
    assert told(opened().place(f"{key}/new")) == FORBIDDEN
    assert told(opened().listing(key)) == FORBIDDEN


def test_a_forbidden_absolute_path_and_one_at_home_are_refused(folder: Path, opened: Open) -> None:
    beside = folder.parent / "beside"
    assert told(opened(str(beside), only=False).file(str(beside / "c.txt"))) == FORBIDDEN
    assert told(opened(only=False).file(str(beside / "c.txt"))) == str(beside / "c.txt")

    home = os.path.expanduser("~/.none")
    assert opened("~/.none", only=False).check(home) is Reason.PATH_FORBIDDEN


def test_forbidden_wins_over_the_workspace(folder: Path, opened: Open) -> None:
    assert told(opened(".").file("a.txt")) == FORBIDDEN
    assert told(opened(str(folder.parent)).file("a.txt")) == FORBIDDEN


# Other roots


@pytest.fixture
def data(folder: Path) -> Path:
    """A folder beside the workspace."""
    data = folder.parent / "data"
    (data / "d").mkdir(parents=True)
    (data / "file").write_text("data")
    (data / "closed").write_text("data")
    return data


def test_a_root_is_reached_by_its_path_and_nothing_else(
    folder: Path, opened: Open, data: Path
) -> None:
    (folder / "link").symlink_to("../data/file")
    workspace = opened(allowed=[(str(data), True)])

    assert told(workspace.file(f"{data}/file")) == f"{data}/file"
    assert told(workspace.file(f"{data}/d/../file")) == f"{data}/file"
    assert told(workspace.listing(str(data))) == str(data)
    assert told(workspace.place(f"{data}/d/new")) == f"{data}/d/new"
    assert workspace.check(f"{data}/new") is None
    for path in ("../data/file", "link", f"{data}/../beside/c.txt", f"{data}2", "/etc/passwd"):
        assert told(workspace.file(path)) == OUTSIDE
        assert workspace.check(path) is Reason.PATH_OUTSIDE_WORKSPACE


def test_links_do_not_lead_from_one_root_to_another(folder: Path, opened: Open, data: Path) -> None:
    (data / "link").symlink_to("../workspace/a.txt")
    (data / "absolute").symlink_to(folder / "a.txt")
    workspace = opened(allowed=[(str(data), True)])

    for name in ("link", "absolute"):
        assert told(workspace.file(f"{data}/{name}")) == OUTSIDE
        assert told(workspace.place(f"{data}/{name}")) == OUTSIDE


def test_a_root_to_read_is_not_written(opened: Open, data: Path) -> None:
    workspace = opened(allowed=[(str(data), False)])

    assert told(workspace.file(f"{data}/file")) == f"{data}/file"
    assert workspace.check(f"{data}/file") is None
    for path in (f"{data}/file", f"{data}/new", f"{data}/d/new", f"{data}/d/../new", str(data)):
        assert told(workspace.place(path)) in (READ_ONLY, OUTSIDE), path
        assert workspace.check(path, writes=True) is Reason.PATH_READ_ONLY


def test_a_folder_of_the_workspace_may_be_read_only(folder: Path, opened: Open) -> None:
    (folder / "way").symlink_to("src")
    workspace = opened(allowed=[(str(folder / "src"), False)])

    assert told(workspace.file("src/b.txt")) == str(folder / "src/b.txt")
    assert told(workspace.place("new")) == str(folder / "new")
    for path in ("src/b.txt", "src/new", "way/b.txt", "way/new", f"{folder}/src/b.txt"):
        assert told(workspace.place(path)) == READ_ONLY


def test_forbidden_and_ignored_hold_in_every_root(opened: Open, data: Path) -> None:
    (data / ".env").write_text("key")
    workspace = opened(str(data / "closed"), allowed=[(str(data), True)], ignore=[".env"])

    assert told(workspace.file(f"{data}/closed")) == FORBIDDEN
    assert told(workspace.file(f"{data}/.env")) == IGNORED
    assert told(workspace.place(f"{data}/.ssh/new")) == FORBIDDEN
    assert told(workspace.file(f"{data}/file")) == f"{data}/file"


def test_a_root_that_is_not_there_is_outside(opened: Open, data: Path) -> None:
    workspace = opened(allowed=[(str(data / "none"), True), (str(data / "file"), True)])

    assert workspace.roots == ()
    assert told(workspace.file(f"{data}/none/x")) == OUTSIDE
    assert told(workspace.file(f"{data}/file")) == OUTSIDE


# Ignored


def test_an_ignored_file_is_neither_read_nor_written_however_it_is_reached(
    folder: Path, opened: Open
) -> None:
    for name in (".env", "src/.env", "server.pem"):
        (folder / name).write_text("key")
    (folder / "link").symlink_to(".env")
    (folder / "way").symlink_to("src")
    workspace = opened(ignore=[".env", "*.pem"])

    for path in (
        *(".env", "./.env", "src/../.env", "src/.env", f"{folder}/.env", "link", "way/.env"),
        *("server.pem", ".env/x", "new.pem", "new/.env", ".ENV", "Server.PEM"),
    ):
        assert told(workspace.file(path)) == IGNORED, path
        assert told(workspace.place(path)) == IGNORED, path
        assert workspace.check(path) is Reason.PATH_IGNORED
        assert workspace.check_argument(path) is Reason.PATH_IGNORED
    for word in ("--file=.env", "-f.env", "-nf.env", "@src/.env", "if=link", "/workspace/.env"):
        assert workspace.check_argument(word) is Reason.PATH_IGNORED, word


def test_a_sentence_that_ends_like_an_ignored_name_is_an_argument(
    folder: Path, opened: Open
) -> None:
    (folder / "my server.pem").write_text("key")
    workspace = opened(ignore=["*.pem"])

    assert workspace.check_argument("renew server.pem") is None
    assert workspace.check_argument("my server.pem") is Reason.PATH_IGNORED
    assert workspace.check_argument("server.pem") is Reason.PATH_IGNORED


def test_an_ignored_or_forbidden_name_is_not_listed(opened: Open) -> None:
    listed = opened("private", ignore=["*.pem", "/src"]).listing(".")
    assert isinstance(listed, Allow)

    assert [listed.value.hides(name) for name in ("a.pem", "src", "private", ".ssh")] == [True] * 4
    assert [listed.value.hides(name) for name in ("a.txt", "srcs", ".git")] == [False] * 3
    listed.value.close()
    below = opened(ignore=["/src"]).listing("src")
    assert isinstance(below, Deny)


# Git


@pytest.mark.parametrize("path", [".git/config", ".git/hooks/pre-commit", "src/.git/config"])
def test_git_s_own_files_are_read_and_not_written(folder: Path, opened: Open, path: str) -> None:
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text("[core]")
    (folder / "way").symlink_to(os.path.dirname(path))

    assert told(opened().file(path)) == str(folder / path)
    for name in (path, f"way/{os.path.basename(path)}", "way/new", ".git/new"):
        assert told(opened().place(name)) == READ_ONLY
    assert told(opened().place(".gitignore")) == str(folder / ".gitignore")


# Beyond the workspace, where that is allowed


@pytest.mark.parametrize("system", SYSTEM)
def test_system_folders_stay_closed(opened: Open, system: str) -> None:
    workspace = opened(only=False)

    back = f"{system}/../{system.rpartition('/')[2]}"
    for path in (system, f"{system}/none", f"/.{system}", f"//{system}", back):
        assert told(workspace.listing(path)) in (FORBIDDEN, OUTSIDE)
        assert told(workspace.place(path)) in (FORBIDDEN, OUTSIDE)
        assert workspace.check(path) in (Reason.PATH_FORBIDDEN, Reason.PATH_OUTSIDE_WORKSPACE)


def test_beyond_the_workspace_links_and_relative_paths_do_not_lead(
    folder: Path, opened: Open
) -> None:
    (folder / "link").symlink_to("../beside/c.txt")
    workspace = opened(only=False)

    assert told(workspace.file("link")) == OUTSIDE
    assert told(workspace.file("../beside/c.txt")) == OUTSIDE
    assert told(workspace.file(f"{folder}/../beside/c.txt")) == OUTSIDE
    assert told(workspace.file("~/x")) == OUTSIDE


def test_beyond_the_workspace_a_magic_link_is_not_followed(opened: Open) -> None:
    for path in ("/proc/self/root/tmp", "/proc/self/cwd", "/proc/thread-self/fd/0"):
        assert isinstance(told(opened(only=False).listing(path)), Deny)


def test_beyond_the_workspace_files_are_opened_and_placed(folder: Path, opened: Open) -> None:
    beside = folder.parent / "beside"
    workspace = opened(only=False)

    assert told(workspace.file(str(beside / "c.txt"))) == str(beside / "c.txt")
    assert told(workspace.place(str(beside / "new"))) == str(beside / "new")
    assert told(workspace.listing(str(beside))) == str(beside)
    assert workspace.check("/") is None


# Patterns


def test_a_pattern_is_what_it_stands_for_in_the_workspace(opened: Open) -> None:
    assert opened().matches("*.txt") == ["a.txt"]
    assert opened().matches("src/*") == ["src/b.txt"]
    assert opened().matches("*.none") == []
    assert opened().matches("*", most=1) is None
    assert opened().matches("../*") is None


# Arguments of commands


@pytest.mark.parametrize(
    "word",
    [
        # no path at all
        *("", "-", "--", "-l", "--all", "-la", "+x", "=", "a=", "-x=", "@", "%H", "/dev/null"),
        *("--format=%H", "--pretty=oneline", "-n10", "-C", "--", "s/a/b/", "5,10p", "{}", "a|b"),
        # names of the trade
        *("origin/main", "HEAD~2", "HEAD~2..HEAD", "main...origin/main", "HEAD^", "v1.0..v1.1"),
        *("https://host/path", "http://[::1]:80/x?y=z", "git@host:a/b.git", "user@host"),
        *("HEAD:src/b.txt", "1.2.3", "a..b", "...", ".", "./", "*.py", "name~"),
        # files of the workspace, there or not
        *("a.txt", "src/b.txt", "./src", "src/../a.txt", "none", "none/none", "a" * 300),
        *("if=a.txt", "--file=a.txt", "@a.txt", "-fa.txt", "of=none", "a=b=c"),
        # as a sandbox sees them
        *("/workspace", "/workspace/", "/workspace/a.txt", "--file=/workspace/a.txt"),
        *("-f/workspace/a.txt", "@/workspace/a.txt", "if=/workspace/none", "/workspace//src"),
    ],
)
def test_an_argument_that_stays_inside_is_passed(opened: Open, word: str) -> None:
    assert opened().check_argument(word) is None


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("--file=src/b.txt", id="a file in a folder as a long option's value"),
        pytest.param("--include=none/none", id="a new file in a folder as a long option's value"),
        pytest.param("--format=%an/%ae", id="a format with a slash"),
        pytest.param("--date=format:%Y/%m/%d", id="a date with slashes"),
        pytest.param("--onto=origin/main", id="a branch as a long option's value"),
        pytest.param("--fixup=HEAD~2", id="a revision as a long option's value"),
        pytest.param("--range=HEAD~2..HEAD", id="a range as a long option's value"),
    ],
)
def test_a_value_after_an_equals_sign_is_judged_from_its_start(opened: Open, word: str) -> None:
    assert opened().check_argument(word) is None


@pytest.mark.parametrize(
    "word",
    [
        # operands
        *("/", "/etc/passwd", "..", "../beside", "src/../../beside", "~", "~/x", "~root", "./.."),
        *("//etc/passwd", "/workspace/..", "/workspace/../etc", "/workspace2", "/proc/self/root"),
        # glued to a short option
        *("-f/etc/passwd", "-C..", "-C../beside", "-I/etc", "-f~/x", "-xzf/etc/x", "-/", "-.."),
        # the value of a long option
        *("--file=/etc/passwd", "--file=../beside", "--file=~/x", "--C=..", "--a=b=/etc"),
        # assignments as dd takes them
        *("if=/etc/passwd", "of=../beside", "of=~/x", "a=.."),
        # two slashes, which are no scheme's
        *("//etc", "if=//etc/passwd", "@//etc/passwd", "--file=//etc/passwd", "-f//etc/passwd"),
        # files of arguments and of data
        *("@/etc/passwd", "@../beside", "@~/x", "-d@/etc/passwd", "--data=@/etc/passwd"),
    ],
)
def test_an_argument_that_leads_outside_is_refused(opened: Open, word: str) -> None:
    assert opened().check_argument(word) is Reason.PATH_OUTSIDE_WORKSPACE


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("file=@/etc/passwd", id="a form's field from a file"),
        pytest.param("file=@../beside/c.txt", id="a form's field from a file beside"),
        pytest.param("file=@//etc/passwd", id="a form's field from a file with two slashes"),
        pytest.param("file=@~/x", id="a form's field from a file at home"),
        pytest.param("a=b=/etc/passwd", id="a value with a name of its own"),
    ],
)
def test_an_argument_that_leads_outside_in_two_steps_is_refused(opened: Open, word: str) -> None:
    assert opened().check_argument(word) is Reason.PATH_OUTSIDE_WORKSPACE


@pytest.mark.parametrize(
    "word",
    [
        "secret",
        "secret/key",
        "--file=secret/key",
        "--file=secret",
        "if=secret",
        "@secret",
        "./secret",
    ],
)
def test_an_argument_that_names_what_is_forbidden_is_refused(opened: Open, word: str) -> None:
    assert opened("secret").check_argument(word) is Reason.PATH_FORBIDDEN


@pytest.mark.parametrize("word", ["-fsecret", "-Fsecret/key", "-d@secret", "-f.env"])
def test_what_is_forbidden_is_refused_glued_to_an_option(opened: Open, word: str) -> None:
    assert opened("secret", ".env").check_argument(word) is not None


@pytest.mark.parametrize("word", ["/workspace", "/workspace/a.txt", "--file=/workspace/a.txt"])
def test_only_a_sandbox_has_the_workspace_at_its_mount(opened: Open, word: str) -> None:
    assert opened().check_argument(word, mounted=True) is None
    assert opened().check_argument(word, mounted=False) is Reason.PATH_OUTSIDE_WORKSPACE


@pytest.mark.parametrize(
    "word", ["=" * 30_000, "a=" * 8_000, "-" + "=a/" * 5_000, "a:" * 1_000 + "/" * 20_000]
)
def test_judging_an_argument_takes_no_longer_than_its_length_allows(
    opened: Open, word: str
) -> None:
    """While an argument is judged nobody else is served."""
    workspace = opened()
    started = time.process_time()
    workspace.check_argument(word)

    assert time.process_time() - started < 0.3


@pytest.mark.parametrize("word", ["link", "--file=link", "if=link", "@link", "link/c.txt"])
def test_an_argument_that_is_a_link_is_what_it_leads_to(
    folder: Path, opened: Open, word: str
) -> None:
    (folder / "link").symlink_to("../beside")

    assert opened().check_argument(word) is Reason.PATH_OUTSIDE_WORKSPACE


# Nothing stays open


def test_descriptors_are_given_back_whatever_the_verdict(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "fifo")
    os.link(folder / "a.txt", folder / "hard")
    before = len(os.listdir("/proc/self/fd"))
    paths = (
        *("a.txt", "hard", "src", "src/b.txt", ".", "..", "/etc/passwd", "none", "none/x", "fifo"),
        *("link", "circle", "\0", "a" * 300, ".ssh/id", "~", "", "a.txt/x", "secret/x", "new"),
    )
    for only in (True, False):
        workspace = Workspace.open(str(folder), ("secret", "src/b.txt"), only=only)
        for path in paths * 5:
            for verb in (workspace.file, workspace.listing, workspace.place):
                told(verb(path))
            workspace.check(path)
            workspace.check_argument(f"--file={path}")
        workspace.close()

    assert len(os.listdir("/proc/self/fd")) == before


def test_an_open_file_is_the_one_that_was_judged_whatever_its_name_means_later(
    folder: Path, opened: Open
) -> None:
    found = opened().file("a.txt")
    assert isinstance(found, Allow)
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to("/etc/passwd")

    with open(found.value.descriptor) as file:
        assert file.read() == "a"


def test_what_is_opened_is_not_inherited(opened: Open) -> None:
    workspace = opened(only=False)
    found = workspace.file(f"{workspace.folder}/src/b.txt")
    assert isinstance(found, Allow)
    roots = [root.descriptor for root in workspace.roots]
    descriptors = (workspace.descriptor, *roots, found.value.descriptor)

    assert [os.get_inheritable(each) for each in descriptors] == [False] * 3
    found.value.close()


@pytest.mark.parametrize(
    ("path", "base", "is_within"),
    [
        ("src", "src", True),
        ("src/b.txt", "src", True),
        ("src/new/deep", "src", True),
        ("alias/b.txt", "src", True),
        ("src/b.txt", "alias", True),
        ("new/a", "new", True),
        ("a.txt", ".", True),
        ("src", "src/b.txt", False),
        ("srcs", "src", False),
        ("a.txt", "src", False),
        ("src/up", "src", False),
        ("src/up/a.txt", "src", False),
        ("src/dangling", "src", False),
        # what may not be reached lies nowhere
        ("..", "..", False),
        ("/etc/passwd", "/etc", False),
        ("src/out/passwd", "src", False),
        ("\0", "src", False),
    ],
)
def test_a_path_is_within_a_folder_by_where_both_are(
    folder: Path, opened: Open, path: str, base: str, *, is_within: bool
) -> None:
    (folder / "alias").symlink_to("src")
    for name, target in (("up", ".."), ("dangling", "../none"), ("out", "/etc")):
        (folder / "src" / name).symlink_to(target)
    workspace = opened()
    before = len(os.listdir("/proc/self/fd"))

    assert workspace.within(path, base) is is_within
    assert len(os.listdir("/proc/self/fd")) == before
