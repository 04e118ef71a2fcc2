"""The commands of the operator: pairing, tokens, the inbox, and how Sidegate is.

Credentials go to stdout, once, for whoever called; what explains them goes to stderr.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click
import segno
from pydantic import ValidationError

from proxy.admin import Admin
from proxy.cli.command import config_option, configured, finish, json_option
from proxy.config import messages
from proxy.config.loader import Loaded
from proxy.places import Places
from proxy.protocols.operator import Wish
from proxy.scope import Autonomy
from proxy.values import Json

_BOUNDS = ("name", "routes", "tools", "level")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def ask(
    loaded: Loaded, verb: str, subject: str = "", wish: Mapping[str, Json] | None = None
) -> Any:
    """What the operation answers, by the running Sidegate or on the state itself."""
    admin = Admin(loaded, Places.of(loaded.config, os.environ), time.time)
    return finish(admin.do(verb, subject, wish))


def _wishing(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what a token will be."""
    options = (
        click.option("--name", default="", metavar="NAME", help="What tokens list will show."),
        click.option(
            "--route", "routes", multiple=True, help="A path it may use; may be repeated."
        ),
        click.option("--tool", "tools", multiple=True, help="A tool it may call; may be repeated."),
        click.option(
            "--level",
            type=click.Choice([level.value for level in Autonomy]),
            help="Its highest autonomy.",
        ),
        click.option("--expires", metavar="TIME", help="When it ends, such as 12h or 30d."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _wish(options: Mapping[str, Any]) -> dict[str, Json]:
    """The options as a request body; raises UsageError where they are no such thing."""
    wish: dict[str, Json] = {name: options[name] for name in _BOUNDS if options.get(name)}
    if options.get("expires") is not None:
        wish["expires_in"] = seconds_of(options["expires"])
    try:
        Wish.model_validate(wish)
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(f"{first['loc'][0]}: {messages.words(first)}") from error
    return wish


def seconds_of(text: str) -> int:
    """A time such as 12h; raises UsageError."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if match is None:
        raise click.UsageError("a time is a number and s, m, h or d, such as 12h")
    return int(match[1]) * _UNITS[match[2]]


@click.command()
@configured
@json_option
@_wishing
@click.option("--operator", is_flag=True, help="A link for an operator, instead of a client code.")
@click.option("--qr/--no-qr", default=None, help="A QR code; the default is one on a terminal.")
def pair(loaded: Loaded, *, as_json: bool, operator: bool, qr: bool | None, **options: Any) -> None:
    """Make a pairing code."""
    if operator:
        if any(options[bound] for bound in ("routes", "tools", "level", "expires")):
            raise click.UsageError("an operator has no bounds: give --name alone")
        answer = ask(loaded, "links.create", wish=_wish(options))
        shown, target = answer["link"], f"{answer['url']}/#link={answer['link']}"
        how = f"POST {answer['url']}/pair with X-Pairing-Code"
    else:
        answer = ask(loaded, "pairing-codes.create", wish=_wish(options))
        shown, target = answer["code"], f"{answer['url']}/#pair={answer['code']}"
        how = "POST /pair with X-Pairing-Code"
    click.echo(json.dumps(answer) if as_json else shown)
    click.echo(f"valid {answer['expires_in'] // 60} min: {how}", err=True)
    if qr or (qr is None and sys.stderr.isatty() and not as_json):
        segno.make(target, micro=False).terminal(out=sys.stderr, compact=True)


@click.command()
@configured
@json_option
def status(loaded: Loaded, *, as_json: bool) -> None:
    """Say how the running Sidegate is."""
    answer = ask(loaded, "status")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for key in (
        "version",
        "instance",
        "isolation",
        "running",
        "paired",
        "code_pending",
        "inbox",
        "waiting",
    ):
        click.echo(f"{key}: {answer[key]}")
    for row in answer["stops"]:
        click.echo(f"stopped: {target_of(row)}  {row['id']}  {row['why']}".rstrip())
    if answer["file"]:
        click.echo("stopped: all, by the file STOP")
    tunnel = answer["tunnel"]
    click.echo(f"tunnel: {tunnel['url'] or tunnel['state']}")
    for sentence in answer["missing"] or ["nothing"]:
        click.echo(f"missing: {sentence}")


@click.group()
@config_option
@click.pass_context
def tokens(context: click.Context, path: str | None) -> None:
    """Make, list, rotate and revoke bearer tokens."""
    context.obj = path or context.obj


@tokens.command("list")
@configured
@json_option
def list_tokens(loaded: Loaded, *, as_json: bool) -> None:
    """List the tokens."""
    answer = ask(loaded, "tokens.list")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["tokens"]:
        times = f"{_time(row['created'])}  used {_time(row['used'])}  ends {_time(row['expires'])}"
        scope = [f"{key}={_shown(row[key])}" for key in _BOUNDS[1:] if row[key] is not None]
        click.echo("  ".join([row["id"], row["role"], times, row["label"], *scope]).rstrip())


@tokens.command("create")
@configured
@json_option
@_wishing
def create_token(loaded: Loaded, *, as_json: bool, **options: Any) -> None:
    """Make a token for a client, and print it once."""
    answer = ask(loaded, "tokens.create", wish=_wish(options))
    click.echo(json.dumps(answer) if as_json else answer["token"])


@tokens.command()
@click.argument("token_id", metavar="ID")
@configured
@json_option
def rotate(loaded: Loaded, *, token_id: str, as_json: bool) -> None:
    """Replace a token by a new one, printed once; the old one is void."""
    answer = ask(loaded, "tokens.rotate", _token_id(token_id))
    click.echo(json.dumps(answer) if as_json else answer["token"])


@tokens.command()
@click.argument("token_id", metavar="ID")
@configured
def revoke(loaded: Loaded, *, token_id: str) -> None:
    """Revoke a token and end what runs for it."""
    ask(loaded, "tokens.revoke", _token_id(token_id))
    click.echo(f"revoked {token_id}")


@click.group()
@config_option
@click.pass_context
def inbox(context: click.Context, path: str | None) -> None:
    """Look after the messages that wait for the agent."""
    context.obj = path or context.obj


@inbox.command("list")
@configured
@json_option
def list_inbox(loaded: Loaded, *, as_json: bool) -> None:
    """List what is not delivered."""
    answer = ask(loaded, "inbox.list")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["letters"]:
        what = f"{row['condition']}  {row['attempts']} attempts  {row['why']}"
        click.echo(f"{row['id']}  {row['channel']}  {_time(row['stored'])}  {what}".rstrip())


@inbox.command()
@click.argument("letter_id", metavar="ID")
@configured
def retry(loaded: Loaded, *, letter_id: str) -> None:
    """Try to deliver a dead message again."""
    ask(loaded, "inbox.retry", letter_id)
    click.echo(f"retried {letter_id}")


@inbox.command()
@click.argument("letter_id", metavar="ID")
@configured
def drop(loaded: Loaded, *, letter_id: str) -> None:
    """Forget a message."""
    ask(loaded, "inbox.drop", letter_id)
    click.echo(f"dropped {letter_id}")


def target_of(row: Mapping[str, Any]) -> str:
    """What is stopped, of a row of stops."""
    return " ".join(filter(None, (row["kind"], row["target"])))


def _token_id(text: str) -> str:
    """The id of a token. What looks like a token itself is not repeated, or sent on."""
    if re.fullmatch(r"z[co]_.*", text, re.DOTALL):
        raise click.UsageError("give the id of the token, as tokens list shows it, not the token")
    return text


def _shown(bound: str | list[str]) -> str:
    return bound if isinstance(bound, str) else ",".join(bound) or "none"


def _time(moment: float | None) -> str:
    if moment is None:
        return "never"
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
