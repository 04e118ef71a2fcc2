"""A new master key: whatever ends the rotation, one key and one file of secrets belong together."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from proxy import seal
from proxy.decision import ConfigError
from proxy.protection.secret_store import SecretStore
from proxy.state import secrets_file
from proxy.state.opening import MASTER_KEY_FILE, Keys, open_keys
from proxy.state.rotation import Rotation

SECRETS = {"agent": "s3cret of the agent", "other": "s3cret of another"}
STEPS = ["prepared", "written", "replaced", "removed"]


class Place:
    """A state folder with its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.key_file = str(folder / ".secret_key")

    def keys(self, **environ: str) -> Keys:
        return open_keys(self.folder, self.key_file, None, environ)

    def store(self, **environ: str) -> SecretStore:
        return SecretStore(self.folder, self.keys(**environ).master, lambda: 7.0)

    def rotation(self) -> Generator[str, None, None]:
        return Rotation(self.folder, self.keys().master, 8).in_file(self.key_file)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With two secrets."""
    made = Place(tmp_path)
    made.store().set(SECRETS)
    return made


def test_it_has_these_steps(place: Place) -> None:
    assert list(place.rotation()) == STEPS


def test_the_key_is_another_and_the_secrets_are_the_same(place: Place) -> None:
    before = place.keys()
    list(place.rotation())
    after = place.keys()

    assert after.master.fingerprint != before.master.fingerprint
    assert place.store().values() == SECRETS
    assert [row.set for row in place.store().listed()] == [7, 7]
    assert secrets_file.files(place.folder) == [secrets_file.path_of(place.folder, after.master)]
    assert os.listdir(place.folder).count(".secret_key.new") == 0


def test_the_state_stays_under_the_key_that_it_was_begun_with(place: Place) -> None:
    first = place.keys().state.fingerprint
    seen = set()
    for _ in range(3):
        list(place.rotation())
        assert place.keys().state.fingerprint == first
        seen.add(place.keys().master.fingerprint)

    assert len(seen | {first}) == 4


def test_the_old_key_opens_nothing_afterwards(place: Place) -> None:
    old = place.keys().master
    list(place.rotation())
    (file,) = secrets_file.files(place.folder)

    with pytest.raises(ConfigError, match="were written under another master key"):
        secrets_file.read(place.folder, old)
    found, _ = secrets_file.read(place.folder, place.keys().master)
    for name, entry in found.secrets.items():
        with pytest.raises(ValueError, match="was changed"):
            entry.open(old, name)
        with pytest.raises(ValueError, match="cannot be decrypted"):
            old.decrypt(entry.value)
    assert old.fingerprint not in os.path.basename(file)


@pytest.mark.parametrize("last", [None, *STEPS])
def test_whatever_ends_it_leaves_a_whole(place: Place, last: str | None) -> None:
    """As if it was killed right after a step."""
    before = place.keys()
    rotation = place.rotation()
    for step in rotation if last else ():
        if step == last:
            break

    after = place.keys()
    assert after.state.fingerprint == before.state.fingerprint
    assert place.store().values() == SECRETS
    counts = last in ("replaced", "removed")
    assert (after.master.fingerprint != before.master.fingerprint) == counts

    rotation.close()  # as the end of a process lets go of the lock
    place.store().set({"third": "s3cret of a third"})
    list(place.rotation())
    assert place.store().values() == {**SECRETS, "third": "s3cret of a third"}
    assert place.keys().state.fingerprint == before.state.fingerprint
    assert len(secrets_file.files(place.folder)) == 1
    assert not os.path.exists(f"{place.key_file}.new")


@pytest.mark.parametrize("last", STEPS)
def test_so_does_a_killed_process(place: Place, last: str) -> None:
    child = os.fork()
    if child == 0:
        for step in place.rotation():
            if step == last:
                os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert place.store().values() == SECRETS
    place.store().set({"third": "s3cret of a third"})
    list(place.rotation())
    assert place.store().values() == {**SECRETS, "third": "s3cret of a third"}


def test_what_is_left_of_the_old_key_goes_with_the_next_write(place: Place) -> None:
    rotation = place.rotation()
    for step in rotation:
        if step == "replaced":
            rotation.close()
            break
    assert len(secrets_file.files(place.folder)) == 2
    place.store().remove("other")

    assert len(secrets_file.files(place.folder)) == 1
    assert place.store().values() == {"agent": SECRETS["agent"]}


def test_without_secrets_the_key_is_rotated_all_the_same(tmp_path: Path) -> None:
    place = Place(tmp_path)
    before = place.keys()
    list(place.rotation())

    assert place.keys().master.fingerprint != before.master.fingerprint
    assert place.keys().state.fingerprint == before.state.fingerprint
    assert place.store().values() == {}


def test_one_secret_that_cannot_be_read_stops_it_before_it_begins(place: Place) -> None:
    key = place.keys().master
    found, _ = secrets_file.read(place.folder, key)
    swapped = dict(zip(found.secrets, reversed(found.secrets.values()), strict=True))
    secrets_file.write(place.folder, key, found.model_copy(update={"secrets": swapped}))
    before = Path(place.key_file).read_bytes()

    with pytest.raises(ConfigError, match=r"the secret agent was changed.*: nothing was rotated"):
        list(place.rotation())
    assert Path(place.key_file).read_bytes() == before
    assert secrets_file.files(place.folder) == [secrets_file.path_of(place.folder, key)]
    assert not os.path.exists(f"{place.key_file}.new")


def test_secrets_in_plain_text_stay_so(tmp_path: Path) -> None:
    place = Place(tmp_path)
    SecretStore(place.folder, place.keys().master, lambda: 0.0, encrypt=False).set(SECRETS)
    list(place.rotation())

    assert place.store().values() == SECRETS
    assert b"s3cret of the agent" in Path(secrets_file.files(place.folder)[0]).read_bytes()


# The key in the environment


def test_a_key_of_the_environment_is_followed_by_another(tmp_path: Path) -> None:
    place = Place(tmp_path / "state")
    Path(place.folder).mkdir()
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    seal.create(old)
    was, will = {MASTER_KEY_FILE: old}, {MASTER_KEY_FILE: new}
    place.store(**was).set(SECRETS)
    Rotation(place.folder, place.keys(**was).master, 8).beside(new)

    # Until the environment names the new one, the old one counts.
    assert place.store(**was).values() == place.store(**will).values() == SECRETS
    assert place.keys(**will).state.fingerprint == place.keys(**was).state.fingerprint
    place.store(**will).set({"third": "s3cret of a third"})
    assert place.store(**will).values() == {**SECRETS, "third": "s3cret of a third"}
    with pytest.raises(ConfigError, match="under another master key"):
        place.keys(**was)
    assert not os.path.exists(place.key_file)


def test_the_new_key_may_be_there_already_but_not_be_the_old_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    seal.create(old)
    made = seal.create(new)
    master = place.keys(**{MASTER_KEY_FILE: old}).master
    Rotation(place.folder, master, 8).beside(new)

    assert place.keys(**{MASTER_KEY_FILE: new}).master.fingerprint == made.fingerprint
    with pytest.raises(ConfigError, match="is the one in use: name another file"):
        Rotation(place.folder, master, 8).beside(old)


def test_a_new_key_that_is_none_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "new").write_text("no key")
    (tmp_path / "new").chmod(0o600)
    with pytest.raises(ConfigError, match=r"holds no key.*: nothing was rotated"):
        Rotation(place.folder, place.keys().master, 8).beside(str(tmp_path / "new"))
