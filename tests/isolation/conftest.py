"""Sandboxes for whoever asks for one."""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import engine_host
from sandboxes import GID, UID, Made, Make, forget

from proxy.isolation.docker.container import Mount
from proxy.isolation.owner import Owner


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Make sandboxes over a workspace that belongs to a user of its own."""
    workspace = tmp_path / "workspace"
    workspace.mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(workspace, UID, GID)
    async with AsyncExitStack() as stack:

        def run(
            host: str = "",
            source: str | None = str(workspace),
            intact: Callable[[], bool] = lambda: True,
            **more: Any,
        ) -> Made:
            mount = Mount(source, Owner(UID, GID), intact)
            made = Made(mount, host or engine_host(), uuid.uuid4().hex, **more)
            stack.push_async_callback(forget, made.owner)
            stack.push_async_callback(made.aclose)
            return made

        yield run
