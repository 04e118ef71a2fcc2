"""What becomes of each message on OpenClaw's WebSocket."""

import json

import pytest

from proxy.duplex import Answered, Closing, Passed
from proxy.protocols.openclaw.guard import MethodGuard


def frame(method: str, **params: object) -> str:
    return json.dumps({"type": "req", "id": "1", "method": method, "params": params})


def connected(*, reads: bool = False, also: tuple[str, ...] = ()) -> MethodGuard:
    guard = MethodGuard(("operator.read",), also, reads=reads)
    assert isinstance(guard.up(frame("connect")), Passed)
    return guard


def test_what_is_allowed_goes_on_as_it_came() -> None:
    text = frame("chat.send", message="hi")
    assert connected().up(text) == Passed(text)


@pytest.mark.parametrize(
    "method", ["config.get", "exec.approval.resolve", "connect", "tools.invoke"]
)
def test_what_is_not_is_answered_here(method: str) -> None:
    heard = connected().up(frame(method))
    assert isinstance(heard, Answered)
    said = json.loads(heard.message)
    assert (said["type"], said["id"], said["ok"]) == ("res", "1", False)


@pytest.mark.parametrize("method", ["chat.send", "agent", "sessions.send", "tts.speak"])
def test_who_only_reads_starts_no_turn(method: str) -> None:
    guard = connected(reads=True, also=("tts.speak",))
    heard = guard.up(frame(method))
    assert isinstance(heard, Answered)
    assert "scope" in json.loads(heard.message)["error"]["message"]
    assert isinstance(guard.up(frame("chat.history")), Passed)


@pytest.mark.parametrize("first", ["health", "chat.send"])
def test_nothing_comes_before_connect(first: str) -> None:
    assert isinstance(MethodGuard((), (), reads=False).up(frame(first)), Closing)


@pytest.mark.parametrize("message", [b"{}", "{", "[]", frame("x") * 2])
def test_what_is_no_frame_ends_the_connection(message: str | bytes) -> None:
    assert isinstance(connected().up(message), Closing)


def test_the_first_frame_is_small() -> None:
    guard = MethodGuard((), (), reads=False)
    assert isinstance(guard.up(frame("connect", locale="x" * (64 << 10))), Closing)
