"""Labelled cases over HTTP: what an agent, a tool and a file say, as a client gets to see it."""

import json
from pathlib import Path

import pytest
from conftest import Start
from labelled import rows
from leaking import standing
from leaks import CORE, Row, judge, of, told, wrong

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def is_events(row: Row) -> bool:
    return str(row["tier"]).startswith("sse")


def is_json(row: Row) -> bool:
    try:
        return isinstance(json.loads(row["text"]), dict | list)
    except ValueError:
        return False


async def test_an_answer_of_the_agent_leaves_without_its_secrets(tmp_path: Path) -> None:
    found, failed = rows("secrets.json.gz"), dict[str, str]()
    async with standing(tmp_path, found) as client:
        for row in found:
            events = is_events(row)
            text = await client.routed(row, "events" if events else "text")
            if why := wrong(row, told(text) if events else text):
                failed[row["id"]] = why

    judge(found, failed)


async def test_json_of_the_agent_leaves_as_json_without_its_secrets(tmp_path: Path) -> None:
    found = [row for row in rows("secrets.json.gz") if is_json(row)]
    failed = []
    async with standing(tmp_path, found) as client:
        for row in found:
            text = await client.routed(row, "json")
            json.loads(text)
            if why := wrong(row, text):
                failed.append(f"{row['id']} {row['tier']}, {row['type']}: {why}")

    assert len(failed) <= 0.1 * len(found), "\n".join(failed)


async def test_what_a_tool_of_the_agent_answers_leaves_without_its_secrets(tmp_path: Path) -> None:
    found, failed = rows("secrets.json.gz"), dict[str, str]()
    async with standing(tmp_path, found) as client:
        for row in found:
            if why := wrong(row, await client.tool(row)):
                failed[row["id"]] = why

    judge(found, failed)


async def test_a_file_that_is_read_leaves_without_its_secrets(tmp_path: Path) -> None:
    found, failed = rows("secrets.json.gz"), dict[str, str]()
    async with standing(tmp_path, found) as client:
        for row in found:
            if why := wrong(row, await client.file(row)):
                failed[row["id"]] = why

    judge(found, failed)


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_what_a_command_prints_leaves_without_its_secrets(start: Start) -> None:
    found = of(rows("secrets.json.gz"), "pos", *CORE)[::16]
    sidegate, failed = await start(), []
    token = await sidegate.pair()
    for row in found:
        (sidegate.workspace / row["id"]).write_bytes(row["text"].encode())
        status, body = await sidegate.call("shell", {"command": f"cat {row['id']}"}, token)
        result = body["result"]
        assert isinstance(result, dict)
        assert status == 200
        if why := wrong(row, str(result["stdout"])):
            failed.append(f"{row['id']} {row['tier']}, {row['type']}: {why}")

    assert len(failed) <= 0.1 * len(found), "\n".join(failed)
