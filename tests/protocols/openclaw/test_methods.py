"""Which methods of OpenClaw's WebSocket a client may call."""

import pytest

from proxy.protocols.openclaw.methods import ACTING, READING, may_call

NEVER = (
    *("config.get", "config.set", "config.patch", "exec.approval.resolve", "approval.resolve"),
    *("device.pair.approve", "node.invoke", "cron.add", "update.run", "secrets.resolve"),
    *("tools.invoke", "mcp.app.callTool", "computer.invoke", "connect", "logs.tail"),
    *("sessions.companion.ask", "CHAT.SEND", "chat.send ", ""),
)


@pytest.mark.parametrize("method", sorted(READING))
def test_anybody_may_look(method: str) -> None:
    assert may_call(method, (), reads=True)


@pytest.mark.parametrize("method", sorted(ACTING))
def test_who_only_reads_starts_nothing(method: str) -> None:
    assert may_call(method, (), reads=False)
    assert not may_call(method, (), reads=True)
    assert not may_call(method, (method,), reads=True)


@pytest.mark.parametrize("method", NEVER)
def test_what_is_not_listed_is_not_open(method: str) -> None:
    assert not may_call(method, (), reads=False)


def test_what_is_configured_is_open_to_who_may_act() -> None:
    assert may_call("tts.speak", ("tts.speak",), reads=False)
    assert not may_call("tts.speak", ("tts.speak",), reads=True)
