"""What an operator may demand of one argument of a tool, and what that says of a value.

The counterpart is `rules` of layer 3. A value is judged by its type first: true is not 1, and the
text of a number is no number. A rule that no value can meet is a mistake, and refused.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Self

import re2
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import ArgumentName, FilePath

MAX_PATTERN = 1000
LONGEST = 4096
"""Characters of a text that an expression looks at; a longer one does not match."""
Scalar = None | bool | int | float | str


def _scalar(value: object) -> object:
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError("must be text, a number, true, false or null")
    return value


def _number(value: object) -> object:
    if value is not None and not _is_number(value):
        raise ValueError("must be a number")
    return value


# Judged before the types, of which a union would tell one by one what is wrong.
OneScalar = Annotated[Scalar, BeforeValidator(_scalar)]
Number = Annotated[int | float | None, BeforeValidator(_number)]


def _expression(text: str) -> str:
    if len(text) > MAX_PATTERN:
        raise ValueError(f"must have at most {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error:
        raise ValueError("must be a regular expression in the syntax of RE2") from None
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class RuleConfig(Section):
    """What holds of one argument: all that is given here. Without anything it must be there."""

    model_config = ConfigDict(serialize_by_alias=True)

    equals: OneScalar = None
    """The one value that it may have."""
    among: Annotated[tuple[OneScalar, ...] | None, Field(alias="in", strict=False)] = None
    """The values that it may have."""
    matches: Expression | None = None
    """A regular expression (RE2) for the whole of a text of at most 4096 characters."""
    min: Number = None
    """The least number."""
    max: Number = None
    """The greatest number."""
    max_length: Annotated[int, Field(ge=0)] | None = None
    """The most characters of a text, or items of a list."""
    under: FilePath | None = None
    """A folder: the argument is a path in it, or a list of such."""
    optional: bool = False
    """Whether the argument may be missing."""

    @model_validator(mode="after")
    def _be_possible(self) -> Self:
        raise_all(wrong((key,), text) for key, text in _impossible(self))
        return self


Rules = Mapping[ArgumentName, RuleConfig]


def _impossible(section: RuleConfig) -> Iterator[tuple[str, str]]:
    """The keys that no value can meet together with the others."""
    texts = [key for key in ("matches", "max_length", "under") if getattr(section, key) is not None]
    numbers = [key for key in ("min", "max") if getattr(section, key) is not None]
    if texts and numbers:
        yield numbers[0], f"no value can meet this and {texts[0]}, which is not for numbers"
    if section.min is not None and section.max is not None and section.min > section.max:
        yield "min", "must be at most max"
    if section.among == () and not section.optional:
        yield "in", "must not be empty; with optional: true, [] forbids the argument"
    for key, values in _listed(section):
        if values and not any(_meets(section, value) for value in values):
            yield key, "no value here meets the rest of this rule"


def _listed(section: RuleConfig) -> Iterator[tuple[str, tuple[Scalar, ...]]]:
    if "equals" in section.model_fields_set:
        yield "equals", (section.equals,)
    elif section.among is not None:
        yield "in", section.among


def _meets(section: RuleConfig, value: Scalar) -> bool:
    in_folder = section.under is None or isinstance(value, str)
    return in_folder and all(demand(value) for demand in demands(section))


def demands(section: RuleConfig) -> Iterator[Callable[[object], bool]]:
    """What must hold of a value, each by itself; of its place in folders nothing is said."""
    if "equals" in section.model_fields_set:
        yield lambda value: _same(value, section.equals)
    if section.among is not None:
        among = section.among
        yield lambda value: any(_same(value, each) for each in among)
    if section.matches is not None:
        expression = re2.compile(section.matches)
        yield lambda value: _is_short(value) and expression.fullmatch(value) is not None
    if section.min is not None:
        least = section.min
        yield lambda value: _is_number(value) and value >= least  # type: ignore[operator]
    if section.max is not None:
        most = section.max
        yield lambda value: _is_number(value) and value <= most  # type: ignore[operator]
    if section.max_length is not None:
        longest = section.max_length
        yield lambda value: isinstance(value, str | list | tuple) and len(value) <= longest


def _same(value: object, wanted: Scalar) -> bool:
    if _is_number(value) and _is_number(wanted):
        return value == wanted
    return type(value) is type(wanted) and value == wanted


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST
