"""In a process of the test's own, since it is for good. What commands meet is in test_runtime."""

import os
from pathlib import Path

import pytest

from proxy.isolation.native.confine import confine
from proxy.isolation.native.landlock import READ, WRITE, version
from proxy.isolation.native.order import Order


def forked(order: Order, acts: list[tuple[str, int]]) -> list[bool]:
    """Which of the files can be opened in these ways, by a process that is confined so."""
    reading, writing = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        try:
            confine(order, parent)
            os.write(writing, bytes(_opens(*act) for act in acts))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading, "rb") as file:
        return [bool(value) for value in file.read()]


def _opens(path: str, flags: int) -> bool:
    try:
        os.close(os.open(path, flags, 0o600))
    except OSError:
        return False
    return True


def test_the_kernel_says_its_version() -> None:
    assert version() >= 1


@pytest.mark.filterwarnings("ignore:.*fork")
def test_what_is_listed_is_left_and_nothing_else(tmp_path: Path) -> None:
    for name in ("read", "write", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    rules: list[tuple[bytes | int, int]] = [
        (bytes(tmp_path / "read"), READ),
        (bytes(tmp_path / "write"), WRITE),
        (b"/no/such/folder", READ),
        (b"/dev/null", WRITE),
    ]
    acts = [
        (str(tmp_path / folder / "file"), flags)
        for folder in ("read", "write", "closed")
        for flags in (os.O_RDONLY, os.O_WRONLY)
    ]
    acts += [(str(tmp_path / "write" / "new"), os.O_CREAT | os.O_WRONLY)]
    acts += [(str(tmp_path / "read" / "new"), os.O_CREAT | os.O_WRONLY), ("/dev/null", os.O_RDWR)]

    opened = forked(Order(argv=[], env={}, rules=rules), acts)
    assert opened == [True, False, True, True, False, False, True, False, True]
