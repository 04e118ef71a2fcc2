"""What is done to a request before it is judged."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from doubles import AGENT, CLIENT
from placing import ANOTHER, PATTERN, Rig, outgoing

from proxy.actions import Action, Forward, Invoke, Known, Listing, Message, Relay, ToolCall, Upload
from proxy.authorization.sources import Sources
from proxy.decision import Allow, Deny
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.jsonrpc import Message as McpMessage
from proxy.mcp import Client as McpClient
from proxy.mcp import Era, Rpc, Via
from proxy.protection.placeholders import SHAPE
from proxy.protection.requests import Requests
from proxy.reasons import Reason
from proxy.values import Headers, Json

ENV = f"TOKEN={PATTERN}\n"
UNKNOWN = Deny(Reason.PLACEHOLDER_UNKNOWN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.env").write_text(ENV)
    (tmp_path / "b.env").write_text("TOKEN=\n")
    return tmp_path


async def write(rig: Rig, content: str) -> ToolCall | Deny:
    """What becomes of a call that writes to a.env."""
    call = ToolCall("file_write", {"path": "a.env", "content": content})
    prepared = await rig.requests.prepared(call, CLIENT)
    if isinstance(prepared, Deny):
        return prepared
    assert isinstance(prepared.value, ToolCall)
    return prepared.value


async def test_what_has_no_secret_is_judged_as_it_came(folder: Path) -> None:
    rig = Rig.over(folder, outgoing(refuses=True))
    relay = Relay("POST", "/x?y=1", Headers(), b"hello")

    for action in (
        Listing(),
        Message(relay),
        Forward(relay),
        ToolCall("ref.add", {"a": [1, None, {"b": "text"}]}),
    ):
        assert await rig.requests.prepared(action, CLIENT) == Allow(action)


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_secret_in_arguments_is_masked_or_refused(folder: Path, *, refuses: bool) -> None:
    rig = Rig.over(folder, outgoing(refuses=refuses))
    call = ToolCall("chat.say", {"text": f"it is {PATTERN}", "to": ["x", {"password": "x" * 3}]})
    prepared = await rig.requests.prepared(call, AGENT)

    if refuses:
        assert prepared == Deny(Reason.SECRET_IN_REQUEST)
        return
    assert isinstance(prepared, Allow)
    assert isinstance(prepared.value, ToolCall)
    assert PATTERN not in json.dumps(prepared.value.arguments)
    assert prepared.value.arguments["to"] == ["x", {"password": "xxx"}]


@pytest.mark.parametrize("refuses", [True, False])
async def test_what_is_put_back_is_no_secret_of_the_request(folder: Path, *, refuses: bool) -> None:
    rig = Rig.over(folder, outgoing(refuses=refuses))
    shown = await rig.read("a.env")

    assert await rig.write("a.env", f"# {shown}") == {"bytes_written": len(ENV) + 2}
    assert (folder / "a.env").read_text() == f"# {ENV}"
    other = PATTERN.replace("x9", "y8")
    done = await rig.write("a.env", f"{shown}KEY={other}\n")
    assert (done is Reason.SECRET_IN_REQUEST) == refuses
    assert other not in (folder / "a.env").read_text()
    assert PATTERN in (folder / "a.env").read_text()


async def test_what_is_masked_with_a_placeholder_in_it_is_refused(folder: Path) -> None:
    """Or the file would lose what the placeholder stands for."""
    rig = Rig.over(folder, outgoing(refuses=False))
    shown = (await rig.read("a.env")).strip()
    start = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"
    around = f"{start}{shown}\n-----END PRIVATE KEY-----\n"

    assert await write(rig, around) in (Deny(Reason.SECRET_IN_REQUEST), UNKNOWN)


async def test_the_hole_for_a_placeholder_may_stand_in_the_text(folder: Path) -> None:
    rig = Rig.over(folder, outgoing(refuses=False))
    shown = await rig.read("a.env")

    done = await write(rig, f"\ue000\ue001{shown}\ue000")
    assert isinstance(done, ToolCall)
    assert done.arguments["content"] == f"\ue000\ue001{ENV}\ue000"
    assert await write(rig, "".join(map(chr, range(0xE000, 0xF900))) + shown) == UNKNOWN


async def test_a_call_that_comes_to_lead_elsewhere_is_not_done(folder: Path) -> None:
    """The file is replaced by a link when all of the call is known, and no plan made of it."""
    rig = Rig.over(folder)
    done = await write(rig, await rig.read("a.env"))
    assert isinstance(done, ToolCall)
    (folder / "a.env").unlink()
    (folder / "a.env").symlink_to("b.env")
    verdict = await rig.policy.decide(done, CLIENT)
    assert isinstance(verdict, Allow)
    plan = verdict.value.plan

    assert rig.requests.misplaced(done, CLIENT, plan) == UNKNOWN
    assert rig.requests.misplaced(done, CLIENT, Known({})) is None
    assert rig.requests.misplaced(done, ANOTHER, plan) is None
    assert rig.requests.misplaced(ToolCall("file_write", {}), CLIENT, plan) is None
    elsewhere = Invoke("/tools/x", {}, 1.0)
    assert rig.requests.misplaced(done, CLIENT, elsewhere) == UNKNOWN


async def test_an_operator_sees_no_secret_that_was_put_back(folder: Path) -> None:
    rig = Rig.over(folder)

    def find(text: str, _key: str) -> list[tuple[int, int, str]]:
        return [(0, 4, "token")] if text.startswith("key ") else []

    hiding = rig.requests.hiding(find)
    assert hiding(f"a {PATTERN}", "") == []
    await write(rig, await rig.read("a.env"))
    size = len(PATTERN)

    assert hiding(f"a {PATTERN}{PATTERN}", "") == [
        (2, 2 + size, "held"),
        (2 + size, 2 + 2 * size, "held"),
    ]
    assert hiding(f"key {PATTERN}", "") == [(0, 4, "token"), (4, 4 + size, "held")]
    assert hiding("nothing", "") == []


async def test_without_placeholders_a_text_of_their_form_is_a_text(folder: Path) -> None:
    rig = Rig.over(folder)
    shown = await rig.read("a.env")
    assert SHAPE.search(shown)
    sources = Sources(rig.policy.tool_rules.tools, rig.workspace)
    arguments: Mapping[str, Json] = {"path": "a.env", "content": shown}
    call = ToolCall("file_write", arguments)

    assert await Requests(None, None, sources).prepared(call, CLIENT) == Allow(call)


def asked(text: str) -> list[Action]:
    """All that may carry a text."""
    headers = Headers((("Content-Type", "application/json"),))
    relay = Relay("POST", "/x?a=" + text.strip(), headers, json.dumps({"message": text}).encode())

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(text), 7):
            yield text[at : at + 7].encode()

    streamed = Relay("POST", "/x", Headers(), b"", upload=Upload(len(text), pieces()))
    return [
        ToolCall("chat.say", {"text": text, "password": text.partition("=")[2].strip()}),
        ToolCall("run", {"line": f"echo {text}"}),
        Message(relay),
        Forward(relay),
        Forward(streamed),
    ]


def told(action: Action) -> str:
    match action:
        case ToolCall(arguments=arguments):
            return json.dumps(arguments)
        case Message(relay=relay) | Forward(relay=relay):
            return relay.target + relay.body.decode()
    raise AssertionError(action)


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_placeholder_is_no_secret_where_its_caller_sends_it(
    folder: Path, *, refuses: bool
) -> None:
    rig = Rig.over(folder, outgoing(refuses=refuses))
    shown = await rig.read("a.env")
    name = SHAPE.search(shown)
    assert name is not None

    for action in asked(shown):
        prepared = await rig.requests.prepared(action, CLIENT)
        assert isinstance(prepared, Allow), action
        assert name[0] in told(prepared.value)
        assert "REDACTED" not in told(prepared.value)
        assert not prepared.facts.get("masked")


@pytest.mark.parametrize("invented", [True, False])
async def test_a_text_of_that_shape_is_a_secret_where_it_is_not_the_caller_s(
    folder: Path, *, invented: bool
) -> None:
    rig = Rig.over(folder, outgoing(refuses=True))
    shown = await rig.read("a.env", CLIENT if invented else ANOTHER)
    if invented:
        shown = SHAPE.sub("__sidegate-secret.github-pat." + "0123456789abcdef" * 2 + "__", shown)

    for action in asked(shown):
        assert await rig.requests.prepared(action, CLIENT) == Deny(Reason.SECRET_IN_REQUEST)


async def test_what_is_masked_in_a_request_is_counted(folder: Path) -> None:
    rig = Rig.over(folder, outgoing(refuses=False))

    for action in asked(f"is {PATTERN} "):
        prepared = await rig.requests.prepared(action, CLIENT)
        assert isinstance(prepared, Allow)
        assert prepared.facts["masked"]["github-pat"] >= 1
    shown = await rig.read("a.env")
    arguments = {"path": "a.env", "content": f"{shown}\n# {PATTERN}\n"}
    prepared = await rig.requests.prepared(ToolCall("file_write", arguments), CLIENT)
    assert isinstance(prepared, Allow)
    assert prepared.facts["masked"] == {"github-pat": 1}


SPEAKER = McpClient(Era.LEGACY, "2025-11-25")


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize(
    "message",
    [
        Request(1, "logging/setLevel", {"level": PATTERN}),
        Notification("notifications/cancelled", {"reason": PATTERN}),
        Response(1, {"content": {"text": PATTERN}}),
        Response(1, Failure(-1, PATTERN)),
    ],
)
async def test_a_secret_in_what_is_said_by_mcp_is_masked_or_refused(
    folder: Path, message: McpMessage, *, refuses: bool
) -> None:
    rig = Rig.over(folder, outgoing(refuses=refuses))
    prepared = await rig.requests.prepared(Rpc(message, SPEAKER), CLIENT)

    if refuses:
        assert prepared == Deny(Reason.SECRET_IN_REQUEST)
        return
    assert isinstance(prepared, Allow)
    assert isinstance(prepared.value, Rpc)
    assert PATTERN not in str(prepared.value.message)
    assert "masked" in prepared.facts


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_secret_in_an_answer_to_a_server_is_one_of_the_call(
    folder: Path, *, refuses: bool
) -> None:
    rig = Rig.over(folder, outgoing(refuses=refuses))
    params: dict[str, Json] = {"name": "x", "inputResponses": {"a": {"content": {"b": PATTERN}}}}
    call = ToolCall("ref.x", {"c": "d"}, via=Via(SPEAKER, Request(1, "tools/call", params)))
    prepared = await rig.requests.prepared(call, CLIENT)

    if refuses:
        assert prepared == Deny(Reason.SECRET_IN_REQUEST)
        return
    assert isinstance(prepared, Allow)
    assert isinstance(prepared.value, ToolCall)
    assert prepared.value.via is not None
    assert PATTERN not in str(prepared.value.via.request.params)
    assert prepared.value.via.request.params["name"] == "x"
    assert prepared.value.arguments == {"c": "d"}
