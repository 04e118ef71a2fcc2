"""An audit log of the tests, written by the very code, and what stands in it."""

import json
import shutil
from pathlib import Path
from typing import Any

from doubles import Clock

from proxy.audit import AuditFile, AuditLog, Limits
from proxy.audit.chain import BEGIN, BREAK, CHECKPOINT, CONTINUED, RECOVERED
from proxy.audit.checkpoints import PURPOSE
from proxy.audit.verify import Report, verify
from proxy.audit.writer import Writer
from proxy.protection.redactor import Redactor
from proxy.seal import Seal

HELD = "correct-horse-battery-staple-2026"
KEY = Seal(b"k" * 32)
PUBLIC_KEY = KEY.public_key(PURPOSE)
OWN = {BEGIN, BREAK, CHECKPOINT, CONTINUED, RECOVERED}


class Written:
    """An audit file in a folder of its own, and how many writes were lost."""

    def __init__(self, path: Path, seal: Seal | None = None, limits: Limits | None = None) -> None:
        self.path = path
        self.lost = 0
        self.file = AuditFile(
            str(path), self._failed, seal=seal, instance="c0ffee", limits=limits, clock=Clock()
        )

    def _failed(self) -> None:
        self.lost += 1

    def rows(self) -> list[dict[str, Any]]:
        """What others wrote, without what holds the chain together."""
        return [
            {key: value for key, value in row.items() if key not in {"seq", "prev"}}
            for row in rows_of(self.path)
            if row.get("event") not in OWN
        ]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Every line of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def audit_log(file: AuditFile) -> AuditLog:
    return AuditLog(file, Clock(), Redactor((HELD,)).text)


def row(number: int, size: int = 40) -> bytes:
    """The body of a row."""
    text = {"time": "2026-01-31T00:00:00.000+00:00", "event": "grant", "n": number, "x": "y" * size}
    return json.dumps(text, separators=(",", ":")).encode()


def writer(path: Path, seal: Seal | None = KEY, limits: Limits | None = None) -> Writer:
    return Writer(str(path), seal, "c0ffee", limits or Limits(), Clock())


def write(path: Path, count: int, **more: Any) -> None:
    """So many rows, each with a commit of its own."""
    made = writer(path, **more)
    made.commit([])
    for number in range(count):
        made.commit([row(number)])
    made.close()


def checked(path: Path, key: Seal | None = KEY) -> Report:
    return verify(str(path), key, key.public_key(PURPOSE) if key else None)


def copy(path: Path, name: str) -> Path:
    """The same log in another folder."""
    folder = path.parent / name
    folder.mkdir()
    for each in path.parent.glob(f"{path.name}*"):
        shutil.copy(each, folder)
    return folder / path.name
