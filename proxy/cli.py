"""The `sidegate` command.

Machine output goes to stdout, everything else to stderr. Exit codes follow sysexits: 0 done, 1
failed, 2 usage, 69 something needed is unavailable, 77 refused by a safety rule, 78 configuration.
"""

import asyncio
import functools
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import click

from proxy.actions import Json
from proxy.admin import Admin
from proxy.app import VERSION, exposed, serve
from proxy.authorization.commands import CommandParser, find_parser
from proxy.config import loader, masked, schema
from proxy.config.loader import Loaded
from proxy.decision import ConfigError
from proxy.explain import explain
from proxy.network.bind import Binding, bindings, unsafe

UNAVAILABLE, UNSAFE, CONFIG = 69, 77, 78

_config = click.option(
    "-c", "--config", "path", metavar="FILE", help="The configuration file.", default=None
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="sidegate")
@_config
@click.pass_context
def main(context: click.Context, path: str | None) -> None:
    """A security sidecar for AI agents."""
    context.obj = path


def _configured(command: Callable[..., None]) -> Callable[..., None]:
    """Hand the loaded configuration to a command; `-c` stands before or after its name."""

    @_config
    @click.pass_context
    @functools.wraps(command)
    def run(context: click.Context, /, path: str | None, **options: Any) -> None:
        try:
            loaded = loader.load(loader.find(path or context.obj, os.environ), os.environ)
        except ConfigError as error:
            _fail(CONFIG, *error.problems)
        command(loaded, **options)

    return run


@main.command("serve")
@_configured
def serve_command(loaded: Loaded) -> None:
    """Serve until stopped."""
    _finish(serve(loaded, _safe_bindings(loaded), os.environ))


@main.command()
@_configured
def check(loaded: Loaded) -> None:
    """Validate the configuration and print it, with secrets masked."""
    _safe_bindings(loaded)
    click.echo(masked.effective(loaded.config), nl=False)


@main.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of the configuration."""
    click.echo(schema.text(), nl=False)


@main.command()
@_configured
@_json
@click.option("--name", "label", default="", metavar="NAME", help="What tokens list will show.")
def pair(loaded: Loaded, *, as_json: bool, label: str) -> None:
    """Make a new pairing code."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,64}", label):
        raise click.UsageError("a name has up to 64 letters, digits, '.', '_' and '-'")
    answer = _ask(loaded, lambda admin: admin.create_code(label))
    click.echo(json.dumps(answer) if as_json else f"{answer['code']}")
    minutes = answer["expires_in"] // 60
    click.echo(f"valid {minutes} min: POST /pair with X-Pairing-Code", err=True)


@main.command()
@_configured
@_json
def status(loaded: Loaded, *, as_json: bool) -> None:
    """Say how the running Sidegate is."""
    answer = _ask(loaded, Admin.status)
    if as_json:
        click.echo(json.dumps(answer))
        return
    for key in ("version", "instance", "running", "paired", "code_pending"):
        click.echo(f"{key}: {answer[key]}")
    for sentence in answer["missing"] or ["nothing"]:
        click.echo(f"missing: {sentence}")


@main.group()
@_config
@click.pass_context
def tokens(context: click.Context, path: str | None) -> None:
    """List and revoke bearer tokens."""
    context.obj = path or context.obj


@tokens.command("list")
@_configured
@_json
def list_tokens(loaded: Loaded, *, as_json: bool) -> None:
    """List the tokens."""
    answer = _ask(loaded, Admin.tokens)
    if as_json:
        click.echo(json.dumps(answer))
        return
    for token in answer["tokens"]:
        created = datetime.fromtimestamp(token["created"], UTC).isoformat(timespec="seconds")
        click.echo(f"{token['id']}  {token['role']}  {created}  {token['label']}".rstrip())


@tokens.command()
@click.argument("token_id", metavar="ID")
@_configured
def revoke(loaded: Loaded, *, token_id: str) -> None:
    """Revoke a token and end what runs for it."""
    _ask(loaded, lambda admin: admin.revoke(token_id))
    click.echo(f"revoked {token_id}")


@main.command("explain")
@click.argument("source", metavar="-", type=click.Choice(["-"]))
@_configured
def explain_command(loaded: Loaded, *, source: str) -> None:  # noqa: ARG001 - the one choice
    """Say what would be decided on each JSON line of standard input, without doing it."""
    _finish(_explain_lines(loaded))


async def _explain_lines(loaded: Loaded) -> None:
    parser = CommandParser(find_parser())
    for line in sys.stdin.buffer:
        if line.strip():
            click.echo(json.dumps(await explain(loaded, parser, line)))


def _ask(loaded: Loaded, verb: Callable[[Admin], Awaitable[Json]]) -> Any:
    return _finish(verb(Admin.of(loaded.config, os.environ, time.time)))


def _finish(work: Any) -> Any:
    """Run to the end, and turn what is unavailable into words and an exit code."""
    try:
        return asyncio.run(work)
    except OSError as error:
        _fail(UNAVAILABLE, str(error))
    except LookupError as error:
        _fail(1, f"there is no {error.args[0]!r}")


def _safe_bindings(loaded: Loaded) -> tuple[Binding, ...]:
    """The addresses to serve at, judged; what is unsafe ends here."""
    try:
        bound = bindings(loaded.config)
    except OSError as error:
        _fail(UNAVAILABLE, str(error))
    problems = [*unsafe(loaded.config, bound), *exposed(loaded, os.environ)]
    if problems:
        _fail(UNSAFE, *problems)
    return bound


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(f"sidegate: {line}", err=True)
    sys.exit(code)
