"""The state and its master key, opened together or not at all."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy import seal
from proxy.config.model import StateConfig
from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state.opening import buckets_of, cautions, instance_in, open_seal, open_store
from proxy.state.sqlite.store import SqliteStore


class Folder:
    """A state folder, where the key and the database have their usual names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = str(path / ".secret_key")
        self.database = str(path / "sidegate.db")

    def seal(self) -> Seal:
        return open_seal(self.key, self.database)

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

    with pytest.raises(OSError, match="holds no key"):
        folder.seal()

    assert Path(folder.key).read_text() == content


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_none(folder: Folder, mode: int) -> None:
    folder.seal()
    os.chmod(folder.key, mode)

    with pytest.raises(OSError, match="chmod 600"):
        folder.seal()


def test_a_state_on_a_server_has_its_key_here(folder: Folder) -> None:
    made = open_seal(folder.key, None)

    assert open_seal(folder.key, None).fingerprint == made.fingerprint


def test_a_key_has_no_place_in_a_folder_that_is_not_there(folder: Folder) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        open_seal(str(folder.path / "none" / "key"), None)


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
