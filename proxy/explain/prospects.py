"""What each layer would do for a call: what the third decides, and what the rules say of the rest.

Nothing is looked at but the rules: no socket, engine, upstream or state.
"""

from dataclasses import dataclass
from typing import assert_never

from proxy.actions import Effect, ToolCall
from proxy.authorization.tools.catalogue import Place, Tool
from proxy.authorization.verdict import Asked, Verdict
from proxy.config.model import Config, DockerConfig
from proxy.config.sandboxes import sandboxes
from proxy.decision import Allow, Deny, Facts
from proxy.exchange import Principal, Role
from proxy.explain.citations import deciding_key
from proxy.explain.remedies import Refusal, remedy
from proxy.explain.ruleset import Ruleset
from proxy.reasons import Layer, Reason

ALLOW, DENY, ASK = "allow", "deny", "ask"
NOT_REACHED = "not-reached"
"""The layer does nothing, since an earlier one would not let the call come to it."""

_MOST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one layer would do. `rule` is `key (file:line)`; `reason` a sentence.

    `code`: that of the denial, or of the approval that is needed.
    """

    layer: Layer
    verdict: str
    reason: str
    rule: str | None = None
    remedy: str | None = None
    code: str | None = None


def admission(ruleset: Ruleset) -> Prospect:
    """Layer 1: who can reach the listener where tools are called."""
    section = ruleset.loaded.config.gateway
    rule = ruleset.rule("gateway.allow_peers")
    if section.allow_peers is not None and not section.allow_peers:
        return _denied(Reason.PEER_NOT_ALLOWED, rule, "gateway.allow_peers admits nobody.")
    peers = [str(network) for network in section.allow_peers or ()]
    whom = ", ".join(peers[:_MOST_SHOWN]) + (", …" if len(peers) > _MOST_SHOWN else "")
    tunnel = ruleset.loaded.config.tunnel.provider
    beside = f" The tunnel ({tunnel}) leads to the same tools." if tunnel != "none" else ""
    where = f"The gateway, {section.host} port {section.port},"
    reason = f"{where} admits {whom or 'every address that reaches it'}.{beside}"
    return Prospect(Layer.NETWORK, ALLOW, reason, rule)


def identity(ruleset: Ruleset, principal: Principal) -> Prospect:
    """Layer 2: by what credential the caller is who it is."""
    name = principal.id.partition(":")[2]
    if name:
        key, who = f"principals.{name}", f"{name}, role {principal.role}, by its bearer token."
    elif principal.role is Role.AGENT:
        key, who = "principals", "Any machine of role agent without bounds, by its bearer token."
    elif ruleset.loaded.config.gateway.require_pairing:
        key, who = "gateway.require_pairing", "Any client without bounds, by its bearer token."
    else:
        key, who = "gateway.require_pairing", "Whoever connects: nobody needs a credential."
    return Prospect(Layer.AUTHENTICATION, ALLOW, who, ruleset.rule(key))


def ruling(
    ruleset: Ruleset, call: ToolCall, principal: Principal, verdict: Verdict, unseen: str
) -> Prospect:
    """Layer 3: its verdict. `unseen`: a sentence on what a permission leaves open."""
    key = deciding_key(ruleset, call, principal, verdict)
    rule = ruleset.rule(key) if key else None
    known = verdict.facts.get("known", "")
    match verdict:
        case Allow():
            said = f"{_permission(ruleset, verdict.facts)} {unseen}"
            return Prospect(Layer.AUTHORIZATION, ALLOW, said, rule)
        case Asked(tool):
            said = "The rules allow it once a human has approved it."
            refusal = Refusal(ruleset, call, Reason.APPROVAL_REQUIRED, key, tool.name, known)
            return _refused(ASK, refusal, said)
        case Deny(reason, evidence):
            refusal = Refusal(ruleset, call, reason, key, evidence, known)
            return _refused(DENY, refusal, reason.detail)
    assert_never(verdict)


def execution(ruleset: Ruleset, call: ToolCall, *, reached: bool) -> Prospect:
    """Layer 4: where the call would be carried out."""
    tool = ruleset.tool(call.tool)
    if tool is None:
        return Prospect(Layer.ISOLATION, NOT_REACHED, "There is no such tool to be carried out.")
    config = ruleset.loaded.config
    if tool.place is Place.UPSTREAM and config.upstream.url is None and reached:
        rule = ruleset.rule("upstream.url")
        return _denied(Reason.UPSTREAM_MISSING, rule, "No upstream agent is configured.")
    key, reason = _place(ruleset, tool)
    verdict = ALLOW if reached else NOT_REACHED
    return Prospect(Layer.ISOLATION, verdict, reason, ruleset.rule(key))


def redaction(*, reached: bool) -> Prospect:
    """Layer 5: what is taken out of the answer."""
    reason = (
        "What has the format of a provider's secret, stands under a key such as password or token,"
        " or is held by Sidegate, is masked."
    )
    return Prospect(Layer.PROTECTION, ALLOW if reached else NOT_REACHED, reason)


def _permission(ruleset: Ruleset, facts: Facts) -> str:
    observed = facts.get("observed")
    if observed is None:
        return "The rules allow it."
    until = ruleset.loaded.config.autonomy.until
    return (
        f"The rules refuse it ({observed.code}), and are only observed until {until}."
        f" {observed.detail}"
    )


def _place(ruleset: Ruleset, tool: Tool) -> tuple[str, str]:
    """The key that says where the tool works, and a sentence."""
    config = ruleset.loaded.config
    match tool.place:
        case Place.SANDBOX:
            return _sandbox(config, tool)
        case Place.WORKSPACE:
            folder = config.autonomy.workspace_dir
            return "autonomy.workspace_dir", f"By Sidegate, on a file opened beneath {folder}."
        case Place.UPSTREAM:
            where = f"{(config.upstream.url or '').rstrip('/')}{tool.path}"
            said = f"By the agent, at POST {where}, within {tool.seconds:g} s: no sandbox of ours."
            return "upstream.url", said
        case Place.MCP:
            said = f"By the MCP server {tool.server}, within {tool.seconds:g} s."
            return f"mcp_servers.{tool.server}", said
    assert_never(tool.place)


def _sandbox(config: Config, tool: Tool) -> tuple[str, str]:
    judged = " It alone is the boundary: the line is not judged." if tool.unjudged else ""
    if config.runtime.kind == "native":
        said = f"As a process of this machine, which sidegate status tells more of.{judged}"
        return "runtime.kind", said
    own = config.tools.get(tool.name)
    has_own = own is not None and own.docker is not None
    key = f"tools.{tool.name}.docker" if has_own else "runtime.docker.image"
    return key, _container(sandboxes(config)[tool.name].docker, tool) + judged


def _container(docker: DockerConfig, tool: Tool) -> str:
    files = "read-only" if docker.read_only_rootfs else "writable"
    writes = "read-write" if tool.effect is not Effect.READ else "read-only"
    workspace = f"the workspace {writes}" if docker.mount_workspace else "no workspace"
    runtime = f" in {docker.engine_runtime}" if docker.engine_runtime else ""
    return (
        f"In a fresh container of {docker.image}{runtime}: network {docker.network}, {files} root, "
        f"{workspace}, {docker.memory_limit_mb} MB, at most {tool.seconds:g} s."
    )


def _refused(verdict: str, refusal: Refusal, sentence: str) -> Prospect:
    code, rule = refusal.reason.code, refusal.cited or None
    return Prospect(Layer.AUTHORIZATION, verdict, sentence, rule, remedy(refusal), code)


def _denied(reason: Reason, rule: str, sentence: str) -> Prospect:
    assert reason.layer is not None
    return Prospect(reason.layer, DENY, sentence, rule, reason.remedy, reason.code)
