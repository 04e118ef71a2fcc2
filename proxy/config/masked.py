"""The effective configuration as YAML, every secret masked: what `sidegate check` prints."""

from collections.abc import Iterator, Mapping

import yaml
from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python

from proxy.config.deferred import Deferred
from proxy.config.model import Config


def effective(config: Config) -> str:
    """Every key with the value that counts, defaults included; stored secrets by their names."""
    plain = to_jsonable_python(_shown(config.model_dump()))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def secret_values(value: object) -> Iterator[str]:
    """Every secret in a configuration, or in a part of one, so that it is seen nowhere.

    One that is still in the secret store is not known here.
    """
    if isinstance(value, Deferred):
        return
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, inside in value:
            yield from secret_values(inside)
    elif isinstance(value, Mapping):
        for inside in value.values():
            yield from secret_values(inside)
    elif isinstance(value, tuple):
        for inside in value:
            yield from secret_values(inside)


def _shown(value: object) -> object:
    match value:
        case SecretStr():
            return str(value)
        case dict():
            return {name: _shown(inside) for name, inside in value.items()}
        case tuple() | list():
            return [_shown(inside) for inside in value]
        case _:
            return value
