"""The configuration before and after the secret store is open."""

import os
from pathlib import Path

import pytest

from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state.opening import MASTER_KEY
from proxy.unsealing import open_secrets, unseal

KEY = Seal(bytes(range(32)))
ENVIRON = {MASTER_KEY: bytes(range(32)).hex()}


def loaded(folder: Path, headers: str = "", more: str = "") -> Loaded:
    text = f"state_dir: {folder}\nupstream: {{headers: {{{headers}}}}}\n{more}"
    return loader.parse(text, "sidegate.yaml", {})


def test_stored_and_encrypted_secrets_take_their_place(tmp_path: Path) -> None:
    given = loaded(tmp_path, f"A: 'Bearer ${{secret:agent}}', B: '{KEY.encrypt('s3cret B')}', C: c")
    _, store = open_secrets(given, ENVIRON, lambda: 0.0)
    store.set({"agent": "s3cret A"})

    made = unseal(given, ENVIRON, lambda: 0.0)

    headers = made.loaded.config.upstream.headers
    assert {name: value.get_secret_value() for name, value in headers.items()} == {
        "A": "Bearer s3cret A",
        "B": "s3cret B",
        "C": "c",
    }
    assert made.secrets.values() == {"agent": "s3cret A"}
    assert made.seal.fingerprint == KEY.fingerprint
    assert "s3cret" not in repr(made)


def test_all_that_is_not_to_be_had_is_told_with_its_place(tmp_path: Path) -> None:
    other = Seal(bytes(32)).encrypt("s3cret")
    with pytest.raises(ConfigError) as caught:
        unseal(loaded(tmp_path, f"A: '${{secret:agent}}', B: '{other}'"), ENVIRON, lambda: 0.0)

    agent, sealed = caught.value.problems
    assert agent.startswith("sidegate.yaml:2:22: upstream.headers.A: there is no secret agent: ")
    assert sealed.startswith("sidegate.yaml:2:")
    assert "upstream.headers.B: cannot be decrypted: the master key is another" in sealed
    assert other[5:21] not in str(caught.value)


def test_without_secrets_the_key_is_all_that_is_made(tmp_path: Path) -> None:
    made = unseal(loaded(tmp_path), {}, lambda: 0.0)

    assert os.listdir(tmp_path) == [".secret_key"]
    assert made.secrets.values() == {}
    assert unseal(loaded(tmp_path), {}, lambda: 0.0).seal.fingerprint == made.seal.fingerprint


def test_no_key_is_made_for_values_that_were_encrypted_under_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the configuration has enc2: values"):
        unseal(loaded(tmp_path, f"A: '{KEY.encrypt('s3cret')}'"), {}, lambda: 0.0)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("encrypt", [True, False])
def test_secrets_are_stored_as_is_configured(tmp_path: Path, encrypt: bool) -> None:  # noqa: FBT001
    given = loaded(tmp_path, more=f"secrets: {{encrypt: {str(encrypt).lower()}}}")
    _, store = open_secrets(given, ENVIRON, lambda: 0.0)
    store.set({"agent": "s3cret A"})

    data = (tmp_path / f"secrets-{KEY.fingerprint}.json").read_bytes()
    assert (b"s3cret A" in data) != encrypt
