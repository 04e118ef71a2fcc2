"""What each layer would do for a call."""

import pytest
from doubles import AGENT, CLIENT
from rulesets import call, ruleset

from proxy.actions import Known
from proxy.authorization.tools.catalogue import SHELL
from proxy.authorization.verdict import Asked, Permit, Verdict
from proxy.decision import Allow, Deny, Facts
from proxy.exchange import Principal, Role
from proxy.explain.prospects import admission, execution, identity, redaction, ruling
from proxy.reasons import Layer, Reason

ANY_AGENT = Principal("explain", Role.AGENT)
ANY_CLIENT = Principal("explain", Role.CLIENT)


# 1 network


@pytest.mark.parametrize(
    ("text", "whom"),
    [
        ("{}", "admits every address that reaches it."),
        ("gateway: {allow_peers: [10.0.0.0/8, 127.0.0.1/32]}", "admits 10.0.0.0/8, 127.0.0.1/32."),
        ("tunnel: {provider: cloudflare}", "The tunnel (cloudflare) leads to the same tools."),
    ],
)
def test_the_network_says_whom_it_admits(text: str, whom: str) -> None:
    found = admission(ruleset(text))

    assert (found.layer, found.verdict) == (Layer.NETWORK, "allow")
    assert found.reason.startswith("The gateway, 127.0.0.1 port 3000, admits ")
    assert found.reason.endswith(whom)


def test_many_networks_are_not_all_listed() -> None:
    networks = ", ".join(f"10.0.{number}.0/24" for number in range(9))
    found = admission(ruleset(f"gateway: {{allow_peers: [{networks}]}}"))

    assert found.reason.endswith("10.0.7.0/24, ….")


def test_a_listener_that_admits_nobody_is_a_denial() -> None:
    found = admission(ruleset("gateway: {allow_peers: []}"))

    assert (found.verdict, found.code) == ("deny", Reason.PEER_NOT_ALLOWED.code)
    assert found.rule == "gateway.allow_peers (sidegate.yaml:1)"
    assert found.remedy == Reason.PEER_NOT_ALLOWED.remedy


# 2 authentication


@pytest.mark.parametrize(
    ("text", "principal", "rule", "says"),
    [
        ("{}", ANY_CLIENT, "gateway.require_pairing (default)", "Any client"),
        ("{}", ANY_AGENT, "principals (default)", "Any machine of role agent"),
        (
            "gateway: {require_pairing: false}",
            ANY_CLIENT,
            "gateway.require_pairing (sidegate.yaml:1)",
            "Whoever connects",
        ),
        (
            f"principals: {{agent: {{role: agent, token: {'a' * 32}}}}}",
            AGENT,
            "principals.agent (sidegate.yaml:1)",
            "agent, role agent",
        ),
    ],
)
def test_authentication_says_by_what_a_caller_is_known(
    text: str, principal: Principal, rule: str, says: str
) -> None:
    found = identity(ruleset(text), principal)

    assert (found.layer, found.verdict, found.rule) == (Layer.AUTHENTICATION, "allow", rule)
    assert found.reason.startswith(says)
    assert "aaaa" not in found.reason


# 3 authorization


@pytest.mark.parametrize(
    ("verdict", "decision", "code"),
    [
        (Allow(Permit(Known(None)), Facts(rule="autonomy.level")), "allow", None),
        (
            Asked(SHELL, always=False, facts=Facts(rule="autonomy.level")),
            "ask",
            Reason.APPROVAL_REQUIRED.code,
        ),
        (
            Deny(Reason.COMMAND_TOO_COMPLEX, facts=Facts(rule="autonomy.level")),
            "deny",
            Reason.COMMAND_TOO_COMPLEX.code,
        ),
    ],
    ids=["allow", "ask", "deny"],
)
def test_authorization_says_its_verdict(verdict: Verdict, decision: str, code: str | None) -> None:
    found = ruling(ruleset(), call(), CLIENT, verdict, "More is open.")

    assert (found.layer, found.verdict, found.code) == (Layer.AUTHORIZATION, decision, code)
    assert found.rule == "autonomy.level (default)"
    assert (found.remedy is None) == (decision == "allow")
    assert ("More is open." in found.reason) == (decision == "allow")


