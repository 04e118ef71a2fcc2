"""What every command has in common: the configuration, an end in words, and an exit code.

Exit codes follow sysexits: 0 done, 1 failed, 2 usage, 69 something needed is unavailable, 77
refused by a safety rule, 78 configuration.
"""

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import click

from proxy.config import loader
from proxy.decision import ConfigError, Denied

UNAVAILABLE, UNSAFE, CONFIG = 69, 77, 78

T = TypeVar("T")

config_option = click.option(
    "-c", "--config", "path", metavar="FILE", help="The configuration file.", default=None
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Hand the loaded configuration to a command; `-c` stands before or after its name."""

    @config_option
    @click.pass_context
    @functools.wraps(command)
    def run(context: click.Context, /, path: str | None, **options: Any) -> None:
        try:
            loaded = loader.load(loader.find(path or context.obj, os.environ), os.environ)
        except ConfigError as error:
            fail(CONFIG, *error.problems)
        command(loaded, **options)

    return run


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, and turn what is unavailable into words and an exit code."""
    try:
        return asyncio.run(work)
    except ConfigError as error:
        fail(CONFIG, *error.problems)
    except OSError as error:
        fail(UNAVAILABLE, str(error))
    except Denied as denied:
        fail(1, f"{denied.reason.detail} {denied.reason.remedy}")
    except LookupError as error:
        if type(error) is not LookupError:  # a fault of ours is no answer
            raise
        fail(1, f"there is no {error.args[0]!r}")


def fail(code: int, *lines: str) -> NoReturn:
    """Say why, and end."""
    for line in lines:
        click.echo(f"sidegate: {line}", err=True)
    sys.exit(code)
