"""The commands about stored secrets. They work on the state folder itself, and never over HTTP.

A value comes from a prompt or from standard input, never from an argument, which others could see;
it goes to stdout for `get` alone.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from proxy import seal
from proxy.cli.command import config_option, configured, finish, json_option
from proxy.config.deferred import is_name
from proxy.config.loader import Loaded
from proxy.decision import ConfigError
from proxy.places import Places
from proxy.protection import secret_import
from proxy.protection.secret_import import Imported
from proxy.protection.secret_store import MAX_BYTES, SHORTEST_MASKED, SecretStore, check
from proxy.state.opening import MASTER_KEY, MASTER_KEY_FILE, Keys
from proxy.state.owner import Ownership, prepare
from proxy.state.rotation import Rotation
from proxy.unsealing import open_secrets

T = TypeVar("T")

_MAX_FILE = 1 << 20
_EFFECT = "a running sidegate masks it from now on; ${secret:NAME} is read at its next start"


@click.group()
@config_option
@click.pass_context
def secrets(context: click.Context, path: str | None) -> None:
    """Store secrets, list and remove them, replace the master key."""
    context.obj = path or context.obj


@secrets.command("set")
@click.argument("name")
@configured
def set_secret(loaded: Loaded, *, name: str) -> None:
    """Store a secret, from a prompt or from standard input."""
    text = _given(name)
    _do(lambda: _store(loaded).set({name: text}))
    click.echo(f"set {name}")
    click.echo(_EFFECT, err=True)
    _warn_short(name, text)


@secrets.command()
@click.argument("name")
@configured
def get(loaded: Loaded, *, name: str) -> None:
    """Print a secret."""
    click.echo(_do(lambda: _read(loaded, name)))


@secrets.command("list")
@configured
@json_option
def list_secrets(loaded: Loaded, *, as_json: bool) -> None:
    """List the names of secrets, and when each was set."""
    rows = _do(lambda: _store(loaded).listed())
    if as_json:
        click.echo(json.dumps({"secrets": [{"name": row.name, "set": row.set} for row in rows]}))
        return
    for row in rows:
        moment = datetime.fromtimestamp(row.set, UTC).isoformat(timespec="seconds")
        click.echo(f"{row.name}  {moment}")


@secrets.command("rm")
@click.argument("name")
@configured
def remove(loaded: Loaded, *, name: str) -> None:
    """Forget a secret."""
    _do(lambda: _store(loaded).remove(name))
    click.echo(f"removed {name}")
    click.echo("a running sidegate goes on with what its configuration has of it", err=True)


@secrets.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@configured
@click.option("--key-file", metavar="FILE", help="ZeroClaw's key; the default lies beside FILE.")
@click.option("--prefix", default="", help="What each name begins with.")
def import_secrets(loaded: Loaded, *, file: Path, key_file: str | None, prefix: str) -> None:
    """Store the secrets of a file: config.toml of ZeroClaw, .env, JSON or YAML."""
    found = _do(lambda: _imported(loaded, file, key_file, prefix))
    for name, text in found.values.items():
        click.echo(f"set {name}")
        _warn_short(name, text)
    for key in found.skipped:
        click.echo(f"skipped {key}: it holds no text", err=True)


@secrets.command("rotate-key")
@configured
@click.option(
    "--new-key-file",
    metavar="FILE",
    help="Where the environment gives the key: the file of the new one, made if need be.",
)
def rotate_key(loaded: Loaded, *, new_key_file: str | None) -> None:
    """Replace the master key; no sidegate may run."""
    for line in _do(lambda: _rotated(loaded, new_key_file)):
        click.echo(line)


def _rotated(loaded: Loaded, new_key_file: str | None) -> list[str]:
    """What has been done, and what is to be done next."""
    if loaded.encrypted:
        lost = "its enc2: value would be lost: store it with sidegate secrets set, and name it here"
        raise ConfigError([f"{loaded.origin(key)}: {key}: {lost}" for key in loaded.encrypted])
    places = Places.of(loaded.config, os.environ)
    owner = Ownership(places.folder)
    try:
        keys, _ = open_secrets(loaded, os.environ, time.time)
        _check_rotation(keys, places, new_key_file)
        rotation = Rotation(places.folder, keys.master, int(time.time()))
        if new_key_file is None:
            for _ in rotation.in_file(places.key):
                pass
            return [f"rotated: the new master key is in {places.key}"]
        rotation.beside(new_key_file)
    finally:
        owner.release()
    return [
        f"written under the key in {new_key_file}; the one of before still counts",
        f"next: set {MASTER_KEY_FILE} to that file, or {MASTER_KEY} to what it holds, and start",
        "what lies under the old key is removed when the next secret is set",
    ]


def _check_rotation(keys: Keys, places: Places, new_key_file: str | None) -> None:
    if keys.given and os.path.exists(places.key):
        raise ConfigError([f"the master key is in the environment and in {places.key}: keep one"])
    if keys.given and new_key_file is None:
        raise click.UsageError("the environment gives the master key: name a --new-key-file")
    if not keys.given and new_key_file is not None:
        raise click.UsageError(f"--new-key-file: the master key is in {places.key}, and stays so")


def _imported(loaded: Loaded, file: Path, key_file: str | None, prefix: str) -> Imported:
    with file.open("rb") as stream:
        data = stream.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise ConfigError([f"{file}: is larger than 1 MiB"])
    try:
        beside = file.with_name(".secret_key")
        key = seal.load(key_file or str(beside))
        if key is None and key_file is not None:
            raise ConfigError([f"{key_file}: there is no such file"])
        found = secret_import.parse(str(file), data, key, prefix)
        _store(loaded).set(found.values)
    except ValueError as error:
        raise ConfigError([f"{file}: {error}"]) from None
    return found


def _read(loaded: Loaded, name: str) -> str:
    if not is_name(name):  # an enc2: value is none, and is not to be opened here
        raise LookupError(name)
    try:
        return _store(loaded).lookup(name)
    except ValueError as error:
        raise ConfigError([f"the secret {name} {error}"]) from None


def _store(loaded: Loaded) -> SecretStore:
    prepare(Places.of(loaded.config, os.environ).folder)
    return open_secrets(loaded, os.environ, time.time)[1]


def _given(name: str) -> str:
    """The secret, without the line end at its end; raises UsageError for what is none."""
    if sys.stdin.isatty():
        text: str = click.prompt(name, hide_input=True, confirmation_prompt=True, err=True)
    else:
        data = sys.stdin.buffer.read(MAX_BYTES + 3)
        try:
            text = data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise click.UsageError("standard input is not UTF-8 text") from None
    try:
        check(name, text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return text


def _warn_short(name: str, text: str) -> None:
    if len(text) < SHORTEST_MASKED:
        few = f"it has fewer than {SHORTEST_MASKED} characters"
        click.echo(f"sidegate: caution: {name} cannot be masked in answers: {few}", err=True)


def _do(work: Callable[[], T]) -> T:
    async def run() -> T:
        return work()

    return finish(run())
