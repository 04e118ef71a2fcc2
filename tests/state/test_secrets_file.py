"""The file of the secrets: whole, ours alone, and each value under its own name."""

import contextlib
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from disks import full
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state import secrets_file
from proxy.state.secrets_file import ROOT, Contents, Entry

KEY = Seal(bytes(range(32)))
OTHER = Seal(bytes(32))
SECRETS = {"agent": "s3cret of the agent", "a.b-c_1": "ünïcödé 🦀"}


def contents(*, plain: bool = False, key: Seal = KEY) -> Contents:
    entries = {
        name: Entry.of(key, name, text, plain=plain, moment=1_800_000_000)
        for name, text in SECRETS.items()
    }
    return Contents(secrets=entries)


def opened(folder: Path, key: Seal = KEY) -> dict[str, str]:
    found, _ = secrets_file.read(str(folder), key)
    return {name: entry.open(key, name) for name, entry in found.secrets.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of two secrets."""
    secrets_file.write(str(tmp_path), KEY, contents())
    return Path(secrets_file.path_of(str(tmp_path), KEY))


@pytest.mark.parametrize("plain", [False, True])
def test_what_was_written_is_read(tmp_path: Path, plain: bool) -> None:  # noqa: FBT001
    secrets_file.write(str(tmp_path), KEY, contents(plain=plain))

    assert opened(tmp_path) == SECRETS


def test_it_is_for_its_owner_alone_and_leaves_nothing_else(tmp_path: Path, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [file.name]
    assert KEY.fingerprint in file.name


def test_nothing_of_a_secret_is_in_it_unless_that_is_wanted(tmp_path: Path, file: Path) -> None:
    assert b"s3cret" not in file.read_bytes()
    secrets_file.write(str(tmp_path), KEY, contents(plain=True))
    assert b"s3cret of the agent" in file.read_bytes()


def test_where_nothing_was_written_there_is_nothing(tmp_path: Path) -> None:
    assert secrets_file.read(str(tmp_path), KEY) == (Contents(), None)
    assert secrets_file.read(str(tmp_path / "none"), KEY) == (Contents(), None)
    assert secrets_file.mark(str(tmp_path), KEY) is None
    assert secrets_file.files(str(tmp_path / "none")) == []


@pytest.mark.usefixtures("file")
def test_secrets_under_another_key_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="were written under another master key: put it back"):
        secrets_file.read(str(tmp_path), OTHER)


@pytest.mark.parametrize("plain", [False, True])
def test_a_value_under_another_name_is_noticed(plain: bool) -> None:  # noqa: FBT001
    one, other = contents(plain=plain).secrets.values()

    for entry, name in ((one, "a.b-c_1"), (other, "agent"), (one, ROOT)):
        with pytest.raises(ValueError, match="was changed, or moved to this name"):
            entry.open(KEY, name)


@pytest.mark.parametrize(
    "change", [{"plain": True}, {"set": 1}, {"mac": ""}, {"value": KEY.encrypt("mine")}]
)
def test_a_changed_entry_is_noticed(change: dict[str, object]) -> None:
    entry = contents().secrets["agent"].model_copy(update=change)
    with pytest.raises(ValueError, match="was changed"):
        entry.open(KEY, "agent")


def test_an_entry_of_another_key_is_noticed() -> None:
    with pytest.raises(ValueError, match="was changed"):
        contents(key=OTHER).secrets["agent"].open(KEY, "agent")


def test_every_byte_counts(tmp_path: Path, file: Path) -> None:
    data = file.read_bytes()
    for position in range(len(data)):
        for bit in (0x01, 0x20):
            changed = bytearray(data)
            changed[position] ^= bit
            file.write_bytes(changed)
            with contextlib.suppress(ConfigError, ValueError):
                assert opened(tmp_path) == SECRETS


def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, file: Path) -> None:
    data = file.read_bytes().rstrip()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(ConfigError, match=r"is damaged: put a copy of it back") as caught:
            secrets_file.read(str(tmp_path), KEY)
        assert "enc2" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        *("[]", "null", '{"format": 2}', '{"more": 1}', '{"secrets": []}'),
        '{"secrets": {"a": {"value": "x"}}}',
        '{"replaces": "../../etc/passwd"}',
        '{"replaces": "' + "0" * 31 + '/"}',
        "[" * 100_000,
        "\ufeff{}",
    ],
)
def test_what_is_no_file_of_secrets_is_told(tmp_path: Path, file: Path, data: str) -> None:
    file.write_text(data)
    with pytest.raises(ConfigError, match="is damaged"):
        secrets_file.read(str(tmp_path), KEY)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"others may read .*: chmod 600 it"):
        secrets_file.read(str(tmp_path), KEY)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, file: Path) -> None:
    file.rename(tmp_path / "away")
    file.symlink_to("away")
    with pytest.raises(OSError, match="symbolic links"):
        secrets_file.read(str(tmp_path), KEY)
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(ConfigError, match="is no regular file of ours"):
        secrets_file.read(str(tmp_path), KEY)


def test_a_write_replaces_the_whole_and_is_seen(tmp_path: Path, file: Path) -> None:
    before = secrets_file.mark(str(tmp_path), KEY)
    assert secrets_file.read(str(tmp_path), KEY)[1] == before
    secrets_file.write(str(tmp_path), KEY, contents())

    assert secrets_file.mark(str(tmp_path), KEY) != before
    assert os.listdir(tmp_path) == [file.name]


def test_what_a_killed_writer_left_is_replaced(tmp_path: Path, file: Path) -> None:
    left = Path(f"{file}.new")
    left.symlink_to("/etc/passwd")
    secrets_file.write(str(tmp_path), KEY, contents())

    assert opened(tmp_path) == SECRETS
    assert not left.is_symlink()


def test_a_full_disk_leaves_what_was_there(small_disk: Path) -> None:
    secrets_file.write(str(small_disk), KEY, contents())
    with full(small_disk), pytest.raises(OSError, match="No space"):
        secrets_file.write(str(small_disk), KEY, Contents())

    assert opened(small_disk) == SECRETS
    assert len(os.listdir(small_disk)) == 1


def test_there_is_a_bound(tmp_path: Path) -> None:
    text = "x" * (secrets_file.MAX_BYTES // 2)
    entry = Entry.of(KEY, "a", text, plain=True, moment=0)
    with pytest.raises(OSError, match="would take more than 16 MiB"):
        secrets_file.write(str(tmp_path), KEY, Contents(secrets={"a": entry, "b": entry}))

    assert os.listdir(tmp_path) == []


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def write() -> None:
        waiting.set()
        with secrets_file.locked(str(tmp_path)):
            order.append("second")

    other = threading.Thread(target=write)
    with secrets_file.locked(str(tmp_path)):
        other.start()
        waiting.wait()
        order.append("first")
    other.join(10)

    assert order == ["first", "second"]


def test_the_root_is_the_key_of_the_state() -> None:
    root = Entry.of(KEY, ROOT, KEY.wrap(OTHER), plain=True, moment=0)

    assert Contents(root=root).state_key(KEY).fingerprint == OTHER.fingerprint
    assert Contents().state_key(KEY) is KEY
    with pytest.raises(ValueError, match="was changed"):
        Contents(root=contents().secrets["agent"]).state_key(KEY)


def test_what_a_rotation_left_is_known_and_removed(tmp_path: Path, file: Path) -> None:
    anew = Contents(replaces=KEY.fingerprint)
    secrets_file.write(str(tmp_path), OTHER, anew)

    new = secrets_file.path_of(str(tmp_path), OTHER)
    assert secrets_file.files(str(tmp_path)) == sorted([str(file), new])
    assert secrets_file.successors(str(tmp_path), KEY) == [new]
    assert secrets_file.successors(str(tmp_path), OTHER) == []
    secrets_file.tidy(str(tmp_path), OTHER, anew)
    secrets_file.tidy(str(tmp_path), OTHER, anew)
    assert secrets_file.files(str(tmp_path)) == [new]


def test_a_file_says_nothing_that_would_remove_itself(tmp_path: Path, file: Path) -> None:
    secrets_file.tidy(str(tmp_path), KEY, Contents(replaces=KEY.fingerprint))

    assert file.exists()


@given(st.text(min_size=1), st.text(min_size=1), st.booleans())
def test_any_text_is_stored_under_its_name(name: str, text: str, plain: bool) -> None:  # noqa: FBT001
    entry = Entry.of(KEY, name, text, plain=plain, moment=1)

    again = Entry.model_validate_json(json.dumps(entry.model_dump()))
    assert again.open(KEY, name) == text
    with pytest.raises(ValueError, match="was changed"):
        again.open(KEY, name + "x")
