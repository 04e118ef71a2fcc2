"""What the operator is shown of definitions, and what it does about them."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from state.backends import SEAL

from proxy.actions import Acceptance, Detail, Operate
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.operator.pinned import Pinned
from proxy.protocols.mcp import lint
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.state.pins import MAX_DEFINITION_BYTES, Seen
from proxy.state.sqlite.store import SqliteStore
from proxy.values import Json

NAME = "github.search"
SECRET = "hunter2-hunter2"


def find(text: str, _key: str) -> Sequence[tuple[int, int, str]]:
    at = text.find(SECRET)
    return [] if at < 0 else [(at, at + len(SECRET), "password")]


@dataclass
class Bench:
    """The operator's verbs over a real state."""

    store: SqliteStore

    def __post_init__(self) -> None:
        self.verbs = Pinned(self.store.pins, find, lambda: 9.0).verbs

    async def sees(self, description: str, note: str = "", **members: Json) -> str:
        """A server shows the tool like this; its digest."""
        tool: dict[str, Json] = {"name": "search", "description": description, **members}
        digest = lint.digest(tool)
        await self.store.pins.see("github", [Seen("search", digest, lint.canonical(tool), note)], 1)
        return digest

    async def do(self, verb: str, subject: str = "", detail: Detail | None = None) -> Any:
        done = await self.verbs[verb](Operate(verb, subject, detail), "operator")
        assert isinstance(done, Allow), done
        assert isinstance(done.value, Document)
        dumps(done.value.value)
        return done.value.value

    async def refused(
        self, verb: str, subject: str = "", detail: Detail | None = None
    ) -> Decision[Content]:
        return await self.verbs[verb](Operate(verb, subject, detail), "operator")

    async def lines(self) -> list[str]:
        (difference,) = (await self.do("mcp-tools.get", NAME))["differences"]
        return list(difference["lines"])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(SqliteStore(str(tmp_path / "sidegate.db"), SEAL))
    yield bench
    await bench.store.aclose()


async def test_the_list_has_everything_but_the_definitions(bench: Bench) -> None:
    first = await bench.sees("Search.")
    other = await bench.sees("Sea\u200brch.", "zero-width characters")

    row = {"server": "github", "tool": "search", "seen": 1.0}
    waits = {"standing": "pending", "accepted": None, "note": "zero-width characters"}
    assert await bench.do("mcp-tools.list") == {
        "tools": [
            {**row, **waits, "digest": other},
            {**row, "standing": "accepted", "accepted": 1.0, "note": "", "digest": first},
        ]
    }


async def test_what_waits_is_shown_as_it_differs_from_what_is_trusted(bench: Bench) -> None:
    first = await bench.sees("Search.\nIn all.", b=1)
    other = await bench.sees("Search.\nAnd send.", b=1)

    shown = await bench.do("mcp-tools.get", NAME)
    assert [row["digest"] for row in shown["definitions"]] == [first, other]
    assert shown["against"] == first
    assert shown["shown"] == []
    assert await bench.lines() == [
        f"--- {first[:12]}",
        f"+++ {other[:12]}",
        "@@ -1,6 +1,6 @@",
        " {",
        '   "b": 1,',
        r'   "description": "Search.\n',
        '-In all.",',
        '+And send.",',
        '   "name": "search"',
        " }",
    ]


async def test_what_is_trusted_is_shown_where_nothing_waits(bench: Bench) -> None:
    await bench.sees("Search.")

    shown = await bench.do("mcp-tools.get", NAME)
    assert shown["differences"] == []
    assert shown["shown"] == ["{", '  "description": "Search.",', '  "name": "search"', "}"]


async def test_what_never_was_trusted_is_shown_whole(bench: Bench) -> None:
    await bench.sees("Obey.\x1b[8m\U000e0041", "hidden")

    lines = await bench.lines()
    assert lines[0] == "--- nothing"
    assert r'+  "description": "Obey.\u001b[8m\u{e0041}",' in lines


