"""The labelled paths, asked of `sidegate explain` and called on a server, with real files."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
from labelled import rows
from layouts import CANARY, is_untouched, met, prepared
from serving import ROOT, config, environment, paired, serving
from wire import until

TOOLS = {"read": "file_read", "write": "file_write", "list": "file_list"}


def cases() -> list[dict[str, Any]]:
    """Those that are one call; the races are run in `attacks`."""
    return [row for row in rows("paths.json") if row["op"] != "race"]


def call(row: dict[str, Any], path: str) -> dict[str, Any]:
    content = {"content": "overwritten"} if row["op"] == "write" else {}
    return {"tool": TOOLS[row["op"]], "arguments": {"path": path, **content}}


def settings(tmp_path: Path) -> Path:
    autonomy = {"workspace_dir": str(tmp_path / "workspace"), "level": "full"}
    return config(tmp_path, "http://127.0.0.1:9", autonomy=autonomy)


async def explained(file: Path, questions: str) -> bytes:
    """What `sidegate explain -` answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "explain", "-", "-c", str(file)),
        cwd=ROOT,
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, _ = await process.communicate(questions.encode())
    return out


async def test_labelled_paths_are_explained_as_labelled(tmp_path: Path) -> None:
    questions = []
    labelled = cases()
    for row in labelled:
        machine = tmp_path / row["id"]
        path = prepared(machine, row)
        changes = {"autonomy": {"workspace_dir": str(machine / "workspace")}}
        questions.append({"id": row["id"], **call(row, path), "config": changes})
    text = "".join(f"{json.dumps(question)}\n" for question in questions)
    out = await explained(settings(tmp_path), text)
    told = {answer["id"]: answer for answer in map(json.loads, out.splitlines())}

    assert len(labelled) > 80
    assert [row["id"] for row in labelled if not met(row, told[row["id"]]["decision"])] == []
    assert {answer["layer"] for answer in told.values()} == {"authorization"}
    assert all(is_untouched(tmp_path / row["id"]) for row in labelled)


async def test_labelled_paths_are_called_as_labelled(tmp_path: Path) -> None:
    wrong = []
    labelled = cases()
    async with serving(settings(tmp_path)) as served, aiohttp.ClientSession() as http:
        base, headers = f"http://127.0.0.1:{served.ports['gateway']}", await paired(served)
        for row in labelled:
            asked = call(row, prepared(tmp_path, row))
            body = {"arguments": asked["arguments"]}
            url = f"{base}/tools/{asked['tool']}"
            async with http.post(url, json=body, headers=headers) as answer:
                text = await answer.text()
            verdict = {200: "allow", 403: "deny"}.get(answer.status, str(answer.status))
            if not met(row, verdict) or CANARY in text or not is_untouched(tmp_path):
                wrong.append((row["id"], verdict, text))

    assert wrong == []


async def test_a_root_that_is_not_there_is_told_at_start(tmp_path: Path) -> None:
    roots = [{"path": str(tmp_path / "none")}]
    autonomy = {"workspace_dir": str(tmp_path / "workspace"), "allowed_roots": roots}
    async with serving(config(tmp_path, "http://127.0.0.1:9", autonomy=autonomy)) as served:
        await until(lambda: any('"caution"' in line for line in served.lines))

    (caution,) = (line for line in served.lines if '"caution"' in line)
    assert f"there is no folder {tmp_path}/none" in caution
