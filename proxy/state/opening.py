"""Open the state and its master key together: neither is of use with another's counterpart."""

import contextlib
import os
import re
import secrets

from proxy import seal
from proxy.config.model import StateConfig
from proxy.decision import ConfigError
from proxy.limits import Buckets
from proxy.seal import Seal
from proxy.state.redis.store import RedisStore
from proxy.state.sqlite.store import SqliteStore, fingerprint_of
from proxy.state.store import Store


def open_seal(key_file: str, database: str | None) -> Seal:
    """The master key, made at the first start; raises ConfigError where it is lost, OSError.

    A state that was written under a key is never served under a new one: what it holds could not
    be read, and would be lost without a word.
    """
    found = seal.load(key_file)
    if found is not None:
        return found
    if database is not None and fingerprint_of(database) is not None:
        lost = f"the master key {key_file} is missing, and {database} was written under it"
        remedy = "put the file back, or move the state away to start anew"
        raise ConfigError([f"secrets.key_file: {lost}: {remedy}"])
    try:
        return seal.create(key_file)
    except FileExistsError:  # another replica was first
        return open_seal(key_file, database)


async def open_store(section: StateConfig, folder: str, key: Seal) -> Store:
    """The state that is configured; raises OSError, and ConfigError where the key is another's."""
    if section.path is not None:
        return SqliteStore(os.path.join(folder, section.path), key)
    return await RedisStore.connect(section, key, instance_in(folder))


def instance_in(folder: str) -> str:
    """The id of the Sidegate that has this folder, made at the first start.

    One that was cut off is made anew: two without an id would take each other's containers away.
    """
    path = os.path.join(folder, "instance")
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as file:
        found = file.read(64).strip()
        if re.fullmatch(r"[0-9a-f]{16}", found):
            return found
    made = secrets.token_hex(8)
    scratch = f"{path}.{made}"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    return made


def buckets_of(store: Store) -> Buckets | None:
    """Where replicas on one server count rates together; None: each Sidegate counts its own."""
    return store.buckets if isinstance(store, RedisStore) else None


async def cautions(store: Store) -> tuple[str, ...]:
    """How what is remembered could be lost, a sentence each."""
    return tuple(await store.cautions()) if isinstance(store, RedisStore) else ()
