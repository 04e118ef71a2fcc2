"""Secrets that live in files of their own: beside a secret key NAME, NAME_file names its file.

    upstream: {headers: {Authorization_file: /run/secrets/agent}}

One line end at the end of the file is not part of the secret. The file is read once, here.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from proxy.config import keys
from proxy.config.draft import Draft, KeyPath, Plain, children

SUFFIX = "_file"
MAX_BYTES = 65_536


def read_all(draft: Draft) -> None:
    """Put the text of the file in the place of every NAME_file."""
    for key, inside in list(_mappings((), draft.data)):
        for name in [name for name in inside if _names_file(key, name)]:
            _replace(draft, key, inside, name)


def siblings(key: KeyPath, inside: Mapping[str, Plain]) -> list[str]:
    """The names in `inside` that give the same value as `key`: itself and, for a secret, NAME_file.

    Header names compare without case, and no two other keys differ by case alone.
    """
    name = str(key[-1])
    stem = name.removesuffix(SUFFIX)
    if not keys.is_secret((*key[:-1], stem)):
        return [other for other in inside if other == name]
    return [other for other in inside if other.removesuffix(SUFFIX).lower() == stem.lower()]


def _names_file(key: KeyPath, name: str) -> bool:
    stem = name.removesuffix(SUFFIX)
    return stem not in ("", name) and keys.is_secret((*key, stem))


def _mappings(key: KeyPath, value: Plain) -> Iterator[tuple[KeyPath, dict[str, Plain]]]:
    if isinstance(value, dict):
        yield key, value
    for part, inside in children(value):
        yield from _mappings((*key, part), inside)


def _replace(draft: Draft, key: KeyPath, inside: dict[str, Plain], name: str) -> None:
    path = (*key, name)
    stem = name.removesuffix(SUFFIX)
    others = [other for other in siblings(path, inside) if other != name]
    value = inside.pop(name)
    if draft.is_refused(path):
        return
    if others:
        draft.complain(path, f"given together with {others[0]}")
        return
    try:
        inside[stem] = _secret(value)
    except ValueError as error:
        draft.complain(path, str(error))
    else:
        draft.files[path] = str(value)
        draft.move(path, (*key, stem))


def _secret(path: Plain) -> str:
    """The text of the file at `path`; raises ValueError where there is none."""
    if not isinstance(path, str):
        raise ValueError("must be the path of a file")  # noqa: TRY004 - a problem of the file
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ValueError(f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("the file is not text") from None
    if not text.strip():
        raise ValueError("the file is empty")
    return text.removesuffix("\n").removesuffix("\r")
