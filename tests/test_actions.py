import os
from pathlib import Path

import pytest

from proxy.actions import OpenPath


def test_an_open_path_gives_its_descriptor_back(tmp_path: Path) -> None:
    path = OpenPath(os.open(tmp_path, os.O_RDONLY))

    path.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(path.descriptor)
