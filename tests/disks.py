"""Disks of the tests: what the fixture `small_disk` mounts, made larger, or full for a while."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import statvfs
from pathlib import Path


def grow(disk: Path, size: str) -> None:
    """Give the disk another size, such as `1m`."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True, timeout=10)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Nothing more can be written while this lasts."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    assert statvfs(disk).f_bavail == 0
    try:
        yield
    finally:
        filler.unlink()
