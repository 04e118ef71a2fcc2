"""What every section of the configuration has in common. The counterpart is `model`."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from proxy.config.draft import KeyPath


class Section(BaseModel):
    """A frozen group of keys: types as written, nothing converted, nothing unknown."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # the input may be a secret
        use_attribute_docstrings=True,  # so that the schema explains the keys
    )


def wrong(key: KeyPath, text: str) -> InitErrorDetails:
    """A rule between keys is broken; told at `key`, relative to the validator that raises it."""
    return InitErrorDetails(type=PydanticCustomError("rule", text), loc=key, input=None)


def raise_all(problems: Iterable[InitErrorDetails]) -> None:
    """Raise ValidationError with all of `problems`, if there are any."""
    if found := list(problems):
        raise ValidationError.from_exception_data("rules", found)
