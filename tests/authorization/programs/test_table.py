"""The table holds together; what it says of single programs is tried in tests/attacks."""

from collections.abc import Iterator, Mapping

import pytest

from proxy.authorization.programs.spec import Bar, Spec
from proxy.authorization.programs.table import ALIASES, PROGRAMS


def specs(known: Mapping[str, Spec | Bar], title: str = "") -> Iterator[tuple[str, Spec]]:
    """Every program and subcommand that is described, once each."""
    for name, spec in known.items():
        if isinstance(spec, Spec):
            yield f"{title} {name}".strip(), spec
            yield from specs(spec.subcommands, f"{title} {name}")


ALL = dict(specs(PROGRAMS))


def test_notation_of_every_program_can_be_read() -> None:
    for title, spec in ALL.items():
        for option in spec.table:
            assert option.startswith(("-", "@", "foreach")), f"{title} {option}"


def test_options_that_stand_for_an_operand_or_tell_something_are_known() -> None:
    for title, spec in ALL.items():
        assert spec.instead | spec.telling <= spec.table.keys(), title


def test_what_runs_another_program_refuses_options_that_it_does_not_know() -> None:
    """An option whose value is not known would shift the program."""
    running = [title for title, spec in ALL.items() if spec.inner is not None and not spec.closed]

    assert running == []


def test_what_runs_code_says_so_or_needs_it_named() -> None:
    for title, spec in ALL.items():
        if spec.needs:
            assert spec.closed, title


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_leads_to_a_program_that_is_described(alias: str) -> None:
    assert ALIASES[alias] in PROGRAMS
    assert alias not in PROGRAMS


def test_modules_are_programs_or_have_no_options_of_their_own() -> None:
    python = PROGRAMS["python"]

    assert isinstance(python, Spec)
    refused = {name for name in python.modules if isinstance(PROGRAMS.get(name), Bar)}
    assert refused == set()
