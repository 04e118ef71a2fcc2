"""The command, run in this process, and a configuration for it."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli.main import main


def sections(folder: Path, **more: object) -> dict[str, object]:
    """What may be served, on any free port, with its state and workspace in `folder`."""
    return {
        "state_dir": str(folder / "state"),
        "gateway": {"port": 0},
        "admin": {"port": 0},
        "metrics": {"port": 0},
        "autonomy": {"workspace_dir": str(folder / "workspace")},
        **more,
    }


def sidegate(
    *arguments: object, stdin: str = "", environ: Mapping[str, str] | None = None
) -> Result:
    """Run the command, in an environment that says nothing of Sidegate but this."""
    cleared = {name: None for name in os.environ if name.startswith(("SIDEGATE_", "STATE_"))}
    return CliRunner().invoke(
        main, [str(each) for each in arguments], input=stdin, env={**cleared, **(environ or {})}
    )


async def asked(*arguments: object) -> Result:
    """The command in a thread, since the one that it asks runs in this one."""
    return await asyncio.to_thread(sidegate, *arguments)


def ended(result: Result) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    return result.exit_code, result.stdout, result.stderr
