"""A real file, and a second connection to look at it from outside."""

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from disks import full, grow
from kernel import open_files
from state.files import VERSION_1, content, count, database, rows

from proxy.decision import ConfigError
from proxy.state.sqlite.file import Connection, Found, StateFile, inspect
from proxy.state.sqlite.schema import VERSION

ROOT = Path(__file__).parents[2]
HERE, ELSEWHERE = "0" * 32, "f" * 32
ADD = "INSERT INTO lockout VALUES (?, 1, 0, 0)"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[StateFile]:
    file = StateFile(str(path), HERE)
    yield file
    await file.aclose()


@pytest.fixture
async def file(path: Path) -> AsyncIterator[StateFile]:
    async with opened(path) as file:
        yield file


async def add(file: StateFile, *peers: str) -> None:
    def verb(connection: Connection) -> None:
        """No cursor leaves the thread: one that died elsewhere would spoil what runs."""
        connection.executemany(ADD, [(peer,) for peer in peers])

    await file.write(verb)


async def peers(file: StateFile) -> set[str]:
    return await file.read(_peers)


def _peers(connection: Connection) -> set[str]:
    return {peer for (peer,) in connection.execute("SELECT peer FROM lockout")}


async def filled(path: Path) -> None:
    """A state of some pages, closed."""
    async with opened(path) as file:
        await add(file, *(f"{number} {'x' * 500}" for number in range(50)))


# Transactions.


async def test_commits_are_durable_and_what_is_deleted_is_overwritten(file: StateFile) -> None:
    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "secure_delete", "trusted_schema")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await file.read(pragmas) == ["wal", 2, 1, 0]


async def test_failed_verb_leaves_nothing_behind(file: StateFile) -> None:
    def verb(connection: Connection) -> None:
        connection.execute(ADD, ("peer",))
        raise KeyError

    with pytest.raises(KeyError):
        await file.write(verb)
    assert await peers(file) == set()
    await add(file, "later")


async def test_what_the_database_refuses_is_an_os_error_that_names_the_file(
    file: StateFile, path: Path
) -> None:
    await add(file, "peer")
    message = f"the state {path} cannot be used: UNIQUE"

    with pytest.raises(OSError, match=message):
        await add(file, "other", "peer")
    assert await peers(file) == {"peer"}


async def test_reading_waits_for_no_writer(file: StateFile, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute(ADD, ("theirs",))
        async with asyncio.timeout(2):
            assert await peers(file) == set()
        other.execute("COMMIT")

    assert await peers(file) == {"theirs"}


async def test_reading_cannot_be_mixed_up_with_what_is_written_meanwhile(
    file: StateFile, path: Path
) -> None:
    def verb(connection: Connection) -> list[int]:
        query = "SELECT count(*) FROM lockout"
        before = connection.execute(query).fetchone()[0]
        database(path, "INSERT INTO lockout VALUES ('theirs', 1, 0, 0)")
        return [before, connection.execute(query).fetchone()[0]]

    assert await file.read(verb) == [0, 0]
    assert await peers(file) == {"theirs"}


async def test_looking_sees_what_was_committed_and_waits_for_no_writer(file: StateFile) -> None:
    await add(file, "first")
    waiting, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(ADD, ("second",))
        waiting.set()
        go_on.wait(10)

    writing = asyncio.create_task(file.write(slow))
    await asyncio.to_thread(waiting.wait, 10)
    before = await file.look(_peers)
    go_on.set()
    await writing

    assert (before, await file.look(_peers)) == ({"first"}, {"first", "second"})


async def test_looking_cannot_write(file: StateFile) -> None:
    await add(file, "first")

    def pragmas(connection: Connection) -> tuple[object, ...]:
        names = ("query_only", "trusted_schema")
        return tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)

    assert await file.look(pragmas) == (1, 0)


async def test_looking_that_the_database_refuses_is_an_os_error(file: StateFile) -> None:
    with pytest.raises(OSError, match="no such table"):
        await file.look(lambda connection: connection.execute("SELECT * FROM absent").fetchall())


async def test_closed_file_is_not_looked_at(path: Path) -> None:
    async with opened(path) as file:
        await add(file, "first")

    with pytest.raises(OSError, match="was closed"):
        await file.look(_peers)


async def test_verb_that_is_given_up_is_whole_or_not_at_all(file: StateFile) -> None:
    entered, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        entered.set()
        go.wait(10)
        connection.executemany(ADD, [("a",), ("b",)])

    task = asyncio.create_task(file.write(slow))
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await peers(file) == {"a", "b"}


