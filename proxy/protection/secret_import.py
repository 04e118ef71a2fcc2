"""Secrets out of files that others wrote: ZeroClaw's config.toml, .env, JSON and YAML.

What is nested is named with dots: `channels_config.telegram.bot_token`. Of a TOML file only what
its key calls a secret is taken, and all that is encrypted; of the others, everything is. A file is
taken as a whole or not at all, and no message repeats a value.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from proxy import enc2
from proxy.config import source
from proxy.decision import ConfigError
from proxy.seal import Seal

_TELLING = re.compile(
    r"(?:^|[_-])(?:(?:api|secret|signing|private|access|app|encoding|encrypt)[_-]?keys?"
    r"|tokens?|secrets?|pass(?:word|wd|phrase)|credentials?)$",
    re.IGNORECASE,
)
_HASHES = frozenset({"paired_tokens"})
_LINE = re.compile(
    r"""[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*
    (?:(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)")[ \t]*(?:\#[^\r\n]*)?
    |(?P<bare>(?!['"])[^\r\n]*))(?:\r?\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_EMPTY = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}

Found = Iterator[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Imported:
    """The secrets by name, and the keys whose values are none."""

    values: Mapping[str, str] = field(repr=False)
    skipped: tuple[str, ...] = ()


def parse(path: str, data: bytes, key: Seal | None, prefix: str = "") -> Imported:
    """The secrets in `data`, in the form that the name of `path` tells.

    `key` opens those that ZeroClaw encrypted; each name begins with `prefix`. Raises ConfigError.
    """
    values: dict[str, str] = {}
    skipped: list[str] = []
    problems: list[str] = []
    for dotted, value in _reader(path)(path, _text(path, data)):
        name = _name(prefix + dotted)
        try:
            text = _opened(value, key)
        except ValueError as error:
            problems.append(f"{path}: {dotted}: {error}")
            continue
        if not text:
            skipped.append(dotted)
        elif name in values:
            problems.append(f"{path}: {dotted}: another one is named {name}, too")
        else:
            values[name] = text
    if problems:
        raise ConfigError(problems)
    return Imported(values, tuple(skipped))


def _reader(path: str) -> Callable[[str, str], Found]:
    name, suffix = PurePath(path).name, PurePath(path).suffix
    if suffix == ".env" or name == ".env" or name.startswith(".env."):
        return _env
    readers = {".toml": _toml, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
    if suffix not in readers:
        raise ConfigError([f"{path}: its name must end in .toml, .env, .json, .yaml or .yml"])
    return readers[suffix]


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from None


def _opened(value: object, key: Seal | None) -> str:
    """The text of a value, "" where it has none; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    if not enc2.is_encrypted(text):
        return text
    if key is None:
        raise ValueError("is encrypted: name the file of its key with --key-file")
    return key.decrypt(text)


def _name(dotted: str) -> str:
    """A name that the store accepts, as far as its length allows."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", dotted)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def _toml(path: str, text: str) -> Found:
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise ConfigError([f"{path}: is not TOML"]) from None
    for parts, value in _leaves((), data):
        sealed = isinstance(value, str) and enc2.is_encrypted(value)
        if sealed or (isinstance(value, str) and _tells(parts)):
            yield ".".join(parts), value


def _tells(parts: tuple[str, ...]) -> bool:
    """Whether the key, or that of the list around it, calls its value a secret."""
    name = next(part for part in reversed(parts) if not part.isdecimal())
    return name not in _HASHES and _TELLING.search(name) is not None


def _json(path: str, text: str) -> Found:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError([f"{path}: is not JSON"]) from None
    return _mapping(path, data)


def _yaml(path: str, text: str) -> Found:
    draft = source.read(text, path)
    if draft.problems:
        raise ConfigError([str(problem) for problem in draft.problems])
    return _mapping(path, draft.data)


def _mapping(path: str, data: object) -> Found:
    if not isinstance(data, dict):
        raise ConfigError([f"{path}: must be a mapping of names to secrets"])
    return ((".".join(parts), value) for parts, value in _leaves((), data))


def _leaves(parts: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    match value:
        case dict():
            for name, inside in value.items():
                yield from _leaves((*parts, str(name)), inside)
        case list():
            for number, inside in enumerate(value):
                yield from _leaves((*parts, str(number)), inside)
        case _:
            yield parts, value


def _env(path: str, text: str) -> Found:
    """Lines NAME=value as Docker Compose reads them, but that nothing is expanded."""
    position = 0
    while position < len(text):
        match = _EMPTY.match(text, position)
        if match is None:
            match = _LINE.match(text, position)
            value = None if match is None else _unquoted(match)
            if match is None or value is None:
                line = text.count("\n", 0, position) + 1
                raise ConfigError([f"{path}:{line}:1: is no line NAME=value"])
            yield match["name"], value
        position = match.end()


def _unquoted(match: re.Match[str]) -> str | None:
    """The value of a line; None where a quote stands amid it."""
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(r"\\(.)", _escaped, match["double"], flags=re.DOTALL)
    bare = _COMMENT.sub("", match["bare"]).rstrip(" \t")
    return None if {"'", '"'} & set(bare) else bare


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])
