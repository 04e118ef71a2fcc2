"""The guard's own socket."""

import os
import socket
import stat
from pathlib import Path

import pytest
from guarding import RULES

from proxy.guard.engine import Engine
from proxy.guard.intake import Intake
from proxy.guard.listener import listening
from proxy.guard.server import Guard


async def test_its_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    path = str(tmp_path / "guard.sock")
    group = os.getgid() if os.geteuid() else 4242
    async with listening(Guard(Engine(""), RULES, Intake()), path, group):
        status = os.stat(path)
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == group
    assert not os.path.exists(path)


async def test_a_dead_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "guard.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    async with listening(Guard(Engine(""), RULES, Intake()), path):
        with pytest.raises(OSError, match="somebody serves there"):
            async with listening(Guard(Engine(""), RULES, Intake()), path):
                pass
        assert stat.S_ISSOCK(os.stat(path).st_mode)


async def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "guard.sock"
    path.write_text("mine")

    with pytest.raises(OSError, match="is no socket"):
        async with listening(Guard(Engine(""), RULES, Intake()), str(path)):
            pass
    assert path.read_text() == "mine"
