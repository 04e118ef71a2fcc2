"""The effective configuration as YAML, every secret masked: what `sidegate check` prints."""

from collections.abc import Iterator, Mapping

import yaml
from pydantic import BaseModel, SecretStr

from proxy.config.model import Config


def effective(config: Config) -> str:
    """Every key with the value that counts, defaults included; pydantic masks its SecretStr."""
    plain = config.model_dump(mode="json")
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def secret_values(value: object) -> Iterator[str]:
    """Every secret in a configuration, or in a part of one, so that it is seen nowhere."""
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
