"""From a configuration that names secrets to one that holds them, with the keys that this takes.

The first thing that whoever works on the state does. What only looks at the configuration, such as
`sidegate check`, does without.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.exchange import Clock
from proxy.places import Places
from proxy.protection.secret_store import SecretStore
from proxy.seal import Seal
from proxy.state.opening import Keys, open_keys


@dataclass(frozen=True, slots=True)
class Unsealed:
    """`loaded` holds the secrets, `seal` is the key of the state, `secrets` is where they lie."""

    loaded: Loaded
    seal: Seal
    secrets: SecretStore


def unseal(loaded: Loaded, environ: Mapping[str, str], clock: Clock) -> Unsealed:
    """Open the secret store and fill in the configuration; the state folder is there, and ours.

    Raises OSError, and ConfigError with all that is not to be had.
    """
    keys, store = open_secrets(loaded, environ, clock)
    return Unsealed(loader.resolved(loaded, store.lookup), keys.state, store)


def open_secrets(
    loaded: Loaded, environ: Mapping[str, str], clock: Clock
) -> tuple[Keys, SecretStore]:
    """The keys, and the secret store; raises OSError and ConfigError."""
    places = Places.of(loaded.config, environ)
    needed = bool(loaded.encrypted)
    keys = open_keys(places.folder, places.key, places.database, environ, needed=needed)
    encrypt = loaded.config.secrets.encrypt
    return keys, SecretStore(places.folder, keys.master, clock, encrypt=encrypt)
