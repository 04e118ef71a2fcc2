"""The way of a request: five actors, five verbs, five values, in this order.

    Inbound → Peer → Principal → Grant → Raw → Clean

`Services` are made once and live as long as the process; a `Pipeline` is frozen, built from the
configuration, and replaced whole.
"""

from dataclasses import dataclass

from proxy.actions import Command, FilePlan, Invoke, Operate, Relay
from proxy.authentication.authenticator import Authenticator
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.catalogue import catalogue
from proxy.authorization.commands import CommandParser
from proxy.authorization.paths import Workspace
from proxy.authorization.planner import Planner
from proxy.authorization.policy import Policy
from proxy.config.model import AutonomyConfig, Config
from proxy.exchange import Clean, Inbound
from proxy.isolation.executor import Backend, Executor
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
        grant = await trace.step(Layer.AUTHORIZATION, self.authorizer.authorize(inbound, principal))
        raw = await trace.step(Layer.ISOLATION, self.executor.execute(grant))
        return await trace.step(Layer.PROTECTION, self.redactor.redact(raw))


@dataclass(frozen=True)
class Services:
    """What outlives a change of the configuration."""

    pairing_limiter: Limiter
    pairing: Pairing
    tokens: TokenBook
    parser: CommandParser
    workspace: Workspace | None
    redactor: Redactor
    sandbox: Backend[Command]
    files: Backend[FilePlan]
    upstream: Backend[Invoke | Relay]
    operations: Backend[Operate]


def build_pipeline(config: Config, services: Services) -> Pipeline:
    """The layers for this configuration."""
    return Pipeline(
        Ingress(services.pairing_limiter),
        Authenticator(
            services.pairing, services.tokens, require_pairing=config.gateway.require_pairing
        ),
        Authorizer(build_policy(config, services.parser, services.workspace)),
        Executor(services.sandbox, services.files, services.upstream, services.operations),
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
