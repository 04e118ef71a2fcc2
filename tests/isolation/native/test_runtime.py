"""What a hostile command sees and can do, at each level, with real programs."""

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from natives import LEVELS, OWNER, ROOT, Outcome, Place, followed, new_place, processes
from wire import until

from proxy.actions import Command
from proxy.isolation.native.levels import Level
from proxy.isolation.native.runtime import NativeRuntime

MIB = 1 << 20
every_level = pytest.mark.parametrize("level", LEVELS)
PYTHON = "/usr/bin/python3"


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as made:
        yield made


def lines(done: Outcome) -> dict[str, str]:
    """What `name: value` lines say."""
    pairs = (line.partition(":") for line in done.out.splitlines())
    return {name: value.strip() for name, _, value in pairs}


async def test_a_sandbox_has_namespaces_of_its_own(place: Place) -> None:
    kinds = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
    done = await place.run(Level.BWRAP, "readlink", *(f"/proc/self/ns/{kind}" for kind in kinds))

    names = done.out.splitlines()
    assert len(names) == len(kinds)
    assert not {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds} & set(names)


async def test_a_sandbox_has_no_capability_and_gains_none(place: Place) -> None:
    status = lines(await place.run(Level.BWRAP, "cat", "/proc/self/status"))

    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0" * 16
    }
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"] == "\t".join([str(OWNER.uid)] * 4)
    assert status["Gid"] == "\t".join([str(OWNER.gid)] * 4)
    assert status["Groups"] == ""


async def test_a_sandbox_sees_its_own_processes_only(place: Place) -> None:
    done = await place.shell(Level.BWRAP, "echo /proc/[0-9]*; cat /proc/1/comm")

    processes, init = done.out.splitlines()
    assert len(processes.split()) <= 4
    assert init == "bwrap"


async def test_a_sandbox_has_no_network_but_its_own_loopback(place: Place) -> None:
    done = await place.run(Level.BWRAP, "cat", "/proc/net/dev")

    assert [line.split(":")[0].strip() for line in done.out.splitlines()[2:]] == ["lo"]


async def test_a_sandbox_holds_the_systems_programs_and_little_else(place: Place) -> None:
    done = await place.shell(Level.BWRAP, "cd /; ls -A; echo; ls -A /etc /tmp; cat /etc/passwd")

    here, _, rest = done.out.partition("\n\n")
    assert set(here.split()) <= {
        *("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr"),
        *("dev", "etc", "proc", "tmp"),
    }
    assert "shadow" not in rest
    assert rest.count(":") == 2 + 6  # the two headings of ls, and one user


@every_level
async def test_the_user_is_the_workspaces_owner_and_never_root(level: Level, place: Place) -> None:
    done = await place.shell(level, "id -u; id -g; id -G")

    assert done.out.split() == [str(OWNER.uid), str(OWNER.gid), str(OWNER.gid)]


@every_level
async def test_no_other_user_can_become(level: Level, place: Place) -> None:
    """Programs with a set-user-id bit are ordinary ones."""
    done = await place.run(level, "su", "-c", "id -u")

    assert done.code != 0
    assert "0" not in done.out.split()


@every_level
@pytest.mark.parametrize(
    "way",
    [
        "cat {}/key",
        "ls {}",
        "echo x > {}/key",
        "truncate -s0 {}/key",
        "rm -r {}",
        "mv {} {}2",
        "ln -s {} link && ls link/",
        "cp -r {} .",
        "touch {}/new",
        "ln {}/key hard",
    ],
)
async def test_the_state_folder_is_out_of_reach(level: Level, place: Place, way: str) -> None:
    done = await place.shell(level, way.replace("{}", place.state))

    assert done.code != 0
    assert "the key" not in done.out
    assert Path(place.state, "key").read_text() == "the key"
    assert os.listdir(place.state) == ["key"]


@every_level
async def test_the_rights_of_the_state_folder_stay(level: Level, place: Place) -> None:
    """Landlock does not judge rights, and at the last level the folder is the same user's."""
    own = os.path.join(place.base, "own")
    os.mkdir(own, mode=0o700)
    if ROOT and level is Level.UNCONFINED:
        os.chown(own, OWNER.uid, OWNER.gid)
    done = await place.run(level, "chmod", "777", own)

    assert done.code != 0
    assert os.stat(own).st_mode & 0o777 == 0o700


