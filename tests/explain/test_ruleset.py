"""A configuration, its policy, and where each key stands."""

import pytest
from rulesets import ruleset

from proxy.decision import Malformed
from proxy.explain.ruleset import in_force
from proxy.reasons import Reason

RULES = ruleset(
    """
autonomy:
  allowed_commands:
    - ls
    - git
presets: [mcp-git]
tools:
  agent.save:
    effect: write
    backend: upstream
    paths: ["file?", other]
    rules:
      mode: {in: [a, 1], max_length: 3}
      more: {optional: true}
  agent.fetch: {effect: read, backend: upstream, paths: [deep.path], urls: [url]}
  agent.think: {effect: read, backend: upstream}
"""
)


def test_those_who_may_be_asked_about_are_principals_and_roles() -> None:
    named = ruleset(f"principals: {{robot: {{token: {'a' * 32}}}}}")

    assert named.principals == ("robot", "client", "agent")
    assert RULES.principals == ("client", "agent")


@pytest.mark.parametrize(
    ("key", "cited"),
    [
        ("autonomy.allowed_commands", "autonomy.allowed_commands (sidegate.yaml:3)"),
        ("autonomy.allowed_commands[1]", "autonomy.allowed_commands[1] (sidegate.yaml:5)"),
        ("autonomy.auto_approve[0]", "autonomy.auto_approve[0] (default)"),
        ("tools.agent.save.rules.mode", "tools.agent.save.rules.mode (sidegate.yaml:13)"),
        ("upstream.url", "upstream.url (default)"),
        ("tools.git.git_status.approval", "tools.git.git_status.approval (preset mcp-git)"),
    ],
)
def test_a_rule_is_cited_with_its_place(key: str, cited: str) -> None:
    assert RULES.rule(key) == cited
    assert RULES.rule(key) == cited


def test_programs_are_in_their_order() -> None:
    assert RULES.programs == ["ls", "git"]


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("shell", "command"),
        ("file_write", "path"),
        ("agent.save", "file"),
        ("agent.fetch", "url"),
        ("agent.think", None),
        ("none", None),
    ],
)
def test_a_tool_has_one_argument_that_matters(name: str, argument: str | None) -> None:
    assert RULES.main_argument(name) == argument


@pytest.mark.parametrize(
    ("key", "demand"),
    [
        ("tools.agent.save.rules.mode", 'in: ["a", 1], max_length: 3'),
        ("tools.agent.save.rules.more", "optional: true"),
        ("tools.agent.save.rules.none", ""),
        ("tools.none.rules.mode", ""),
    ],
)
def test_a_rule_of_an_argument_is_told_as_it_is_written(key: str, demand: str) -> None:
    assert RULES.demand(key) == demand


def test_nobody_asks_about_changes_of_what_is_in_force() -> None:
    rules = in_force(RULES.loaded, RULES.policy)

    assert rules({}).policy is RULES.policy
    with pytest.raises(Malformed) as refused:
        rules({"autonomy": {"level": "full"}})
    assert refused.value.reason is Reason.BODY_MALFORMED
