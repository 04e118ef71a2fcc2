"""ZeroClaw's own cases on commands: what it refuses is refused here, and its known holes are shut.

Where it is stricter than there is reason to, this is not, on purpose: a redirection to a file of
the workspace writes what file_write would write, a backslash is an ordinary way to quote, and what
a project's own scripts do is what listing their runner means.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from labelled import rows
from policies import PARSER

from proxy.config import loader
from proxy.explain.explainer import Explainer, StopFile
from proxy.explain.overlays import Overlays

# What ZeroClaw lists by default.
LISTED = [
    *("git", "npm", "cargo", "ls", "cat", "grep", "find", "echo", "pwd", "wc", "head", "tail"),
    "date",
]
LOOSER = re.compile(r"\A(?:npm (?:start|test|run \w+)|[^|;&`$]*<?>>? ?[\w.]+|l\\s|.* 2>\w+)\Z")


@pytest.fixture
def explainer(tmp_path: Path) -> Iterator[Explainer]:
    workspace = tmp_path / "workspace"
    (workspace / "src").mkdir(parents=True)
    text = f"autonomy: {{level: full, workspace_dir: {workspace}}}"
    overlays = Overlays(loader.parse(text, "sidegate.yaml", {}), PARSER, {})
    yield Explainer(overlays, StopFile(str(tmp_path / "STOP")))
    overlays.close()


async def decided(explainer: Explainer, row: Mapping[str, Any]) -> str:
    listed = LISTED if row.get("allowed_commands") is None else row["allowed_commands"]
    changes = {
        "level": row.get("level", "full"),
        # A human is asked about nothing here: the rules alone are compared.
        "auto_approve": ["shell"],
        "allowed_commands": [name for name in listed if name != "*"],
    }
    question = {
        "tool": "shell",
        "arguments": {"command": row["command"]},
        "config": {"autonomy": changes},
    }
    return str((await explainer.line(json.dumps(question).encode()))["decision"])


async def test_what_zeroclaw_refuses_is_refused(explainer: Explainer) -> None:
    cases: Any = rows("zeroclaw.json.gz")
    refused = [
        row
        for row in cases["commands"]
        if row.get("recommended", "allow" if row["allowed"] else "deny") == "deny"
    ]
    let_through = [row for row in refused if await decided(explainer, row) != "deny"]

    assert len(refused) > 100
    assert [row["command"] for row in let_through if not LOOSER.match(row["command"])] == []


async def test_what_zeroclaw_lets_through_by_mistake_is_refused(explainer: Explainer) -> None:
    cases: Any = rows("zeroclaw.json.gz")
    holes = cases["should_deny_but_zeroclaw_head_allows"]
    let_through = [line for line in holes if await decided(explainer, {"command": line}) != "deny"]

    assert holes
    assert [line for line in let_through if not LOOSER.match(line)] == []


async def test_approvals_are_asked_for_where_zeroclaw_asks(explainer: Explainer) -> None:
    """Sessions in which somebody answered "always" are grants here, which explain knows not of."""
    cases: Any = rows("zeroclaw.json.gz")
    known = {"shell": {"command": "ls"}, "file_read": {"path": "src"}}
    for row in cases["approvals"]:
        if (
            row["tool"] not in known
            or row.get("session_always")
            or row["auto_approve"] == "default"
        ):
            continue
        changes = {key: row[key] for key in ("level", "auto_approve", "always_ask")}
        question = {
            "tool": row["tool"],
            "arguments": known[row["tool"]],
            "config": {"autonomy": changes},
        }
        answer = await explainer.line(json.dumps(question).encode())
        assert (answer["decision"] == "ask") == row["needs_approval"], row
