import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kernel import open_files

from proxy.state.owner import Ownership

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import sys, time; from proxy.state.owner import Ownership;"
    "ownership = Ownership(sys.argv[1]); print('mine', flush=True); time.sleep(60)"
)


@contextmanager
def another_process(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that owns the folder; killed at the end."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "mine\n"
            yield process
        finally:
            process.kill()


def assert_is_taken(folder: Path) -> None:
    with pytest.raises(OSError, match=f"the state in {folder} is in use by another sidegate"):
        Ownership(str(folder))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_second_owner_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    first = Ownership(str(tmp_path))

    assert_is_taken(tmp_path)
    first.release()


def test_refusal_leaves_no_descriptor_open(tmp_path: Path) -> None:
    first = Ownership(str(tmp_path))
    assert_is_taken(tmp_path)
    first.release()

    assert not [file for file in open_files() if file.startswith(str(tmp_path))]


def test_released_folder_may_be_taken_again(tmp_path: Path) -> None:
    Ownership(str(tmp_path)).release()
    Ownership(str(tmp_path)).release()


def test_lock_file_stays_so_that_two_never_lock_different_files(tmp_path: Path) -> None:
    first = Ownership(str(tmp_path))
    before = (tmp_path / "sidegate.lock").stat().st_ino
    first.release()

    assert (tmp_path / "sidegate.lock").stat().st_ino == before


def test_another_process_is_refused_and_refuses_us(tmp_path: Path) -> None:
    with another_process(tmp_path):
        assert_is_taken(tmp_path)


def test_death_of_the_owner_frees_the_folder(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

        Ownership(str(tmp_path)).release()


def test_lock_is_not_inherited_by_programs_that_are_started(tmp_path: Path) -> None:
    ownership = Ownership(str(tmp_path))
    with subprocess.Popen(["sleep", "60"], close_fds=False) as helper:
        ownership.release()
        try:
            Ownership(str(tmp_path)).release()
        finally:
            helper.kill()


def test_folders_are_independent(tmp_path: Path) -> None:
    first, second = Ownership(str(tmp_path / "a")), Ownership(str(tmp_path / "b"))

    first.release()
    second.release()


def test_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    Ownership(str(folder)).release()

    assert mode(folder) == 0o700
    assert mode(folder / "sidegate.lock") == 0o600


@pytest.mark.parametrize(
    ("folder", "error"),
    [
        pytest.param("file", FileExistsError, id="a file where the folder should be"),
        pytest.param("file/state", NotADirectoryError, id="beneath a file"),
    ],
)
def test_folder_that_cannot_be_is_an_os_error(
    folder: str, error: type[OSError], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(error):
        Ownership(str(tmp_path / folder))


@pytest.mark.parametrize("bits", [0o700, 0o750, 0o755])
def test_folder_that_others_may_only_read_is_taken(bits: int, tmp_path: Path) -> None:
    tmp_path.chmod(bits)

    Ownership(str(tmp_path)).release()


@pytest.mark.parametrize("bits", [0o720, 0o702, 0o770, 0o777, 0o1777])
def test_folder_that_others_may_write_to_is_refused(bits: int, tmp_path: Path) -> None:
    """They could put a database or a socket of their own in place of ours."""
    tmp_path.chmod(bits)

    with pytest.raises(OSError, match=f"others may write to the state folder {tmp_path}"):
        Ownership(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Only root can make one to see it, so this proves nothing for anybody else."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        with pytest.raises(OSError, match="others may write"):
            Ownership(str(tmp_path))
        os.chown(tmp_path, 0, 0)

    Ownership(str(tmp_path)).release()
