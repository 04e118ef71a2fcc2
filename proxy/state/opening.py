"""Open the state and its master key together: neither is of use with another's counterpart."""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from proxy import durable, seal
from proxy.config.model import StateConfig
from proxy.decision import ConfigError
from proxy.limits import Buckets
from proxy.seal import Seal
from proxy.state import secrets_file
from proxy.state.redis.store import RedisStore
from proxy.state.sqlite.store import SqliteStore, fingerprint_of
from proxy.state.store import Store

MASTER_KEY = "SIDEGATE_MASTER_KEY"
MASTER_KEY_FILE = "SIDEGATE_MASTER_KEY_FILE"
"""Variables: 64 hexadecimal digits, or the file that holds them."""
_INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Keys:
    """`master` opens the secrets, `state` is what the state is sealed under: alike until rotated.

    `given`: the environment has the master key, and no file of ours.
    """

    master: Seal
    state: Seal
    given: bool


def open_keys(
    folder: str,
    key_file: str,
    database: str | None,
    environ: Mapping[str, str],
    *,
    needed: bool = False,
) -> Keys:
    """The master key: of the environment, of its file, or made at the first start.

    `needed`: something was encrypted under it already, so that a new one would be of no use. Raises
    OSError, and ConfigError where it is lost, no key, not ours alone, or another than that of the
    secrets in `folder`. A state that was written under a key is never served under a new one: what
    it holds could not be read, and would be lost without a word.
    """
    try:
        given = _given(environ)
        found = _agreed(given, seal.load(key_file), key_file)
        master = found or _made(folder, key_file, database, needed=needed)
        contents, mark = secrets_file.read(folder, master)
        if mark is None and database is not None:
            _check_state(database, master, secrets_file.path_of(folder, master))
        return Keys(master, contents.state_key(master), given is not None)
    except ValueError as error:
        raise ConfigError([f"secrets.key_file: {error}"]) from None


def _check_state(database: str, master: Seal, secrets: str) -> None:
    """Whether the state is the key's own, which after a rotation only the secrets' file can tell.

    A new file would not have what opens the state; raises ValueError before one is made.
    """
    written = fingerprint_of(database)
    if written not in {None, master.fingerprint}:
        raise ValueError(
            f"{database} was written under a key of fingerprint {written}, the one at hand is"
            f" {master.fingerprint}: put the key file back or, if keys were rotated, {secrets}"
        )


def _given(environ: Mapping[str, str]) -> Seal | None:
    """The key that the environment gives; raises OSError, and ValueError where it is none."""
    text, path = environ.get(MASTER_KEY), environ.get(MASTER_KEY_FILE)
    if text is not None and path is not None:
        raise ValueError(f"{MASTER_KEY} and {MASTER_KEY_FILE} are both set: keep one")
    if text is not None:
        try:
            return seal.parse(text)
        except ValueError as error:
            raise ValueError(f"{MASTER_KEY} {error}") from None
    if path is None:
        return None
    key = seal.load(path, mounted=True)
    if key is None:
        raise ValueError(f"{MASTER_KEY_FILE} names a file that does not exist")
    return key


def _agreed(given: Seal | None, found: Seal | None, key_file: str) -> Seal | None:
    if given and found and given.fingerprint != found.fingerprint:
        raise ValueError(f"{key_file} holds another key than {MASTER_KEY} gives: keep one")
    return given or found


def _made(folder: str, key_file: str, database: str | None, *, needed: bool) -> Seal:
    """A new key, where nothing was ever written under one."""
    written = secrets_file.files(folder)
    if database is None and os.path.exists(os.path.join(folder, _INSTANCE)):
        written.append("the state at the server")
    if database is not None and fingerprint_of(database) is not None:
        written.append(database)
    if written and not os.path.exists(key_file):  # it may have been made just now
        lost = f"the master key {key_file} is missing, and {written[0]} was written under it"
        raise ValueError(f"{lost}: put the file back, or move the state away to start anew")
    if needed:
        lost = f"the master key {key_file} is missing, and the configuration has enc2: values"
        raise ValueError(f"{lost}: put there the file that they were encrypted under")
    try:
        return seal.create(key_file)
    except FileExistsError:  # another process was first
        return seal.load(key_file) or _made(folder, key_file, database, needed=needed)


async def open_store(section: StateConfig, folder: str, key: Seal) -> Store:
    """The state that is configured; raises OSError, and ConfigError where the key is another's."""
    if section.path is not None:
        return SqliteStore(os.path.join(folder, section.path), key)
    return await RedisStore.connect(section, key, instance_in(folder))


def instance_in(folder: str) -> str:
    """The id of the Sidegate that has this folder, made at the first start.

    One that was cut off is made anew: two without an id would take each other's containers away.
    """
    path = os.path.join(folder, _INSTANCE)
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as file:
        found = file.read(64).strip()
        if re.fullmatch(r"[0-9a-f]{16}", found):
            return found
    made = secrets.token_hex(8)
    durable.replace(path, f"{made}\n".encode())
    return made


def buckets_of(store: Store) -> Buckets | None:
    """Where replicas on one server count rates together; None: each Sidegate counts its own."""
    return store.buckets if isinstance(store, RedisStore) else None


async def cautions(store: Store) -> tuple[str, ...]:
    """How what is remembered could be lost, a sentence each."""
    return tuple(await store.cautions()) if isinstance(store, RedisStore) else ()
