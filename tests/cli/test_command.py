"""What every command has in common."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from commands import ended

from proxy.cli.command import configured, fail, finish
from proxy.config.loader import Loaded
from proxy.decision import ConfigError, Denied
from proxy.reasons import Layer, Reason


@click.group()
@click.option("-c", "path", default=None)
@click.pass_context
def group(context: click.Context, path: str | None) -> None:
    context.obj = path


@group.command()
@configured
@click.option("--note", default="none")
def show(loaded: Loaded, *, note: str) -> None:
    """Show what was loaded."""
    click.echo(f"{loaded.name} {loaded.config.gateway.port} {note}")


def run(*arguments: str, environ: dict[str, str | None] | None = None) -> Result:
    return CliRunner().invoke(
        group, arguments, env={"SIDEGATE_CONFIG": None, **(environ or {})}, prog_name="group"
    )


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], str]:
    def write(name: str, text: str = "gateway: {port: 4000}") -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


# The configuration


def test_a_command_is_handed_the_configuration_and_its_own_options(
    files: Callable[[str], str],
) -> None:
    file = files("a.yaml")

    assert ended(run("show", "-c", file)) == (0, f"{file} 4000 none\n", "")
    assert ended(run("show", "--note", "x", "-c", file)) == (0, f"{file} 4000 x\n", "")


def test_the_file_named_last_counts(files: Callable[[str], str]) -> None:
    first, second, third = files("a.yaml"), files("b.yaml"), files("c.yaml")
    environ: dict[str, str | None] = {"SIDEGATE_CONFIG": third}

    assert run("-c", first, "show").stdout == f"{first} 4000 none\n"
    assert run("-c", first, "show", "--config", second).stdout == f"{second} 4000 none\n"
    assert run("show", environ=environ).stdout == f"{third} 4000 none\n"
    assert run("-c", first, "show", environ=environ).stdout == f"{first} 4000 none\n"


def test_the_environment_goes_over_the_file(files: Callable[[str], str]) -> None:
    done = run("show", "-c", files("a.yaml"), environ={"SIDEGATE_GATEWAY__PORT": "5000"})

    assert done.stdout.endswith(" 5000 none\n")


def test_a_configuration_that_is_none_ends_with_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("gatway: {}\nmetrics: {port: x}\n")

    done = run("show", "-c", str(file))

    assert (done.exit_code, done.stdout) == (78, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"sidegate: {file}:") for line in lines)


def test_no_configuration_at_all_ends_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        done = run("show")

    assert (done.exit_code, done.stdout) == (78, "")
    assert "name one with -c or $SIDEGATE_CONFIG" in done.stderr


# Ends


def test_what_is_done_is_returned() -> None:
    async def work() -> int:
        return 7

    assert finish(work()) == 7


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError(["one", "two"]), 78, "sidegate: one\nsidegate: two\n"),
        (OSError("the state is in use"), 69, "sidegate: the state is in use\n"),
        (OSError(2, "No such file", "/a"), 69, "sidegate: [Errno 2] No such file: '/a'\n"),
        (ConnectionRefusedError("refused"), 69, "sidegate: refused\n"),
        (LookupError("c0ffee"), 1, "sidegate: there is no 'c0ffee'\n"),
        (
            Denied(Layer.ISOLATION, Reason.APPROVAL_STALE),
            1,
            f"sidegate: {Reason.APPROVAL_STALE.detail} {Reason.APPROVAL_STALE.remedy}\n",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_ends_otherwise_ends_in_words(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, told: str
) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        finish(work())

    assert caught.value.code == code
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("error", [RuntimeError("a fault"), KeyError("a"), IndexError("a")])
def test_a_fault_of_ours_is_not_taken_for_an_answer(error: Exception) -> None:
    """A key that is missing in our own code is no token that there is not."""

    async def work() -> Any:
        raise error

    with pytest.raises(type(error)):
        finish(work())


def test_a_failure_is_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fail(77, "one", "two")

    assert caught.value.code == 77
    assert capsys.readouterr() == ("", "sidegate: one\nsidegate: two\n")
