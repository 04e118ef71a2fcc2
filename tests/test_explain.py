"""What would be decided, without doing it."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from policies import PARSER

from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.explain import explain
from proxy.reasons import Reason

PRINCIPALS = f"""
principals:
  robot: {{role: agent, token: {"r" * 32}}}
  reader: {{token: {"s" * 32}, tools: [file_read], level: readonly}}
  elsewhere: {{token: {"t" * 32}, routes: [/webhook]}}
  lister: {{token: {"u" * 32}, routes: [/tools/file_list]}}
"""
ALLOWED = {"decision": "allow", "code": None, "layer": "authorization", "remedy": None}


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Loaded]:
    """A configuration with a workspace that has a file."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    before = len(os.listdir("/proc/self/fd"))
    text = f"autonomy:\n  workspace_dir: {folder}\n  allowed_commands: [ls, cat]\n" + PRINCIPALS
    yield loader.parse(text, "sidegate.yaml", {})
    assert len(os.listdir("/proc/self/fd")) == before


async def ask(loaded: Loaded, question: object) -> dict[str, Any]:
    line = question if isinstance(question, bytes) else json.dumps(question).encode()
    verdict = await explain(loaded, PARSER, line)
    assert isinstance(verdict, dict)
    return verdict


def about(tool: str, arguments: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"tool": tool, "arguments": arguments, **more}


def denied(reason: Reason, rule: str | None, decision: str = "deny") -> dict[str, object]:
    return {
        "decision": decision,
        "code": reason.code,
        "layer": "authorization",
        "rule": rule,
        "remedy": reason.remedy,
    }


READ = about("file_read", {"path": "a.txt"})
LS = about("shell", {"command": "ls"})
FULL = {"autonomy": {"level": "full"}}


async def test_what_would_be_allowed_says_by_which_rule(loaded: Loaded) -> None:
    assert await ask(loaded, READ) == {**ALLOWED, "rule": "autonomy.level (default)"}


async def test_what_needs_a_human_is_neither_allowed_nor_denied(loaded: Loaded) -> None:
    verdict = await ask(loaded, LS)

    rule = "autonomy.auto_approve (default)"
    assert verdict == denied(Reason.APPROVAL_UNAVAILABLE, rule, decision="ask")


@pytest.mark.parametrize(
    ("question", "reason", "rule"),
    [
        (about("none", {}), Reason.TOOL_UNKNOWN, "tools (default)"),
        (
            about("shell", {"command": "rm a.txt"}),
            Reason.COMMAND_NOT_ALLOWED,
            "autonomy.allowed_commands (sidegate.yaml:3)",
        ),
        (about("shell", {"command": "ls | cat"}), Reason.COMMAND_NOT_PLAIN, None),
        (
            about("file_read", {"path": "/etc/passwd"}),
            Reason.PATH_OUTSIDE_WORKSPACE,
            "autonomy.workspace_dir (sidegate.yaml:2)",
        ),
        (
            about("file_read", {"path": ".ssh/id"}),
            Reason.PATH_FORBIDDEN,
            "autonomy.forbidden_paths (default)",
        ),
        (about("file_read", {"path": "none"}), Reason.PATH_NOT_FOUND, None),
        (about("file_read", {}), Reason.ARGUMENTS_INVALID, None),
    ],
    ids=lambda value: value.code if isinstance(value, Reason) else "",
)
async def test_what_would_be_denied_says_why_by_which_rule_and_what_helps(
    loaded: Loaded, question: object, reason: Reason, rule: str | None
) -> None:
    assert await ask(loaded, question) == denied(reason, rule)


async def test_a_change_is_asked_about_and_not_made(loaded: Loaded) -> None:
    changed = await ask(loaded, {**LS, "config": FULL})

    assert changed == {**ALLOWED, "rule": "autonomy.level (overlay)"}
    assert (await ask(loaded, LS))["decision"] == "ask"


async def test_a_change_of_the_list_is_told_as_the_overlay_s(loaded: Loaded) -> None:
    config = {"autonomy": {"allowed_commands": ["git"]}}
    verdict = await ask(loaded, {**LS, "config": config})

    rule = "autonomy.allowed_commands (overlay)"
    assert verdict == denied(Reason.COMMAND_NOT_ALLOWED, rule)


async def test_a_change_may_declare_a_tool(loaded: Loaded) -> None:
    tools = {"ref.add": {"effect": "read", "backend": "upstream"}}
    verdict = await ask(loaded, about("ref.add", {}, config={**FULL, "tools": tools}))

    assert verdict["decision"] == "allow"


