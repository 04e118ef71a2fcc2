"""From a file and an environment to a valid configuration, or to every reason why not.

The order: the text becomes a draft, the environment goes over it, `${…}` is replaced, secrets are
read from their files, and the model judges what has come of it. What lies in the secret store stays
open until `resolved`. With `overlay`, `sidegate explain` asks what a change would do. ConfigError,
with exit code 78, is the only exception.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from proxy.config import environment, interpolation, messages, secret_files, source, stored
from proxy.config.deferred import Lookup
from proxy.config.draft import Draft, KeyPath, Plain, Position, at, dotted, unusable
from proxy.config.model import Config
from proxy.decision import ConfigError
from proxy.values import Json

PLACES = (Path("sidegate.yaml"), Path("/etc/sidegate/sidegate.yaml"))
"""Where a configuration is looked for that neither -c nor $SIDEGATE_CONFIG names."""

_OVERLAY = Position("overlay")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, and where each of its keys was given."""

    config: Config
    _draft: Draft = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What was read: the path of the file."""
        return self._draft.name

    @property
    def secret_files(self) -> Mapping[str, str]:
        """The files that secrets were read from, by the dotted keys that name them."""
        return {dotted(key): path for key, path in self._draft.files.items()}

    @property
    def encrypted(self) -> tuple[str, ...]:
        """The keys, dotted, whose values are `enc2:` values."""
        found = stored.references(self._draft.data)
        return tuple(dotted(key) for key, reference in found if reference.encrypted)

    def origin(self, key: str) -> str:
        """Where `key`, dotted, was given: `sidegate.yaml:7`, `env SIDEGATE_…` or `overlay`.

        What lies inside a given list was given with it; what was not given is `default`.
        """
        known = {dotted(path): path for path in self._draft.positions if path}
        name = key
        while name not in known and "." in name:
            name = name.rpartition(".")[0]
        if name not in known:
            return "default"
        path = known[name]
        if name != key and isinstance(at(self._draft.data, path), dict):
            return "default"
        return self._draft.position(path).short


def find(explicit: str | None, environ: Mapping[str, str], places: Sequence[Path] = PLACES) -> Path:
    """The file to load; raises ConfigError where there is none."""
    named = explicit or environ.get("SIDEGATE_CONFIG")
    if named:
        return Path(named)
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(map(str, places))
    raise ConfigError(
        [f"no configuration: looked for {looked}; name one with -c or $SIDEGATE_CONFIG"]
    )


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """The configuration in the file at `path`."""
    return parse(text_of(path), str(path), environ)


def text_of(path: Path) -> str:
    """What the file at `path` holds, of a bounded size."""
    try:
        with path.open("rb") as file:
            content = file.read(source.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}:1: is not UTF-8 text"]) from None


def parse(text: str, name: str, environ: Mapping[str, str]) -> Loaded:
    """The configuration that `text` holds, called `name` in messages and origins."""
    draft = source.read(text, name)
    environment.override(draft, environ)
    interpolation.expand(draft, environ)
    secret_files.read_all(draft)
    stored.defer(draft)
    return _judged(draft)


def resolved(loaded: Loaded, lookup: Lookup) -> Loaded:
    """`loaded` with the secrets of the secret store in the place of what names them.

    `lookup` is given a NAME, or an `enc2:` value; it raises LookupError where there is none, and
    ValueError where it cannot be read. What has come of it is judged again.
    """
    draft = _copied(loaded)
    stored.resolve(draft, lookup)
    return _judged(draft)


def overlay(loaded: Loaded, changes: Mapping[str, Json]) -> Loaded:
    """`loaded` with `changes` over it: mappings merge, all else replaces, `${…}` has no meaning."""
    draft = _copied(loaded)
    draft.data = _merged(draft, (), draft.data, changes)
    return _judged(draft)


def _copied(loaded: Loaded) -> Draft:
    base = loaded._draft  # noqa: SLF001 - the draft is private to this module
    return Draft(base.name, base.data, dict(base.positions), files=dict(base.files))


def _merged(
    draft: Draft, key: KeyPath, old: Mapping[str, Plain], changes: Mapping[str, Json]
) -> dict[str, Plain]:
    merged = dict(old)
    for name, change in changes.items():
        path = (*key, name)
        inside = old.get(name, {})
        both = isinstance(inside, dict) and isinstance(change, Mapping)
        if name not in old or not both:
            draft.forget(path)
            draft.positions[path] = _OVERLAY
        if isinstance(inside, dict) and isinstance(change, Mapping):
            merged[name] = _merged(draft, path, inside, change)
        else:
            merged[name] = _plain(change)
    return merged


def _plain(value: Json) -> Plain:
    match value:
        case Mapping():
            return {name: _plain(inside) for name, inside in value.items()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return [_plain(inside) for inside in value]


def _judged(draft: Draft) -> Loaded:
    """The verdict of the model, together with what was wrong before it."""
    try:
        config = Config.model_validate(draft.data)
    except ValidationError as error:
        _complain(draft, error)
    if draft.problems:
        raise unusable(draft.problems)
    return Loaded(config, draft)


def _complain(draft: Draft, error: ValidationError) -> None:
    for detail in error.errors(include_url=False):
        key = messages.key_of(detail)
        if not draft.is_refused(key):
            draft.complain(key, messages.words(detail))
