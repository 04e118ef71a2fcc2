"""`python -m bench [sandbox|requests|redaction|peers]`: measure, and print the figures."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping

import click

from bench import peers, redaction, requests, sandbox
from bench.report import Report, as_json, as_table
from proxy.decision import told

SECONDS = 480.0
_KINDS: Mapping[str, Callable[[], Awaitable[Report]]] = {
    "sandbox": sandbox.measure,
    "requests": requests.measure,
    "redaction": redaction.measure,
    "peers": peers.measure,
}
_UNASKED = ("sandbox", "requests", "redaction")


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(list(_KINDS)))
@click.option("--json", "lines", is_flag=True, help="A JSON line a table.")
def main(*, kinds: tuple[str, ...], lines: bool) -> None:
    """Measure all but peers, or some KINDS of figures. What they are: docs/benchmarks.md."""
    try:
        asyncio.run(_print(kinds or _UNASKED, as_json if lines else as_table))
    except (OSError, TimeoutError) as error:
        sys.exit(f"bench: {told(error)}")


async def _print(kinds: tuple[str, ...], form: Callable[[Report], str]) -> None:
    async with asyncio.timeout(SECONDS):
        for kind in kinds:
            click.echo(form(await _KINDS[kind]()))


if __name__ == "__main__":
    main()