async def test_a_change_of_the_workspace_is_another_folder(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    for folder, code in (("other", "path-not-found"), ("none", "workspace-missing")):
        config = {"autonomy": {"workspace_dir": str(tmp_path / folder)}}
        assert (await ask(loaded, {**READ, "config": config}))["code"] == code


async def test_an_invalid_change_is_told_with_all_that_is_wrong(loaded: Loaded) -> None:
    config = {"autonomy": {"level": "high", "lvel": 1}}
    verdict = await ask(loaded, {**LS, "config": config, "id": 7})

    assert verdict["decision"] == "deny"
    assert verdict["code"] == Reason.ARGUMENTS_INVALID.code
    assert verdict["id"] == 7
    assert len(verdict["problems"]) == 2
    assert all("autonomy.l" in problem for problem in verdict["problems"])


async def test_nothing_is_read_out_of_the_environment_for_a_change(loaded: Loaded) -> None:
    config = {"autonomy": {"workspace_dir": "/${HOME}"}}
    verdict = await ask(loaded, {**READ, "config": config})

    assert verdict["code"] == Reason.WORKSPACE_MISSING.code


@pytest.mark.parametrize("echo", [0, 1, "a", None, [1], {"a": 1}], ids=str)
async def test_an_id_comes_back(loaded: Loaded, echo: object) -> None:
    assert (await ask(loaded, {**READ, "id": echo}))["id"] == echo
    assert "id" not in await ask(loaded, READ)


@pytest.mark.parametrize("principal", ["client", "agent", "robot", "reader"])
async def test_the_one_who_asks_is_named(loaded: Loaded, principal: str) -> None:
    verdict = await ask(loaded, {**READ, "principal": principal})

    assert verdict == {**ALLOWED, "rule": "autonomy.level (default)"}


async def test_the_one_who_is_not_named_is_a_client_without_ceiling(loaded: Loaded) -> None:
    for question in (READ, LS, about("none", {})):
        named = await ask(loaded, {**question, "principal": "client"})
        assert await ask(loaded, question) == named


@pytest.mark.parametrize(
    ("principal", "question", "reason", "rule"),
    [
        ("reader", about("file_list", {"path": "."}), Reason.SCOPE_INSUFFICIENT, None),
        ("reader", LS, Reason.SCOPE_INSUFFICIENT, None),
        ("elsewhere", READ, Reason.SCOPE_INSUFFICIENT, None),
        ("lister", READ, Reason.SCOPE_INSUFFICIENT, None),
    ],
)
async def test_a_principal_of_the_configuration_has_its_bounds(
    loaded: Loaded, principal: str, question: dict[str, object], reason: Reason, rule: str | None
) -> None:
    assert await ask(loaded, {**question, "principal": principal}) == denied(reason, rule)


async def test_a_principal_called_client_is_not_who_is_not_named(loaded: Loaded) -> None:
    made = {"client": {"token": "n" * 32, "tools": []}}
    verdict = await ask(loaded, {**READ, "config": {"principals": made}})

    assert verdict["decision"] == "allow"


async def test_within_its_bounds_it_is_allowed(loaded: Loaded) -> None:
    listing = about("file_list", {"path": "."}, principal="lister")

    assert (await ask(loaded, listing))["decision"] == "allow"


async def test_a_ceiling_holds_whatever_the_change(loaded: Loaded) -> None:
    """The bounds of who asks are told by the same configuration that is asked about."""
    changed = {**FULL, "principals": {"reader": {"tools": None}}}
    verdict = await ask(loaded, {**LS, "principal": "reader", "config": changed})

    assert verdict["code"] == Reason.AUTONOMY_READONLY.code


async def test_a_change_may_make_a_principal(loaded: Loaded) -> None:
    made = {"new": {"token": "n" * 32, "tools": ["file_list"]}}
    verdict = await ask(loaded, {**READ, "principal": "new", "config": {"principals": made}})

    assert verdict["code"] == Reason.SCOPE_INSUFFICIENT.code
    assert "nnnn" not in repr(verdict)


@pytest.mark.parametrize(
    "principal", ["operator", "public", "", "nobody", "principal:robot", "Client", "uid-0"]
)
async def test_a_principal_that_there_is_not_is_told(loaded: Loaded, principal: str) -> None:
    verdict = await ask(loaded, {**READ, "principal": principal, "id": 7})

    assert verdict == {**denied(Reason.ARGUMENTS_INVALID, None), "id": 7}


@pytest.mark.parametrize(
    "question",
    [
        # no JSON, or not the object that is expected
        *(b"", b"{", b"\xff", b"null", b"[]", b'"a"', b"NaN", b'{"tool":"a","tool":"b"}'),
        *({}, {"tool": "shell"}, {"arguments": {}}, about("shell", {}, more=1)),
        # of another type
        *({"tool": 1, "arguments": {}}, {"tool": "shell", "arguments": []}),
        {"tool": "shell", "arguments": None},
        # a name that is none
        *(about("shell", {}, principal=1), about("shell", {}, principal=["client"])),
        *(about("shell", {}, principal=None), about("shell", {}, principal={})),
        # no mapping of sections
        *(about("shell", {}, config=[1]), about("shell", {}, config="a"), about("a", {}, config=1)),
    ],
    ids=str,
)
async def test_a_question_that_is_none_is_answered_and_not_guessed(
    loaded: Loaded, question: object
) -> None:
    assert await ask(loaded, question) == denied(Reason.BODY_MALFORMED, None)


async def test_nothing_is_done(loaded: Loaded) -> None:
    folder = Path(loaded.config.autonomy.workspace_dir)
    for tool, arguments in (
        ("file_write", {"path": "new", "content": "x"}),
        ("file_write", {"path": "a.txt", "content": "x"}),
        ("shell", {"command": "cat a.txt"}),
    ):
        verdict = await ask(loaded, about(tool, arguments, config=FULL))
        assert verdict["decision"] == "allow"

    assert os.listdir(folder) == ["a.txt"]
    assert (folder / "a.txt").read_text() == "a"


async def test_the_answer_is_one_line_of_json(loaded: Loaded) -> None:
    for question in (READ, LS, about("none", {}), b"{"):
        line = json.dumps(await ask(loaded, question))
        assert "\n" not in line
        assert {"decision", "code", "layer", "rule", "remedy"} <= set(json.loads(line))
