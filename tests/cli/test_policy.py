"""The commands that ask what would be decided."""

import json
import os
import re
from pathlib import Path

import pytest
from commands import ended, sections, sidegate

from proxy.reasons import Layer

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a workspace that has a file."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "a.txt").write_text("a")
    file = tmp_path / "sidegate.yaml"
    file.write_text(json.dumps(sections(tmp_path)))
    return file


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    return tmp_path / "cases.yaml"


# Explain, for programs


def test_each_line_is_judged_and_answered_by_a_line(config: Path) -> None:
    questions = [
        {"tool": "file_list", "arguments": {"path": "."}, "id": 1},
        {"tool": "shell", "arguments": {"command": "ls"}, "id": 2},
        {"tool": "unknown", "arguments": {}, "id": 3},
    ]
    stdin = "\n\n".join(map(json.dumps, questions)) + "\nno json"

    done = sidegate("explain", "-", "-c", config, stdin=stdin)

    assert (done.exit_code, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each.get("id"), each["decision"], each["code"]) for each in answers] == [
        (1, "allow", None),
        (2, "ask", "approval-required"),
        (3, "deny", "tool-unknown"),
        (None, "deny", "body-malformed"),
    ]


def test_nothing_is_opened_to_explain(tmp_path: Path, config: Path) -> None:
    line = json.dumps({"tool": "file_write", "arguments": {"path": "a", "content": "x"}})

    sidegate("explain", "-", "-c", config, stdin=line)

    assert os.listdir(tmp_path / "workspace") == ["a.txt"]
    assert not (tmp_path / "state").exists()


def test_a_file_that_stops_everything_is_seen(tmp_path: Path, config: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "STOP").touch()

    done = sidegate("explain", "file_read", "a.txt", "-c", config)

    assert done.stdout.startswith("deny: stopped-by-operator\n")
    assert str(tmp_path / "state" / "STOP") in done.stdout


# Explain, for people


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["file_read", "a.txt"], "allow"),
        (["file_read", '{"path": "a.txt"}'], "allow"),
        (["file_write", '{"path": "a.txt", "content": "b"}'], "ask: approval-required"),
        (["file_read", "../a.txt"], "deny: path-outside-workspace"),
        (["file_read"], "deny: arguments-invalid"),
        (["shell", "ls"], "ask: approval-required"),
        (["shell", "rm a.txt"], "deny: command-not-allowed"),
        (["shell", "{"], "deny: command-unparsable"),
        (["shell", "["], "deny: command-not-allowed"),
        (["none"], "deny: tool-unknown"),
        (["none", "{}"], "deny: tool-unknown"),
        (["none", "ls"], "deny: tool-unknown"),
        (["none", "[]"], "deny: tool-unknown"),
        (["file_read", "a.txt", "--principal", "agent"], "allow"),
    ],
    ids=" ".join,
)
def test_a_call_is_explained_in_lines(config: Path, arguments: list[str], first: str) -> None:
    done = sidegate("explain", *arguments, "-c", config)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == first


def test_every_layer_has_its_lines(config: Path) -> None:
    done = sidegate("explain", "shell", "rm a.txt", "-c", config)

    assert re.findall(r"^  (\w+) ", done.stdout, re.MULTILINE) == [*Layer]
    assert "rule: autonomy.allowed_commands (default)\n" in done.stdout
    assert "remedy: Add `rm` to autonomy.allowed_commands (default).\n" in done.stdout


def test_the_words_of_a_call_cannot_steer_the_terminal(config: Path) -> None:
    done = sidegate("explain", "no\x1b[2Jne", "{}", "-c", config)

    assert "\x1b" not in done.stdout
    assert "`no\\x1b[2Jne`" in done.stdout