@every_level
async def test_nothing_of_the_same_user_outside_is_read_or_written(
    level: Level, place: Place
) -> None:
    """Whose files they are does not help: what is not listed is not there, or may not be opened."""
    other = Path(place.base, "other")
    other.write_text("private")
    if ROOT:
        os.chown(other, OWNER.uid, OWNER.gid)
    done = await place.shell(level, f"cat {other}; echo x >> {other}; truncate -s0 {other}")

    assert done.out == ""
    assert other.read_text() == "private"


@every_level
@pytest.mark.parametrize(
    "path", ["/", "/usr", "/etc", "/dev", "/dev/shm", "/var/tmp", "/home", "/run", "/proc"]
)
async def test_nothing_outside_the_workspace_is_written(
    level: Level, place: Place, path: str
) -> None:
    name = os.path.join(path, "sidegate-was-here")
    done = await place.shell(level, f"echo x > {name}")

    assert done.code != 0
    assert not os.path.exists(name)


@every_level
async def test_the_workspace_is_where_it_is_and_written(level: Level, place: Place) -> None:
    done = await place.shell(level, f"pwd; echo x > made; cat {place.workspace}/made; mkdir d")

    assert done.out.splitlines() == [place.workspace, "x"]
    status = os.stat(os.path.join(place.workspace, "made"))
    assert (status.st_uid, status.st_gid) == (OWNER.uid, OWNER.gid)


@every_level
async def test_a_command_that_does_not_write_cannot(level: Level, place: Place) -> None:
    Path(place.workspace, "file").write_text("kept")
    if ROOT:
        os.chown(os.path.join(place.workspace, "file"), OWNER.uid, OWNER.gid)
    done = await place.shell(
        level,
        "cat file; echo x > file; rm file; touch new; chmod 777 file; truncate -s0 file",
        writes=False,
    )

    assert (done.out, done.code) == ("kept", 1)
    assert os.listdir(place.workspace) == ["file"]
    assert Path(place.workspace, "file").read_text() == "kept"
    assert not os.stat(os.path.join(place.workspace, "file")).st_mode & 0o111


@every_level
async def test_a_link_in_the_workspace_leads_nowhere(level: Level, place: Place) -> None:
    os.symlink(place.state, os.path.join(place.workspace, "link"))

    assert "the key" not in (await place.run(level, "cat", "link/key")).out


async def test_a_folder_put_in_the_workspaces_place_is_not_seen(place: Place) -> None:
    """What was opened is mounted, whatever its name has come to mean."""
    other = os.path.join(place.base, "other")
    with place.ground() as ground:
        os.rename(place.workspace, other)
        os.mkdir(place.workspace)
        Path(place.workspace, "planted").touch()
        runtime = NativeRuntime(Level.BWRAP, ground, "test")
        done = await followed(runtime, Command(("ls", "-A"), 20.0, writes=True))
        await runtime.aclose()

    assert "planted" not in done.out


@every_level
async def test_a_folder_for_temporary_files_is_there_and_private(
    level: Level, place: Place
) -> None:
    done = await place.shell(level, 'cd "${TMPDIR:-/tmp}" && pwd && echo x > y && ls && ls -dl .')

    folder, *listed, rights = done.out.splitlines()
    assert "y" in listed
    assert rights.startswith("drwx")
    assert not os.path.exists(os.path.join(folder, "y"))


@every_level
async def test_temporary_files_are_gone_afterwards_whatever_they_are(
    level: Level, place: Place
) -> None:
    """Too deep for a recursion, without rights, by links to elsewhere."""
    hostile = """
cd "${TMPDIR:-/tmp}" && pwd; ln -s / root
mkdir closed; touch closed/x; chmod 000 closed 2>/dev/null
i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit; i=$((i+1)); done
"""
    done = await place.shell(level, hostile)

    folder = done.out.splitlines()[0]
    if level is not Level.BWRAP:
        assert not os.path.lexists(folder)


