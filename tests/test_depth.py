"""Defence in depth, shown: each layer is taken out, and the attacks are made again.

The table that comes of it stands in docs/threat-model.md, and must be the one found here.
"""

import asyncio
import dataclasses
import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Sidegate, Start
from doubles import CLIENT, GATEWAY, BytesBody, Spy, grant, inbound

from proxy.actions import Command, FileRead, OpenPath, ToolCall
from proxy.decision import Allow, Decision, Denied
from proxy.exchange import Clean, Document, Grant, Inbound, Peer, Principal, Raw
from proxy.pipeline import Pipeline
from proxy.protocols.rest import ToolCodec
from proxy.reasons import Layer
from proxy.routes import match
from proxy.trace import Trace

CANARY = "CANARY-4f1d"
SECRET = "upstream-credential-7c3b9e"
PAGE = Path(__file__).parent.parent / "docs" / "threat-model.md"


@dataclass(frozen=True)
class Attack:
    """What is asked, by whom, and what must not be in the answer."""

    name: str
    tool: str
    arguments: dict[str, str]
    harm: str
    host: str = "localhost"
    paired: bool = True


ATTACKS = (
    Attack(
        "a web page reaches loopback under a name of its own",
        "file_read", {"path": "inside.txt"}, "INSIDE", host="rebound.example", paired=False,
    ),
    Attack(
        "a stranger without a token reads beside the workspace",
        "shell", {"command": "cat ../canary.txt"}, CANARY, paired=False,
    ),
    Attack(
        "a command reads beside the workspace", "shell", {"command": "cat ../canary.txt"}, CANARY
    ),
    Attack(
        "a command follows a link out of the workspace", "shell", {"command": "cat link"}, CANARY
    ),
    Attack(
        "a file tool follows a link out of the workspace", "file_read", {"path": "link"}, CANARY
    ),
    Attack("a program that is not listed reads the machine", "shell",
        {"command": "head -n 1 CANARY_FILE"}, CANARY),
    Attack("a command prints a credential of Sidegate's", "shell",
        {"command": f"echo {SECRET}"}, SECRET),
)  # fmt: skip


class NoNetwork:
    async def admit(self, inbound: Inbound) -> Decision[Peer]:
        return Allow(Peer("anybody"))


class NoAuthentication:
    async def authenticate(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        return Allow(CLIENT)


@dataclass
class NoAuthorization:
    """Whatever is asked, as it is spelled."""

    workspace: Path

    async def authorize(self, inbound: Inbound, principal: Principal) -> Decision[Grant]:
        call = await ToolCodec().parse(inbound)
        assert isinstance(call, ToolCall)
        if call.tool == "shell":
            argv = tuple(shlex.split(str(call.arguments["command"])))
            return Allow(replace(grant(Command(argv, seconds=20, writes=True)), action=call))
        file = os.open(self.workspace / str(call.arguments["path"]), os.O_RDONLY)
        return Allow(grant(FileRead(OpenPath(file))))


@dataclass
class NoIsolation:
    """The machine itself."""

    workspace: Path

    async def execute(self, grant: Grant) -> Decision[Raw]:
        if isinstance(grant.plan, FileRead):
            data = os.read(grant.plan.file.descriptor, 4096)
            return Allow(Raw(grant, Document(data.decode())))
        assert isinstance(grant.plan, Command)
        process = await asyncio.create_subprocess_exec(
            *grant.plan.argv, cwd=self.workspace, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        return Allow(Raw(grant, Document(output.decode())))


class NoProtection:
    async def redact(self, raw: Raw) -> Decision[Clean]:
        return Allow(Clean(raw.content))


def without(pipeline: Pipeline, layer: Layer | None, workspace: Path) -> Pipeline:
    """The pipeline with one layer replaced by one that lets everything pass."""
    stubs: dict[Layer, dict[str, Any]] = {
        Layer.NETWORK: {"ingress": NoNetwork()},
        Layer.AUTHENTICATION: {"authenticator": NoAuthentication()},
        Layer.AUTHORIZATION: {"authorizer": NoAuthorization(workspace)},
        Layer.ISOLATION: {"executor": NoIsolation(workspace)},
        Layer.PROTECTION: {"redactor": NoProtection()},
    }
    return dataclasses.replace(pipeline, **stubs[layer]) if layer else pipeline


async def attempt(sidegate: Sidegate, pipeline: Pipeline, attack: Attack, token: str) -> str:
    """Who stopped the attack: a layer, "isolation" where it found nothing, or "nobody"."""
    headers = {"Host": attack.host, "Content-Type": "application/json"}
    if attack.paired:
        headers["Authorization"] = f"Bearer {token}"
    path = f"/tools/{attack.tool}"
    route, capture = match(sidegate.app.tables["gateway"], "POST", path)
    request = inbound(route, method="POST", path=path, headers=headers, capture=capture)
    canary = str(sidegate.workspace.parent / "canary.txt")
    body = json.dumps({"arguments": attack.arguments}).replace("CANARY_FILE", canary).encode()
    request = dataclasses.replace(request, body=BytesBody(body), listener=GATEWAY)
    trace = Trace(request, (Spy(),))
    try:
        clean = await pipeline.handle(request, trace)
    except Denied as denied:
        return denied.layer.value
    finally:
        await trace.close(200)
    assert isinstance(clean.content, Document)
    if attack.harm in str(clean.content.value):
        return "**nobody**"
    return "protection" if clean.tally else "isolation"


def table(found: dict[str, list[str]]) -> Iterator[str]:
    yield "| attack | all layers | " + " | ".join(f"without {layer}" for layer in Layer) + " |"
    yield "| --- " * (len(Layer) + 2) + "|"
    for attack, stoppers in found.items():
        yield f"| {attack} | " + " | ".join(stoppers) + " |"


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("engine")
async def test_where_one_layer_is_bypassed_the_next_still_holds(start: Start) -> None:
    sidegate = await start({"upstream": {"headers": {"X-Key": SECRET}}})
    (sidegate.workspace.parent / "canary.txt").write_text(CANARY)
    (sidegate.workspace / "inside.txt").write_text("INSIDE")
    (sidegate.workspace / "link").symlink_to(sidegate.workspace.parent / "canary.txt")
    token = await sidegate.pair()

    found = {
        attack.name: [
            await attempt(
                sidegate,
                without(sidegate.app.server.pipeline, layer, sidegate.workspace),
                attack,
                token,
            )
            for layer in (None, *Layer)
        ]
        for attack in ATTACKS
    }

    assert all(stoppers[0] != "**nobody**" for stoppers in found.values())
    assert "\n".join(table(found)) in PAGE.read_text(), "\n".join(table(found))
