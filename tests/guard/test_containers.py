"""Whose container it is."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from guarding import FOREIGN, MADE, NAME, OURS, RULES, FakeEngine, answer, serving
from wire import until

from proxy.guard.containers import CROWDED, TAKEN, UNKNOWN, Containers
from proxy.guard.engine import Engine

OTHER = f"sidegate-{'2' * 32}"
CREATED = answer("201 Created", {"Id": MADE})


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    double = FakeEngine()
    async with serving(double, str(tmp_path / "engine.sock")):
        yield double


@pytest.fixture
def containers(tmp_path: Path, engine: FakeEngine) -> Containers:
    assert engine.seen == []
    return Containers(Engine(str(tmp_path / "engine.sock")), RULES)


async def test_those_of_an_earlier_guard_are_found(
    containers: Containers, engine: FakeEngine
) -> None:
    assert await containers.find(OURS) == OURS
    assert await containers.find(NAME) == OURS
    assert len(engine.seen) == 1
    assert "sidegate.guard%3Dours" in engine.seen[0].line


async def test_those_of_others_are_not(containers: Containers) -> None:
    assert await containers.find(FOREIGN) == UNKNOWN
    assert await containers.find(OTHER) == UNKNOWN


async def test_what_has_no_name_of_sidegates_form_is_nobodys_whatever_its_labels(
    containers: Containers, engine: FakeEngine
) -> None:
    """A label may come with an image that somebody else started."""
    engine.listed = [{"Id": OURS, "Names": ["/database"]}, {"Id": MADE, "Names": None}, {}]

    assert await containers.find("database") == UNKNOWN
    assert await containers.find(OURS) == UNKNOWN
    assert await containers.find(MADE) == UNKNOWN


async def test_what_was_created_is_known(containers: Containers, engine: FakeEngine) -> None:
    async with containers.creating(OTHER) as refusal:
        assert refusal is None
        containers.learn(CREATED, OTHER)

    assert await containers.find(MADE) == MADE
    assert await containers.find(OTHER) == MADE
    assert engine.seen == []


@pytest.mark.parametrize(
    "reply",
    [
        answer("409 Conflict", {"Id": MADE}),
        answer("200 OK", {"Id": MADE}),
        answer("201 Created", {"Id": MADE[:12]}),
        answer("201 Created"),
        b"",
    ],
    ids=["conflict", "another status", "a short id", "no id", "nothing"],
)
async def test_what_was_not_created_is_not_known(containers: Containers, reply: bytes) -> None:
    """A name that is another's already would else become ours by asking for it."""
    async with containers.creating(OTHER):
        containers.learn(reply, OTHER)

    assert await containers.find(OTHER) == UNKNOWN
    assert await containers.find(MADE) == UNKNOWN


async def test_who_asks_for_a_name_waits_while_it_is_created(containers: Containers) -> None:
    async with containers.creating(OTHER):
        asking = asyncio.create_task(containers.find(OTHER))
        await asyncio.sleep(0)
        assert not asking.done()
        async with containers.creating(OTHER) as refusal:
            assert refusal == TAKEN
        assert not asking.done()
        containers.learn(CREATED, OTHER)

    assert await asking == MADE


async def test_there_are_no_more_than_the_configuration_needs(
    containers: Containers, engine: FakeEngine
) -> None:
    engine.listed = [
        {"Id": str(number) * 64, "Names": [f"/sidegate-{number:032x}"]}
        for number in range(RULES.containers)
    ]
    await containers.refresh()

    async with containers.creating(OTHER) as refusal:
        assert refusal == CROWDED

    engine.listed.pop()
    async with containers.creating(OTHER) as refusal:
        assert refusal is None
        async with containers.creating(None) as another:
            assert another == CROWDED


async def test_one_that_is_gone_makes_room_without_being_told(
    containers: Containers, engine: FakeEngine
) -> None:
    for number in range(20):
        name, made = f"sidegate-{number:032x}", f"{number:064x}"
        async with containers.creating(name) as refusal:
            assert refusal is None
            containers.learn(answer("201 Created", {"Id": made}), name)
        engine.listed = [{"Id": made, "Names": [f"/{name}"]}]

    assert len(engine.seen) < 20


async def test_an_engine_that_makes_no_sense_is_an_error(
    containers: Containers, engine: FakeEngine
) -> None:
    engine.answers["GET /containers/json"] = answer("200 OK", {})

    with pytest.raises(OSError, match="makes no sense"):
        await containers.find(OURS)
    await until(lambda: engine.seen)
