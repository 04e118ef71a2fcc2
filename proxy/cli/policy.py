"""The commands that ask what would be decided: `explain` for calls, `policy` for tables of them.

They run nothing, and open neither the state nor a socket of their own.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.cli.command import config_option, configured, finish, json_option
from proxy.config.loader import Loaded
from proxy.decision import Malformed
from proxy.explain import casebook
from proxy.explain.casebook import Result
from proxy.explain.explainer import OFFLINE, Explainer, StopFile
from proxy.explain.overlays import Overlays
from proxy.places import Places
from proxy.protocols.strict_json import loads_object
from proxy.values import Json


@click.command("explain")
@click.argument("tool", metavar="-|TOOL")
@click.argument("arguments", required=False)
@configured
@json_option
@click.option("--principal", metavar="NAME", help="Who calls; the default is any client.")
def explain(
    loaded: Loaded, *, tool: str, arguments: str | None, as_json: bool, principal: str | None
) -> None:
    """Say what would be decided on a call, without doing it.

    ARGUMENTS are a JSON object, or the text of the one argument that matters, such as a command.
    With - instead of a tool, each line of standard input is a question in JSON.
    """
    if tool == "-":
        if arguments is not None or principal is not None:
            raise click.UsageError("with - all that is asked stands in the lines")
        finish(_answer_lines(loaded))
        return
    answer = finish(_answer(loaded, tool, arguments, principal))
    lines = [json.dumps(answer)] if as_json else _readable(answer)
    click.echo("\n".join(lines))


async def _answer_lines(loaded: Loaded) -> None:
    with _asking(loaded) as (explainer, _):
        for line in sys.stdin.buffer:
            if line.strip():
                click.echo(json.dumps(await explainer.line(line)))


async def _answer(
    loaded: Loaded, tool: str, arguments: str | None, principal: str | None
) -> Mapping[str, Json]:
    with _asking(loaded) as (explainer, overlays):
        ruleset = overlays({})
        who: dict[str, Json] = {} if principal is None else {"principal": principal}
        if principal is not None and principal not in ruleset.principals:
            known = ", ".join(ruleset.principals)
            raise click.UsageError(f"--principal: there are {known}")
        exists = ruleset.tool(tool) is not None
        given = _given(arguments, ruleset.main_argument(tool)) if exists else {}
        return await explainer.explain({"tool": tool, "arguments": given, **who})


def _given(text: str | None, main: str | None) -> Mapping[str, Json]:
    """The arguments of a call: none, a JSON object, or the text of the main one."""
    if text is None:
        return {}
    try:
        return loads_object(text.encode(errors="surrogateescape"))
    except Malformed as error:
        if main is None:
            raise click.UsageError("give the arguments of this tool as a JSON object") from error
        return {main: text}


@contextmanager
def _asking(loaded: Loaded) -> Iterator[tuple[Explainer, Overlays]]:
    """Whom to ask, with the workspace open meanwhile."""
    overlays = Overlays(loaded, CommandParser(find_parser()), os.environ)
    stop = StopFile(Places.of(loaded.config, os.environ).stop)
    try:
        yield Explainer(overlays, stop, OFFLINE), overlays
    finally:
        overlays.close()


def _readable(answer: Mapping[str, Json]) -> Iterator[str]:
    yield f"{answer['decision']}: {answer['code']}" if answer["code"] else str(answer["decision"])
    layers = answer["layers"]
    assert isinstance(layers, list)
    for layer in layers:
        yield f"  {layer['layer']:<15} {layer['verdict']:<12} {layer['reason']}"
        for key in ("rule", "remedy"):
            if layer[key]:
                yield f"{'':31}{key}: {layer[key]}"
    if not layers:
        yield f"  remedy: {answer['remedy']}"
    for key in ("note", "known"):
        if answer[key]:
            yield f"{key}: {answer[key]}"


@click.group()
@config_option
@click.pass_context
def policy(context: click.Context, path: str | None) -> None:
    """Test the rules."""
    context.obj = path or context.obj


@policy.command("test")
@click.argument("table", metavar="CASES", type=click.Path(path_type=Path))
@configured
@json_option
def run_table(loaded: Loaded, *, table: Path, as_json: bool) -> None:
    """Compare a table of calls and what should be decided on them with what would be."""
    results = finish(_tested(loaded, table))
    failed = sum(not result.ok for result in results)
    if as_json:
        rows = [_row(result) for result in results]
        click.echo(json.dumps({"ok": len(rows) - failed, "failed": failed, "cases": rows}))
    else:
        for result in results:
            click.echo(_line(result))
        click.echo(f"{len(results)} cases: {len(results) - failed} ok, {failed} failed")
    sys.exit(1 if failed else 0)


async def _tested(loaded: Loaded, table: Path) -> list[Result]:
    cases = casebook.load(table)
    with _asking(loaded) as (explainer, _):
        return await casebook.run(cases, explainer)


def _row(result: Result) -> dict[str, Json]:
    case = result.case
    expected: dict[str, Json] = {"decision": case.expect, "code": case.code}
    return {
        "name": case.name,
        "place": result.place,
        "ok": result.ok,
        "expected": expected,
        "answer": result.answer,
    }


def _line(result: Result) -> str:
    answer, case = result.answer, result.case
    if result.ok:
        return f"ok      {result.name}: {answer['decision']}"
    wanted = f"{case.expect} ({case.code})" if case.code else case.expect
    was = " ".join(str(answer[key]) for key in ("decision", "code") if answer[key])
    why = "; ".join(str(answer[key]) for key in ("rule", "remedy") if answer[key])
    return f"FAILED  {result.name} ({result.place}): expected {wanted}, was {was}: {why}"
