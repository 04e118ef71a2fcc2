"""The head: it is there whole or not at all, and nobody else can write one."""

from pathlib import Path

import pytest
from auditing import KEY

from proxy.audit.chain import NOTHING, Link
from proxy.audit.head import Head, name_of, read
from proxy.seal import Seal

LINK = NOTHING.next(b"{}")[1]


def written(folder: Path, *links: Link) -> Path:
    path = folder / "audit.jsonl.head"
    head = Head(str(path), KEY)
    for link in links:
        head.write(link)
    head.close()
    return path


def test_it_stands_beside_the_log() -> None:
    assert name_of("/state/audit.jsonl") == "/state/audit.jsonl.head"


def test_it_says_the_last_row(tmp_path: Path) -> None:
    path = written(tmp_path, LINK, Link(7, LINK.sha256))

    assert read(str(path), KEY) == Link(7, LINK.sha256)
    assert read(str(path), None) == Link(7, LINK.sha256)
    assert path.stat().st_size == 151
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_where_there_is_none_nothing_is_known(tmp_path: Path) -> None:
    assert read(str(tmp_path / "none"), KEY) is None


def test_that_of_another_key_is_none_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not written under this master key"):
        read(str(written(tmp_path, LINK)), Seal(b"o" * 32))


def test_another_bit_anywhere_shows(tmp_path: Path) -> None:
    path = written(tmp_path, LINK)
    data = path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(ValueError, match=r"head|master key"):
            read(str(path), KEY)


@pytest.mark.parametrize("data", [b"", b"x", b"0" * 151, b"0" * 10_000])
def test_what_is_no_head_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "audit.jsonl.head"
    path.write_bytes(data)

    with pytest.raises(ValueError, match="no head"):
        read(str(path), None)


def test_what_an_earlier_attempt_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl.head.new").write_bytes(b"half")

    assert read(str(written(tmp_path, LINK)), KEY) == LINK
