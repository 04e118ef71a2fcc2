"""The way of a request: five actors, five verbs, five values, in this order.

    Inbound → Peer → Principal → Grant → Raw → Clean

`Services` are made once and live as long as the process; a `Pipeline` is frozen, built from the
configuration, and replaced whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.actions import Command, Enqueue, FilePlan, Invoke, Operate, Relay
from proxy.authentication.authenticator import Authenticator
from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.catalogue import catalogue
from proxy.authorization.commands import CommandParser
from proxy.authorization.paths import Workspace
from proxy.authorization.planner import Planner
from proxy.authorization.policy import Policy
from proxy.config.model import AutonomyConfig, Config
from proxy.exchange import Clean, Inbound, Principal
from proxy.isolation.executor import Backend, Executor
from proxy.isolation.once import Once
from proxy.limits import Limiter
from proxy.network.ingress import Ingress
from proxy.protection.redactor import Redactor
from proxy.reasons import Layer
from proxy.trace import Trace


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


@dataclass(frozen=True)
class Services:
    """What outlives a change of the configuration."""

    limiters: Mapping[str, Limiter]
    pairing: Pairing
    tokens: TokenBook
    channels: Channels
    parser: CommandParser
    workspace: Workspace | None
    redactor: Redactor
    once: Once
    sandbox: Backend[Command]
    files: Backend[FilePlan]
    upstream: Backend[Invoke | Relay]
    inbox: Backend[Enqueue]
    operations: Backend[Operate]


def build_pipeline(config: Config, services: Services) -> Pipeline:
    """The layers for this configuration."""
    return Pipeline(
        Ingress(services.limiters),
        Authenticator(
            services.pairing,
            services.tokens,
            services.channels,
            services.limiters,
            require_pairing=config.gateway.require_pairing,
        ),
        Authorizer(
            build_policy(config, services.parser, services.workspace), services.limiters["tools"]
        ),
        Executor(
            services.sandbox,
            services.files,
            services.upstream,
            services.inbox,
            services.operations,
            services.once,
        ),
        services.redactor,
    )


def build_policy(config: Config, parser: CommandParser, workspace: Workspace | None) -> Policy:
    """Layer 3's rules alone, which is all that `sidegate explain` needs."""
    section: AutonomyConfig = config.autonomy
    return Policy(
        section.level,
        frozenset(section.auto_approve),
        frozenset(section.always_ask),
        catalogue(config.tools),
        Planner(frozenset(section.allowed_commands), parser, workspace),
    )