@pytest.mark.skipif(not ROOT, reason="nobody else could change more than the command itself")
async def test_a_link_that_takes_the_temporary_folders_place_is_not_followed(place: Place) -> None:
    """Another process of the workspace's owner may put one there, and root would follow it."""
    kept = Path(place.state, "key")
    kept.chmod(0o400)
    script = (
        "import os, sys, time\nfolder = sys.stdin.readline().strip()\n"
        "os.rename(folder, folder + '-old')\n"
        f"os.symlink({place.state!r}, folder)\nprint(flush=True)\n"
    )
    running = asyncio.create_task(
        place.shell(Level.USER, "echo $TMPDIR > told; until [ -e go ]; do :; done; echo $TMPDIR")
    )
    told = Path(place.workspace, "told")
    await until(lambda: told.exists() and told.read_text().endswith("\n"))
    ids = (f"--reuid={OWNER.uid}", f"--regid={OWNER.gid}", "--clear-groups")
    swap = await asyncio.create_subprocess_exec(
        *("setpriv", *ids, "--", PYTHON, "-c", script), stdin=asyncio.subprocess.PIPE
    )
    await swap.communicate(told.read_bytes())
    Path(place.workspace, "go").touch()
    folder = (await running).out.strip()

    assert kept.stat().st_mode & 0o777 == 0o400
    assert not os.path.lexists(folder)
    os.rmdir(f"{folder}-old")


@every_level
async def test_sidegate_and_its_processes_are_invisible(level: Level, place: Place) -> None:
    own = os.getpid()
    done = await place.shell(
        level, f"cat /proc/{own}/environ /proc/{own}/cmdline; ls /proc/{own}/cwd/"
    )

    assert done.out == ""
    assert done.code != 0


@every_level
async def test_no_signal_reaches_others(level: Level, place: Place) -> None:
    victim = await asyncio.create_subprocess_exec(
        "sleep", "60", user=OWNER.uid if ROOT and level is Level.UNCONFINED else None
    )
    try:
        await place.shell(level, f"kill -9 {victim.pid}; kill -9 {os.getpid()}")
        assert victim.returncode is None
    finally:
        victim.kill()
        await victim.wait()


CONNECT = """
import socket, sys
family = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6}[sys.argv[1]]
address = sys.argv[2] if sys.argv[1] == "unix" else (sys.argv[2], int(sys.argv[3]))
with socket.socket(family) as made:
    made.settimeout(3)
    made.connect(address)
print("connected")
"""


@pytest.fixture
async def listener(place: Place) -> AsyncIterator[tuple[str, int]]:
    """A unix socket that everybody may connect to, and a port."""
    path = os.path.join(place.workspace, "admin.sock")
    with socket.socket(socket.AF_UNIX) as local, socket.socket() as port:
        local.bind(path)
        local.listen()
        os.chmod(path, 0o777)
        port.bind(("127.0.0.1", 0))
        port.listen()
        yield path, port.getsockname()[1]


@every_level
async def test_no_port_of_the_machine_is_reached(
    level: Level, place: Place, listener: tuple[str, int]
) -> None:
    done = await place.run(level, PYTHON, "-c", CONNECT, "inet", "127.0.0.1", str(listener[1]))

    assert "connected" not in done.out
    assert done.code == 1


@pytest.mark.parametrize("level", [level for level in LEVELS if level is not Level.BWRAP])
async def test_without_a_namespace_there_are_no_sockets_at_all(
    level: Level, place: Place, listener: tuple[str, int]
) -> None:
    """Landlock does not judge a connection to a socket by its path: Sidegate's own is one."""
    done = await place.run(level, PYTHON, "-c", CONNECT, "unix", listener[0])

    assert done.code == 1
    assert "Operation not permitted" in done.err


@every_level
async def test_the_environment_holds_nothing_of_sidegates(level: Level, place: Place) -> None:
    done = await place.run(level, "env", env={"TOKEN": "the tool's"})

    names = {line.partition("=")[0] for line in done.out.splitlines()}
    assert names <= {
        *("PATH", "HOME", "LANG", "TMPDIR", "PWD", "TOKEN", "SIDEGATE_SANDBOX"),
        *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"),
    }
    assert "TOKEN=the tool's" in done.out


