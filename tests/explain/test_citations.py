"""Which key decided."""

from dataclasses import replace

import pytest
from doubles import CLIENT
from rulesets import call, ruleset

from proxy.authorization.tools.catalogue import FILE_WRITE, SHELL
from proxy.authorization.verdict import Asked, Verdict
from proxy.decision import Deny, Facts
from proxy.exchange import Principal, Role
from proxy.explain.citations import deciding_key
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope

RULES = ruleset(
    """
autonomy:
  level: full
  workspace_dir: /work/here
  allowed_commands: [ls, git]
  forbidden_paths: [private, /work/here/other, ~/keys]
  ignore: [.env, "*.pem"]
  always_ask: [file_write, shell, "*.delete_*"]
"""
)
COMMANDS = "autonomy.allowed_commands"
FORBIDDEN = "autonomy.forbidden_paths"
LEVEL = "autonomy.level"


def reader(scope: Scope) -> Principal:
    return Principal("principal:reader", Role.CLIENT, scope=scope)


def denial(reason: Reason, rule: str = "", evidence: str = "", known: str = "") -> Deny:
    facts = Facts()
    if rule:
        facts["rule"] = rule
    if known:
        facts["known"] = known
    return Deny(reason, evidence, facts)


@pytest.mark.parametrize(
    ("verdict", "key"),
    [
        # as the verdict says
        (denial(Reason.TOOL_UNKNOWN, "tools"), "tools"),
        (denial(Reason.ARGUMENT_NOT_ALLOWED, "tools.a.rules.b"), "tools.a.rules.b"),
        # the item of a list
        (
            denial(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "-c", "git -c: runs"),
            f"{COMMANDS}[1]",
        ),
        (denial(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "-c", "ls: runs"), f"{COMMANDS}[0]"),
        (denial(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "-c", "gi -c: runs"), COMMANDS),
        (denial(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "-c"), COMMANDS),
        (denial(Reason.COMMAND_UNKNOWABLE, COMMANDS, "x", "ls x: unknown"), f"{COMMANDS}[0]"),
        (denial(Reason.PATH_FORBIDDEN, FORBIDDEN, "private"), f"{FORBIDDEN}[0]"),
        (denial(Reason.PATH_FORBIDDEN, FORBIDDEN, "./private/a"), f"{FORBIDDEN}[0]"),
        (denial(Reason.PATH_FORBIDDEN, FORBIDDEN, "other/a"), f"{FORBIDDEN}[1]"),
        (denial(Reason.PATH_FORBIDDEN, FORBIDDEN, "privates"), FORBIDDEN),
        (denial(Reason.PATH_FORBIDDEN, FORBIDDEN, ".ssh/id"), FORBIDDEN),
        (denial(Reason.PATH_FORBIDDEN, FORBIDDEN), FORBIDDEN),
        (denial(Reason.PATH_IGNORED, "autonomy.ignore", "a/key.pem"), "autonomy.ignore[1]"),
        (denial(Reason.PATH_IGNORED, "autonomy.ignore", "./.env/a"), "autonomy.ignore[0]"),
        (denial(Reason.PATH_IGNORED, "autonomy.ignore", "--file=.env"), "autonomy.ignore"),
        (
            Asked(SHELL, always=True, facts=Facts(rule="autonomy.always_ask")),
            "autonomy.always_ask[1]",
        ),
        (
            Asked(FILE_WRITE, always=True, facts=Facts(rule="autonomy.always_ask")),
            "autonomy.always_ask[0]",
        ),
        (
            Asked(
                replace(FILE_WRITE, name="a.delete_b"),
                always=True,
                facts=Facts(rule="autonomy.always_ask"),
            ),
            "autonomy.always_ask[2]",
        ),
        # what is not in the list has no item
        (denial(Reason.COMMAND_NOT_ALLOWED, COMMANDS, "rm", "ls -x: runs rm"), COMMANDS),
        # what every such denial is decided by
        (denial(Reason.COMMAND_NOT_ALLOWED, evidence="rm"), COMMANDS),
        (denial(Reason.PATH_OUTSIDE_WORKSPACE), "autonomy.workspace_dir"),
        (denial(Reason.AUTONOMY_READONLY), LEVEL),
        # nothing
        (denial(Reason.ARGUMENTS_INVALID), None),
        (denial(Reason.SCOPE_INSUFFICIENT), None),
    ],
    ids=str,
)
def test_a_verdict_is_decided_by_a_key(verdict: Verdict, key: str | None) -> None:
    assert deciding_key(RULES, call(), CLIENT, verdict) == key


@pytest.mark.parametrize(
    ("listed", "key"),
    [
        ("[cat, python3.12]", f"{COMMANDS}[1]"),
        ("[cat, {program: python, options: {deny: [-u]}}]", f"{COMMANDS}[1]"),
        ("[python, python3]", COMMANDS),
        ("[cat]", COMMANDS),
    ],
)
def test_a_program_may_be_known_by_another_name(listed: str, key: str) -> None:
    rules = ruleset(f"autonomy: {{allowed_commands: {listed}}}")
    verdict = denial(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "-c", "python -c: runs")

    assert deciding_key(rules, call(), CLIENT, verdict) == key


@pytest.mark.parametrize(
    ("scope", "verdict", "key"),
    [
        (Scope(tools=("a",)), denial(Reason.SCOPE_INSUFFICIENT), "principals.reader.tools"),
        (Scope(routes=("/a",)), denial(Reason.SCOPE_INSUFFICIENT), "principals.reader.routes"),
        (
            Scope(level=Autonomy.READONLY),
            denial(Reason.AUTONOMY_READONLY, LEVEL),
            "principals.reader.level",
        ),
        (Scope(), denial(Reason.AUTONOMY_READONLY, LEVEL), LEVEL),
        (Scope(level=Autonomy.FULL), denial(Reason.AUTONOMY_READONLY, LEVEL), LEVEL),
    ],
)
def test_the_bounds_of_a_principal_are_its_own_keys(
    scope: Scope, verdict: Verdict, key: str
) -> None:
    assert deciding_key(RULES, call(), reader(scope), verdict) == key


def test_a_bound_of_somebody_else_has_no_key() -> None:
    bound = Principal("t_12", Role.CLIENT, scope=Scope(level=Autonomy.READONLY))

    assert deciding_key(RULES, call(), bound, denial(Reason.AUTONOMY_READONLY, LEVEL)) == LEVEL
