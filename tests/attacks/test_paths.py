"""What an attacker names, plants and exchanges to reach a file outside the workspace.

The file tools are the real ones: layer 3 opens, layer 4 reads and writes, and a canary lies beside
the workspace that must never come back and never change.
"""

import ctypes
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doubles import CLIENT, grant
from labelled import rows
from layouts import CANARY, is_untouched, met, prepared
from policies import SAVE, policy, shell

from proxy.actions import FileList, FileRead, FileWrite, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Policy
from proxy.beneath import Opening, open_beneath, walk_beneath
from proxy.config.reach import IGNORED
from proxy.decision import Allow, Deny
from proxy.exchange import Document
from proxy.isolation.workspace import WorkspaceFiles
from proxy.reasons import Reason

RACE_SECONDS = 0.6

OUTSIDE = Reason.PATH_OUTSIDE_WORKSPACE
FORBIDDEN = Reason.PATH_FORBIDDEN
UNUSABLE = Reason.PATH_UNUSABLE
NOT_FOUND = Reason.PATH_NOT_FOUND
HIDDEN = Reason.PATH_IGNORED
READ_ONLY = Reason.PATH_READ_ONLY


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with a workspace, and a canary beside it."""
    (tmp_path / "workspace" / "src").mkdir(parents=True)
    (tmp_path / "workspace" / "README.md").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(CANARY)
    return tmp_path


BOTH = pytest.mark.parametrize("opening", [open_beneath, walk_beneath])


@contextmanager
def rules(machine: Path, *forbidden: str, opening: Opening = open_beneath) -> Iterator[Policy]:
    folder = str(machine / "workspace")
    workspace = Workspace.open(folder, forbidden, only=True, ignore=IGNORED, opening=opening)
    try:
        yield policy(workspace)
    finally:
        workspace.close()


def read(path: str) -> ToolCall:
    return ToolCall("file_read", {"path": path})


def write(path: str) -> ToolCall:
    return ToolCall("file_write", {"path": path, "content": "overwritten"})


def browse(path: str) -> ToolCall:
    return ToolCall("file_list", {"path": path})


async def done(rules: Policy, call: ToolCall) -> object:
    """What comes of a call of a file tool: the value, or the reason why there is none."""
    decision = await rules.decide(call, CLIENT)
    if isinstance(decision, Deny):
        return decision.reason
    assert isinstance(decision, Allow)
    plan = decision.value.plan
    assert isinstance(plan, FileRead | FileWrite | FileList)
    try:
        content = await WorkspaceFiles().run(plan, grant(plan))
    finally:
        plan.file.close()
    if isinstance(content, Deny):
        return content.reason
    assert isinstance(content.value, Document)
    return content.value.value


def nothing(workspace: Path) -> None:
    """Plant nothing."""


def linked(name: str, target: str) -> Callable[[Path], None]:
    return lambda workspace: os.symlink(target, workspace / name)


def hard(workspace: Path) -> None:
    os.link(workspace.parent / "outside" / "secret.txt", workspace / "hard")


def fifo(workspace: Path) -> None:
    os.mkfifo(workspace / "fifo")


def listening(workspace: Path) -> None:
    with socket.socket(socket.AF_UNIX) as ends:
        ends.bind(str(workspace / "socket"))


def keys(workspace: Path) -> None:
    (workspace / ".ssh").mkdir()
    (workspace / ".ssh" / "id").write_text(CANARY)


def linked_keys(workspace: Path) -> None:
    keys(workspace)
    os.symlink(".ssh", workspace / "link")


def secrets(workspace: Path) -> None:
    (workspace / ".env").write_text(CANARY)
    os.symlink(".env", workspace / "link")
    os.symlink(".", workspace / "here")


def repository(workspace: Path) -> None:
    (workspace / ".git" / "hooks").mkdir(parents=True)
    os.symlink(".git/hooks", workspace / "link")


@BOTH
@pytest.mark.parametrize(
    ("plant", "call", "reason"),
    [
        # up and out
        pytest.param(nothing, read("../outside/secret.txt"), OUTSIDE, id="dots lead up"),
        pytest.param(nothing, read("src/../../outside/secret.txt"), OUTSIDE, id="dots after a way"),
        pytest.param(nothing, read("../workspace/../outside/secret.txt"), OUTSIDE, id="in and out"),
        pytest.param(nothing, write("../outside/new"), OUTSIDE, id="dots lead up for a write"),
        pytest.param(nothing, browse(".."), OUTSIDE, id="the folder above is listed"),
        pytest.param(
            nothing, read("none/../../outside/secret.txt"), OUTSIDE, id="dots after nothing"
        ),
        # from the root
        pytest.param(nothing, read("/etc/passwd"), OUTSIDE, id="a file of the machine"),
        pytest.param(
            nothing, read("/proc/self/environ"), OUTSIDE, id="the environment of Sidegate"
        ),
        pytest.param(
            nothing, read("/proc/self/root/etc/passwd"), OUTSIDE, id="the root by a process"
        ),
        pytest.param(nothing, write("/tmp/new"), OUTSIDE, id="a new file of the machine"),
        pytest.param(nothing, browse("/"), OUTSIDE, id="the root is listed"),
        pytest.param(nothing, read("//etc/passwd"), OUTSIDE, id="two slashes"),
        # homes
        pytest.param(nothing, read("~/.bashrc"), OUTSIDE, id="a file at home"),
        pytest.param(nothing, write("~root/.bashrc"), OUTSIDE, id="a file at somebody's home"),
        # links
        pytest.param(linked("l", "/etc/passwd"), read("l"), OUTSIDE, id="a link to the machine"),
        pytest.param(
            linked("l", "../outside"), read("l/secret.txt"), OUTSIDE, id="a linked folder"
        ),
        pytest.param(
            linked("l", "../outside"), write("l/new"), OUTSIDE, id="a write in a linked folder"
        ),
        pytest.param(
            linked("l", "../outside"), browse("l"), OUTSIDE, id="a linked folder is listed"
        ),
        pytest.param(
            linked("l", "../outside/new"), write("l"), OUTSIDE, id="a write through a link"
        ),
        pytest.param(linked("l", "../outside/secret.txt"), write("l"), OUTSIDE, id="a linked file"),
        pytest.param(linked("l", "none"), write("l"), UNUSABLE, id="a link to nothing"),
        pytest.param(linked("l", "l"), read("l"), UNUSABLE, id="a link to itself"),
        pytest.param(linked("l", "/proc/self/fd"), browse("l"), OUTSIDE, id="a link to open files"),
        # other names and kinds
        pytest.param(hard, read("hard"), UNUSABLE, id="a second name of a file outside"),
        pytest.param(hard, write("hard"), UNUSABLE, id="a second name of a file outside, written"),
        pytest.param(fifo, read("fifo"), UNUSABLE, id="a pipe that would never end"),
        pytest.param(fifo, write("fifo"), UNUSABLE, id="a pipe that would be replaced"),
        pytest.param(listening, read("socket"), UNUSABLE, id="a socket"),
        pytest.param(nothing, read("src"), UNUSABLE, id="a folder read as a file"),
        pytest.param(nothing, write("src"), UNUSABLE, id="a folder written as a file"),
        pytest.param(nothing, write("."), OUTSIDE, id="the workspace written as a file"),
        # keys
        pytest.param(keys, read(".ssh/id"), FORBIDDEN, id="a key in the workspace"),
        pytest.param(keys, read("src/../.ssh/id"), FORBIDDEN, id="a key by a detour"),
        pytest.param(keys, browse(".ssh"), FORBIDDEN, id="the names of keys"),
        pytest.param(nothing, write(".ssh/authorized_keys"), FORBIDDEN, id="a new key"),
        pytest.param(linked_keys, read("link/id"), FORBIDDEN, id="a key behind a link"),
        pytest.param(linked_keys, write("link/new"), FORBIDDEN, id="a new key behind a link"),
        # secrets by their names
        pytest.param(secrets, read(".env"), HIDDEN, id="a file of secrets"),
        pytest.param(secrets, read("src/../.env"), HIDDEN, id="a file of secrets by a detour"),
        pytest.param(secrets, read("link"), HIDDEN, id="a file of secrets behind a link"),
        pytest.param(secrets, read("here/here/.env"), HIDDEN, id="a file of secrets, around"),
        pytest.param(secrets, write(".env"), HIDDEN, id="a file of secrets, overwritten"),
        pytest.param(secrets, write("link"), HIDDEN, id="a file of secrets, through a link"),
        pytest.param(nothing, write("src/server.key"), HIDDEN, id="a new file of secrets"),
        pytest.param(nothing, write(".Env.Local"), HIDDEN, id="a file of secrets in capitals"),
        # programs that the next git command runs
        pytest.param(repository, write(".git/hooks/pre-commit"), READ_ONLY, id="a hook of git"),
        pytest.param(repository, write(".git/config"), READ_ONLY, id="the settings of git"),
        pytest.param(repository, write("link/pre-commit"), READ_ONLY, id="a hook behind a link"),
        pytest.param(repository, write("src/../.git/x"), READ_ONLY, id="git by a detour"),
        pytest.param(nothing, write(".git"), READ_ONLY, id="another folder for git"),
        # names
        pytest.param(nothing, read("README.md\0.png"), UNUSABLE, id="a name cut by NUL"),
        pytest.param(nothing, write("a\0b"), UNUSABLE, id="a new name with NUL"),
        pytest.param(nothing, read("\ud800"), UNUSABLE, id="half a character"),
        pytest.param(nothing, read("a" * 5000), NOT_FOUND, id="a name without end"),
        pytest.param(nothing, write("a" * 300), UNUSABLE, id="a new name that is too long"),
        pytest.param(nothing, read("%2e%2e/outside/secret.txt"), NOT_FOUND, id="encoded dots"),
        pytest.param(nothing, read("..\\outside\\secret.txt"), NOT_FOUND, id="backslashes"),
        pytest.param(
            nothing, read("\u2025/outside/secret.txt"), NOT_FOUND, id="a look-alike of dots"
        ),
        pytest.param(nothing, read("..\u2215outside"), NOT_FOUND, id="a look-alike of a slash"),
    ],
)
async def test_a_file_tool_does_not_leave_the_workspace(
    machine: Path,
    plant: Callable[[Path], None],
    call: ToolCall,
    reason: Reason,
    opening: Opening,
) -> None:
    plant(machine / "workspace")

    with rules(machine, opening=opening) as policy:
        assert await done(policy, call) is reason
    assert is_untouched(machine)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("cat ../outside/secret.txt", OUTSIDE, id="a command reads beside"),
        pytest.param("cat /etc/passwd", OUTSIDE, id="a command reads the machine"),
        pytest.param("cat README.md /etc/passwd", OUTSIDE, id="a second operand"),
        pytest.param("cat -- /etc/passwd", OUTSIDE, id="an operand after the options"),
        pytest.param("cat 'l'/secret.txt", OUTSIDE, id="a link, quoted"),
        pytest.param("cat l/secret.txt", OUTSIDE, id="a link"),
        pytest.param("cat --file=/etc/passwd", OUTSIDE, id="an option's value"),
        pytest.param("cat -f/etc/passwd", OUTSIDE, id="a value glued to an option"),
        pytest.param("cat if=/etc/passwd", OUTSIDE, id="a value as dd takes it"),
        pytest.param("cat @/etc/passwd", OUTSIDE, id="a file of arguments"),
        pytest.param("ls -C../outside", OUTSIDE, id="a folder glued to an option"),
        pytest.param("cat /workspace/../etc/passwd", OUTSIDE, id="out of the mount"),
        pytest.param("cat '~/x'", OUTSIDE, id="a quoted home, which a program may expand"),
        pytest.param("cat .ssh/id", FORBIDDEN, id="a key"),
        pytest.param("cat /workspace/.ssh/id", FORBIDDEN, id="a key in the mount"),
        pytest.param("cat --file=.ssh/id", FORBIDDEN, id="a key as an option's value"),
    ],
)
async def test_a_command_is_given_no_path_that_leaves_the_workspace(
    machine: Path, line: str, reason: Reason
) -> None:
    linked("l", "../outside")(machine / "workspace")

    with rules(machine) as policy:
        assert await policy.decide(shell(line), CLIENT) == Deny(reason)


async def test_an_agent_s_own_tool_is_given_no_path_that_leaves_the_workspace(
    machine: Path,
) -> None:
    linked("l", "../outside")(machine / "workspace")

    with rules(machine, "private") as policy:
        for path, reason in (("../x", OUTSIDE), ("l/x", OUTSIDE), ("private/x", FORBIDDEN)):
            call = ToolCall(SAVE.name, {"file": path})
            assert await policy.decide(call, CLIENT) == Deny(reason)
        allowed = await policy.decide(ToolCall(SAVE.name, {"file": "new"}), CLIENT)
        assert isinstance(allowed, Allow)


# Races: what a name means is exchanged while it is used


def exchange(one: Path, other: Path) -> None:
    """Two names swapped at once: renameat2(2) with RENAME_EXCHANGE."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = ctypes.c_int(-100)  # AT_FDCWD
    if libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(2)):
        raise OSError(ctypes.get_errno(), "renameat2")


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Two names that are swapped over and over, by somebody else."""
    stopped = threading.Event()

    def swap() -> None:
        while not stopped.is_set():
            exchange(one, other)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


async def outcomes(machine: Path, opening: Opening, *calls: ToolCall) -> list[object]:
    """What comes of these calls, made again and again."""
    found = []
    with rules(machine, opening=opening) as policy:
        end = time.monotonic() + RACE_SECONDS
        while time.monotonic() < end:
            found += [await done(policy, call) for call in calls]
    return found


@BOTH
async def test_a_folder_exchanged_for_a_link_is_never_followed(
    machine: Path, opening: Opening
) -> None:
    workspace = machine / "workspace"
    (workspace / "a").mkdir()
    (workspace / "a" / "secret.txt").write_text("inside")
    (workspace / "b").symlink_to("../outside")

    with exchanging(workspace / "a", workspace / "b"):
        found = await outcomes(
            machine, opening, read("a/secret.txt"), write("a/secret.txt"), browse("a")
        )

    assert is_untouched(machine)
    assert CANARY not in str(found)
    assert OUTSIDE in found
    assert {"bytes_written": 11} in found


@BOTH
async def test_a_file_exchanged_for_a_link_is_never_followed(
    machine: Path, opening: Opening
) -> None:
    workspace = machine / "workspace"
    (workspace / "a").write_text("inside")
    (workspace / "b").symlink_to("../outside/secret.txt")

    with exchanging(workspace / "a", workspace / "b"):
        found = await outcomes(machine, opening, read("a"), write("a"))

    assert is_untouched(machine)
    assert CANARY not in str(found)


@BOTH
async def test_a_folder_that_is_moved_out_takes_nobody_along(
    machine: Path, opening: Opening
) -> None:
    """The parent of a folder that was moved is outside: a walk back up must not end there."""
    inside, outside = machine / "workspace" / "a" / "b", machine / "outside" / "b"
    inside.mkdir(parents=True)
    (machine / "workspace" / "secret.txt").write_text("inside")
    (machine / "secret.txt").write_text(CANARY)
    stopped = threading.Event()

    def move() -> None:
        while not stopped.is_set():
            inside.rename(outside)
            outside.rename(inside)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        calls = read("a/b/../../secret.txt"), write("a/b/../../new"), read("a/b/../secret.txt")
        found = await outcomes(machine, opening, *calls)
    finally:
        stopped.set()
        mover.join()

    assert is_untouched(machine)
    assert not (machine / "new").exists()
    assert CANARY not in str(found)
    assert {"content": "inside"} in found


@BOTH
async def test_a_forbidden_folder_exchanged_for_another_is_never_read(
    machine: Path, opening: Opening
) -> None:
    """Two folders of the workspace, one of them forbidden: a name is whichever it is just then."""
    workspace = machine / "workspace"
    (workspace / ".ssh").mkdir()
    (workspace / ".ssh" / "id").write_text(CANARY)
    (workspace / "a").symlink_to("src")
    (workspace / "b").symlink_to(".ssh")
    (workspace / "src" / "id").write_text("inside")

    with exchanging(workspace / "a", workspace / "b"):
        found = await outcomes(machine, opening, read("a/id"), browse("a"))

    assert CANARY not in str(found)
    assert FORBIDDEN in found
    assert {"content": "inside"} in found


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("target", ["../outside", "/", ".ssh"])
async def test_of_twenty_thousand_attempts_none_is_followed(
    machine: Path, opening: Opening, target: str
) -> None:
    workspace = machine / "workspace"
    for folder in (workspace / "a", workspace / ".ssh"):
        folder.mkdir()
        (folder / "secret.txt").write_text(CANARY if folder.name == ".ssh" else "inside")
    (workspace / "b").symlink_to(target)
    calls = read("a/secret.txt"), write("a/secret.txt"), browse("a"), write("a/new")
    found: Counter[str] = Counter()

    with exchanging(workspace / "a", workspace / "b"), rules(machine, opening=opening) as policy:
        for _ in range(5_000):
            found.update([str(await done(policy, call)) for call in calls])

    assert found.total() == 20_000
    assert is_untouched(machine)
    assert not [answer for answer in found if CANARY in answer]
    assert os.listdir(workspace / ".ssh") == ["secret.txt"]
    assert (workspace / ".ssh" / "secret.txt").read_text() == CANARY
    assert {str(OUTSIDE), str(FORBIDDEN)} & set(found)
    assert str({"bytes_written": 11}) in found


# The labelled cases


@BOTH
async def test_labelled_paths_are_decided_as_labelled(tmp_path: Path, opening: Opening) -> None:
    calls = {"read": read, "write": write, "list": browse}
    wrong = []
    cases = [row for row in rows("paths.json") if row["op"] != "race"]
    for number, row in enumerate(cases):
        machine = tmp_path / str(number)
        path = prepared(machine, row)
        with rules(machine, opening=opening) as policy:
            found = await done(policy, calls[row["op"]](path))
        verdict = "deny" if isinstance(found, Reason) else "allow"
        if not met(row, verdict) or CANARY in str(found) or not is_untouched(machine):
            wrong.append((row["id"], verdict))

    assert len(cases) > 80
    assert wrong == []


def test_every_labelled_race_is_run_here() -> None:
    races = {row["path"] for row in rows("paths.json") if row["op"] == "race"}

    assert races <= {
        "race:parent moved out",  # test_a_folder_that_is_moved_out_takes_nobody_along
        "race:mkdir race",  # test_a_folder_exchanged_for_a_link_is_never_followed
    }
