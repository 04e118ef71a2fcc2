"""Code that a line writes and then runs is inline code."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from reading import PARSER

from proxy.authorization.inline import KNOWN
from proxy.authorization.lines import LineJudge
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.programs.allowlist import Allowlist
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

LISTED = ("echo", "cat", "python3", "npm", "pip", "make", "sh", "ls", "wc", "./x.sh")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "src").mkdir()
    for name in ("a.py", "src/b.py", "package.json"):
        (tmp_path / name).touch()
    opened = Workspace.open(str(tmp_path), (), only=True)
    yield opened
    opened.close()


async def decided(workspace: Workspace, line: str) -> Decision[object]:
    return await LineJudge(PARSER, Allowlist(LISTED), workspace).judge(line, mounted=True)


@pytest.mark.parametrize(
    "line",
    [
        "echo 'import os' > x.py; python3 x.py",
        "echo 'import os' > x.py && python3 ./x.py",
        "cat > x.py <<'EOF'\nimport os\nEOF\npython3 x.py",
        "echo x >> src/b.py; cd src && python3 b.py",
        "echo id > x.sh; sh x.sh",
        "echo id > x.sh; ./x.sh",
        'echo \'{"scripts": {"test": "id"}}\' > package.json && npm test',
        "echo 'import os' > setup.py; pip install .",
        "printf 'all: ; id' > Makefile; make",
        "echo x > Makefile\nls\nmake",
    ],
)
async def test_what_a_line_writes_it_does_not_run(workspace: Workspace, line: str) -> None:
    decision = await LineJudge(PARSER, Allowlist((*LISTED, "printf")), workspace).judge(
        line, mounted=True
    )

    assert isinstance(decision, Deny)
    assert decision.reason is Reason.COMMAND_OPTION_NOT_ALLOWED
    assert decision.facts["known"] == KNOWN


@pytest.mark.parametrize(
    "line",
    [
        "python3 a.py > out.txt",
        "python3 a.py > out.txt; wc out.txt",
        "echo start > log.txt; npm test",
        "npm test > log.txt 2>&1; cat log.txt",
        "python3 a.py; echo x > a.py",
        "cat > x.py <<'EOF'\nx = 1\nEOF",
    ],
)
async def test_to_write_and_to_run_something_else_is_ordinary(
    workspace: Workspace, line: str
) -> None:
    assert isinstance(await decided(workspace, line), Allow)