@every_level
async def test_a_tools_environment_is_on_no_command_line(level: Level, place: Place) -> None:
    task = asyncio.create_task(place.run(level, "sleep", "1", env={"TOKEN": "s3cret-s3cret"}))
    seen: set[int] = set()
    while not task.done():
        seen |= processes(b"s3cret-s3cret")
        await asyncio.sleep(0.01)

    assert (await task).code == 0
    assert seen == set()


@every_level
async def test_no_descriptor_but_the_three_streams_is_left(level: Level, place: Place) -> None:
    script = (
        "import os\nfor n in range(3, 2000):\n try: os.fstat(n); print(n)\n except OSError: pass"
    )
    done = await place.run(level, PYTHON, "-I", "-S", "-c", script)

    assert (done.out, done.code) == ("", 0)


@every_level
@pytest.mark.parametrize(
    ("section", "script"),
    [
        pytest.param({"memory_limit_mb": 64}, "b'x' * (100 << 20)", id="memory"),
        pytest.param({"max_file_mb": 1}, "open('big', 'wb').write(b'x' * (2 << 20))", id="a file"),
        pytest.param({}, "[open('/dev/null') for _ in range(2000)]", id="open files"),
    ],
)
async def test_limits_hold(level: Level, section: dict[str, int], script: str) -> None:
    with new_place(**section) as place:
        done = await place.run(level, PYTHON, "-c", script)

        assert done.code != 0
        assert done.result == "failed"
        sizes = [entry.stat().st_size for entry in os.scandir(place.workspace)]
        assert all(size <= MIB for size in sizes)


@every_level
async def test_a_fork_bomb_is_bounded_and_gone_afterwards(level: Level) -> None:
    bomb = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
    with new_place(max_processes=40) as place:
        done = await place.run(level, PYTHON, "-c", bomb, "bomb-of-tests", seconds=2.0)

        assert done.result == "timeout"
        assert processes(b"bomb-of-tests\0") == set()


@every_level
async def test_user_namespaces_cannot_be_made_inside(level: Level, place: Place) -> None:
    """They are where most of a kernel's faults are within reach."""
    done = await place.run(level, "unshare", "--user", "true")

    assert done.code != 0


@every_level
async def test_a_pipe_that_nobody_reads_ends_its_writer(level: Level, place: Place) -> None:
    assert (await place.shell(level, "yes | head -n 1")).out == "y\n"


async def test_what_has_vanished_since_the_probe_is_told(place: Place) -> None:
    with place.ground() as ground:
        gone = replace(ground, tools=replace(ground.tools, bwrap="/no/such/bwrap"))

        assert await NativeRuntime(Level.BWRAP, ground, "test").missing() is None
        missing = await NativeRuntime(Level.BWRAP, gone, "test").missing()
        assert missing == "/no/such/bwrap is not there any more"
        assert await NativeRuntime(Level.USER, gone, "test").missing() is None


async def test_each_tool_has_its_own_environment_only(place: Place) -> None:
    with place.ground() as ground:
        envs = {"one": {"TOKEN": "of one"}, "two": {}}
        runtime = NativeRuntime(LEVELS[0], ground, "test", envs)
        plan = Command(("sh", "-c", "echo $TOKEN"), 20.0, writes=False)
        said = [(await followed(runtime, plan, tool)).out for tool in ("one", "two", "three")]
        await runtime.aclose()

    assert said == ["of one\n", "\n", "\n"]


@pytest.mark.skipif(not ROOT, reason="only root makes a folder of another user's")
async def test_a_sweep_takes_what_no_supervisor_sees_to_and_leaves_the_rest(place: Place) -> None:
    with place.ground() as ground:
        mine = NativeRuntime(Level.USER, ground, f"sweep{os.getpid()}")
        left = Path(tempfile.gettempdir(), f"sidegate-sweep{os.getpid()}-old")
        left.mkdir()
        job = mine.job(Command(("sleep", "60"), 60.0, writes=False), "", "")
        await job.start()

        assert await mine.sweep() == 1
        assert not left.exists()
        assert await mine.sweep() == 0
        await job.discard()
        await mine.aclose()
