"""The commands about the audit log. They only read its files, whether a Sidegate runs or not."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime

import click

from proxy.audit import reading
from proxy.audit.chain import Row
from proxy.audit.checkpoints import PURPOSE
from proxy.audit.reading import Follower, Selection
from proxy.audit.verify import Report, verify, verify_files
from proxy.cli.command import CONFIG, UNAVAILABLE, config_option, configured, fail
from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.decision import ConfigError
from proxy.places import Places
from proxy.seal import Seal
from proxy.state.opening import MASTER_KEY, MASTER_KEY_FILE, open_keys

_POLL_SECONDS = 0.2
_MOST_PROBLEMS = 20


@click.group()
@config_option
@click.pass_context
def audit(context: click.Context, path: str | None) -> None:
    """Read the audit log, and verify that nobody changed it."""
    context.obj = path or context.obj


@audit.command()
@configured
@click.option("-n", "count", type=click.IntRange(0), default=10, help="So many rows; 10.")
@click.option("-f", "follow", is_flag=True, help="Go on with rows as they come.")
@click.option("--json", "as_json", is_flag=True, help="Print rows as they stand in the log.")
def tail(loaded: Loaded, *, count: int, follow: bool, as_json: bool) -> None:
    """Print the last rows."""
    path = _path(loaded)
    try:
        found = reading.last_rows(path, max(count, 1))
        _print(found if count else [], as_json=as_json)
        if follow:
            with closing(Follower(path, found[-1].seq if found else -1)) as follower:
                _follow(follower, as_json=as_json)
    except OSError as error:
        _unavailable(error)


def _follow(follower: Follower, *, as_json: bool) -> None:
    with suppress(KeyboardInterrupt):
        while True:
            with suppress(FileNotFoundError):  # between two names
                _print(follower.poll(), as_json=as_json)
            sys.stdout.flush()
            time.sleep(_POLL_SECONDS)


def _print(rows: Iterable[Row], *, as_json: bool) -> None:
    for row in rows:
        click.echo(row.line if as_json else reading.readable(row), nl=not as_json)


def _moment(_: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("a date or a time, such as 2026-01-31T12:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@audit.command()
@configured
@click.option("--since", metavar="TIME", callback=_moment, help="From then on; UTC.")
@click.option("--until", metavar="TIME", callback=_moment, help="Before then.")
@click.option("--principal", metavar="ID", help="Whose.")
@click.option("--event", metavar="EVENT", help="Which: grant, denial, outcome, …")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl")
def export(loaded: Loaded, *, form: str, **chosen: datetime | str | None) -> None:
    """Print the rows that are asked for."""
    selection = Selection(**chosen)  # type: ignore[arg-type]
    form_of = reading.as_csv if form == "csv" else reading.jsonl
    try:
        rows = reading.rows(_path(loaded))
        for piece in form_of(row for row in rows if selection.has(row, row.fields)):
            click.echo(piece, nl=False)
    except OSError as error:
        _unavailable(error)


@audit.command("verify")
@config_option
@click.argument("paths", metavar="[FILE]...", nargs=-1)
@click.option("--public-key", metavar="HEX", help="What the checkpoints are signed with.")
@click.option("--accept", metavar="ROW", type=int, multiple=True, help="A problem that is known.")
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    path: str | None,
    paths: tuple[str, ...],
    public_key: str | None,
    accept: tuple[int, ...],
) -> None:
    """Verify that nothing was changed, removed or cut off.

    With FILEs, such as copies kept elsewhere, only those are looked at. It exits with 0 where all
    holds, 1 where something does not.
    """
    key = _key(public_key)
    try:
        report = verify_files(paths, key) if paths else _verified(path or context.obj, key)
    except OSError as error:
        _unavailable(error)
    known = [each for each in report.problems if each.seq in accept]
    wrong = [each for each in report.problems if each.seq not in accept]
    for line in _summary(report):
        click.echo(line)
    for each in known:
        click.echo(f"accepted: {each.place}: {each.text}")
    if wrong:
        told = [f"{each.place}: {each.text} (row {each.seq})" for each in wrong[:_MOST_PROBLEMS]]
        more = len(wrong) - len(told)
        fail(1, *told, *([f"and {more} more"] if more else []))
    click.echo("ok")


def _key(text: str | None) -> bytes | None:
    if text is None:
        return None
    with suppress(ValueError):
        key = bytes.fromhex(text)
        if len(key) == 32:
            return key
    raise click.BadParameter("64 hexadecimal digits", param_hint="--public-key")


def _verified(path: str | None, key: bytes | None) -> Report:
    try:
        loaded = loader.load(loader.find(path, os.environ), os.environ)
    except ConfigError as error:
        fail(CONFIG, *error.problems)
    seal = _seal(loaded)
    return verify(_path(loaded), seal, key or (seal.public_key(PURPOSE) if seal else None))


def _seal(loaded: Loaded) -> Seal | None:
    """The key of the state, where it is there and may be read: it is never made here."""
    places = Places.of(loaded.config, os.environ)
    given = os.environ.keys() & {MASTER_KEY, MASTER_KEY_FILE}
    if not given and not os.path.exists(places.key):
        return None
    try:
        return open_keys(places.folder, places.key, places.database, os.environ).state
    except (ConfigError, OSError) as error:
        click.echo(f"sidegate: without the master key: {error}", err=True)
        return None


def _summary(report: Report) -> Iterator[str]:
    rows = f"rows {report.first} to {report.last}" if report.rows else "no rows"
    times = f", {report.since} to {report.until}" if report.since else ""
    yield f"{rows} in {report.files} files{times}"
    checked = "signatures checked" if report.signatures else "signatures not checked: no key"
    yield f"{report.checkpoints} checkpoints, {checked}; {report.unsigned} rows after the last"
    yield from (f"note: {note}" for note in report.notes)


def _path(loaded: Loaded) -> str:
    return Places.of(loaded.config, os.environ).audit


def _unavailable(error: OSError) -> None:
    if isinstance(error, BrokenPipeError):
        raise error
    fail(UNAVAILABLE, str(error))