async def test_what_was_begun_is_finished_before_the_file_is_closed(path: Path) -> None:
    file = StateFile(str(path), HERE)
    begun = [asyncio.create_task(add(file, str(number))) for number in range(20)]
    await asyncio.sleep(0)
    await file.aclose()
    await asyncio.gather(*begun)

    assert count(path, "lockout") == 20


async def test_closed_file_is_an_os_error_and_may_be_closed_again(path: Path) -> None:
    file = StateFile(str(path), HERE)
    await file.aclose()
    await file.aclose()

    with pytest.raises(OSError, match=f"the state {path} cannot be used: it was closed"):
        await peers(file)


async def test_closed_file_is_all_there_is(path: Path) -> None:
    await filled(path)

    assert list(path.parent.iterdir()) == [path]
    assert not [file for file in open_files() if file.startswith(str(path))]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("state")]


# The file.


async def test_every_file_is_for_its_owner_alone(path: Path, file: StateFile) -> None:
    await add(file, "peer")

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(("sidegate.db", "sidegate.db-wal", "sidegate.db-shm"), 0o600)


async def test_files_that_were_open_to_others_are_closed_to_them(path: Path) -> None:
    await killed(path)
    for each in path.parent.iterdir():
        each.chmod(0o666)

    async with opened(path) as file:
        await add(file, "peer")
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert modes == dict.fromkeys(("sidegate.db", "sidegate.db-wal", "sidegate.db-shm"), 0o600)


async def test_instance_is_given_once(path: Path, tmp_path: Path) -> None:
    async with opened(path) as file, opened(tmp_path / "other.db") as other:
        instance = file.instance
        assert other.instance != instance
        assert re.fullmatch("[0-9a-f]{16}", instance)

    async with opened(path) as file:
        assert file.instance == instance


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?mode=memory", "#1", "é.db", "\udcff"])
async def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for _ in range(2):
        async with opened(path):
            pass

    assert list(tmp_path.iterdir()) == [path]
    assert inspect(str(path)) == Found(VERSION, HERE)


async def test_relative_path_will_do(path: Path) -> None:
    relative = os.path.relpath(path)
    async with opened(Path(relative)):
        pass

    assert inspect(relative) == Found(VERSION, HERE)
    assert path.is_file()


async def test_state_under_another_key_is_refused_and_untouched(path: Path) -> None:
    await filled(path)
    before = content(path.parent)
    message = f"{path} was written under the master key of fingerprint {HERE}.*put the key file"
    with pytest.raises(ConfigError, match=message):
        StateFile(str(path), ELSEWHERE)

    assert content(path.parent) == before
    assert list(path.parent.iterdir()) == [path]


# Looking.


def test_looking_at_nothing_makes_nothing(path: Path) -> None:
    assert inspect(str(path)) == Found(0, None)
    assert inspect(str(path.parent / "missing" / "sidegate.db")) == Found(0, None)
    assert list(path.parent.iterdir()) == []


async def test_looking_leaves_no_trace(path: Path) -> None:
    await filled(path)
    before, at = content(path.parent), path.stat().st_mtime_ns

    assert inspect(str(path)) == Found(VERSION, HERE)
    assert content(path.parent) == before
    assert path.stat().st_mtime_ns == at
    assert list(path.parent.iterdir()) == [path]
    assert not [file for file in open_files() if file.startswith(str(path))]


# A process that died.


