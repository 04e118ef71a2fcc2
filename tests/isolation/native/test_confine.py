"""In a process of the test's own, since it is for good. What commands meet is in test_runtime."""

import os
from pathlib import Path

import pytest
from natives import LIBRARY_SIGNALS, OWNER, ROOT

from proxy.isolation.native.confine import adopt_orphans, confine, hide
from proxy.isolation.native.order import Order

pytestmark = pytest.mark.filterwarnings("ignore:.*fork")


def status(order: Order, parent: int) -> dict[str, str]:
    """What the kernel says of a process that is confined so; nothing where it failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            confine(order, parent)
            os.write(writing, Path("/proc/self/status").read_bytes())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading) as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.strip() for name, _, value in pairs}


def test_no_privilege_is_gained_any_more() -> None:
    assert status(Order(argv=[], env={}), os.getpid())["NoNewPrivs"] == "1"


def test_python_ignores_no_signal_for_the_command() -> None:
    ignored = int(status(Order(argv=[], env={}), os.getpid())["SigIgn"], 16)

    assert ignored & ~LIBRARY_SIGNALS == 0


@pytest.mark.skipif(not ROOT, reason="only root becomes another user")
def test_another_user_is_become_wholly() -> None:
    said = status(Order(argv=[], env={}, ids=(OWNER.uid, OWNER.gid)), os.getpid())

    assert said["Uid"].split() == [str(OWNER.uid)] * 4
    assert said["Gid"].split() == [str(OWNER.gid)] * 4
    assert said["Groups"] == ""
    assert int(said["CapEff"], 16) == 0


def test_one_whose_supervisor_is_gone_goes_no_further() -> None:
    assert status(Order(argv=[], env={}), 1) == {}


def test_this_process_can_be_hidden_and_made_a_parent_of_orphans() -> None:
    child = os.fork()
    if child == 0:
        adopt_orphans()
        hide()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
