"""Probes of this machine, and of programs in bubblewrap's place that do not confine."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from natives import OWNER, ROOT, Place, new_place

from proxy.actions import Command
from proxy.config.runtime import NativeConfig
from proxy.isolation.native.levels import Ground, Level
from proxy.isolation.native.probe import Finding, probe

WEAKER = Level.USER if ROOT else Level.UNCONFINED
# They run the command as it stands, and say what bubblewrap says.
TELLS = """#!/bin/sh
control=$(tr '\\0' '\\n' < /proc/self/fd/$2 | grep -A1 json-status-fd | tail -n 1)
echo '{"exit-code": 0}' >&"$control"
shift 3
"""
FAKES = {
    "starts nothing": "#!/bin/sh\nexit 0\n",
    "fails": "#!/bin/sh\necho no namespaces here >&2; exit 1\n",
    "does not confine": f'{TELLS}exec "$@"\n',
    "confines a little": f'{TELLS}exec setpriv --no-new-privs -- unshare -Un -- "$@"\n',
    "says nothing": '#!/bin/sh\nshift 3\nexec "$@"\n',
}

_NOTHING = Command(("true",), 1.0, writes=False)


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as made:
        yield made


@pytest.fixture
def ground(place: Place) -> Iterator[Ground]:
    with place.ground() as made:
        yield made


def fake(place: Place, text: str) -> str:
    program = Path(place.base, "bwrap")
    program.write_text(text)
    program.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    return str(program)


async def test_a_sandbox_that_holds_is_found(place: Place, ground: Ground) -> None:
    assert await probe(ground, (place.state,)) == Finding(Level.BWRAP)


async def test_the_workspace_is_left_as_it_was(place: Place, ground: Ground) -> None:
    await probe(ground, (place.state,))

    assert os.listdir(place.workspace) == []


@pytest.mark.parametrize("text", FAKES.values(), ids=FAKES)
async def test_a_program_that_does_not_confine_is_refused(
    place: Place, ground: Ground, text: str
) -> None:
    tools = replace(ground.tools, bwrap=fake(place, text))
    found = await probe(replace(ground, tools=tools), (place.state,))

    assert found.level is WEAKER
    assert found.why.startswith("bwrap: ")


async def test_without_bubblewrap_the_next_level_is_found(place: Place, ground: Ground) -> None:
    section = ground.section
    bare = Ground.here(section, ground.folder, OWNER, path=str(Path(ground.tools.prlimit).parent))
    bare = replace(bare, tools=replace(bare.tools, bwrap=None))
    found = await probe(bare, (place.state,))

    assert found.level is WEAKER
    assert "there is no program of that name" in found.why


async def test_no_level_is_an_error_that_says_why(place: Place, ground: Ground) -> None:
    """As for one who is not root, without bubblewrap, and who has not asked for less."""
    nothing = replace(
        ground,
        owner=None,
        tools=replace(ground.tools, bwrap=None),
        section=NativeConfig(allow_unconfined=False),
    )
    with pytest.raises(OSError, match="allow_unconfined is false"):
        await probe(nothing, (place.state,))


async def test_what_must_be_hidden_and_is_not_refuses_every_level(
    place: Place, ground: Ground
) -> None:
    """A state folder within the workspace, or among the system's programs."""
    key = Path(place.workspace, "key")
    key.touch(mode=0o644)
    bounded = replace(ground, section=NativeConfig())
    with pytest.raises(OSError, match=f"opens {key}"):
        await probe(bounded, (str(key),))


async def test_the_last_level_is_never_roots(ground: Ground) -> None:
    tools = replace(ground.tools, bwrap=None)
    if ROOT:
        with pytest.raises(OSError, match="unconfined: never as root"):
            await probe(replace(ground, tools=tools), ("/etc/passwd",))


def test_programs_are_looked_for_in_the_given_path(place: Place) -> None:
    with pytest.raises(FileNotFoundError, match="prlimit"):
        Ground.here(NativeConfig(), None, OWNER, path=place.base)


@pytest.mark.parametrize("hidden", [True, False])
async def test_who_is_not_root_may_ask_for_the_last_level(place: Place, *, hidden: bool) -> None:
    """It holds as the others do, or is refused as they are."""
    open_to_all = os.path.join(place.base, "open")
    Path(open_to_all).touch(mode=0o644)
    own = open_to_all if hidden else "/usr/bin/env"
    program = await place.sidegate(Level.UNCONFINED, _NOTHING, hidden=[own])
    out, err = await program.communicate()

    if hidden:
        assert out == b"unconfined", err.decode()
    else:
        assert b"unconfined: a command opens /usr/bin/env" in err


async def test_what_is_yet_to_be_made_among_the_programs_is_refused(place: Place) -> None:
    """At the first start there is no state folder that a command could open."""
    later = "/usr/local/lib/sidegate-to-come/key"
    program = await place.sidegate(Level.UNCONFINED, _NOTHING, hidden=[later])
    _, err = await program.communicate()

    assert f"unconfined: a command would open {later}".encode() in err


@pytest.mark.skipif(not ROOT, reason="for root alone")
async def test_root_that_may_not_end_others_starts_none(place: Place) -> None:
    less = ("setpriv", "--inh-caps=-kill", "--bounding-set=-kill", "--")
    program = await place.sidegate(Level.USER, _NOTHING, hidden=[place.state], by=less)
    _, err = await program.communicate()

    assert b"user: Sidegate is root without CAP_KILL" in err
