"""The commands of the operator about the tools of MCP servers, whose definitions are pinned."""

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from proxy.cli.command import config_option, configured, json_option
from proxy.cli.operator import ask
from proxy.config.loader import Loaded
from proxy.protocols.pins import named, segment_of

_NAME = click.argument("name", metavar="NAME", callback=lambda _c, _p, name: segment_of(name))


@click.group()
@config_option
@click.pass_context
def mcp(context: click.Context, path: str | None) -> None:
    """Look after the tools of MCP servers."""
    context.obj = path or context.obj


@mcp.command("tools")
@configured
@json_option
def list_tools(loaded: Loaded, *, as_json: bool) -> None:
    """List the tools that are pinned; first those that wait to be accepted."""
    answer = ask(loaded, "mcp-tools.list")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["tools"]:
        click.echo(_line(row))


@mcp.command()
@_NAME
@configured
@json_option
def show(loaded: Loaded, *, name: str, as_json: bool) -> None:
    """Show one tool, and how what waits differs from what was accepted last."""
    answer = ask(loaded, "mcp-tools.get", name)
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["definitions"]:
        click.echo(_line(row))
    for line in answer["shown"]:
        click.echo(line)
    for difference in answer["differences"]:
        _echo_difference(difference)


@mcp.command()
@_NAME
@configured
@json_option
@click.option("--digest", metavar="SHA256", help="Accept this definition, without a question.")
def accept(loaded: Loaded, *, name: str, as_json: bool, digest: str | None) -> None:
    """Accept a definition as it is shown; what the server shows next is another."""
    if digest is not None and not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise click.UsageError("--digest is 64 hexadecimal digits, as mcp show tells them")
    chosen = digest or _chosen(loaded, name)
    answer = ask(loaded, "mcp-tools.accept", name, {"digest": chosen})
    told = f"accepted {named(name)}  {chosen}"
    click.echo(json.dumps(answer) if as_json else told)


@mcp.command()
@_NAME
@configured
@json_option
def forget(loaded: Loaded, *, name: str, as_json: bool) -> None:
    """Forget a tool: what its server shows next is trusted as if it were the first."""
    answer = ask(loaded, "mcp-tools.forget", name)
    click.echo(json.dumps(answer) if as_json else f"forgot {named(name)}")


def _chosen(loaded: Loaded, name: str) -> str:
    """The digest that a human has said yes to; without one this ends here."""
    if not sys.stdin.isatty():
        raise click.UsageError(
            "there is no terminal to ask at: give --digest, as mcp show tells it"
        )
    differences = ask(loaded, "mcp-tools.get", name)["differences"]
    if not differences:
        raise click.UsageError(f"nothing of {named(name)} waits to be accepted")
    for each in differences:
        _echo_difference(each)
    if len(differences) > 1:
        raise click.UsageError("several definitions wait: give --digest, to say which one")
    if not click.confirm("Accept this definition?", default=False, err=True):
        raise click.Abort
    return str(differences[0]["digest"])


def _echo_difference(difference: Mapping[str, Any]) -> None:
    click.echo(f"pending {difference['digest']}", err=True)
    for line in difference["lines"]:
        click.echo(line)
    if difference["masked"]:
        click.echo(f"{difference['masked']} values are masked", err=True)


def _line(row: Mapping[str, Any]) -> str:
    seen = datetime.fromtimestamp(row["seen"], UTC).isoformat(timespec="seconds")
    what = f"{row['server']}.{row['tool']}  {row['standing']}  {row['digest']}  first seen {seen}"
    return f"{what}  {row['note']}".rstrip()
