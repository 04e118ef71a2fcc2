"""What the operator is told to do about a denial."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rulesets import call, ruleset

from proxy.explain.remedies import Refusal, quoted, remedy
from proxy.reasons import Layer, Reason
from proxy.values import Json

RULES = ruleset(
    """
autonomy:
  workspace_dir: /work/here
  allowed_commands: [ls, git]
  forbidden_paths: [private]
principals:
  reader: {token: ssssssssssssssssssssssssssssssss, tools: [file_read], level: readonly}
tools:
  agent.save:
    effect: write
    backend: upstream
    rules:
      mode: {in: [a, b]}
"""
)
COMMANDS = "autonomy.allowed_commands"
FOLDER = "autonomy.workspace_dir"
FORBIDDEN = "autonomy.forbidden_paths"


def refusal(
    reason: Reason, rule: str | None, evidence: str = "", known: str = "", tool: str = "shell"
) -> Refusal:
    return Refusal(RULES, call(tool), reason, rule, evidence, known)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        # commands
        (
            refusal(Reason.COMMAND_NOT_ALLOWED, COMMANDS, "jq"),
            "Add `jq` to autonomy.allowed_commands (sidegate.yaml:4).",
        ),
        (
            refusal(Reason.COMMAND_NOT_ALLOWED, COMMANDS, "/bin/ls"),
            (
                "Write `ls`, as it is listed, or list `/bin/ls` in autonomy.allowed_commands"
                " (sidegate.yaml:4)."
            ),
        ),
        (
            refusal(Reason.COMMAND_NOT_ALLOWED, COMMANDS, "/bin/jq"),
            "Add `/bin/jq` to autonomy.allowed_commands (sidegate.yaml:4).",
        ),
        (
            refusal(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "-c", "git -c: runs programs"),
            "Leave `-c` out: git -c: runs programs.",
        ),
        (
            refusal(Reason.COMMAND_OPTION_NOT_ALLOWED, COMMANDS, "", "git: needs a subcommand"),
            "Change what its program is told: git: needs a subcommand.",
        ),
        (
            refusal(Reason.COMMAND_NOT_ALLOWED, COMMANDS, "LS"),
            (
                "Write `ls`, as it is listed, or add `LS` to autonomy.allowed_commands"
                " (sidegate.yaml:4)."
            ),
        ),
        (
            refusal(Reason.COMMAND_UNKNOWABLE, COMMANDS, "$x"),
            "Write `$x` so that what it does is known before it runs, or leave it out.",
        ),
        (
            refusal(Reason.COMMAND_UNKNOWABLE, COMMANDS, "xp", "sed operand: not known"),
            (
                "Write `xp` so that what it does is known before it runs, or leave it out:"
                " sed operand: not known."
            ),
        ),
        # paths
        (
            refusal(Reason.PATH_OUTSIDE_WORKSPACE, FOLDER, "../x"),
            (
                "Use a relative path that stays beneath `/work/here` instead of `../x`. It is set"
                " by autonomy.workspace_dir (sidegate.yaml:3)."
            ),
        ),
        (
            refusal(Reason.PATH_FORBIDDEN, f"{FORBIDDEN}[0]", "private/a"),
            (
                "Use another path. `private/a` is forbidden by autonomy.forbidden_paths[0]"
                " (sidegate.yaml:5)."
            ),
        ),
        (
            refusal(Reason.PATH_FORBIDDEN, FORBIDDEN, ".ssh/id"),
            (
                "Use another path. `.ssh/id` is forbidden, as autonomy.forbidden_paths"
                " (sidegate.yaml:5) or built in."
            ),
        ),
        (
            refusal(Reason.PATH_NOT_FOUND, None, "none"),
            "Nothing is at `none` in `/work/here`: make it, or the folder for it, first.",
        ),
        (
            refusal(Reason.PATH_IGNORED, "autonomy.ignore[0]", ".env"),
            "Use another file. No tool is to see `.env`, says autonomy.ignore[0] (default).",
        ),
        (
            refusal(Reason.PATH_READ_ONLY, "autonomy.allowed_roots", ".git/config"),
            (
                "Write elsewhere. `.git/config` lies in a .git folder, or a root of"
                " autonomy.allowed_roots (default) without access: rw."
            ),
        ),
        (
            refusal(Reason.PATH_UNUSABLE, None, "pipe"),
            "Name a regular file with one link, or a folder to list. `pipe` is neither.",
        ),
        (
            refusal(Reason.WORKSPACE_MISSING, FOLDER),
            (
                "Create the folder `/work/here` and restart Sidegate, or change"
                " autonomy.workspace_dir (sidegate.yaml:3)."
            ),
        ),
        # tools
        (
            refusal(Reason.TOOL_UNKNOWN, "tools", tool="fil_read"),
            (
                "Declare `fil_read` in tools (sidegate.yaml:8), with effect and backend"
                " (did you mean 'file_read'?)."
            ),
        ),
        (
            refusal(Reason.WRAPPER_UNKNOWN, "tools", tool="x.tool_call"),
            (
                "Declare `x.tool_call` in tools (sidegate.yaml:8), with dispatch: where the inner"
                " call stands."
            ),
        ),
        (
            refusal(Reason.SCOPE_INSUFFICIENT, "principals.reader.tools"),
            "Add `shell` to principals.reader.tools (sidegate.yaml:7).",
        ),
        (
            refusal(Reason.SCOPE_INSUFFICIENT, "principals.reader.routes"),
            "Add `/tools/shell` to principals.reader.routes (default).",
        ),
        (
            refusal(Reason.AUTONOMY_READONLY, "autonomy.level"),
            "Set autonomy.level (default) to supervised or full: `shell` does more than read.",
        ),
        (
            refusal(Reason.ARGUMENT_NOT_ALLOWED, "tools.agent.save.rules.mode", tool="agent.save"),
            (
                "Send a value that tools.agent.save.rules.mode (sidegate.yaml:13) allows:"
                ' in: ["a", "b"].'
            ),
        ),
        # a call within the call
        (
            refusal(Reason.TOOL_UNKNOWN, "tools", "agent.sav", tool="x.tool_call"),
            (
                "Declare `agent.sav` in tools (sidegate.yaml:8), with effect and backend"
                " (did you mean 'agent.save'?)."
            ),
        ),
        (
            refusal(Reason.AUTONOMY_READONLY, "autonomy.level", "agent.save", tool="x.tool_call"),
            "Set autonomy.level (default) to supervised or full: `agent.save` does more than read.",
        ),
        (
            refusal(Reason.APPROVAL_REQUIRED, "autonomy.auto_approve", "a.b", tool="x.tool_call"),
            "Approve it when it waits, or add `a.b` to autonomy.auto_approve (default).",
        ),
        # a human
        (
            refusal(Reason.APPROVAL_REQUIRED, "autonomy.auto_approve"),
            "Approve it when it waits, or add `shell` to autonomy.auto_approve (default).",
        ),
        (
            refusal(Reason.APPROVAL_REQUIRED, "autonomy.always_ask"),
            "Approve it when it waits: autonomy.always_ask (default) says that a human is asked.",
        ),
        (
            refusal(Reason.STOPPED_BY_OPERATOR, None, "s_12"),
            "Lift the stop `s_12`, when all is well again.",
        ),
        (
            refusal(Reason.URL_NOT_ALLOWED, "autonomy.allowed_domains", "https://a.example/x?y=1"),
            "Add `a.example` to autonomy.allowed_domains (default), if it is a public host.",
        ),
        (
            refusal(Reason.URL_PRIVATE, None, "http://10.0.0.1/"),
            "Use another host. `10.0.0.1` has an address that is not public.",
        ),
        (
            refusal(Reason.URL_UNRESOLVED, None, "http://none.example"),
            "Look whether `none.example` exists, and has an address here.",
        ),
        (
            refusal(Reason.TOOL_DENIED, "tools.agent.save.approval", tool="agent.save"),
            (
                "Say approval: auto or ask for `agent.save`, instead of deny, in"
                " tools.agent.save.approval (default)."
            ),
        ),
    ],
    ids=lambda value: value.reason.code if isinstance(value, Refusal) else "",
)
def test_a_remedy_names_the_key_and_the_word(asked: Refusal, says: str) -> None:
    assert remedy(asked) == says


@pytest.mark.parametrize(
    ("line", "word"),
    [("[[ -f a ]] && ls", "`[[`"), ("ls &> a", "`&>`"), ("ls &>> a", "`&>>`")],
)
def test_a_line_for_bash_alone_is_told_what_lets_bash_run_it(line: str, word: str) -> None:
    asked = Refusal(RULES, call("shell", {"command": line}), Reason.COMMAND_UNPARSABLE, COMMANDS)

    assert remedy(asked) == (
        f"Write the line without {word}, which only bash knows; or set runtime.docker.shell: bash,"
        " if the image has it. It is set by runtime.docker.shell (default)."
    )


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("{}", "shell", {"command": "ls |"}),
        ("{}", "shell", {"command": ["[[ a ]]"]}),
        ("{}", "shell", {"command": "diff <(ls) <(ls)"}),
        ("{}", "shell", {}),
        ("{}", "none", {"command": "[[ a ]]"}),
        ("runtime: {docker: {shell: bash}}", "shell", {"command": "[[ a"}),
        (
            "tools: {a: {effect: execute, backend: upstream, command: command}}",
            "a",
            {"command": "[[ a ]]"},
        ),
    ],
)
def test_where_bash_would_not_help_it_is_not_named(
    text: str, tool: str, arguments: dict[str, Json]
) -> None:
    asked = Refusal(ruleset(text), call(tool, arguments), Reason.COMMAND_UNPARSABLE, COMMANDS)

    assert remedy(asked) == Reason.COMMAND_UNPARSABLE.remedy


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "PAGER"])
def test_a_variable_is_told_with_those_that_are_harmless(variable: str) -> None:
    says = remedy(refusal(Reason.COMMAND_VARIABLE_NOT_ALLOWED, COMMANDS, variable))

    assert says.startswith(f"Leave `{variable}` out. ")
    assert "NO_COLOR" in says


def test_arguments_are_told_as_the_tool_describes_them() -> None:
    says = remedy(refusal(Reason.ARGUMENTS_INVALID, None, tool="file_read"))

    assert "`file_read`" in says
    assert "{path}" in says


@pytest.mark.parametrize("reason", [each for each in Reason if each.layer is Layer.AUTHORIZATION])
def test_whatever_is_refused_something_helps(reason: Reason) -> None:
    for rule in (None, "autonomy.level"):
        says = remedy(refusal(reason, rule, tool="none"))
        assert says
        assert "``" not in says
        assert not re.search(r" [.,](?: |$)", says)


@pytest.mark.parametrize("url", ["", "http://[", "mailto:a@b", "//", "http://"])
def test_what_has_no_host_is_answered_without_one(url: str) -> None:
    asked = refusal(Reason.URL_NOT_ALLOWED, "autonomy.allowed_domains", url)

    assert remedy(asked) == Reason.URL_NOT_ALLOWED.remedy


# The word of a caller


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("jq", "`jq`"),
        ("a b", "`a b`"),
        ("a`b", "`a\\x60b`"),
        ("a\nb\x1b[2J", "`a\\x0ab\\x1b[2J`"),
        ("с\u202eat", "`\\u0441\\u202eat`"),  # noqa: RUF001 - the look-alike is the case
        ("\ud800", "`\\ud800`"),
        ("x" * 80, f"`{'x' * 80}`"),
        ("x" * 81, f"`{'x' * 80}…`"),
    ],
    ids=ascii,
)
def test_a_word_is_printable_and_bounded(word: str, shown: str) -> None:
    assert quoted(word) == shown


@given(word=st.text(st.characters()))
def test_no_word_looks_like_more_than_one(word: str) -> None:
    shown = quoted(word)

    assert shown.isprintable()
    assert shown.count("`") == 2
    assert len(shown) <= 83
