"""Real keys in real files."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pytest
from disks import full
from kernel import open_files

from proxy import enc2, seal
from proxy.seal import Seal

KEY = bytes(range(32))
MESSAGE = b"what a customer wrote"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "master.key"


def written(path: Path, text: str | bytes, mode: int = 0o600) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return str(path)


# What a key does.


@pytest.mark.parametrize("data", [b"", MESSAGE, bytes(100_000)], ids=["nothing", "few", "many"])
def test_what_was_sealed_is_read_again(data: bytes) -> None:
    sealed = Seal(KEY).seal("letter", "id", data)

    assert Seal(KEY).unseal("letter", "id", sealed) == data


def test_what_is_sealed_shows_nothing_and_never_looks_the_same() -> None:
    first, second = (Seal(KEY).seal("letter", "id", MESSAGE) for _ in range(2))

    assert MESSAGE[:8] not in first
    assert first != second
    assert len(first) == 12 + len(MESSAGE) + 16  # a nonce before, a tag behind


@pytest.mark.parametrize(
    ("key", "purpose", "about"),
    [
        pytest.param(bytes(32), "letter", "id", id="another key"),
        pytest.param(KEY, "answer", "id", id="another purpose"),
        pytest.param(KEY, "letter", "other", id="about another thing"),
    ],
)
def test_what_was_sealed_is_noise_to_everything_else(key: bytes, purpose: str, about: str) -> None:
    sealed = Seal(KEY).seal("letter", "id", MESSAGE)

    with pytest.raises(ValueError, match="another key, or changed"):
        Seal(key).unseal(purpose, about, sealed)


def test_any_change_is_noticed() -> None:
    sealed = Seal(KEY).seal("letter", "id", MESSAGE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="changed"):
            Seal(KEY).unseal("letter", "id", bytes(changed))


def test_any_part_is_refused() -> None:
    sealed = Seal(KEY).seal("letter", "id", MESSAGE)
    for end in range(len(sealed)):
        with pytest.raises(ValueError, match=r"\w"):
            Seal(KEY).unseal("letter", "id", sealed[:end])


def test_what_lies_in_the_clear_is_never_read_as_sealed() -> None:
    with pytest.raises(ValueError, match="another key"):
        Seal(KEY).unseal("letter", "id", b'{"text": "hello", "user": "mallory", "channel": "c"}')


def test_mac_is_what_the_standards_say() -> None:
    """HKDF-Expand of RFC 5869, and HMAC of RFC 2104, by hand."""
    derived = hmac.digest(KEY, b"sidegate mac pairing-code\x01", hashlib.sha256)

    assert Seal(KEY).mac("pairing-code", b"274659") == hmac.digest(derived, b"274659", "sha256")


def test_macs_differ_by_key_purpose_and_data() -> None:
    macs = {
        Seal(KEY).mac("code", b"1"),
        Seal(bytes(32)).mac("code", b"1"),
        Seal(KEY).mac("link", b"1"),
        Seal(KEY).mac("code", b"2"),
    }

    assert len(macs) == 4
    assert Seal(KEY).mac("code", b"1") in macs


def test_fingerprint_tells_keys_apart_and_nothing_of_them() -> None:
    one, other = Seal(KEY).fingerprint, Seal(bytes(32)).fingerprint

    assert one == Seal(KEY).fingerprint != other
    assert len(bytes.fromhex(one)) == 16
    assert bytes.fromhex(one) not in KEY
    assert bytes.fromhex(one) != hashlib.sha256(KEY).digest()[:16]


def test_key_is_not_shown() -> None:
    assert KEY.hex() not in repr(Seal(KEY))
    assert repr(KEY) not in repr(Seal(KEY))


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_key_has_thirty_two_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(bytes(length))


# The file.


def test_missing_file_is_no_key_and_stays_missing(path: Path) -> None:
    assert seal.load(str(path)) is None
    assert not path.exists()


def test_new_key_is_the_one_that_is_loaded(path: Path) -> None:
    made = seal.create(str(path))
    loaded = seal.load(str(path))

    assert loaded is not None
    assert loaded.fingerprint == made.fingerprint


def test_new_key_is_for_its_owner_alone_and_leaves_nothing_else(path: Path) -> None:
    seal.create(str(path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_nlink == 1


def test_keys_are_not_alike(path: Path, tmp_path: Path) -> None:
    other = seal.create(str(tmp_path / "other.key"))

    assert seal.create(str(path)).fingerprint != other.fingerprint


def test_key_is_never_written_over_another(path: Path) -> None:
    seal.create(str(path))
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        seal.create(str(path))

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_key_is_not_made_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        seal.create(str(tmp_path / "missing" / "master.key"))


def test_key_is_not_half_made_on_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "master.key"
    with full(small_disk), pytest.raises(OSError, match="No space"):
        seal.create(str(path))
    assert list(small_disk.iterdir()) == []

    seal.create(str(path))
    assert seal.load(str(path))


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper() + "\n", f" {KEY.hex()}\r\n"])
def test_key_is_sixty_four_hexadecimal_digits(text: str, path: Path) -> None:
    loaded = seal.load(written(path, text))

    assert loaded is not None
    assert loaded.fingerprint == Seal(KEY).fingerprint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(KEY.hex()[:-2], id="too short"),
        pytest.param(KEY.hex() + "00", id="too long"),
        pytest.param(KEY.hex() * 9, id="much too long"),
        pytest.param("g" * 64, id="no digits"),
        pytest.param("\u0661" * 64, id="digits of another script"),
        pytest.param(KEY, id="the bare bytes"),
        pytest.param(b"\xff" * 64, id="no text"),
    ],
)
def test_anything_else_is_no_key_and_is_not_shown(text: str | bytes, path: Path) -> None:
    with pytest.raises(ValueError, match=f"{path} holds no key") as raised:
        seal.load(written(path, text))

    assert KEY.hex()[:16] not in str(raised.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o777])
def test_key_that_others_may_touch_is_refused(mode: int, path: Path) -> None:
    with pytest.raises(ValueError, match=f"others may read the key in {path}: chmod 600"):
        seal.load(written(path, KEY.hex(), mode))


def test_what_is_no_file_is_refused_at_once(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(ValueError, match="holds no key"):
        seal.load(str(path))
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(ValueError, match="holds no key"):
        seal.load(str(path))


def test_link_is_not_followed(path: Path) -> None:
    written(path.with_name("other"), KEY.hex())
    path.symlink_to("other")
    with pytest.raises(ValueError, match="is a link: name the file of the key itself"):
        seal.load(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_key_of_another_user_is_refused(path: Path) -> None:
    os.chown(written(path, KEY.hex()), 12345, -1)
    for mounted in (False, True):
        with pytest.raises(ValueError, match="is another user's: chown it"):
            seal.load(str(path), mounted=mounted)


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o644])
def test_key_that_was_mounted_may_be_a_link_and_readable(mode: int, path: Path) -> None:
    """As Kubernetes and Docker mount secrets."""
    written(path.with_name("..data"), KEY.hex(), mode)
    path.symlink_to("..data")

    loaded = seal.load(str(path), mounted=True)
    assert loaded is not None
    assert loaded.fingerprint == Seal(KEY).fingerprint


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_but_nobody_else_may_change_it(mode: int, path: Path) -> None:
    with pytest.raises(ValueError, match="others may change the key"):
        seal.load(written(path, KEY.hex(), mode), mounted=True)


def test_key_is_prepared_beside_the_one_in_use(path: Path) -> None:
    old = seal.create(str(path))
    made, scratch = seal.prepare(str(path))
    again, _ = seal.prepare(str(path))

    assert len({each.fingerprint for each in (old, made, again)}) == 3
    assert stat.S_IMODE(os.stat(scratch).st_mode) == 0o600
    for file, key in ((str(path), old), (scratch, again)):
        found = seal.load(file)
        assert found is not None
        assert found.fingerprint == key.fingerprint


# What is written for others.


def test_values_of_zeroclaw_are_under_the_key_itself() -> None:
    value = Seal(KEY).encrypt("text")

    assert Seal(KEY).decrypt(value) == enc2.decrypt(KEY, value) == "text"
    with pytest.raises(ValueError, match="the master key is another"):
        Seal(bytes(32)).decrypt(value)


def test_key_is_wrapped_under_another() -> None:
    wrapped = Seal(KEY).wrap(Seal(bytes(32)))

    assert Seal(KEY).unwrap(wrapped).fingerprint == Seal(bytes(32)).fingerprint
    for seal_, value in ((Seal(bytes(32)), wrapped), (Seal(KEY), Seal(KEY).encrypt("x"))):
        with pytest.raises(ValueError, match=r"cannot be decrypted|holds no key"):
            seal_.unwrap(value)


@pytest.mark.parametrize("text", ["00 " * 32, "0x" + "00" * 31, "00" * 31 + "0_", "", "00" * 33])
def test_only_digits_are_a_key(text: str) -> None:
    with pytest.raises(ValueError, match="holds no key"):
        seal.parse(text)


def test_no_descriptor_stays_open(path: Path) -> None:
    seal.create(str(path))
    seal.load(str(path))
    path.chmod(0o644)
    with pytest.raises(ValueError, match="others"):
        seal.load(str(path))

    assert not [file for file in open_files() if file.startswith(str(path.parent))]
