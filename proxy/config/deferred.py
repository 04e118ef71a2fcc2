"""Secrets that the configuration names, and that are known once the secret store is open.

    ${secret:NAME}    the secret of that name, alone or within text: "Bearer ${secret:agent}"
    enc2:…            a value that was encrypted under the master key, alone

The counterparts are `interpolation`, which reads these forms, and `stored`, which puts the secrets
in their place. Until then whatever asks for the value gets an error, never the form.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

from proxy import enc2
from proxy.decision import ConfigError

Lookup = Callable[[str], str]
"""The secret of a name, or the text of an `enc2:` value; raises LookupError or ValueError."""

NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
"""What a stored secret may be called."""
_MASK = "**********"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name of the store, or an `enc2:` value."""

    text: str

    @property
    def encrypted(self) -> bool:
        """Whether it is an `enc2:` value."""
        return self.text.startswith(enc2.PREFIX)

    def __str__(self) -> str:
        return enc2.PREFIX + _MASK if self.encrypted else f"${{secret:{self.text}}}"


class Deferred(SecretStr):
    """The value of a secret key, parts of which are not known yet; shown by their names."""

    def __init__(self, parts: Sequence[str | Reference]) -> None:
        self._parts = tuple(parts)
        super().__init__(str(self))

    @property
    def references(self) -> tuple[Reference, ...]:
        """What has to be looked up."""
        return tuple(part for part in self._parts if isinstance(part, Reference))

    def opened(self, lookup: Lookup) -> str:
        """The whole value; raises what `lookup` raises. A secret is not looked through again."""
        return "".join(
            lookup(part.text) if isinstance(part, Reference) else part for part in self._parts
        )

    def get_secret_value(self) -> NoReturn:
        """Raise ConfigError: what stands here is no secret, and must not be taken for one."""
        raise ConfigError([f"the secret store is not open: {self} is not known"])

    def __str__(self) -> str:
        return "".join(str(part) if isinstance(part, Reference) else _MASK for part in self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deferred) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)


@dataclass(frozen=True, slots=True)
class Checked:
    """`check` for the value of a secret key, once it is known; as JSON it is masked either way."""

    check: Callable[[SecretStr], SecretStr]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        masked = core_schema.plain_serializer_function_ser_schema(_masked, when_used="json")
        return core_schema.no_info_after_validator_function(
            self._known, handler(source), serialization=masked
        )

    def _known(self, value: SecretStr) -> SecretStr:
        return value if isinstance(value, Deferred) else self.check(value)


def _masked(value: SecretStr | None) -> str | None:
    return None if value is None else _MASK if isinstance(value, Deferred) else str(value)


def any_secret(value: SecretStr) -> SecretStr:
    """The value of a secret key that may be any text."""
    return value


def is_name(text: str) -> bool:
    """Whether a stored secret may be called so."""
    return re.fullmatch(NAME, text) is not None


def refuse(text: str) -> None:
    """Raise ValueError where `text`, which is no secret's, names one: it would be sent on."""
    if text.startswith(enc2.PREFIX) or "${secret:" in text:
        raise ValueError("only the value of a secret key may be ${secret:NAME} or enc2:…")
