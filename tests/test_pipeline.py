"""Five layers in one order: each is asked only where the one before let the request pass."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from consenting import approvals, stops
from doubles import CLIENT, Clock, FakeBackend, Spy, grant, inbound, value

from proxy.actions import Command, FileList, Invoke, Operate, Plan, Relay, ToolCall
from proxy.authentication.authenticator import Authenticator
from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.config.model import Config
from proxy.decision import Allow, Decision, Denied, Deny
from proxy.exchange import Clean, Document, Inbound, Peer, Raw, Route
from proxy.isolation.executor import Executor
from proxy.isolation.once import Keeping, Once
from proxy.limits import Unlimited, per_minute
from proxy.network.ingress import Ingress
from proxy.pipeline import (
    Pipeline,
    Services,
    build_pipeline,
    build_placeholders,
    build_policy,
    build_requests,
)
from proxy.protection.redactor import Redactor
from proxy.protocols.operator import OperationCodec
from proxy.protocols.rest import ForwardCodec, ToolCodec
from proxy.protocols.webhook import WebhookCodec
from proxy.reasons import Layer, Reason
from proxy.seal import Seal
from proxy.state.sqlite.store import SqliteStore
from proxy.trace import Trace

GIVEN = grant()
PEER = Peer("127.0.0.1")
RAW = Raw(GIVEN, Document({"ran": True}))
CLEAN = Clean(Document({"ran": True}))
VALUES = (PEER, CLIENT, GIVEN, RAW, CLEAN)
REASONS = (
    Reason.HOST_UNKNOWN,
    Reason.TOKEN_MISSING,
    Reason.TOOL_UNKNOWN,
    Reason.SANDBOX_BUSY,
    Reason.LAYER_FAILED,
)


@dataclass
class Layers:
    """All five, each by its verb, with what they were asked. The one at `refuses` refuses."""

    refuses: int = 5
    values: tuple[object, ...] = VALUES
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def _answer(self, number: int, *asked: object) -> Decision[Any]:
        self.asked.append(asked)
        return Deny(REASONS[number]) if number == self.refuses else Allow(self.values[number])

    async def admit(self, inbound: Inbound) -> Decision[Any]:
        return self._answer(0, inbound)

    async def authenticate(self, inbound: Inbound, peer: Peer) -> Decision[Any]:
        return self._answer(1, inbound, peer)

    async def authorize(self, inbound: Inbound, principal: object) -> Decision[Any]:
        return self._answer(2, inbound, principal)

    async def execute(self, grant: object) -> Decision[Any]:
        return self._answer(3, grant)

    async def redact(self, raw: Raw) -> Decision[Any]:
        return self._answer(4, raw)

    def pipeline(self) -> Pipeline:
        return Pipeline(
            cast("Ingress", self),
            cast("Authenticator", self),
            cast("Authorizer", self),
            cast("Executor", self),
            cast("Redactor", self),
        )


async def test_each_layer_is_handed_what_the_one_before_it_made() -> None:
    layers, spy, request = Layers(), Spy(), inbound()

    clean = await layers.pipeline().handle(request, Trace(request, (spy,)))

    assert clean is CLEAN
    assert layers.asked == [(request,), (request, PEER), (request, CLIENT), (GIVEN,), (RAW,)]
    assert [step.layer for step in spy.steps] == list(Layer)


@pytest.mark.parametrize("number", range(5), ids=[layer.value for layer in Layer])
async def test_after_a_refusal_nobody_is_asked(number: int) -> None:
    layers, request = Layers(refuses=number), inbound()

    with pytest.raises(Denied) as raised:
        await layers.pipeline().handle(request, Trace(request, ()))

    assert (raised.value.layer, raised.value.reason) == (list(Layer)[number], REASONS[number])
    assert len(layers.asked) == number + 1


async def test_without_a_record_of_it_an_acting_call_does_not_reach_isolation() -> None:
    acting = grant(Command(("rm",), 1.0, writes=True), acting=True)
    layers, request = Layers(values=(PEER, CLIENT, acting, RAW, CLEAN)), inbound()

    with pytest.raises(Denied) as raised:
        await layers.pipeline().handle(request, Trace(request, (Spy(full=True),)))

    assert raised.value.reason is Reason.AUDIT_UNAVAILABLE
    assert len(layers.asked) == 3


# The real layers, over backends that only remember


@dataclass
class Bench:
    """A pipeline of real layers, and the places where something would be done."""

    pipeline: Pipeline
    sandbox: FakeBackend
    files: FakeBackend
    upstream: FakeBackend
    inbox: FakeBackend
    operations: FakeBackend

    async def ask(self, request: Inbound) -> object:
        trace = Trace(request, ())
        try:
            return value(await self.pipeline.handle(request, trace))
        finally:
            await trace.close(200)

    def plans(self) -> list[Plan]:
        places = (self.sandbox, self.files, self.upstream, self.inbox, self.operations)
        return [plan for place in places for plan in place.plans]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "workspace").mkdir()
    seal = Seal(bytes(32))
    store = SqliteStore(str(tmp_path / "sidegate.db"), seal)
    once = Once(store.once, seal, Clock(), Keeping())
    workspace = Workspace.open(str(tmp_path / "workspace"), (), only=True)
    places = [FakeBackend() for _ in range(5)]
    places[0].answer = Allow(Document({"stdout": "api_key=sk-1234567890abcdefghij"}))
    config = Config.model_validate(
        {
            "gateway": {"require_pairing": False},
            "autonomy": {"level": "full", "workspace_dir": str(tmp_path / "workspace")},
            "tools": {"ref.add": {"effect": "read", "backend": "upstream"}},
        }
    )
    services = Services(
        dict.fromkeys(("pair", "webhook", "tools", "actions"), Unlimited()),
        lambda rate: per_minute("tool", rate),
        Pairing(store.codes, store.links, Clock()),
        TokenBook(store.tokens, Clock()),
        Channels((), None, store.replays, Clock()),
        Redactor(()),
        once,
        *(places[0], places[1], places[2], places[3], places[4], FakeBackend(), FakeBackend()),
        *(approvals(), stops()),
    )
    policy = build_policy(config, CommandParser(find_parser()), workspace)
    yield Bench(build_pipeline(config, services, policy), *places)
    workspace.close()
    await once.aclose()
    await store.aclose()


POST = frozenset({"POST"})
JSON = {"Content-Type": "application/json"}
TOOL = Route("tools", POST, "/tools/{name}", ToolCodec(), door="tools")


def tool(name: str, arguments: Mapping[str, object]) -> Inbound:
    body = json.dumps({"arguments": arguments}).encode()
    return inbound(
        TOOL, method="POST", path=f"/tools/{name}", capture=name, headers=JSON, body=body
    )


async def test_a_command_reaches_the_sandbox_as_its_arguments(bench: Bench) -> None:
    answer = await bench.ask(tool("shell", {"command": "ls -l 'a b'", "timeout_secs": 5}))

    assert bench.plans() == [Command(("ls", "-l", "a b"), 5.0, writes=True)]
    assert "sk-1234567890" not in str(answer)
    assert "[REDACTED]" in str(answer)


async def test_a_file_reaches_the_workspace_open(bench: Bench) -> None:
    await bench.ask(tool("file_list", {"path": "."}))

    (plan,) = bench.plans()
    assert isinstance(plan, FileList)


async def test_a_tool_of_the_agents_reaches_the_agent(bench: Bench) -> None:
    await bench.ask(tool("ref.add", {"a": 1}))

    assert bench.plans() == [Invoke("/tools/ref.add", {"a": 1}, 60.0)]
    assert bench.upstream.plans == bench.plans()


@pytest.mark.parametrize(
    ("codec", "body"),
    [(ForwardCodec(), b"anything"), (WebhookCodec("/hook"), b'{"message":"hello"}')],
    ids=["a route", "a message"],
)
async def test_what_is_for_the_agent_reaches_the_agent(
    bench: Bench, codec: ForwardCodec | WebhookCodec, body: bytes
) -> None:
    route = Route("x", POST, "/x", codec)

    await bench.ask(inbound(route, method="POST", path="/x", headers=JSON, body=body))

    (plan,) = bench.upstream.plans
    assert isinstance(plan, Relay)
    uploaded = [piece async for piece in plan.upload.pieces] if plan.upload else []
    assert plan.body + b"".join(uploaded) == body


async def test_a_verb_of_ours_is_done_by_us(bench: Bench) -> None:
    await bench.ask(inbound())

    assert bench.operations.plans == [Operate("health")]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (inbound(None, path="/none"), Reason.ROUTE_UNKNOWN),
        (inbound(headers={"Host": "evil.example"}), Reason.HOST_UNKNOWN),
        (tool("unknown", {}), Reason.TOOL_UNKNOWN),
        (tool("shell", {"command": "rm -rf /"}), Reason.COMMAND_NOT_ALLOWED),
        (tool("shell", {"command": "cat ../outside"}), Reason.PATH_OUTSIDE_WORKSPACE),
        (
            inbound(
                Route("a", POST, "/a", OperationCodec("tokens.list")), method="POST", path="/a"
            ),
            Reason.ROLE_INSUFFICIENT,
        ),
    ],
    ids=lambda each: each.code if isinstance(each, Reason) else "",
)
async def test_what_is_refused_reaches_no_place(
    bench: Bench, request_: Inbound, reason: Reason
) -> None:
    with pytest.raises(Denied) as raised:
        await bench.ask(request_)

    assert raised.value.reason is reason
    assert bench.plans() == []


async def test_a_policy_is_layer_threes_rules_alone() -> None:
    config = Config.model_validate(
        {
            "autonomy": {
                "level": "readonly",
                "allowed_commands": ["ls"],
                "auto_approve": ["a"],
                "always_ask": ["b"],
            }
        }
    )

    policy = build_policy(config, CommandParser(find_parser()), None)

    rules = policy.tool_rules
    assert rules.level == "readonly"
    assert rules.auto_approve == {"a"}
    assert rules.always_ask == {"b"}
    assert rules.planner.workspace is None
    assert set(rules.tools.exact) == {"shell", "file_read", "file_write", "file_list"}


def version(**sections: object) -> str:
    config = Config.model_validate(sections)
    return build_policy(config, CommandParser(find_parser()), None).version


def test_the_same_rules_have_the_same_version() -> None:
    entry = {"effect": "read", "backend": "upstream"}

    assert version() == version(autonomy={"level": "supervised"})
    assert version(tools={"a.b": entry, "a.c": entry}) == version(
        tools={"a.c": entry, "a.b": entry}
    )
    assert len(version()) == 64


@pytest.mark.parametrize(
    "sections",
    [
        {"autonomy": {"level": "full"}},
        {"autonomy": {"allowed_commands": ["ls"]}},
        {"autonomy": {"workspace_dir": "/elsewhere"}},
        {"tools": {"shell": {"approval": "ask"}}},
        {"tools": {"a.*": {"rules": {"x": {"max": 1}}}}},
        {"presets": ["mcp-fetch"]},
        {"runtime": {"docker": {"image": "busybox"}}},
    ],
    ids=str,
)
def test_any_other_rule_makes_another_version(sections: dict[str, object]) -> None:
    assert version(**sections) != version()


def test_what_decides_on_no_tool_call_makes_no_other_version() -> None:
    assert version(gateway={"port": 1}, upstream={"url": "http://agent:1"}) == version()


async def test_a_policy_has_the_tools_of_its_configuration_and_its_presets() -> None:
    tools = {
        "a.get": {"effect": "read", "backend": "upstream", "urls": ["url"]},
        "shell": {"commands": "any"},
    }
    config = Config.model_validate(
        {
            "autonomy": {
                "level": "full",
                "mode": "observe",
                "until": "2999-01-01",
                "allowed_domains": ["example.com"],
            },
            "tools": tools,
            "presets": ["mcp-fetch"],
            "runtime": {"docker": {"shell": "bash"}},
        }
    )

    async def resolve(host: str, _owner: str = "") -> list[str]:
        raise OSError(host)

    policy = build_policy(config, CommandParser(find_parser()), None, resolve)
    rules = policy.tool_rules

    assert {"a.get", "fetch.fetch"} <= set(rules.tools.exact)
    assert (rules.planner.shell, rules.planner.lines.bash) == ("bash", True)
    assert await rules.planner.urls.check("https://example.com/") is Reason.URL_UNRESOLVED
    for name in ("a.get", "fetch.fetch"):
        observed = await policy.decide(ToolCall(name, {"url": "https://example.com/"}), CLIENT)
        assert isinstance(observed, Allow)
        assert observed.facts["observed"] is Reason.URL_UNRESOLVED


def test_placeholders_are_made_where_some_secret_is_shown_by_one() -> None:
    for section, there in (
        ({}, False),
        ({"style": "full"}, False),
        ({"style": "placeholder"}, True),
        ({"styles": {"github-pat": "placeholder"}}, True),
    ):
        config = Config.model_validate({"protection": section})
        policy = build_policy(config, CommandParser(find_parser()), None)
        made = build_placeholders(config, policy, Seal(b"k" * 32).mac, Clock())
        assert (made is not None) == there


@pytest.mark.parametrize("scan", ["none", "redact", "deny"])
async def test_requests_are_searched_as_the_configuration_says(scan: str) -> None:
    secret = "held-by-sidegate-7Qx"
    config = Config.model_validate({"protection": {"scan_requests": scan}})
    policy = build_policy(config, CommandParser(find_parser()), None)
    requests = build_requests(config, policy, Redactor((secret,)), None)
    call = ToolCall("a.tool", {"text": secret})
    prepared = await requests.prepared(call, CLIENT)

    assert (prepared == Deny(Reason.SECRET_IN_REQUEST)) == (scan == "deny")
    assert (prepared == Allow(call)) == (scan == "none")
    if scan == "redact":
        assert isinstance(prepared, Allow)
        assert isinstance(prepared.value, ToolCall)
        assert secret not in json.dumps(prepared.value.arguments)
