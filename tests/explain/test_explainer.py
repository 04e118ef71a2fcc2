"""What would be decided, without doing it."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policies import PARSER
from rulesets import ruleset

from proxy.actions import Action
from proxy.authorization.tools.catalogue import catalogue
from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.decision import Deny
from proxy.exchange import Principal
from proxy.explain.explainer import OFFLINE, Explainer, StopFile
from proxy.explain.overlays import Overlays
from proxy.explain.ruleset import Ruleset
from proxy.reasons import Layer, Reason
from proxy.values import Json

PRINCIPALS = f"""
principals:
  robot: {{role: agent, token: {"r" * 32}}}
  reader: {{token: {"s" * 32}, tools: [file_read], level: readonly}}
  elsewhere: {{token: {"t" * 32}, routes: [/webhook]}}
  lister: {{token: {"u" * 32}, routes: [/tools/file_list]}}
"""
ALLOWED = {"decision": "allow", "code": None, "layer": "authorization", "remedy": None}
PARTS = {"decision", "code", "layer", "rule", "remedy"}
ANSWER = PARTS | {"layers", "note", "known"}


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


async def answer(loaded: Loaded, question: object) -> dict[str, Any]:
    line = question if isinstance(question, bytes) else json.dumps(question).encode()
    overlays = Overlays(loaded, PARSER, {})
    try:
        return dict(await Explainer(overlays, StopFile("/none/STOP"), OFFLINE).line(line))
    finally:
        overlays.close()


async def ask(loaded: Loaded, question: object) -> dict[str, Any]:
    """The verdict without what the layers say."""
    told = await answer(loaded, question)
    assert set(told) >= ANSWER
    return {key: told[key] for key in told if key not in {"layers", "note", "known"}}


def about(tool: str, arguments: Mapping[str, Json], **more: Json) -> dict[str, Json]:
    return {"tool": tool, "arguments": arguments, **more}


def denied(reason: Reason, rule: str | None, decision: str = "deny") -> tuple[str, str, str | None]:
    return decision, reason.code, rule


def short(verdict: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """The decision, its code and its rule; whatever it is, it says what helps."""
    assert verdict["layer"] == "authorization"
    assert verdict["remedy"]
    return verdict["decision"], verdict["code"], verdict["rule"]


READ = about("file_read", {"path": "a.txt"})
LS = about("shell", {"command": "ls"})
FULL = {"autonomy": {"level": "full"}}
ASKING = {"level": "supervised"}


async def test_what_would_be_allowed_says_by_which_rule(loaded: Loaded) -> None:
    assert await ask(loaded, READ) == {**ALLOWED, "rule": "autonomy.level (default)"}


async def test_what_needs_a_human_is_neither_allowed_nor_denied(loaded: Loaded) -> None:
    verdict = await ask(loaded, LS)

    rule = "autonomy.auto_approve (default)"
    assert short(verdict) == denied(Reason.APPROVAL_REQUIRED, rule, decision="ask")


@pytest.mark.parametrize(
    ("question", "reason", "rule"),
    [
        (about("none", {}), Reason.TOOL_UNKNOWN, "tools (default)"),
        (
            about("shell", {"command": "rm a.txt"}),
            Reason.COMMAND_NOT_ALLOWED,
            "autonomy.allowed_commands (sidegate.yaml:3)",
        ),
        (
            about("shell", {"command": "ls |"}),
            Reason.COMMAND_UNPARSABLE,
            "autonomy.allowed_commands (sidegate.yaml:3)",
        ),
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
    assert short(await ask(loaded, question)) == denied(reason, rule)


async def test_a_change_is_asked_about_and_not_made(loaded: Loaded) -> None:
    changed = await ask(loaded, {**LS, "config": FULL})

    assert changed == {**ALLOWED, "rule": "autonomy.level (overlay)"}
    assert (await ask(loaded, LS))["decision"] == "ask"


async def test_a_change_of_the_list_is_told_as_the_overlay_s(loaded: Loaded) -> None:
    config = {"autonomy": {"allowed_commands": ["git"]}}
    verdict = await ask(loaded, {**LS, "config": config})

    rule = "autonomy.allowed_commands (overlay)"
    assert short(verdict) == denied(Reason.COMMAND_NOT_ALLOWED, rule)


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
    ("principal", "question", "rule"),
    [
        ("reader", about("file_list", {"path": "."}), "principals.reader.tools (sidegate.yaml:7)"),
        ("reader", LS, "principals.reader.tools (sidegate.yaml:7)"),
        ("elsewhere", READ, "principals.elsewhere.routes (sidegate.yaml:8)"),
        ("lister", READ, "principals.lister.routes (sidegate.yaml:9)"),
    ],
)
async def test_a_principal_of_the_configuration_has_its_bounds(
    loaded: Loaded, principal: str, question: dict[str, object], rule: str
) -> None:
    verdict = await ask(loaded, {**question, "principal": principal})

    assert short(verdict) == denied(Reason.SCOPE_INSUFFICIENT, rule)


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

    rule = "principals.reader.level (sidegate.yaml:7)"
    assert short(verdict) == denied(Reason.AUTONOMY_READONLY, rule)


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

    assert short(verdict) == denied(Reason.ARGUMENTS_INVALID, None)
    assert verdict["id"] == 7
    assert "robot, reader, elsewhere, lister, client, agent" in verdict["remedy"]


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
    assert short(await ask(loaded, question)) == denied(Reason.BODY_MALFORMED, None)


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
        line = json.dumps(await answer(loaded, question))
        assert "\n" not in line
        assert set(json.loads(line)) >= ANSWER


# The layers


@pytest.mark.parametrize(
    ("question", "verdicts"),
    [
        (READ, ["allow"] * 5),
        (LS, ["allow", "allow", "ask", "not-reached", "not-reached"]),
        (about("none", {}), ["allow", "allow", "deny", "not-reached", "not-reached"]),
    ],
    ids=["allow", "ask", "deny"],
)
async def test_every_layer_says_what_it_would_do(
    loaded: Loaded, question: object, verdicts: list[str]
) -> None:
    told = await answer(loaded, question)

    assert [layer["layer"] for layer in told["layers"]] == list(Layer)
    assert [layer["verdict"] for layer in told["layers"]] == verdicts
    assert all(layer["reason"] for layer in told["layers"])
    ruled = told["layers"][2]
    assert {key: ruled[key] for key in ("code", "rule", "remedy")} == {
        key: told[key] for key in ("code", "rule", "remedy")
    }


async def test_a_call_that_an_upstream_has_to_do_needs_one(loaded: Loaded) -> None:
    tools = {"ref.add": {"effect": "read", "backend": "upstream"}}
    told = await answer(loaded, about("ref.add", {}, config={**FULL, "tools": tools}))

    assert told["decision"] == "allow"
    assert told["layers"][3]["verdict"] == "deny"
    assert told["layers"][3]["code"] == Reason.UPSTREAM_MISSING.code


async def test_what_is_no_question_reaches_no_layer(loaded: Loaded) -> None:
    for question in (b"{", {**READ, "principal": "nobody"}, {**READ, "config": {"a": 1}}):
        assert (await answer(loaded, question))["layers"] == []


async def test_what_the_tables_know_is_told(loaded: Loaded) -> None:
    rule: Json = {"program": "git", "subcommands": ["log"], "options": {"deny": ["--all"]}}
    full: dict[str, Json] = {"level": "full", "allowed_commands": ["ls", rule, "npm", "sort"]}

    async def told(line: str) -> dict[str, Any]:
        return await answer(loaded, about("shell", {"command": line}, config={"autonomy": full}))

    npm, sort, push = await told("npm test"), await told("sort -o x y"), await told("git push")
    assert npm["decision"] == "allow"
    assert npm["note"].startswith("npm test: ")
    assert npm["known"] is None
    asked = await answer(
        loaded, about("shell", {"command": "npm test"}, config={"autonomy": {**full, **ASKING}})
    )
    assert (asked["decision"], asked["note"]) == ("ask", npm["note"])
    runs = await told("sort --compress-program=sh x")
    assert runs["rule"] == "autonomy.allowed_commands[3] (overlay)"
    assert runs["known"].startswith("sort --compress-program: ")
    assert runs["note"] is None
    assert "`--compress-program=sh`" in runs["remedy"]
    assert sort["known"] is None
    for denied_by_rule in (push, await told("git log --all")):
        assert denied_by_rule["rule"] == "autonomy.allowed_commands[1] (overlay)"
        assert "or change autonomy.allowed_commands[1] (overlay)" in denied_by_rule["remedy"]


async def test_what_is_only_observed_is_told(loaded: Loaded) -> None:
    tools = {"agent.save": {"effect": "write", "backend": "upstream", "paths": ["file"]}}
    observe = {"level": "full", "mode": "observe", "until": "2999-01-01"}
    question = about("agent.save", {"file": "../a"}, config={"autonomy": observe, "tools": tools})

    told = await answer(loaded, question)

    assert told["decision"] == "allow"
    assert told["note"] == "only observed: enforced, it would be path-outside-workspace"
    said = told["layers"][2]
    assert said["verdict"] == "allow"
    assert said["reason"].startswith(
        "The rules refuse it (path-outside-workspace), and are only observed until 2999-01-01."
    )


async def test_a_rule_on_an_argument_that_is_only_observed_is_told(loaded: Loaded) -> None:
    rules: Json = {"mode": {"equals": "a"}}
    tools = {"agent.save": {"effect": "write", "backend": "upstream", "rules": rules}}
    observe = {"level": "full", "mode": "observe", "until": "2999-01-01"}
    changed: dict[str, Json] = {"autonomy": observe, "tools": tools}

    kept = await answer(loaded, about("agent.save", {"mode": "a"}, config=changed))
    broken = await answer(loaded, about("agent.save", {"mode": "b"}, config=changed))

    assert (kept["decision"], kept["note"]) == ("allow", None)
    assert kept["layers"][2]["reason"].startswith("The rules allow it.")
    assert (broken["decision"], broken["code"]) == ("allow", None)
    assert "argument-not-allowed" in broken["note"]
    assert "argument-not-allowed" in broken["layers"][2]["reason"]
    assert broken["rule"] == "tools.agent.save.rules.mode (overlay)"


async def test_what_a_dispatcher_calls_is_told_by_its_own_name(loaded: Loaded) -> None:
    gate: Json = {
        "effect": "read",
        "backend": "upstream",
        "dispatch": {"tool": "name", "arguments": "with"},
    }
    deeper: Json = {"effect": "write", "backend": "upstream"}
    tools: dict[str, Json] = {"gate": gate, "deep.save": deeper}

    async def told(name: str, **autonomy: Json) -> dict[str, Any]:
        config: dict[str, Json] = {"tools": tools, "autonomy": {"auto_approve": [], **autonomy}}
        return await answer(loaded, about("gate", {"name": name, "with": {}}, config=config))

    unknown = await told("deep.sav")
    assert unknown["remedy"].startswith("Declare `deep.sav` in ")
    readonly = await told("deep.save", level="readonly")
    assert "`deep.save` does more than read" in readonly["remedy"]
    asked = await told("deep.save", auto_approve=["gate"])
    assert (asked["decision"], "`deep.save`" in asked["remedy"]) == ("ask", True)
    always = await told("deep.save", always_ask=["x", "*.save"])
    assert always["rule"] == "autonomy.always_ask[1] (overlay)"


# What stops everything


async def test_the_file_that_stops_everything_is_told(loaded: Loaded, tmp_path: Path) -> None:
    stop = tmp_path / "STOP"
    overlays = Overlays(loaded, PARSER, {})
    explainer = Explainer(overlays, StopFile(str(stop)), OFFLINE)

    before = await explainer.explain(READ)
    stop.symlink_to("nowhere")
    told = await explainer.explain(READ)
    overlays.close()

    assert before["decision"] == "allow"
    assert (told["decision"], told["code"]) == ("deny", Reason.STOPPED_BY_OPERATOR.code)
    assert str(stop) in str(told["remedy"])


async def test_that_other_stops_are_not_looked_at_is_said(loaded: Loaded) -> None:
    told = await answer(loaded, READ)

    assert OFFLINE in told["layers"][2]["reason"]


# Whatever is asked


async def test_a_layer_that_fails_denies(loaded: Loaded) -> None:
    async def fail(action: Action, principal: Principal) -> Deny | None:
        raise ZeroDivisionError(action, principal)

    overlays = Overlays(loaded, PARSER, {})
    told = await Explainer(overlays, fail).explain({**READ, "id": 1})
    overlays.close()

    assert (told["decision"], told["code"], told["id"]) == ("deny", Reason.LAYER_FAILED.code, 1)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_JSON = st.recursive(
    _SCALARS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=12,
)
_QUESTIONS = st.fixed_dictionaries(
    {
        "tool": st.sampled_from(["shell", "file_read", "file_write", "file_list"]) | _JSON,
        "arguments": st.dictionaries(
            st.sampled_from(["command", "path", "content", "timeout_secs"]), _JSON
        )
        | _JSON,
    },
    optional={
        "principal": st.sampled_from(["client", "agent", "reader"]) | _JSON,
        "config": st.fixed_dictionaries(
            {}, optional={"autonomy": _JSON, "tools": _JSON, "principals": _JSON}
        )
        | _JSON,
        "id": _JSON,
    },
)


@given(question=_QUESTIONS | _JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_any_value_is_answered_with_a_decision(loaded: Loaded, question: Any) -> None:
    for told in (await _explained(loaded, question), await answer(loaded, question)):
        assert set(told) >= ANSWER
        assert told["decision"] in {"allow", "deny", "ask"}
        assert (told["code"] is None) == (told["decision"] == "allow")
        assert (told["remedy"] is None) == (told["decision"] == "allow")
        assert told["code"] != Reason.LAYER_FAILED.code
        json.dumps(told).encode()


@given(line=st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_any_bytes_are_answered_with_a_decision(loaded: Loaded, line: bytes) -> None:
    assert (await answer(loaded, line))["code"] == Reason.BODY_MALFORMED.code


async def _explained(loaded: Loaded, question: Any) -> dict[str, Any]:
    overlays = Overlays(loaded, PARSER, {})
    try:
        return dict(await Explainer(overlays, StopFile("/none/STOP")).explain(question))
    finally:
        overlays.close()


SERVED = """
mcp_servers: {github: {url: "http://mcp:3100/mcp", allow: [tools, resources]}}
tools: {"github.get_*": {effect: read, approval: auto}}
"""


@pytest.mark.parametrize(
    ("tool", "decision", "code"),
    [
        ("github.get_me", "allow", None),
        ("github.resources/read", "allow", None),
        ("github.drop", "deny", "tool-unknown"),
        ("github.prompts/get", "deny", "tool-unknown"),
        ("github__get_me", "deny", "tool-unknown"),
    ],
)
async def test_tools_and_methods_of_mcp_servers_are_explained_without_them(
    tool: str, decision: str, code: str | None
) -> None:
    made = ruleset(SERVED)
    config = made.loaded.config
    known = catalogue(config.tools, config.presets, config.mcp_servers)
    served = replace(made.policy, tool_rules=replace(made.policy.tool_rules, tools=known))
    explainer = Explainer(lambda _: Ruleset(made.loaded, served), StopFile("/nonexistent/stop"))

    answer = await explainer.explain({"tool": tool, "arguments": {}})

    assert (answer["decision"], answer["code"]) == (decision, code)
    if decision == "allow":
        assert "By the MCP server github" in str(answer["layers"])
