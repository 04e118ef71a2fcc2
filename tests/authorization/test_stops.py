"""What must not go on does not, and what cannot be read counts as stopped."""

import os
from pathlib import Path

import pytest
from consenting import ListedStops, stops
from doubles import AGENT, CLIENT, Clock

from proxy.actions import Action, Forward, Message, Relay, ToolCall
from proxy.authorization.stops import LOOP_SECONDS, MAX_DENIALS, WITHIN_SECONDS, Stops
from proxy.decision import Deny
from proxy.exchange import Principal
from proxy.reasons import Reason
from proxy.state.approvals import Stop, StopKind
from proxy.values import Headers

RELAY = Relay("POST", "/in", Headers(), b"")
LS = ToolCall("shell", {"command": "ls"})
ADD = ToolCall("ref.add", {})


def stop(kind: StopKind, target: str = "", expires: float | None = None) -> Stop:
    return Stop("s_1", kind, target, "", "uid-0", 0.0, expires)


@pytest.mark.parametrize("action", [LS, ADD, Message(RELAY), Forward(RELAY)])
async def test_a_stop_of_all_stops_whatever_is_asked(action: Action) -> None:
    refusal = await stops(ListedStops(stop(StopKind.ALL))).refusal(action, CLIENT)

    assert refusal == Deny(Reason.STOPPED_BY_OPERATOR)


@pytest.mark.parametrize(
    ("target", "action", "stopped"),
    [
        ("shell", LS, True),
        ("shell", ADD, False),
        ("ref.*", ADD, True),
        ("ref.*", LS, False),
        ("ref", ADD, False),
        ("*.add", ADD, True),
        ("r*.*d", ADD, True),
        ("*.sub", ADD, False),
        ("*", ADD, True),
        ("shell", Message(RELAY), False),
    ],
)
async def test_a_stop_of_a_tool_stops_that_tool(
    target: str, action: Action, *, stopped: bool
) -> None:
    refusal = await stops(ListedStops(stop(StopKind.TOOL, target))).refusal(action, CLIENT)

    assert (refusal is not None) == stopped


@pytest.mark.parametrize(("principal", "stopped"), [(CLIENT, True), (AGENT, False)])
async def test_a_stop_of_a_principal_stops_that_one(principal: Principal, *, stopped: bool) -> None:
    standing = stops(ListedStops(stop(StopKind.PRINCIPAL, CLIENT.id)))

    assert (await standing.refusal(LS, principal) is not None) == stopped


async def test_nothing_is_stopped_by_nothing(tmp_path: Path) -> None:
    assert await stops(file=tmp_path / "STOP").refusal(LS, CLIENT) is None


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
async def test_whatever_has_the_name_of_the_file_stops_everything(
    tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "STOP"
    match kind:
        case "file":
            file.touch(0o000)
        case "folder":
            file.mkdir()
        case _:
            file.symlink_to("nowhere")

    assert await stops(file=file).refusal(LS, CLIENT) == Deny(Reason.STOPPED_BY_OPERATOR)


async def test_a_state_folder_that_is_gone_counts_as_stopped(tmp_path: Path) -> None:
    assert await stops(file=tmp_path / "gone" / "STOP").refusal(LS, CLIENT) == Deny(
        Reason.STOPPED_BY_OPERATOR
    )


async def test_a_state_folder_that_cannot_be_read_counts_as_stopped(tmp_path: Path) -> None:
    file = Path(f"{tmp_path}/{'x' * 300}/STOP")
    with pytest.raises(OSError, match="too long"):
        os.stat(file)

    assert await stops(file=file).refusal(LS, CLIENT) == Deny(Reason.STOPPED_BY_OPERATOR)


class BrokenStops(ListedStops):
    """`Stops` that cannot be read."""

    async def list(self, now: float) -> list[Stop]:
        raise OSError


async def test_a_state_that_cannot_be_read_counts_as_stopped() -> None:
    assert await stops(BrokenStops()).refusal(LS, CLIENT) == Deny(Reason.STOPPED_BY_OPERATOR)


async def denied(guard: Stops, call: ToolCall, principal: Principal, times: int) -> None:
    for _ in range(times):
        await guard.denied(call, principal, Reason.COMMAND_NOT_ALLOWED)


async def test_a_call_that_is_denied_again_and_again_is_stopped_and_the_operator_sees_why() -> None:
    stored = ListedStops()
    guard = stops(stored)
    await denied(guard, LS, CLIENT, MAX_DENIALS - 1)
    assert await guard.refusal(LS, CLIENT) is None
    await denied(guard, LS, CLIENT, 1)

    assert await guard.refusal(LS, CLIENT) == Deny(Reason.DENIED_REPEATEDLY)
    assert await guard.refusal(LS, AGENT) is None
    assert await guard.refusal(ADD, CLIENT) is None
    assert [each.why for each in stored.stops] == [
        "client-1 was denied shell 5 times: command-not-allowed"
    ]
    assert stored.stops[0].expires == stored.stops[0].since + LOOP_SECONDS


async def test_denials_far_apart_are_no_loop() -> None:
    clock = Clock()
    guard = stops(clock=clock)
    for _ in range(2 * MAX_DENIALS):
        await denied(guard, LS, CLIENT, 1)
        clock.now += WITHIN_SECONDS / 2

    assert await guard.refusal(LS, CLIENT) is None


@pytest.mark.parametrize(
    "reason", [Reason.TOOL_RATE_LIMITED, Reason.STOPPED_BY_OPERATOR, Reason.STATE_UNAVAILABLE]
)
async def test_what_passes_by_itself_is_no_loop(reason: Reason) -> None:
    guard = stops()
    for _ in range(2 * MAX_DENIALS):
        await guard.denied(LS, CLIENT, reason)

    assert await guard.refusal(LS, CLIENT) is None


async def test_an_inner_tool_that_is_stopped_stops_the_call_through_another() -> None:
    guard = stops(ListedStops(stop(StopKind.TOOL, "gh.delete")))
    outer = ToolCall("gate.call_tool", {}, inner=("gate.call_tool", "gh.delete"))

    assert await guard.refusal(outer, CLIENT) == Deny(Reason.STOPPED_BY_OPERATOR)
    assert await guard.refusal(ToolCall("gate.call_tool", {}), CLIENT) is None


@pytest.mark.parametrize("target", ["agent", "principal:agent"])
async def test_a_machine_is_stopped_by_its_name_in_the_configuration(target: str) -> None:
    guard = stops(ListedStops(stop(StopKind.PRINCIPAL, target)))

    assert await guard.refusal(LS, AGENT) == Deny(Reason.STOPPED_BY_OPERATOR)
    assert await guard.refusal(LS, CLIENT) is None


async def test_one_principal_has_only_so_many_of_its_calls_stopped() -> None:
    """Past them its calls are denied as before; the stops of others have their room."""
    stored = ListedStops()
    guard = stops(stored)
    for number in range(60):
        await denied(guard, ToolCall("nope", {"i": number}), AGENT, MAX_DENIALS)
    await denied(guard, LS, CLIENT, MAX_DENIALS)

    assert len(stored.stops) == 51
    assert await guard.refusal(LS, CLIENT) == Deny(Reason.DENIED_REPEATEDLY)
