"""A table of what should be decided."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies import PARSER

from proxy.config import loader
from proxy.decision import ConfigError
from proxy.explain import casebook
from proxy.explain.casebook import Case, Result
from proxy.explain.explainer import OFFLINE, Explainer, StopFile
from proxy.explain.overlays import Overlays
from proxy.reasons import Reason
from proxy.values import Json

FULL: Mapping[str, Json] = {"autonomy": {"level": "full"}}


@pytest.fixture
def explainer(tmp_path: Path) -> Iterator[Explainer]:
    """Someone who answers, over a workspace with a file."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    text = f"autonomy: {{workspace_dir: {folder}, allowed_commands: [ls]}}"
    overlays = Overlays(loader.parse(text, "sidegate.yaml", {}), PARSER, {})
    yield Explainer(overlays, StopFile(str(tmp_path / "STOP")), OFFLINE)
    overlays.close()


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        casebook.parse(text, "cases.yaml")
    return list(refused.value.problems)


# Reading


@pytest.mark.parametrize(
    "text",
    [
        "- {tool: shell, arguments: {command: ls}, expect: ask}\n",
        "cases:\n- {tool: shell, arguments: {command: ls}, expect: ask}\n",
    ],
    ids=["list", "mapping"],
)
def test_a_table_is_a_list_of_cases(text: str) -> None:
    [(case, place)] = casebook.parse(text, "cases.yaml")

    assert case == Case(tool="shell", arguments={"command": "ls"}, expect="ask")
    assert place == f"cases.yaml:{len(text.splitlines())}"


def test_a_case_may_say_all_that_can_be_asked() -> None:
    text = """
- name: the reader writes
  tool: file_write
  arguments: {path: a.txt, content: "1"}
  principal: reader
  config: {autonomy: {level: full}}
  expect: deny
  code: scope-insufficient
"""
    [(case, _)] = casebook.parse(text, "cases.yaml")

    assert case.name == "the reader writes"
    assert case.code == Reason.SCOPE_INSUFFICIENT.code
    assert case.question == {
        "tool": "file_write",
        "arguments": {"path": "a.txt", "content": "1"},
        "principal": "reader",
        "config": FULL,
    }


def test_a_table_without_cases_has_none() -> None:
    assert casebook.parse("[]", "cases.yaml") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # no table
        ("", "cases.yaml:1:1: cases: required"),
        ("shell", "cases.yaml:1:1: the configuration must be a mapping of sections"),
        ("cases: 1", "cases.yaml:1:1: cases: must be a list"),
        ("cases: []\nmore: 1", "cases.yaml:2:1: more: unknown key"),
        ("- 1", "cases.yaml:1:3: cases.0: must be a mapping"),
        # what may mean two things
        ("- {tool: a, tool: b, expect: ask}", "duplicate key, first in line 1"),
        ("- &a {tool: a, expect: ask}\n- *a", "anchors and aliases are not accepted"),
        # no case
        ("- {expect: ask}", "cases.0.tool: required"),
        ("- {tool: a}", "cases.0.expect: required"),
        ("- {tool: a, expect: allowed}", "must be one of allow, deny, ask (did you mean 'allow'?)"),
        ("- {tool: a, expect: ask, cod: b}", "unknown key (did you mean 'code'?)"),
        ("- {tool: a, expect: ask, arguments: ls}", "cases.0.arguments: must be a mapping"),
        ("- {tool: 1, expect: ask}", "cases.0.tool: must be text; quote it"),
        (
            "- {tool: a, expect: deny, code: tool-unknow}",
            "cases.0.code: must be the code of a reason (did you mean 'tool-unknown'?)",
        ),
        ("- {tool: a, expect: allow, code: tool-unknown}", "only with expect: deny or ask"),
    ],
)
def test_what_is_no_table_is_told_with_its_place(text: str, problem: str) -> None:
    assert any(line.endswith(problem) for line in problems(text))


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(problems("- {tool: a}\n- {expect: ask}\n- {tool: 1, expect: b}")) == 4


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        casebook.load(tmp_path / "none.yaml")


@given(text=st.text(st.sampled_from("-[]{}:,&*!|>#'\" \na1?")))
def test_any_text_is_a_table_or_told(text: str) -> None:
    told: tuple[str, ...] = ()
    try:
        casebook.parse(text, "cases.yaml")
    except ConfigError as error:
        told = error.problems

    assert all(line.startswith("cases.yaml") for line in told)


# Running


def case(tool: str, expect: str, code: str | None = None, **more: object) -> Case:
    return Case.model_validate({"tool": tool, "expect": expect, "code": code, **more})


@pytest.mark.parametrize(
    ("asked", "ok"),
    [
        (case("file_read", "allow", arguments={"path": "a.txt"}), True),
        (case("file_read", "deny", arguments={"path": "a.txt"}), False),
        (case("file_read", "deny", "path-not-found", arguments={"path": "b.txt"}), True),
        (case("file_read", "deny", "path-forbidden", arguments={"path": "b.txt"}), False),
        (case("shell", "ask", arguments={"command": "ls"}), True),
        (case("shell", "ask", "approval-required", arguments={"command": "ls"}), True),
        (case("shell", "allow", arguments={"command": "ls"}, config=FULL), True),
        (case("file_read", "deny", arguments={"path": 1}), True),
        # a case that could not be judged proves nothing, but where just that is expected
        (case("file_read", "deny", principal="nobody"), False),
        (case("file_read", "deny", "arguments-invalid", principal="nobody"), True),
        (case("file_read", "deny", config={"autonomy": {"level": "high"}}), False),
    ],
    ids=str,
)
async def test_a_case_is_right_where_all_that_it_says_is_decided(
    explainer: Explainer, asked: Case, *, ok: bool
) -> None:
    [result] = await casebook.run([(asked, "cases.yaml:1")], explainer)

    assert result.ok is ok


def test_a_case_is_called_by_its_name_or_by_its_place() -> None:
    assert Result(case("a", "ask", name="this"), "cases.yaml:3", {}).name == "this"
    assert Result(case("a", "ask"), "cases.yaml:3", {}).name == "cases.yaml:3"
