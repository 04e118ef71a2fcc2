"""Files that are whole, and on the disk before they count."""

import os
from pathlib import Path

import pytest

from proxy.durable import create, flush_folder, replace


def test_a_new_file_is_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"

    create(str(path), b"text")

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"text", 0o600)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        create(str(path), b"new")

    assert path.read_bytes() == b"old"


def test_a_file_is_replaced_whatever_an_earlier_attempt_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / "file.new").write_bytes(b"half")

    replace(str(path), b"new")

    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_what_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()

    with pytest.raises(OSError, match="directory"):
        replace(str(tmp_path / "file"), b"new")

    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_is_none_cannot_be_flushed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        flush_folder(str(tmp_path / "none" / "file"))
