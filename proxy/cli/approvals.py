"""The commands of the operator about the calls of others: approve, deny, stop, resume."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click
from pydantic import ValidationError

from proxy.admin import Admin
from proxy.cli.command import config_option, configured, finish, json_option
from proxy.cli.operator import ask, seconds_of, target_of
from proxy.config.loader import Loaded
from proxy.config.section import Section
from proxy.places import Places
from proxy.protocols.ruling import MAX_GRANT, DecideAll, Stopping
from proxy.values import Json

_FOR = f"--for is a time of at most {MAX_GRANT // 3600}h, such as 30m, or session"
_USAGE = {
    "ids": "give ids as approvals list shows them",
    "for": _FOR,
    "tool": "--tool is a tool's name, in which * stands for any characters, such as 'github.*'",
    "principal": "--principal is the id of a principal, as approvals list shows it",
    "why": "--why is at most 200 characters on one line",
}
_SHOWN = (
    *("id", "principal", "label", "tool", "standing", "decided_by", "detached", "always", "note"),
    "arguments_sha256",
)
_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group()
@config_option
@click.pass_context
def approvals(context: click.Context, path: str | None) -> None:
    """Decide on calls that wait for a human."""
    context.obj = path or context.obj


@approvals.command("list")
@configured
@json_option
@click.option("--all", "everything", is_flag=True, help="Decided ones, too.")
def list_approvals(loaded: Loaded, *, as_json: bool, everything: bool) -> None:
    """List the calls that wait, oldest first."""
    answer = ask(loaded, "approvals.list", wish={"all": "1"} if everything else None)
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["approvals"]:
        _echo_row(row)


@approvals.command()
@click.argument("ask_id", metavar="ID")
@configured
@json_option
def show(loaded: Loaded, *, ask_id: str, as_json: bool) -> None:
    """Show one call as it will run."""
    row = ask(loaded, "approvals.get", ask_id)
    if as_json:
        click.echo(json.dumps(row))
        return
    for key in _SHOWN:
        click.echo(f"{key}: {_word(row[key])}")
    for key in ("created", "expires"):
        click.echo(f"{key}: {_time(row[key])}")
    click.echo(f"arguments: {json.dumps(row['shown'], ensure_ascii=False, indent=2)}")
    _warn(row)


@approvals.command()
@_IDS
@configured
@json_option
@click.option("--for", "lasting", metavar="TIME", help="And for a time, 8h at most, or session.")
def approve(loaded: Loaded, *, ids: tuple[str, ...], as_json: bool, lasting: str | None) -> None:
    """Approve calls: all of these, or none."""
    wish: dict[str, Json] = {"decision": "approve"}
    if lasting is not None:
        wish["for"] = "session" if lasting == "session" else _granted_seconds(lasting)
    _decide(loaded, ids, wish, "approved", as_json=as_json)


@approvals.command()
@_IDS
@configured
@json_option
def deny(loaded: Loaded, *, ids: tuple[str, ...], as_json: bool) -> None:
    """Deny calls: all of these, or none."""
    _decide(loaded, ids, {"decision": "deny"}, "denied", as_json=as_json)


def _decide(
    loaded: Loaded, ids: tuple[str, ...], wish: dict[str, Json], word: str, *, as_json: bool
) -> None:
    _check(DecideAll, {**wish, "ids": ids})
    if len(ids) == 1:  # which tells an id that is unknown from one that is decided
        answer = ask(loaded, "approvals.decide", ids[0], wish)
    else:
        answer = ask(loaded, "approvals.decide-all", wish={**wish, "ids": ids})
    if as_json:
        click.echo(json.dumps(answer))
        return
    for ask_id in answer["decided"]:
        click.echo(f"{word} {ask_id}")
    for grant_id in answer["grants"]:
        click.echo(f"granted {grant_id}")


@approvals.command()
@configured
@json_option
def grants(loaded: Loaded, *, as_json: bool) -> None:
    """List what is granted for a time."""
    answer = ask(loaded, "grants.list")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["grants"]:
        end = f"ends {_time(row['expires'])}" + (" or with this run" if row["session"] else "")
        click.echo(f"{row['id']}  {_whose(row)}  {row['tool']}  {end}")


@approvals.command()
@click.argument("grant_id", metavar="ID")
@configured
@json_option
def revoke(loaded: Loaded, *, grant_id: str, as_json: bool) -> None:
    """Take back what was granted for a time."""
    answer = ask(loaded, "grants.revoke", grant_id)
    click.echo(json.dumps(answer) if as_json else f"revoked {grant_id}")


@approvals.command()
@configured
@json_option
def watch(loaded: Loaded, *, as_json: bool) -> None:
    """Follow what waits and what is stopped, until interrupted."""
    admin = Admin(loaded, Places.of(loaded.config, os.environ), time.time)
    finish(_follow(admin, as_json=as_json))


async def _follow(admin: Admin, *, as_json: bool) -> None:
    name = ""
    try:
        async for line in admin.watch():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                _echo_event(name, json.loads(value), as_json=as_json)
    except ValueError as error:
        raise OSError("the running sidegate sends events that cannot be read") from error
    except asyncio.CancelledError:  # interrupted, as one ends it
        return


def _echo_event(name: str, data: Any, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"event": name, "data": data}))
    elif name == "snapshot":
        for row in data["approvals"]:
            _echo_row(row)
        for row in data["stops"]:
            click.echo(_stop(row))
    elif name == "asked":
        _echo_row(data)
    elif name == "stopped":
        click.echo(_stop(data))
    else:
        click.echo("  ".join([name, *(str(value) for value in data.values() if value != "")]))


@click.command("stop-all")
@configured
@json_option
@click.option("--tool", help="This tool alone; * stands for any characters.")
@click.option("--principal", metavar="ID", help="This principal alone.")
@click.option("--why", metavar="TEXT", help="What stops and approvals will show.")
def stop_all(loaded: Loaded, *, as_json: bool, **options: str | None) -> None:
    """Stop everything, and end what runs, until resumed."""
    wish: dict[str, Json] = {key: value for key, value in options.items() if value is not None}
    if "tool" in wish and "principal" in wish:
        raise click.UsageError("give --tool or --principal; with neither, everything is stopped")
    _check(Stopping, wish)
    answer = ask(loaded, "stops.add", wish=wish)
    told = f"stopped {target_of(answer)}  {answer['stopped']}"
    click.echo(json.dumps(answer) if as_json else told)
    if not answer["known"]:
        click.echo(
            f"no {answer['kind']} of this name is known: the stop stands for one that comes",
            err=True,
        )


@click.command()
@configured
@json_option
def stops(loaded: Loaded, *, as_json: bool) -> None:
    """List what is stopped."""
    answer = ask(loaded, "stops.list")
    if as_json:
        click.echo(json.dumps(answer))
        return
    for row in answer["stops"]:
        click.echo(_stop(row))
    _tell_file(loaded, answer)


@click.command()
@click.argument("stop_id", metavar="[ID]", required=False)
@configured
@json_option
def resume(loaded: Loaded, *, stop_id: str | None, as_json: bool) -> None:
    """Let go on what was stopped: all that operators stopped, or one stop.

    Where the file STOP stands, everything stays stopped, which is a failure unless ID is given.
    """
    answer = ask(loaded, "stops.lift", stop_id) if stop_id else ask(loaded, "stops.resume")
    if as_json:
        click.echo(json.dumps(answer))
    else:
        for lifted in answer["lifted"]:
            click.echo(f"lifted {lifted}")
    _tell_file(loaded, answer)
    if answer["file"] and not stop_id:
        sys.exit(1)


def _tell_file(loaded: Loaded, answer: Mapping[str, Any]) -> None:
    if answer["file"]:
        folder = Places.of(loaded.config, os.environ).folder
        click.echo(f"everything is stopped by the file STOP in {folder}: remove it", err=True)


def _check(model: type[Section], wish: Mapping[str, Json]) -> None:
    """Raise UsageError for what would be refused anyway, before anything is opened."""
    try:
        model.model_validate(wish)
    except ValidationError as error:
        raise click.UsageError(_USAGE[str(error.errors()[0]["loc"][0])]) from error


def _granted_seconds(text: str) -> int:
    """A time that a tool may be granted for; raises UsageError."""
    try:
        return seconds_of(text)
    except click.UsageError as error:
        raise click.UsageError(_FOR) from error


def _warn(row: Mapping[str, Any]) -> None:
    if row["masked"]:
        masked = f"{row['masked']} values are masked: deny what you cannot place"
        click.echo(f"{row['id']}: {masked}", err=True)


def _echo_row(row: Mapping[str, Any]) -> None:
    """A call in one line, whatever is in it."""
    shown = json.dumps(row["shown"], ensure_ascii=False)
    what = f"{_whose(row)}  {row['tool']}  {shown}"
    note = f"  ({row['note']})" if row["note"] else ""
    click.echo(f"{row['id']}  {row['standing']}  until {_time(row['expires'])}  {what}{note}")
    _warn(row)


def _whose(row: Mapping[str, Any]) -> str:
    return f"{row['principal']} ({row['label']})" if row["label"] else str(row["principal"])


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _stop(row: Mapping[str, Any]) -> str:
    by = f"by {row['stopped_by']}  since {_time(row['since'])}  until {_time(row['expires'])}"
    return f"{row['id']}  stopped {target_of(row)}  {by}  {row['why']}".rstrip()


def _time(moment: float | None) -> str:
    if moment is None:
        return "resumed"
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
