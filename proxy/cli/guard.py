"""`sidegate docker-guard`: the process that alone holds the engine's socket."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator, Mapping

import click
import structlog

from proxy import logs
from proxy.cli.command import UNSAFE, configured, fail, finish
from proxy.config.loader import Loaded
from proxy.config.masked import secret_values
from proxy.guard.engine import UNIX, Engine
from proxy.guard.intake import Intake
from proxy.guard.listener import listening
from proxy.guard.rules import Rules
from proxy.guard.server import Guard
from proxy.listeners import raise_descriptors
from proxy.protection.redactor import Redactor

log = structlog.get_logger()

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@click.command("docker-guard")
@click.option("--socket", "place", required=True, metavar="PATH", help="Where Sidegate connects.")
@click.option(
    "--engine",
    default=f"{UNIX}/var/run/docker.sock",
    show_default=True,
    metavar="URL",
    help="The engine's own socket.",
)
@click.option(
    "--name",
    default="sidegate",
    show_default=True,
    help="Tells its containers from those of other guards at the same engine.",
)
@click.option("--group", type=click.IntRange(0), metavar="GID", help="Who else may connect.")
@configured
def docker_guard(loaded: Loaded, place: str, engine: str, name: str, group: int | None) -> None:
    """Let Sidegate start sandboxes, and nothing else, at a Docker engine."""
    if not _NAME.fullmatch(name):
        raise click.UsageError("--name: lower-case letters, digits, '.', '_' and '-', at most 63")
    if not place.startswith("/"):
        raise click.UsageError("--socket: must be an absolute path")
    if not engine.startswith(f"{UNIX}/"):
        raise click.UsageError("--engine: must be unix:// and an absolute path")
    held = engine.removeprefix(UNIX)
    if problems := list(_exposed(loaded, {"--socket": place, "--engine": held})):
        fail(UNSAFE, *problems)
    logs.configure(Redactor(secret_values(loaded.config)).text)
    raise_descriptors()
    rules = Rules.of(loaded.config, name)
    finish(_serve(Guard(Engine(held), rules, Intake()), place, group))


async def _serve(guard: Guard, path: str, group: int | None) -> None:
    """Until SIGTERM or SIGINT; raises OSError where there is no place for the socket."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with listening(guard, path, group):
        log.info("listening", listener="docker-guard", address=path)
        await stopped.wait()


def _exposed(loaded: Loaded, files: Mapping[str, str]) -> Iterator[str]:
    """What an agent, or a container that mounts the workspace, could reach: a sentence each."""
    config = loaded.config
    spelled = (config.autonomy.workspace_dir, config.runtime.docker.workspace_host_path)
    folders = {form for folder in spelled if folder for form in _forms(folder)}
    for what, file in {**files, "the configuration": loaded.name}.items():
        if any(
            os.path.commonpath((folder, form)) == folder
            for folder in folders
            for form in _forms(file)
        ):
            yield f"{what} lies in the workspace, where the agent could change it: move it"


def _forms(path: str) -> set[str]:
    """Where it lies, with the links on the way and without: whoever changes a link moves it."""
    return {os.path.abspath(path), os.path.realpath(path)}
