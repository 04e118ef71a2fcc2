"""What single parts are given of the configuration, in their own types."""

import time
from collections.abc import Mapping

from proxy.actions import Invoke
from proxy.audit import AuditFile
from proxy.audit import Limits as AuditLimits
from proxy.authentication.tokens import Machine, TokenBook, hash_token
from proxy.config.model import Config
from proxy.connection import Limits
from proxy.exchange import Grant, Role
from proxy.isolation.once import Keeping
from proxy.isolation.upstream.agent import Attest, nothing_attested
from proxy.isolation.upstream.session import Limits as UpstreamLimits
from proxy.metrics import Metrics
from proxy.protocols.openclaw.attested import attested
from proxy.scope import Scope
from proxy.seal import Seal
from proxy.state.store import Store


def audit_of(config: Config, path: str, seal: Seal, instance: str, metrics: Metrics) -> AuditFile:
    """The file of the audit log, whose rows are chained and signed with the key of the state."""
    section = config.audit
    limits = AuditLimits(section.max_file_mb << 20, section.max_files)
    file = AuditFile(path, metrics.audit_failed, seal=seal, instance=instance, limits=limits)
    metrics.watch("audit_broken", "Whether the log was found changed.", lambda: bool(file.broken))
    return file


def limits_of(config: Config) -> Limits:
    """What a listener bears, and how long it waits."""
    section = config.gateway
    return Limits(
        section.max_body_bytes,
        section.header_timeout_secs,
        section.request_timeout_secs,
        section.keepalive_timeout_secs,
        section.max_connections,
        section.max_connections_per_peer,
    )


def keeping_of(config: Config) -> Keeping:
    """How many idempotency keys are kept, for how long, and in whose style."""
    section = config.gateway
    return Keeping(
        section.idempotency_max_keys,
        section.idempotency_ttl_secs,
        section.idempotency_style == "zeroclaw",
    )


def token_book(config: Config, store: Store) -> TokenBook:
    """The tokens: those of the state, those that are listed, and the principals' own."""
    machines = tuple(
        Machine(
            name,
            hash_token(section.token.get_secret_value()),
            Role(section.role),
            Scope(section.routes, section.tools, section.level),
        )
        for name, section in config.principals.items()
    )
    listed = tuple(bytes.fromhex(digest) for digest in config.gateway.paired_tokens)
    return TokenBook(store.tokens, time.time, listed, machines)


def upstream_headers(config: Config) -> dict[str, str]:
    """What is added on the way to the agent."""
    return {name: value.get_secret_value() for name, value in config.upstream.headers.items()}


def attest_of(config: Config) -> Attest:
    """What the agent is told of who asks, where it is one that wants to know."""
    section = config.upstream

    def attest(grant: Grant) -> Mapping[str, str]:
        judged = isinstance(grant.plan, Invoke)
        return attested(grant.principal, section.scopes, judged=judged)

    return attest if section.protocol == "openclaw" else nothing_attested


def upstream_limits(config: Config) -> UpstreamLimits:
    """How long the agent is waited for, and by how many connections."""
    section = config.upstream
    return UpstreamLimits(
        section.connect_timeout_secs,
        section.answer_timeout_secs,
        section.idle_timeout_secs,
        section.total_timeout_secs,
        section.max_connections,
    )
