"""Processes and folders of a Sidegate that is no more, supervisors included."""

import asyncio
import os
import tempfile
from pathlib import Path

from proxy.isolation.native.leftovers import kill_marked, remove_folders
from proxy.isolation.native.order import MARK

PREFIX = f"sidegate-left{os.getpid()}-"


async def sleeping(mark: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("sleep", "60", env={MARK: mark})


async def test_what_is_marked_is_killed_and_nothing_else() -> None:
    ours = await sleeping(f"{PREFIX}a")
    serving = await sleeping(f"{PREFIX}b")
    another = await sleeping("sidegate-other-a")

    assert await asyncio.to_thread(kill_marked, PREFIX, {f"{PREFIX}b"}) == 1
    assert await ours.wait() == -9
    assert (serving.returncode, another.returncode) == (None, None)
    for left in (serving, another):
        left.kill()
        await left.wait()


async def test_nothing_marked_is_nothing_done() -> None:
    assert kill_marked(f"{PREFIX}none", ()) == 0


async def test_folders_are_removed_whatever_is_in_them() -> None:
    place = Path(tempfile.gettempdir())
    old, used = place / f"{PREFIX}old", place / f"{PREFIX}used"
    (old / "closed").mkdir(parents=True)
    (old / "link").symlink_to(used)
    (old / "closed").chmod(0)
    used.mkdir()

    assert await remove_folders(PREFIX, {used.name}) == 1
    assert not old.exists()
    assert used.exists()
    used.rmdir()
    assert await remove_folders(PREFIX, ()) == 0


async def test_a_link_in_a_folders_place_is_not_followed() -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        kept = Path(elsewhere, "kept")
        kept.touch(mode=0o400)
        Path(tempfile.gettempdir(), f"{PREFIX}link").symlink_to(elsewhere)

        assert await remove_folders(PREFIX, ()) == 1
        assert await remove_folders(PREFIX, ()) == 0
        assert kept.stat().st_mode & 0o777 == 0o400
