"""The state and its master key, opened together or not at all."""

import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy import seal
from proxy.config.model import StateConfig
from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state import secrets_file
from proxy.state.opening import (
    MASTER_KEY,
    MASTER_KEY_FILE,
    Keys,
    buckets_of,
    cautions,
    instance_in,
    open_keys,
    open_store,
)
from proxy.state.secrets_file import ROOT, Contents, Entry
from proxy.state.sqlite.store import SqliteStore

EMPTY: Mapping[str, str] = {}


def open_seal(key_file: str, database: str | None) -> Seal:
    """What the state is sealed under, where the key lies beside it."""
    return open_keys(os.path.dirname(key_file), key_file, database, {}).state


class Folder:
    """A state folder, where the key and the database have their usual names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = str(path / ".secret_key")
        self.database = str(path / "sidegate.db")

    def seal(self) -> Seal:
        return open_seal(self.key, self.database)

    def keys(
        self,
        environ: Mapping[str, str] = EMPTY,
        *,
        database: str | None = "sidegate.db",
        needed: bool = False,
    ) -> Keys:
        place = database and str(self.path / database)
        return open_keys(str(self.path), self.key, place, environ, needed=needed)

    async def used(self) -> Seal:
        """The key, once a state was written under it."""
        made = self.seal()
        store = await open_store(StateConfig(), str(self.path), made)
        await store.aclose()
        return made


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# The key


def test_a_key_is_made_at_the_first_start_for_its_owner_alone(folder: Folder) -> None:
    made = folder.seal()

    assert os.listdir(folder.path) == [".secret_key"]
    assert stat.S_IMODE(os.stat(folder.key).st_mode) == 0o600
    found = seal.load(folder.key)
    assert found is not None
    assert found.fingerprint == made.fingerprint


async def test_it_is_made_once(folder: Folder) -> None:
    first = await folder.used()
    data = Path(folder.key).read_bytes()

    assert folder.seal().fingerprint == first.fingerprint
    assert folder.seal().fingerprint == first.fingerprint
    assert Path(folder.key).read_bytes() == data


def test_no_two_keys_are_equal(tmp_path: Path) -> None:
    keys = [open_seal(str(tmp_path / str(number)), None) for number in range(20)]

    assert len({each.fingerprint for each in keys}) == 20


async def test_a_lost_key_is_told_with_what_helps_and_not_replaced(folder: Folder) -> None:
    await folder.used()
    os.unlink(folder.key)
    before = Path(folder.database).read_bytes()

    with pytest.raises(ConfigError) as caught:
        folder.seal()

    (problem,) = caught.value.problems
    assert problem.startswith(f"secrets.key_file: the master key {folder.key} is missing")
    assert folder.database in problem
    assert "put the file back, or move the state away" in problem
    assert not os.path.exists(folder.key)
    assert Path(folder.database).read_bytes() == before


async def test_with_its_key_back_it_opens_again(folder: Folder) -> None:
    made = await folder.used()
    key = Path(folder.key)
    key.rename(key.with_name("away"))
    with pytest.raises(ConfigError):
        folder.seal()

    key.with_name("away").rename(key)

    assert folder.seal().fingerprint == made.fingerprint


async def test_with_the_state_moved_away_another_begins(folder: Folder) -> None:
    before = await folder.used()
    for file in folder.path.iterdir():
        file.unlink()

    assert folder.seal().fingerprint != before.fingerprint


async def test_a_state_under_another_key_is_not_opened(folder: Folder, tmp_path: Path) -> None:
    await folder.used()
    other = open_seal(str(tmp_path / "other"), None)

    with pytest.raises(ConfigError, match="was written under the master key of fingerprint"):
        await open_store(StateConfig(), str(folder.path), other)


def test_a_place_that_is_empty_needs_no_key(folder: Folder) -> None:
    """A process died between making the file and writing to it."""
    Path(folder.database).touch()

    assert folder.seal().fingerprint


def test_what_is_no_state_is_told_and_no_key_is_made_for_it(folder: Folder) -> None:
    Path(folder.database).write_bytes(b"this is no database, but long enough " * 50)

    with pytest.raises(OSError, match="is not a readable state"):
        folder.seal()

    assert not os.path.exists(folder.key)


@pytest.mark.parametrize("content", ["", "zz" * 32, "00" * 31, "00" * 33, "0" * 200])
def test_a_key_file_that_holds_no_key_is_not_replaced(folder: Folder, content: str) -> None:
    Path(folder.key).write_text(content)
    os.chmod(folder.key, 0o600)

    with pytest.raises(ConfigError, match=r"^secrets\.key_file: .* holds no key"):
        folder.seal()

    assert Path(folder.key).read_text() == content


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_none(folder: Folder, mode: int) -> None:
    folder.seal()
    os.chmod(folder.key, mode)

    with pytest.raises(ConfigError, match=r"^secrets\.key_file: others may read .*: chmod 600 it"):
        folder.seal()


def test_a_state_on_a_server_has_its_key_here(folder: Folder) -> None:
    made = open_seal(folder.key, None)

    assert open_seal(folder.key, None).fingerprint == made.fingerprint


def test_a_key_has_no_place_in_a_folder_that_is_not_there(folder: Folder) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        open_seal(str(folder.path / "none" / "key"), None)


# The secrets


def written(folder: Folder, key: Seal, contents: Contents | None = None) -> None:
    secrets_file.write(str(folder.path), key, contents or Contents())


def test_where_secrets_are_no_key_is_made(folder: Folder) -> None:
    written(folder, folder.seal())
    os.unlink(folder.key)

    with pytest.raises(ConfigError, match=r"is missing, and .*/secrets-.* was written under it"):
        folder.seal()
    assert not os.path.exists(folder.key)


def test_where_a_server_has_the_state_no_key_is_made_either(folder: Folder) -> None:
    instance_in(str(folder.path))

    with pytest.raises(ConfigError, match="the state at the server was written under it"):
        folder.keys(database=None)
    assert not os.path.exists(folder.key)


def test_where_the_configuration_has_encrypted_values_no_key_is_made(folder: Folder) -> None:
    with pytest.raises(ConfigError, match="the configuration has enc2: values: put there the file"):
        folder.keys(needed=True)
    assert not os.path.exists(folder.key)

    folder.seal()
    assert folder.keys(needed=True).master.fingerprint == folder.seal().fingerprint


def test_a_key_that_is_not_that_of_the_secrets_is_refused(folder: Folder) -> None:
    written(folder, Seal(bytes(32)))
    seal.create(folder.key)

    with pytest.raises(ConfigError, match="were written under another master key: put it back"):
        folder.seal()


def test_the_state_is_sealed_under_its_own_key_once_the_master_key_was_rotated(
    folder: Folder,
) -> None:
    master, root = folder.seal(), Seal(bytes(32))
    wrapped = Entry.of(master, ROOT, master.wrap(root), plain=True, moment=0)
    written(folder, master, Contents(root=wrapped))

    keys = folder.keys()
    assert (keys.master.fingerprint, keys.state.fingerprint) == (
        master.fingerprint,
        root.fingerprint,
    )
    assert folder.seal().fingerprint == root.fingerprint


def test_a_key_of_the_state_that_was_put_there_by_another_hand_is_refused(folder: Folder) -> None:
    master = folder.seal()
    forged = Entry.of(Seal(bytes(32)), ROOT, master.wrap(Seal(bytes(32))), plain=True, moment=0)
    written(folder, master, Contents(root=forged))

    with pytest.raises(ConfigError, match="was changed, or moved"):
        folder.seal()


# The key in the environment


KEY = bytes(range(32)).hex()


def test_the_environment_may_have_the_key(folder: Folder) -> None:
    (folder.path / "mounted").write_text(f"{KEY}\n")
    for environ in (
        {MASTER_KEY: KEY},
        {MASTER_KEY: f" {KEY.upper()}\n"},
        {MASTER_KEY_FILE: str(folder.path / "mounted")},
    ):
        keys = folder.keys(environ)
        assert keys.given
        assert keys.master.fingerprint == Seal(bytes.fromhex(KEY)).fingerprint
    assert os.listdir(folder.path) == ["mounted"]


def test_the_same_key_may_be_in_both_places(folder: Folder) -> None:
    Path(folder.key).write_text(KEY)
    os.chmod(folder.key, 0o600)

    assert folder.keys({MASTER_KEY: KEY}).master.fingerprint == folder.keys().master.fingerprint


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({MASTER_KEY: ""}, "SIDEGATE_MASTER_KEY holds no key: 64 hexadecimal digits"),
        ({MASTER_KEY: KEY[:-2]}, "SIDEGATE_MASTER_KEY holds no key: 64 hexadecimal digits"),
        ({MASTER_KEY: KEY + "00"}, "SIDEGATE_MASTER_KEY holds no key: 64 hexadecimal digits"),
        ({MASTER_KEY: "g" * 64}, "SIDEGATE_MASTER_KEY holds no key: 64 hexadecimal digits"),
        ({MASTER_KEY_FILE: ""}, "SIDEGATE_MASTER_KEY_FILE names a file that does not exist"),
        ({MASTER_KEY_FILE: "/none"}, "SIDEGATE_MASTER_KEY_FILE names a file that does not exist"),
        ({MASTER_KEY_FILE: "/"}, "/ holds no key: it is no regular file"),
        ({MASTER_KEY: KEY, MASTER_KEY_FILE: "/none"}, "are both set: keep one"),
        ({MASTER_KEY: "ff" * 32}, "holds another key than SIDEGATE_MASTER_KEY gives: keep one"),
    ],
)
def test_what_is_no_key_or_another_is_told_and_not_shown(
    folder: Folder, environ: Mapping[str, str], message: str
) -> None:
    if environ == {MASTER_KEY: "ff" * 32}:
        folder.seal()
    before = os.listdir(folder.path)
    with pytest.raises(ConfigError, match=message) as caught:
        folder.keys(environ)

    (problem,) = caught.value.problems
    assert problem.startswith("secrets.key_file: ")
    assert KEY[:16] not in problem
    assert os.listdir(folder.path) == before


# The store


@pytest.mark.parametrize("name", ["sidegate.db", "other.db"])
async def test_a_file_lies_in_the_folder(folder: Folder, name: str) -> None:
    section = StateConfig(url=f"sqlite:///{name}")
    store = await open_store(section, str(folder.path), folder.seal())

    assert isinstance(store, SqliteStore)
    assert (folder.path / name).exists()
    await store.aclose()


async def test_unless_it_is_elsewhere(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    section = StateConfig(url=f"sqlite:///{tmp_path}/elsewhere/a.db")
    store = await open_store(section, str(folder.path), folder.seal())

    assert (tmp_path / "elsewhere" / "a.db").exists()
    assert not (folder.path / "a.db").exists()
    await store.aclose()


async def test_a_file_is_counted_in_by_one_and_loses_nothing(folder: Folder) -> None:
    store = await open_store(StateConfig(), str(folder.path), folder.seal())

    assert buckets_of(store) is None
    assert await cautions(store) == ()
    await store.aclose()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "unix:///none/redis.sock"])
async def test_a_server_that_does_not_answer_is_unavailable(folder: Folder, url: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        await open_store(StateConfig(url=url), str(folder.path), folder.seal())


# The instance


def test_an_instance_is_named_once(tmp_path: Path) -> None:
    made = instance_in(str(tmp_path))

    assert len(made) == 16
    assert int(made, 16) >= 0
    assert instance_in(str(tmp_path)) == made
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o600


def test_another_folder_is_another_instance(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()

    assert instance_in(str(tmp_path / "a")) != instance_in(str(tmp_path / "b"))


def test_a_name_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    """Two replicas without a name would take each other's containers for their own."""
    (tmp_path / "instance").touch()

    assert instance_in(str(tmp_path))


def test_replicas_that_start_together_have_one_key(tmp_path: Path) -> None:
    path = str(tmp_path / "key")

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: open_seal(path, None), range(8)))

    assert len({key.fingerprint for key in keys}) == 1


async def test_after_a_rotation_the_state_needs_the_file_of_its_secrets(tmp_path: Path) -> None:
    key_file, database = str(tmp_path / ".secret_key"), str(tmp_path / "state.db")
    first = seal.create(str(tmp_path / "first"))
    await SqliteStore(database, first).aclose()
    seal.create(key_file)

    with pytest.raises(ConfigError, match=r"if keys were rotated, .*secrets-") as caught:
        open_keys(str(tmp_path), key_file, database, {})

    assert first.fingerprint in caught.value.problems[0]