# 4 isolation


TOOLS = """
upstream: {url: "http://agent:8080/"}
tools:
  agent.run: {effect: execute, backend: upstream, timeout_secs: 5}
  sandbox.read: {effect: read, backend: sandbox, command: line}
  sandbox.own: {effect: read, backend: sandbox, command: line, docker: {image: "own:1"}}
  sandbox.small: {effect: read, backend: sandbox, command: line, docker: {memory_limit_mb: 64}}
runtime: {docker: {mount_workspace: false, read_only_rootfs: false}}
"""
RUNSC = "runtime: {docker: {engine_runtime: runsc}}"


@pytest.mark.parametrize(
    ("text", "tool", "rule", "says"),
    [
        ("{}", "shell", "runtime.docker.image (default)", "network none, read-only root, the"),
        ("{}", "shell", "runtime.docker.image (default)", "workspace read-write, 512 MB"),
        (TOOLS, "shell", "runtime.docker.image (default)", "writable root, no workspace"),
        (TOOLS, "sandbox.own", "tools.sandbox.own.docker (sidegate.yaml:6)", "own:1: network"),
        (TOOLS, "sandbox.small", "tools.sandbox.small.docker (sidegate.yaml:7)", " 64 MB"),
        (RUNSC, "shell", "runtime.docker.image (default)", "of alpine:3.20 in runsc: network"),
        ("runtime: {kind: native}", "shell", "runtime.kind (sidegate.yaml:1)", "of this machine"),
        ("{}", "file_read", "autonomy.workspace_dir (default)", "opened beneath /workspace"),
        (TOOLS, "agent.run", "upstream.url (sidegate.yaml:2)", "http://agent:8080/tools/agent.run"),
        (TOOLS, "agent.run", "upstream.url (sidegate.yaml:2)", "within 5 s"),
    ],
)
def test_isolation_says_where_a_call_is_carried_out(
    text: str, tool: str, rule: str, says: str
) -> None:
    found = execution(ruleset(text), call(tool), reached=True)

    assert (found.layer, found.verdict, found.rule) == (Layer.ISOLATION, "allow", rule)
    assert says in found.reason


def test_a_tool_that_only_reads_has_the_workspace_so() -> None:
    text = TOOLS.replace("mount_workspace: false, ", "")

    found = execution(ruleset(text), call("sandbox.read"), reached=True)

    assert "the workspace read-only" in found.reason


def test_a_line_that_nobody_judges_is_told() -> None:
    rules = ruleset("tools: {shell: {commands: any}}")

    assert "the line is not judged" in execution(rules, call("shell"), reached=True).reason
    assert "not judged" not in execution(ruleset(), call("shell"), reached=True).reason


def test_a_call_of_the_upstream_needs_one() -> None:
    rules = ruleset(TOOLS.replace('upstream: {url: "http://agent:8080/"}', ""))

    found = execution(rules, call("agent.run"), reached=True)

    assert (found.verdict, found.code) == ("deny", Reason.UPSTREAM_MISSING.code)
    assert execution(rules, call("agent.run"), reached=False).verdict == "not-reached"


@pytest.mark.parametrize("tool", ["shell", "file_read", "none"])
def test_what_is_refused_is_carried_out_nowhere(tool: str) -> None:
    assert execution(ruleset(), call(tool), reached=False).verdict == "not-reached"


# 5 protection


def test_protection_says_what_it_masks() -> None:
    assert redaction(reached=True).verdict == "allow"
    assert redaction(reached=False).verdict == "not-reached"
    assert "password" in redaction(reached=True).reason
