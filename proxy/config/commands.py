"""The list of commands: a program by its name alone, or by a rule that narrows what it may do.

The counterparts are `model`, which holds the list, and the allowlist of layer 3, which judges by
it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Form, Program

Subcommand = Annotated[
    str, Form(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*", "the name of a subcommand, such as status")
]
Option = Annotated[
    str, Form(r"-[A-Za-z0-9]|--?[A-Za-z0-9][A-Za-z0-9_.-]*", "an option, such as -c or --config")
]


class OptionRule(Section):
    """Options of a program."""

    deny: Annotated[tuple[Option, ...], Field(strict=False)] = ()
    """Options that are refused, in every spelling, beside those that Sidegate knows as unsafe."""


class CommandRule(Section):
    """A program, and what of it may be used."""

    program: Program
    """The program, spelled as a call spells it."""
    subcommands: Annotated[tuple[Subcommand, ...], Field(strict=False)] | None = None
    """The subcommands that may be used, in Sidegate's table or not; null: those of the table."""
    options: OptionRule = OptionRule()


_NAME: TypeAdapter[str] = TypeAdapter(Program)


def _by_type(entry: object) -> object:
    """The entry; chosen here, since a union would tell of each of its kinds what is wrong."""
    match entry:
        case str():
            return _NAME.validate_python(entry)
        case Mapping():
            return CommandRule.model_validate(entry)
        case CommandRule():
            return entry
        case _:
            raise ValueError("must be the name of a program, as text, or a rule {program: NAME}")


def _distinct(entries: tuple[str | CommandRule, ...]) -> tuple[str | CommandRule, ...]:
    """Two entries for one program would leave open which of them holds."""
    names = list(map(program, entries))
    raise_all(
        wrong((place,), "an earlier entry has this program")
        for place, name in enumerate(names)
        if name in names[:place] and not _same(entries, place)
    )
    return entries


def _same(entries: Sequence[str | CommandRule], place: int) -> bool:
    return entries[place] in entries[:place]


def program(entry: str | CommandRule) -> str:
    """The program that an entry is about."""
    return entry if isinstance(entry, str) else entry.program


Commands = Annotated[
    tuple[Annotated[Program | CommandRule, BeforeValidator(_by_type)], ...],
    Field(strict=False),
    AfterValidator(_distinct),
]
