"""The labelled cases beside the repository: read where they lie, never copied into it."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).parent.parent.parent / "shared" / "cases"


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of one file; skips the test where the whole folder is absent."""
    folder = Path(os.environ.get("SIDEGATE_CASES") or _BESIDE)
    if not folder.is_dir():
        pytest.skip(f"SIDEGATE_CASES: there is no folder {folder}")
    data = (folder / name).read_bytes()
    found: list[dict[str, Any]] = json.loads(gzip.decompress(data) if name[-3:] == ".gz" else data)
    return found
