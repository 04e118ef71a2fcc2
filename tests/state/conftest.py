from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a state may be, in a folder of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "sidegate.db"