async def killed(path: Path, *, program: str = "") -> None:
    """What is left by a process that wrote two peers and was killed."""
    program = program or (
        "import asyncio, os, sys; from proxy.state.sqlite.file import StateFile;"
        f"file = StateFile(sys.argv[1], '{HERE}');"
        f"verb = lambda connection: connection.executemany('{ADD}', [('a',), ('b',)]);"
        "asyncio.run(file.write(verb));"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL


async def test_what_was_committed_survives_the_death_of_the_process(path: Path) -> None:
    await killed(path)
    assert path.with_name("sidegate.db-wal").stat().st_size > 0

    async with opened(path) as file:
        assert await peers(file) == {"a", "b"}
    assert list(path.parent.iterdir()) == [path]


async def test_looking_at_what_a_killed_process_left_changes_nothing(path: Path) -> None:
    await killed(path)
    before = content(path.parent)

    assert inspect(str(path)) == Found(VERSION, HERE)
    assert content(path.parent) == before


async def test_state_of_a_killed_process_is_refused_under_another_key(path: Path) -> None:
    await killed(path)
    before = content(path.parent)

    with pytest.raises(ConfigError):
        StateFile(str(path), ELSEWHERE)
    assert content(path.parent) == before


async def test_log_that_was_cut_off_loses_only_what_was_not_committed(path: Path) -> None:
    await killed(path)
    log = path.with_name("sidegate.db-wal")
    with log.open("ab") as torn:
        torn.write(log.read_bytes()[32:2000])

    async with opened(path) as file:
        assert await peers(file) == {"a", "b"}


DIES_IN_CREATION = f"""
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE identity (filler)")
connection.execute("INSERT INTO identity VALUES (zeroblob(1000000))")
os.kill(os.getpid(), {int(signal.SIGKILL)})
"""


async def test_state_that_was_not_finished_is_made_anew(path: Path) -> None:
    await killed(path, program=DIES_IN_CREATION)
    assert path.stat().st_size > 0
    assert path.with_name("sidegate.db-journal").stat().st_size > 0

    async with opened(path) as file:
        await add(file, "peer")
        assert await peers(file) == {"peer"}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(None, id="an empty file"),
        pytest.param("PRAGMA journal_mode = WAL", id="a file without tables"),
        pytest.param("PRAGMA journal_mode = WAL; BEGIN; CREATE TABLE token (id)", id="undone"),
    ],
)
async def test_half_written_file_is_a_new_state(script: str | None, path: Path) -> None:
    path.touch()
    if script:
        database(path, script)

    assert inspect(str(path)) == Found(0, None)
    async with opened(path) as file:
        await add(file, "peer")
    assert inspect(str(path)) == Found(VERSION, HERE)


# What is no state of ours.


IDENTITY = "CREATE TABLE identity (instance, fingerprint); CREATE TABLE token (x);"
NEWER = f"{IDENTITY} PRAGMA user_version = {VERSION + 1};"
WAL = "PRAGMA journal_mode = WAL;"
ANEW = "move it away to begin anew"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"garbage " * 1000, f"not a readable state.*{ANEW}", id="garbage"),
        pytest.param(b"hello", "not a readable state", id="a few bytes"),
        pytest.param(b"!", "not a readable state", id="one byte"),
        pytest.param(b"\0" * 4096, "not a readable state", id="zeros"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 8000, "not a readable", id="a broken head"),
        pytest.param(
            WAL + NEWER, f"version {VERSION + 1}, .* newer sidegate.*{ANEW}", id="a newer version"
        ),
        pytest.param(NEWER, f"of version {VERSION + 1}", id="a newer version with another journal"),
        pytest.param("PRAGMA user_version = 1;", "not a state of", id="a version and nothing else"),
        pytest.param("PRAGMA user_version = -1;", "not a state of", id="a version below all"),
        pytest.param(IDENTITY, "not a state of", id="tables without a version"),
        pytest.param(f"{IDENTITY} PRAGMA user_version = 2;", "identity is missing", id="no row"),
        pytest.param(
            "CREATE TABLE identity (x); CREATE TABLE token (x); PRAGMA user_version = 2;",
            "not a readable state .no such column",
            id="other columns",
        ),
        pytest.param(
            "CREATE TABLE bookmark (x); PRAGMA user_version = 1;",
            "not a state of sidegate: move it away",
            id="a database of another program",
        ),
    ],
)
def test_what_is_no_state_of_ours_is_refused_and_untouched(
    content: bytes | str, message: str, path: Path
) -> None:
    if isinstance(content, str):
        database(path, content)
    else:
        path.write_bytes(content)
    path.chmod(0o640)
    before = path.read_bytes()

    for refuse in (inspect, lambda path: StateFile(path, HERE)):
        with pytest.raises(OSError, match=f"{path} .*{message}"):
            refuse(str(path))
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_database_of_another_program_with_a_log_is_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"{WAL} CREATE TABLE bookmark (x); INSERT INTO bookmark VALUES (1);")
        for name in ("sidegate.db", "sidegate.db-wal"):
            shutil.copy(path.with_name(name), path.with_name("copied" + name))
    copied = path.with_name("copiedsidegate.db")
    before = content(path.parent)

    with pytest.raises(OSError, match="not a state of sidegate"):
        StateFile(str(copied), HERE)
    assert content(path.parent) == before
    assert rows(copied, "SELECT * FROM bookmark") == [(1,)]


