"""Whose a sandbox's processes and files are."""

import os

import pytest

from proxy.isolation.owner import NOBODY, Owner


def status(uid: int, gid: int) -> os.stat_result:
    """That of a file of theirs, in the order of stat(2) as Python has it."""
    return os.stat_result((0o100644, 1, 1, 1, uid, gid, 0, 0, 0, 0))


def test_the_owner_of_a_file_is_its_user_and_group() -> None:
    assert Owner.of(status(1234, 2345)) == Owner(1234, 2345)


@pytest.mark.parametrize("ids", [(0, 0), (5, 0), (0, 5)])
def test_neither_root_nor_its_group_is_an_owner(ids: tuple[int, int]) -> None:
    assert Owner.of(status(*ids)) == NOBODY


def test_nobody_is_not_root() -> None:
    assert NOBODY.uid
    assert NOBODY.gid


def test_it_is_written_as_engines_read_it_and_read_as_it_is_written() -> None:
    assert str(Owner(1000, 1001)) == "1000:1001"
    assert Owner.parse("1000:1001") == Owner(1000, 1001)
