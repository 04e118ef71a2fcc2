"""The way of a request: five actors, five verbs, five values, in this order.

    Inbound → Peer → Principal → Grant → Raw → Clean

`Services` are made once and live as long as the process; a `Pipeline` is frozen, built from the
configuration, and replaced whole.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from proxy.actions import Collect, Command, Enqueue, FilePlan, Invoke, Operate, Relay
from proxy.authentication.authenticator import Authenticator
from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.approvals import Approvals, Stored
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.budgets import Budgets
from proxy.authorization.consent import Consent
from proxy.authorization.lines import LineJudge
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Policy
from proxy.authorization.preparation import AsItCame, Preparation
from proxy.authorization.programs.allowlist import Allowlist
from proxy.authorization.shell.parser import CommandParser
from proxy.authorization.sources import Sources
from proxy.authorization.stops import Stops
from proxy.authorization.tools.calls import ToolRules
from proxy.authorization.tools.catalogue import catalogue
from proxy.authorization.tools.definitions import Definitions, Unchecked
from proxy.authorization.tools.observation import Observation
from proxy.authorization.tools.planner import Planner
from proxy.authorization.tools.rates import Rates
from proxy.authorization.turns import Turns
from proxy.authorization.urls.policy import UrlPolicy
from proxy.authorization.urls.resolver import Resolve, SystemResolver
from proxy.config.model import AutonomyConfig, Config, ToolConfig
from proxy.config.presets import preset
from proxy.exchange import Clean, Clock, Inbound, Principal
from proxy.isolation.executor import Backend, Executor
from proxy.isolation.once import Once
from proxy.limits import Limiter
from proxy.mcp import McpCall, McpTalk
from proxy.network.ingress import Ingress, recalled
from proxy.protection.outgoing import Outgoing
from proxy.protection.placeholders import Mac, Placeholders
from proxy.protection.redactor import Redactor
from proxy.protection.requests import Requests
from proxy.reasons import Layer
from proxy.trace import Trace
from proxy.values import Json


@dataclass(frozen=True)
class Pipeline:
    """The five layers."""

    ingress: Ingress
    authenticator: Authenticator
    authorizer: Authorizer
    executor: Executor
    redactor: Redactor

    async def handle(self, inbound: Inbound, trace: Trace) -> Clean:
        """What may be answered; raises Denied."""
        peer = await trace.step(Layer.NETWORK, self.ingress.admit(inbound))
        principal = await trace.step(
            Layer.AUTHENTICATION, self.authenticator.authenticate(inbound, peer)
        )
        return await self.resume(inbound, principal, trace)

    async def resume(self, inbound: Inbound, principal: Principal, trace: Trace) -> Clean:
        """The layers that follow once it is known who asks: a stored message begins here."""
        grant = await trace.step(Layer.AUTHORIZATION, self.authorizer.authorize(inbound, principal))
        raw = await trace.step(Layer.ISOLATION, self.executor.execute(grant))
        return await trace.step(Layer.PROTECTION, self.redactor.redact(raw))

    async def recall(self, stored: Stored) -> Principal | None:
        """Who made a call that was kept, if that is still somebody; raises OSError."""
        credential = bytes.fromhex(stored.credential)
        return await self.authenticator.recall(credential, recalled(stored.peer))


@dataclass(frozen=True)
class Services:
    """What outlives a change of the configuration."""

    limiters: Mapping[str, Limiter]
    tool_limiter: Callable[[int], Limiter]
    pairing: Pairing
    tokens: TokenBook
    channels: Channels
    redactor: Redactor
    once: Once
    sandbox: Backend[Command]
    files: Backend[FilePlan]
    upstream: Backend[Invoke | Relay]
    inbox: Backend[Enqueue]
    operations: Backend[Operate]
    answers: Backend[Collect]
    servers: Backend[McpCall | McpTalk]
    approvals: Approvals
    stops: Stops
    preparation: Preparation = field(default_factory=AsItCame)


def build_pipeline(config: Config, services: Services, policy: Policy) -> Pipeline:
    """The layers for this configuration, whose policy this is."""
    return Pipeline(
        Ingress(services.limiters),
        Authenticator(
            services.pairing,
            services.tokens,
            services.channels,
            services.limiters,
            require_pairing=config.gateway.require_pairing,
        ),
        _authorizer(config, services, policy),
        Executor(
            services.sandbox,
            services.files,
            services.upstream,
            services.inbox,
            services.operations,
            services.answers,
            services.servers,
            services.once,
        ),
        services.redactor,
    )


def _authorizer(config: Config, services: Services, policy: Policy) -> Authorizer:
    consent = Consent(services.approvals, policy, config.autonomy.approval_timeout_secs)
    limiters, tools = services.limiters, policy.tool_rules.tools
    rates = Rates(tools, services.tool_limiter)
    budgets = Budgets(limiters["tools"], limiters["actions"], rates)
    return Authorizer(policy, consent, services.stops, budgets, services.preparation)


def build_policy(
    config: Config,
    parser: CommandParser,
    workspace: Workspace | None,
    resolve: Resolve | None = None,
    definitions: Definitions | None = None,
) -> Policy:
    """Layer 3's rules alone, which is all that `sidegate explain` needs.

    `resolve` finds the addresses of names; without it, the machine's own resolver. `definitions`:
    what MCP servers say of their tools now; without it, none is asked.
    """
    section: AutonomyConfig = config.autonomy
    rules = ToolRules(
        section.level,
        frozenset(section.auto_approve),
        frozenset(section.always_ask),
        catalogue(config.tools, config.presets, config.mcp_servers),
        _planner(config, parser, workspace, resolve, definitions),
        _observation(section),
    )
    return Policy(rules, _version(config), _turns(config))


def build_placeholders(
    config: Config, policy: Policy, mac: Mac, clock: Clock
) -> Placeholders | None:
    """What stands for secrets in answers; None where nothing does."""
    if not config.protection.has_placeholders:
        return None
    return Placeholders(mac, _sources(policy).read, clock)


def build_requests(
    config: Config, policy: Policy, redactor: Redactor, placeholders: Placeholders | None
) -> Requests:
    """What is done to requests before layer 3 decides on them."""
    scan = config.protection.scan_requests
    outgoing = None if scan == "none" else Outgoing(redactor.cleaner, refuses=scan == "deny")
    return Requests(outgoing, placeholders, _sources(policy))


def _sources(policy: Policy) -> Sources:
    return Sources(policy.tool_rules.tools, policy.tool_rules.planner.workspace)


def _planner(
    config: Config,
    parser: CommandParser,
    workspace: Workspace | None,
    resolve: Resolve | None,
    definitions: Definitions | None,
) -> Planner:
    section, shell = config.autonomy, config.runtime.docker.shell
    allowlist = Allowlist(section.allowed_commands)
    lines = LineJudge(parser, allowlist, workspace, bash=shell == "bash")
    return Planner(
        lines,
        workspace,
        UrlPolicy(section.allowed_domains, resolve or SystemResolver()),
        shell,
        config.runtime.kind == "docker",
        definitions or Unchecked(),
        config.upstream.protocol == "openclaw",
    )


def _observation(section: AutonomyConfig) -> Observation | None:
    until = section.observed_until
    return None if until is None else Observation(until, lambda: datetime.now(UTC))


def _turns(config: Config) -> Turns | None:
    """Who may have the agent do something of its own accord, where the agent can tell."""
    section = config.upstream
    return Turns(section.scopes, section.methods) if section.protocol == "openclaw" else None


def _version(config: Config) -> str:
    """A digest of all that decides on a tool call: what was approved under another is void."""
    sections = config.model_dump(mode="json", include={"autonomy", "presets", "tools", "runtime"})
    shipped = {name: _plain(preset(name)) for name in config.presets}
    servers = {
        name: [server.url, server.command, sorted(server.groups), server.writes]
        for name, server in config.mcp_servers.items()
    }
    agent = [config.upstream.protocol, *config.upstream.scopes, *config.upstream.methods]
    canonical = json.dumps(
        [sections, shipped, servers, agent], sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(table: Mapping[str, ToolConfig]) -> Mapping[str, Json]:
    return {key: entry.model_dump(mode="json") for key, entry in table.items()}
