"""Command lines over a socket, in real sandboxes: what ran is what was judged."""

from pathlib import Path

import pytest
from conftest import Sidegate, Start

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine"), pytest.mark.slow]

ALLOWED = ["cat", "echo", "grep", "head", "ls", "sed", "sort", "wc", "find", "printf"]
FILES = {"a.txt": "one\ntwo\n", "b c.txt": "three\n", "$(id)": "name\n", "sub/d.txt": "four\n"}


async def started(start: Start, tmp_path: Path) -> tuple[Sidegate, str]:
    """A server over a workspace with files, beside a file that is nobody's business."""
    sidegate = await start({"autonomy": {"level": "full", "allowed_commands": ALLOWED}})
    (sidegate.workspace / "sub").mkdir()
    for name, text in FILES.items():
        (sidegate.workspace / name).write_text(text)
    (tmp_path / "secret.txt").write_text("CANARY")
    return sidegate, await sidegate.pair()


async def test_line_that_is_allowed_does_what_it_says(start: Start, tmp_path: Path) -> None:
    sidegate, token = await started(start, tmp_path)

    for line, stdout in [
        ("cat a.txt 'b c.txt'", "one\ntwo\nthree\n"),
        ("cat '$(id)'", "name\n"),
        ("cat a.txt | wc -l | sed 's/ //g'", "2\n"),
        ("echo '; id' \"&& id\" # id", "; id && id\n"),
        ("cd sub && cat d.txt ../a.txt", "four\none\ntwo\n"),
        ('for f in a.txt sub/d.txt; do head -n 1 "$f"; done', "one\nfour\n"),
        ("cat <<'END'\n$(id) `id`\nEND", "$(id) `id`\n"),
        ("find . -name 'd.*' -exec grep -c four {} +", "1\n"),
        ("printf '%s|' \\$HOME a\\ b", "$HOME|a b|"),
        ("cat none 2>/dev/null || echo no", "no\n"),
    ]:
        status, body = await sidegate.call("shell", {"command": line}, token)
        result = body["result"]
        assert isinstance(result, dict)
        assert (status, line, result["stdout"]) == (200, line, stdout)


async def test_line_that_is_denied_does_nothing(start: Start, tmp_path: Path) -> None:
    sidegate, token = await started(start, tmp_path)
    before = sorted(sidegate.workspace.rglob("*"))

    for line in [
        "cat ../secret.txt",
        "cd sub/../.. && cat secret.txt",
        "sed -n '1w new' a.txt; id",
        "sed '1e id' a.txt",
        "sort --compress-prog=./x -S1 a.txt",
        "find . -name a.txt -delete",
        "echo x > new; rm a.txt",
        "cat <<END\n$(id)\nEND",
        "ls() { id > new; }; ls",
        "X=../secret.txt; cat $X",
    ]:
        status, body = await sidegate.call("shell", {"command": line}, token)
        assert (status, line, body["layer"]) == (403, line, "authorization")
    assert sorted(sidegate.workspace.rglob("*")) == before