async def test_nothing_is_hidden(bench: Bench) -> None:
    await bench.sees("Search.")
    await bench.sees("Search.\u200b\u202e\u2066\U000e0041\ufe0f\u00ad")

    assert any(
        r"\u{200b}\u{202e}\u{2066}\u{e0041}\u{fe0f}\u{ad}" in line for line in await bench.lines()
    )


async def test_texts_that_differ_look_different(bench: Bench) -> None:
    await bench.sees("a\u200b")
    await bench.sees(r"a\u{200b}")

    changed = [line for line in await bench.lines() if line[:2] in ("- ", "+ ")]
    assert len(set(changed)) == 2
    assert changed[0][1:] != changed[1][1:]


async def test_long_texts_are_shown_whole(bench: Bench) -> None:
    await bench.sees("Search.")
    text = "".join(f"word{number} " for number in range(8000))
    await bench.sees(text)

    added = "".join(line[1:] for line in await bench.lines() if line.startswith("+"))
    assert json.dumps(text)[1:-1] in added


async def test_secrets_are_masked(bench: Bench) -> None:
    await bench.sees("Search.")
    await bench.sees(f"Search with {SECRET}.")

    (difference,) = (await bench.do("mcp-tools.get", NAME))["differences"]
    assert difference["masked"] == 1
    assert SECRET not in json.dumps(difference)


async def test_what_is_made_to_be_slow_to_compare_is_not(bench: Bench) -> None:
    most = MAX_DEFINITION_BYTES // 8
    await bench.sees("Search.", b=[number % 7 for number in range(most)])
    await bench.sees("Search!", b=[number % 11 for number in range(most)])

    began = time.monotonic()
    lines = await bench.lines()
    assert time.monotonic() - began < 10
    assert lines[2] == "@@ 8 lines alike before, 1 after @@" or lines[2].startswith("@@ ")


async def test_a_small_change_in_much_is_seen_alone(bench: Bench) -> None:
    await bench.sees("Search.", b=list(range(3000)))
    await bench.sees("Search.", b=[*range(1500), 7, *range(1500, 3000)])

    lines = await bench.lines()
    assert lines[2] == "@@ 1502 lines alike before, 1504 after @@"
    assert lines[4:] == ["+    7,"]


async def test_exactly_what_was_shown_is_accepted(bench: Bench) -> None:
    await bench.sees("Search.")
    other = await bench.sees("Search!")
    third = await bench.sees("Search?")

    said = await bench.do("mcp-tools.accept", NAME, Acceptance(other))

    assert said == {"accepted": NAME, "digest": other}
    rows = (await bench.do("mcp-tools.get", NAME))["definitions"]
    assert [row["digest"] for row in rows if row["standing"] == "pending"] == [third]
    assert (await bench.do("mcp-tools.get", NAME))["against"] == other


async def test_a_tool_is_forgotten_whole(bench: Bench) -> None:
    await bench.sees("Search.")
    await bench.sees("Search!")

    assert await bench.do("mcp-tools.forget", NAME) == {"forgotten": NAME, "definitions": 2}
    assert await bench.do("mcp-tools.list") == {"tools": []}


@pytest.mark.parametrize(
    "subject", ["", ".", "search", "github", "github.", "git.search", "\ud800"]
)
@pytest.mark.parametrize("verb", ["get", "forget", "accept"])
async def test_what_there_is_not_is_unknown(bench: Bench, verb: str, subject: str) -> None:
    digest = await bench.sees("Search.")

    refused = await bench.refused(f"mcp-tools.{verb}", subject, Acceptance(digest))

    assert refused == Deny(Reason.OPERATION_UNKNOWN)


async def test_another_digest_is_unknown(bench: Bench) -> None:
    await bench.sees("Search.")

    refused = await bench.refused("mcp-tools.accept", NAME, Acceptance("0" * 64))
    assert refused == Deny(Reason.OPERATION_UNKNOWN)
    assert await bench.refused("mcp-tools.accept", NAME) == Deny(Reason.ARGUMENTS_INVALID)
