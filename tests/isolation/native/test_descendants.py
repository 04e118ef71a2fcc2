"""Real bombs: programs that fork as fast as they can, and get away as they do."""

import pytest
from natives import ROOT, followed, new_place, processes

from proxy.actions import Command
from proxy.isolation.native.levels import Level
from proxy.isolation.native.runtime import NativeRuntime

BOMBS = {
    "each forks": """
while True:
    try: os.fork()
    except OSError: pass
""",
    "each in a session of its own": """
while True:
    try:
        if os.fork() == 0: os.setsid()
    except OSError: pass
""",
    "none is there for long": """
if os.fork(): time.sleep(30)
while True:
    try:
        if os.fork(): os._exit(0)
        os.setsid()
    except OSError: pass
""",
    "threads fork": """
import threading
def forks():
    while True:
        try: os.fork()
        except OSError: pass
for _ in range(4): threading.Thread(target=forks).start()
""",
}


@pytest.mark.parametrize("level", [Level.BWRAP, *([Level.USER] if ROOT else [])])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_all_are_killed_in_a_moment(level: Level, bomb: str) -> None:
    argv = ("/usr/bin/python3", "-c", f"import os, time\n{bomb}", "a-bomb-of-tests")
    with new_place(max_processes=60) as place, place.ground() as ground:
        runtime = NativeRuntime(level, ground, "bombs")
        done = await followed(runtime, Command(argv, 0.7, writes=False))
        await runtime.aclose()

    assert done.result == "timeout"
    assert processes(b"a-bomb-of-tests\0") == set()
