"""The operator's secrets, by name."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import ConfigError
from proxy.protection.secret_store import MAX_BYTES, SecretStore, Stored, check
from proxy.seal import Seal
from proxy.state import secrets_file

KEY = Seal(bytes(range(32)))
SECRETS = {"agent": "s3cret of the agent", "other": "s3cret of another"}


def store(folder: Path, moment: float = 7.9, *, encrypt: bool = True) -> SecretStore:
    return SecretStore(str(folder), KEY, lambda: moment, encrypt=encrypt)


def data(folder: Path) -> bytes:
    return Path(secrets_file.path_of(str(folder), KEY)).read_bytes()


def swap(folder: Path) -> None:
    """Let each secret have the other's value."""
    contents, _ = secrets_file.read(str(folder), KEY)
    pairs = zip(contents.secrets, reversed(contents.secrets.values()), strict=True)
    secrets_file.write(str(folder), KEY, contents.model_copy(update={"secrets": dict(pairs)}))


def test_what_is_set_is_there(tmp_path: Path) -> None:
    store(tmp_path).set(SECRETS)

    assert store(tmp_path).values() == SECRETS
    assert store(tmp_path).lookup("agent") == SECRETS["agent"]
    assert store(tmp_path).listed() == [Stored("agent", 7), Stored("other", 7)]


def test_what_is_set_again_is_replaced_and_what_is_removed_is_gone(tmp_path: Path) -> None:
    store(tmp_path).set(SECRETS)
    store(tmp_path, 9).set({"agent": "s3cret anew"})
    store(tmp_path).remove("other")

    assert store(tmp_path).values() == {"agent": "s3cret anew"}
    assert store(tmp_path).listed() == [Stored("agent", 9)]


@pytest.mark.parametrize("name", ["none", "", "AGENT", "agent ", "\0root"])
def test_what_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    store(tmp_path).set(SECRETS)
    for ask in (store(tmp_path).lookup, store(tmp_path).remove):
        with pytest.raises(LookupError):
            ask(name)

    assert store(tmp_path).values() == SECRETS


def test_an_encrypted_value_is_opened_under_the_same_key(tmp_path: Path) -> None:
    assert store(tmp_path).lookup(KEY.encrypt("s3cret")) == "s3cret"
    with pytest.raises(ValueError, match="the master key is another"):
        store(tmp_path).lookup(Seal(bytes(32)).encrypt("s3cret"))


def test_nothing_of_a_secret_is_on_the_disk_or_shown(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.set(SECRETS)

    assert b"s3cret" not in data(tmp_path)
    assert "s3cret" not in f"{made!r} {made.listed()!r}"


def test_without_encryption_they_are_plain_and_still_noticed_when_changed(tmp_path: Path) -> None:
    plain = store(tmp_path, encrypt=False)
    plain.set({**SECRETS, "odd": "enc2:not a value of ours"})

    assert plain.values()["odd"] == "enc2:not a value of ours"
    assert b"s3cret of the agent" in data(tmp_path)
    path = Path(secrets_file.path_of(str(tmp_path), KEY))
    path.write_bytes(path.read_bytes().replace(b"of another", b"of a thief"))
    with pytest.raises(ConfigError, match="the secret other was changed"):
        plain.values()


def test_a_change_of_mind_about_encryption_holds_from_the_next_write(tmp_path: Path) -> None:
    store(tmp_path, encrypt=False).set(SECRETS)
    store(tmp_path, 9).set({"third": "s3cret of a third"})

    assert b"s3cret" not in data(tmp_path)
    assert store(tmp_path).values() == {**SECRETS, "third": "s3cret of a third"}
    assert [row.set for row in store(tmp_path).listed()] == [7, 7, 9]


def test_swapped_values_are_told_all_at_once_with_what_helps(tmp_path: Path) -> None:
    store(tmp_path).set(SECRETS)
    swap(tmp_path)

    with pytest.raises(ConfigError) as caught:
        store(tmp_path).values()
    assert [line.partition(" was changed")[0] for line in caught.value.problems] == [
        "the secret agent",
        "the secret other",
    ]
    assert caught.value.problems[0].endswith(": sidegate secrets set agent")
    with pytest.raises(ValueError, match="was changed"):
        store(tmp_path).lookup("agent")


def test_what_cannot_be_read_can_be_set_anew_and_removed(tmp_path: Path) -> None:
    store(tmp_path).set(SECRETS)
    swap(tmp_path)
    store(tmp_path).set({"agent": "s3cret anew"})
    store(tmp_path).remove("other")

    assert store(tmp_path).values() == {"agent": "s3cret anew"}


def test_a_write_of_another_process_is_seen(tmp_path: Path) -> None:
    serving, typed = store(tmp_path), store(tmp_path)
    assert serving.values() == {}
    assert not serving.changed()

    typed.set(SECRETS)
    assert serving.changed()
    assert serving.values() == SECRETS
    assert not serving.changed()
    typed.remove("agent")
    assert serving.changed()
    assert serving.values() == {"other": SECRETS["other"]}


def test_secrets_of_another_key_are_told_and_stay(tmp_path: Path) -> None:
    store(tmp_path).set(SECRETS)
    other = SecretStore(str(tmp_path), Seal(bytes(32)), lambda: 0.0)
    for ask in (other.values, other.listed, lambda: other.set({"a": "b"})):
        with pytest.raises(ConfigError, match="under another master key"):
            ask()

    assert store(tmp_path).values() == SECRETS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("", "x", "a name has letters"),
        ("1a", "x", "a name has letters"),
        ("a" * 65, "x", "a name has letters"),
        ("a b", "x", "a name has letters"),
        ("\0root", "x", "a name has letters"),
        ("enc2:00", "x", "a name has letters"),
        ("agent", "", "the secret agent is empty"),
        ("agent", "\ud800", "the secret agent is not text"),
        ("agent", "CANARY" * 20_000, "the secret agent is larger than 64 KiB"),
        ("agent", "ä" * 32_769, "the secret agent is larger than 64 KiB"),
    ],
)
def test_what_cannot_be_stored_is_told_and_nothing_is(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        store(tmp_path).set({"good": "s3cret", name: text})

    assert "CANARY" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_the_largest_secret_is_stored(tmp_path: Path) -> None:
    check("a" * 64, "x" * MAX_BYTES)
    store(tmp_path).set({"a" * 64: "x" * MAX_BYTES})

    assert store(tmp_path).lookup("a" * 64) == "x" * MAX_BYTES


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", fullmatch=True),
        st.text(min_size=1, max_size=50),
        max_size=5,
    ),
    st.booleans(),
)
def test_any_secrets_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    secrets: Mapping[str, str],
    encrypt: bool,  # noqa: FBT001
) -> None:
    folder = tmp_path_factory.mktemp("state")
    store(folder, encrypt=encrypt).set(secrets)

    assert store(folder).values() == secrets


def write_many(folder: Path, writer: int) -> None:
    for number in range(20):
        store(folder).set({f"w{writer}.n{number}": f"s3cret {writer} {number}"})


def test_writers_at_one_time_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: write_many(tmp_path, writer), range(4)))

    assert len(store(tmp_path).values()) == 80


def test_nor_do_writers_of_two_processes(tmp_path: Path) -> None:
    context = get_context("spawn")
    writers = [context.Process(target=write_many, args=(tmp_path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(store(tmp_path).values()) == 40
