"""What is stopped ends, and only that; only an operator lets it go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import Start, containers
from desks import Bench
from doubles import AGENT, CLIENT, OPERATOR
from wire import until, until_done

from proxy.actions import Action, Forward, Halt, Message, Operate, Relay, ToolCall
from proxy.exchange import Principal, Role
from proxy.reasons import Reason
from proxy.running import Ended
from proxy.state.approvals import Stop, StopKind
from proxy.values import Headers

RELAY = Relay("POST", "/", Headers(), b"")
SHELL, READ = ToolCall("shell", {"command": "ls"}), ToolCall("file_read", {"path": "a"})
SOMEBODY = Principal("anonymous 10.0.0.1", Role.CLIENT)
CALLS: dict[str, tuple[Principal, Action | None]] = {
    "shell": (CLIENT, SHELL),
    "read": (CLIENT, READ),
    "message": (CLIENT, Message(RELAY)),
    "route": (CLIENT, Forward(RELAY)),
    "agent's": (AGENT, SHELL),
    "judged": (CLIENT, None),
    "operator's": (OPERATOR, Operate("approvals.events")),
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    for name, (principal, action) in CALLS.items():
        await made.call(name, principal, action)
    yield made
    await made.aclose()


async def ended(bench: Bench) -> set[str]:
    await asyncio.sleep(0.01)
    assert set(bench.ends.values()) <= {Ended.STOPPED}
    return set(bench.ends)


@pytest.mark.parametrize(
    ("halt", "expected"),
    [
        (None, {"shell", "read", "message", "route", "agent's"}),
        (Halt(), {"shell", "read", "message", "route", "agent's"}),
        (Halt(tool="shell"), {"shell", "agent's"}),
        (Halt(tool="file_*"), {"read"}),
        (Halt(tool="*_read"), {"read"}),
        (Halt(tool="file"), set()),
        (Halt(principal=AGENT.id), {"agent's"}),
        (Halt(principal=CLIENT.id), {"shell", "read", "message", "route"}),
        (Halt(principal="nobody"), set()),
    ],
    ids=lambda value: "" if isinstance(value, set) else repr(value),
)
async def test_what_runs_under_a_stop_ends_at_once_and_nothing_else(
    bench: Bench, halt: Halt | None, expected: set[str]
) -> None:
    """Not what operators do, or nobody could resume; what is not granted yet is judged anyway."""
    await bench.do("stops.add", "", halt)

    assert await ended(bench) == expected


async def test_a_stop_says_what_whose_and_why(bench: Bench) -> None:
    made = await bench.do("stops.add", "", Halt(tool="shell", why="it runs wild"))

    told = {"stopped": made["stopped"], "kind": "tool", "target": "shell", "known": True}
    assert made == told
    answer = await bench.do("stops.list")
    assert answer == {
        "stops": [
            {
                "id": made["stopped"],
                "kind": "tool",
                "target": "shell",
                "why": "it runs wild",
                "stopped_by": OPERATOR.id,
                "since": bench.clock(),
                "expires": None,
            }
        ],
        "file": False,
    }
    assert await bench.stops.refusal(SHELL, CLIENT) is not None
    assert await bench.stops.refusal(READ, CLIENT) is None


@pytest.mark.parametrize(
    ("halt", "known"),
    [
        (Halt(), True),
        (Halt(tool="shell"), True),
        (Halt(tool="file_w*"), True),
        (Halt(tool="sell"), False),
        (Halt(tool="github.*"), False),
        (Halt(principal=AGENT.id), True),
        (Halt(principal="c0ffee00"), False),
    ],
    ids=repr,
)
async def test_what_is_not_known_is_stopped_all_the_same_and_said(
    bench: Bench, halt: Halt, *, known: bool
) -> None:
    made = await bench.do("stops.add", "", halt)

    assert made["known"] is known
    assert [row["id"] for row in (await bench.do("stops.list"))["stops"]] == [made["stopped"]]


async def test_to_stop_again_is_no_second_stop(bench: Bench) -> None:
    first = await bench.do("stops.add", "", Halt())
    again = await bench.do("stops.add", "", Halt(why="once more"))
    other = await bench.do("stops.add", "", Halt(tool="shell"))

    assert again == first
    assert len({first["stopped"], other["stopped"]}) == 2
    assert len((await bench.do("stops.list"))["stops"]) == 2


async def test_a_stop_that_is_lifted_is_over(bench: Bench) -> None:
    made = await bench.do("stops.add", "", Halt())
    other = await bench.do("stops.add", "", Halt(tool="shell"))

    assert await bench.do("stops.lift", made["stopped"]) == {
        "lifted": [made["stopped"]],
        "file": False,
    }
    assert await bench.do("stops.lift", made["stopped"]) is Reason.OPERATION_UNKNOWN
    assert [row["id"] for row in (await bench.do("stops.list"))["stops"]] == [other["stopped"]]


async def test_resume_lifts_what_operators_stopped_and_nothing_else(bench: Bench) -> None:
    now = bench.clock()
    loop = Stop("s_loop", StopKind.CALL, "digest", "denied", "sidegate", now, now + 60)
    await bench.store.stops.add(loop, now)
    made = [
        (await bench.do("stops.add", "", halt))["stopped"]
        for halt in (Halt(), Halt(tool="shell"), Halt(principal="agent"))
    ]

    answer = await bench.do("stops.resume")

    assert sorted(answer["lifted"]) == sorted(made)
    assert [row["id"] for row in (await bench.do("stops.list"))["stops"]] == ["s_loop"]
    assert await bench.do("stops.resume") == {"lifted": [], "file": False}


@pytest.mark.parametrize("verb", ["stops.list", "stops.resume"])
async def test_the_file_is_told_and_no_command_removes_it(bench: Bench, verb: str) -> None:
    bench.file.touch()

    assert (await bench.do(verb))["file"] is True
    assert bench.file.exists()


async def test_where_the_state_is_away_what_runs_is_stopped_all_the_same(bench: Bench) -> None:
    await bench.store.aclose()

    with pytest.raises(OSError, match="closed"):
        await bench.do("stops.add", "", Halt())

    assert await ended(bench) == {"shell", "read", "message", "route", "agent's"}


@pytest.mark.parametrize("how", ["another replica", "the file"])
async def test_what_is_stopped_elsewhere_ends_here(bench: Bench, how: str) -> None:
    keeping = asyncio.create_task(bench.desk.halts.enforce(0.01))
    if how == "the file":
        bench.file.touch()
    else:
        stop = Stop("s_1", StopKind.ALL, "", "", "uid-0", bench.clock())
        await bench.store.stops.add(stop, bench.clock())

    await until(lambda: len(bench.ends) == 5)

    assert await ended(bench) == {"shell", "read", "message", "route", "agent's"}
    keeping.cancel()
    await asyncio.wait({keeping})


async def test_while_the_state_is_away_it_is_looked_at_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.store.aclose()
    keeping = asyncio.create_task(bench.desk.halts.enforce(0.01))
    await bench.call("shell", CLIENT, SHELL)
    await asyncio.sleep(0.05)
    assert not keeping.done()

    bench.file.touch()

    await until(lambda: bench.ends == {"shell": Ended.STOPPED})
    keeping.cancel()
    await asyncio.wait({keeping})


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("halt", [{}, {"tool": "shell"}], ids=str)
async def test_a_sandbox_that_runs_is_killed(start: Start, halt: dict[str, str]) -> None:
    sidegate = await start()
    owner = sidegate.app.operations.store.instance
    token = await sidegate.pair()
    call = asyncio.create_task(sidegate.call("shell", {"command": "sleep 50"}, token))
    await until_done(lambda: containers(owner))

    await sidegate.app.operations.do(Operate("stops.add", "", Halt(**halt)), "uid-0")

    await until_done(lambda: gone(owner))
    status, answer = await call
    assert (status, answer["code"]) == (503, "stopped-by-operator")


async def gone(owner: str) -> bool:
    return not await containers(owner)
