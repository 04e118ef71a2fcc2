"""Work that may take long."""

import threading

import pytest

from proxy.protection.apart import apart


@pytest.mark.parametrize(("size", "here"), [(0, True), (65_536, True), (65_537, False)])
async def test_much_is_done_in_a_thread(size: int, *, here: bool) -> None:
    assert (await apart(size, threading.get_ident) == threading.get_ident()) is here


async def test_what_goes_wrong_there_goes_wrong_here() -> None:
    with pytest.raises(ValueError, match="x"):
        await apart(1 << 20, int, "x")