def test_it_is_json_where_that_is_wanted(config: Path) -> None:
    done = sidegate("explain", "file_read", "a.txt", "--json", "-c", config)

    assert json.loads(done.stdout)["decision"] == "allow"
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        *(["agent.save", "ls"], ["agent.save", "[]"], ["-", "ls"], ["-", "--principal", "agent"]),
        *(["file_list", ".", "--principal", who] for who in ("nobody", "operator", "")),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_is_usage(tmp_path: Path, config: Path, arguments: list[str]) -> None:
    tools = {"agent.save": {"effect": "write", "backend": "upstream"}}
    config.write_text(json.dumps(sections(tmp_path, tools=tools)))

    done = sidegate("explain", *arguments, "-c", config)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: " in done.stderr


# Tables


def test_a_table_that_holds_is_ok(config: Path, cases: Path) -> None:
    cases.write_text(
        "- {name: read, tool: file_read, arguments: {path: a.txt}, expect: allow}\n"
        "- {tool: shell, arguments: {command: rm a.txt}, expect: deny, code: command-not-allowed}\n"
    )

    assert ended(sidegate("policy", "test", cases, "-c", config)) == (
        0,
        f"ok      read: allow\nok      {cases}:2: deny\n2 cases: 2 ok, 0 failed\n",
        "",
    )


def test_a_case_that_fails_says_what_was_decided_and_why(config: Path, cases: Path) -> None:
    cases.write_text(
        "- {name: list, tool: shell, arguments: {command: rm a}, expect: ask}\n"
        "- {name: read, tool: file_read, arguments: {path: a.txt}, expect: deny}\n"
    )

    done = sidegate("policy", "test", cases, "-c", config)

    assert (done.exit_code, done.stderr) == (1, "")
    rule = "autonomy.allowed_commands (default)"
    was = f"deny command-not-allowed: {rule}; Add `rm` to {rule}."
    assert done.stdout.splitlines() == [
        f"FAILED  list ({cases}:1): expected ask, was {was}",
        f"FAILED  read ({cases}:2): expected deny, was allow: autonomy.level (default)",
        "2 cases: 0 ok, 2 failed",
    ]


def test_a_table_is_told_in_json(config: Path, cases: Path) -> None:
    cases.write_text(
        "- {name: read, tool: file_read, arguments: {path: a.txt}, expect: allow}\n"
        "- {tool: shell, arguments: {command: ls}, expect: deny, code: stopped-by-operator}\n"
    )

    done = sidegate("policy", "test", cases, "--json", "-c", config)

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["ok"], told["failed"]) == (1, 1)
    assert [(row["name"], row["place"], row["ok"]) for row in told["cases"]] == [
        ("read", f"{cases}:1", True),
        (None, f"{cases}:2", False),
    ]
    assert told["cases"][1]["expected"] == {"decision": "deny", "code": "stopped-by-operator"}
    assert told["cases"][1]["answer"]["decision"] == "ask"


@pytest.mark.parametrize("text", ["- {tool: a}", "- [", "- {tool: a, expect: no}"])
def test_a_malformed_table_is_a_problem_of_the_configuration(
    config: Path, cases: Path, text: str
) -> None:
    cases.write_text(text)

    done = sidegate("policy", "test", cases, "-c", config)

    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr.startswith(f"sidegate: {cases}:")


def test_a_table_that_is_not_there_is_told(config: Path, cases: Path) -> None:
    done = sidegate("policy", "test", cases, "-c", config)

    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr == f"sidegate: {cases}: cannot be read: No such file or directory\n"


# The documentation


def examples() -> list[str]:
    page = (ROOT / "docs" / "explain.md").read_text()
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


def test_the_example_of_the_page_holds(tmp_path: Path, config: Path, cases: Path) -> None:
    rules, table = examples()
    config.write_text(rules.replace("/workspace", str(tmp_path / "workspace")))
    (tmp_path / "workspace" / "a.txt").unlink()
    cases.write_text(table)

    done = sidegate("policy", "test", cases, "-c", config)

    count = table.count("expect:")
    assert done.stdout.splitlines()[-1] == f"{count} cases: {count} ok, 0 failed"
