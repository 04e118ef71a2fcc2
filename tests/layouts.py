"""The files that a labelled path case needs, and what it asks for."""

import os
import shutil
from pathlib import Path
from typing import Any

CANARY = "CANARY-OUTSIDE"


def prepared(machine: Path, row: dict[str, Any]) -> str:
    """Make `workspace` and `outside` in `machine` as a case has them; the path that it asks for.

    A workspace that is there already is emptied, and stays the folder that it is.
    """
    workspace, outside = machine / "workspace", machine / "outside"
    for folder in (workspace, outside):
        folder.mkdir(parents=True, exist_ok=True)
        empty(folder)
    (outside / "secret.txt").write_text(CANARY)
    for step in row["setup"]:
        path = workspace / filled(machine, step["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        match step["op"]:
            case "file":
                path.write_text(step["content"])
            case "dir":
                path.mkdir(exist_ok=True)
            case "symlink":
                path.symlink_to(filled(machine, step["target"]))
            case _:
                raise AssertionError(step)
    return filled(machine, row["path"])


def filled(machine: Path, text: str) -> str:
    """A text of a case with its marks replaced."""
    marks = {
        "{{WS}}": str(machine / "workspace"),
        "{{OUT}}": str(machine / "outside"),
        "{{WSNAME}}": "workspace",
        "{{OUTNAME}}": "outside",
    }
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text


def empty(folder: Path) -> None:
    """Remove what is in a folder."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def is_untouched(machine: Path) -> bool:
    """Whether beside the workspace all is as it was."""
    outside = machine / "outside"
    return os.listdir(outside) == ["secret.txt"] and (outside / "secret.txt").read_text() == CANARY


def met(row: dict[str, Any], verdict: str) -> bool:
    """Whether a verdict is the one that the case is labelled with, or any will do."""
    return row["expect"] in (verdict, "contained")