async def test_truncated_state_is_refused_and_untouched(path: Path) -> None:
    await filled(path)
    whole = path.read_bytes()
    assert len(whole) > 60_000

    for size in [*range(1, len(whole), 1021), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(OSError, match=f"{path} is not a readable state"):
            StateFile(str(path), HERE)
        assert path.read_bytes() == whole[:size]
    assert list(path.parent.iterdir()) == [path]


async def test_state_with_a_bad_page_is_refused_or_the_page_held_nothing(path: Path) -> None:
    await filled(path)
    async with opened(path) as file:
        before = await peers(file)
    whole = path.read_bytes()
    refused = 0

    for start in range(0, len(whole), 4096):
        bad = whole[:start] + b"\xa5" * 4096 + whole[start + 4096 :]
        path.write_bytes(bad)
        try:
            file = StateFile(str(path), HERE)
        except OSError:
            refused += 1
            assert path.read_bytes() == bad
            continue
        assert await peers(file) == before
        await file.aclose()
    assert refused > len(whole) // 4096 * 3 // 4


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_at_once(kind: str, path: Path) -> None:
    path.mkdir() if kind == "folder" else os.mkfifo(path)

    with pytest.raises(OSError, match=f"the state {path} is not a file: move it away"):
        StateFile(str(path), HERE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("missing/sidegate.db", "No such file", id="in no folder"),
        pytest.param("file/sidegate.db", "Not a directory", id="beneath a file"),
        pytest.param("loop", "symbolic links", id="a link to itself"),
        pytest.param("x" * 256, "name too long", id="a long name"),
    ],
)
def test_path_that_cannot_be_opened_is_an_os_error(name: str, message: str, path: Path) -> None:
    folder = path.parent
    (folder / "file").touch()
    (folder / "loop").symlink_to("loop")
    before = sorted(folder.iterdir())

    with pytest.raises(OSError, match=f"the state {folder / name} cannot be opened: .*{message}"):
        StateFile(str(folder / name), HERE)
    assert sorted(folder.iterdir()) == before


UNREADABLE = """
import os, sys
from proxy.state.sqlite.file import StateFile
os.seteuid(65534) if os.geteuid() == 0 else None
try:
    StateFile(sys.argv[1], "")
except OSError as error:
    print(error)
"""


async def test_unreadable_state_is_refused(path: Path) -> None:
    await filled(path)
    path.chmod(0)
    before = path.stat()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", UNREADABLE, "sidegate.db"),
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()

    assert re.match("the state sidegate.db (may not be read|cannot be opened)", output.decode())
    assert path.stat() == before


def test_refused_file_leaves_no_descriptor_and_no_thread(path: Path) -> None:
    database(path, f"{WAL} {NEWER}")
    threads = set(threading.enumerate())
    for name in ("sidegate.db", "missing/sidegate.db"):
        with pytest.raises(OSError, match=r"version|No such file"):
            StateFile(str(path.parent / name), HERE)

    assert not [file for file in open_files() if file.startswith(str(path.parent))]
    assert not [new for new in set(threading.enumerate()) - threads if "state" in new.name]


# A full disk.


async def test_full_disk_is_an_os_error_and_not_the_end(small_disk: Path) -> None:
    grow(small_disk, "1m")
    path = small_disk / "sidegate.db"
    async with opened(path) as file:
        await add(file, "before")
        with full(small_disk):
            for _ in range(3):
                with pytest.raises(OSError, match=f"the state {path} cannot be used: .*full"):
                    await add(file, *(f"{number} {'x' * 1000}" for number in range(300)))
            assert await peers(file) == {"before"}

        await add(file, "after")
        assert await peers(file) == {"before", "after"}
    async with opened(path) as file:
        assert await peers(file) == {"before", "after"}


async def test_disk_that_is_full_in_the_end_loses_nothing(small_disk: Path) -> None:
    """The log cannot be moved into the file then, and stays."""
    grow(small_disk, "2m")
    path = small_disk / "sidegate.db"
    file = StateFile(str(path), HERE)
    await add(file, *(f"{number} {'x' * 1000}" for number in range(100)))
    before = await peers(file)
    with full(small_disk):
        await file.aclose()

    async with opened(path) as file:
        assert await peers(file) == before


async def test_state_is_made_when_there_is_room_for_it(small_disk: Path) -> None:
    path = small_disk / "sidegate.db"
    with pytest.raises(OSError, match=f"the state {path} cannot be opened: "):
        StateFile(str(path), HERE)

    grow(small_disk, "1m")
    async with opened(path) as file:
        await add(file, "peer")
        assert await peers(file) == {"peer"}


def test_old_schema_is_what_this_file_expects() -> None:
    """The two names by which a state of ours is known."""
    assert "CREATE TABLE identity" in VERSION_1
    assert "CREATE TABLE token" in VERSION_1
