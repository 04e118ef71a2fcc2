"""The engine's socket: a connection for each request, and whole answers."""

from pathlib import Path

import pytest
from guarding import FakeEngine, answer, serving

from proxy.guard.engine import Engine


async def test_an_answer_is_taken_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")
    async with serving(FakeEngine(), path):
        found = await Engine(path).exchange(b"GET /version HTTP/1.1\r\n\r\n")

    assert found.endswith(b'{"said": "GET /version HTTP/1.1"}')


async def test_a_question_is_answered_with_json(tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")
    engine = FakeEngine()
    async with serving(engine, path):
        found = await Engine(path).ask("/version")

    assert found == {"said": "GET /version HTTP/1.0"}
    assert engine.seen[0].all("connection") == []


@pytest.mark.parametrize(
    "reply",
    [answer("500 Error", {}), answer("200 OK"), b" ", b"x", b"HTTP/1.0 200 OK\r\n\r\n[1,"],
    ids=["refused", "empty", "nothing", "no answer", "cut"],
)
async def test_no_sense_is_an_error(tmp_path: Path, reply: bytes) -> None:
    path = str(tmp_path / "engine.sock")
    engine = FakeEngine(answers={"GET /version": reply})
    async with serving(engine, path):
        with pytest.raises(OSError, match="makes no sense"):
            await Engine(path).ask("/version")


async def test_no_engine_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Engine(str(tmp_path / "none.sock")).ask("/version")
