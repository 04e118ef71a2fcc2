"""The keys that exist, seen as paths. Read off `model`, so there is no second list."""

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from proxy.config.draft import KeyPath
from proxy.config.model import Config


def kind(key: KeyPath) -> object:
    """The type of what stands at `key`, without what narrows it, or None where there is no key."""
    found: object = Config
    for part in key:
        found = _bare(_inside(found, part))
    return found


def names(key: KeyPath) -> tuple[str, ...]:
    """The fixed keys directly inside `key`."""
    return tuple(_fields(kind(key)))


def is_secret(key: KeyPath) -> bool:
    """Whether the value at `key` is one that nobody may see."""
    return kind(key) is SecretStr


def is_table(key: KeyPath) -> bool:
    """Whether `key` holds entries under names of the operator's own."""
    return get_origin(kind(key)) is Mapping


def is_list(key: KeyPath) -> bool:
    """Whether `key` holds a list."""
    return get_origin(kind(key)) is tuple


def leaves(key: KeyPath = ()) -> Iterator[KeyPath]:
    """Every fixed key that holds a single value or a list."""
    for name in names(key):
        inside = (*key, name)
        if names(inside):
            yield from leaves(inside)
        elif not is_table(inside):
            yield inside


def _inside(found: object, part: str | int) -> object:
    if get_origin(found) is Mapping:
        return get_args(found)[1]
    if get_origin(found) is tuple:
        return get_args(found)[0] if isinstance(part, int) else None
    field = _fields(found).get(str(part))
    return field.annotation if field else None


def _fields(found: object) -> Mapping[str, FieldInfo]:
    """The keys of a section; of several kinds, those of all that are sections."""
    if isinstance(found, type) and issubclass(found, BaseModel):
        return {field.alias or name: field for name, field in found.model_fields.items()}
    if isinstance(found, UnionType) or get_origin(found) is Union:
        kinds = map(_bare, get_args(found))
        return {name: field for each in kinds for name, field in _fields(each).items()}
    return {}


def _bare(found: object) -> object:
    """The type beneath `Annotated` and `… | None`."""
    if get_origin(found) is Annotated:
        return _bare(get_args(found)[0])
    kinds = [arg for arg in get_args(found) if arg is not NoneType]
    optional = len(kinds) < len(get_args(found)) and len(kinds) == 1
    return _bare(kinds[0]) if optional else found
