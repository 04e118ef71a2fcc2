"""What Sidegate itself does, verb by verb."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from doubles import OPERATOR, Clock, grant, inbound

from proxy.actions import Operate
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.policy import OPERATIONS
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document, Peer, Principal, Role, Stream
from proxy.metrics import CONTENT_TYPE, Metrics
from proxy.operations import Operations, token_rows
from proxy.reasons import Reason
from proxy.running import Running
from proxy.state.sqlite import SqliteStore
from proxy.trace import Trace


@dataclass
class Bench:
    """Operations over a real state, with what they lack."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    lacks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = SqliteStore(str(self.folder / "sidegate.db"))
        self.pairing = Pairing(self.store.codes, self.clock)
        self.running = Running()
        self.operations = Operations(
            self.store,
            TokenBook(self.store.tokens, ()),
            self.pairing,
            self.running,
            Metrics("1.2.3", ("none",)),
            self._missing,
            self.clock,
            "1.2.3",
        )

    async def _missing(self) -> list[str]:
        return self.lacks

    async def do(self, verb: str, subject: str = "") -> Decision[Content]:
        plan = Operate(verb, {"subject": subject} if subject else {})
        return await self.operations.run(plan, grant(plan, OPERATOR))

    async def value(self, verb: str, subject: str = "", status: int = 200) -> Any:
        done = await self.do(verb, subject)
        assert isinstance(done, Allow)
        assert isinstance(done.value, Document)
        assert done.value.status == status
        return done.value.value

    async def pair(self) -> str:
        """The id of a new token."""
        done = await self.pairing.redeem(await self.pairing.offer("laptop"), Peer("a"))
        assert isinstance(done, Allow)
        return done.value.id


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.store.aclose()


async def test_every_verb_that_may_be_granted_is_done(bench: Bench) -> None:
    for verb in OPERATIONS:
        await bench.do(verb)


async def test_health_says_whether_somebody_is_paired_and_no_more(bench: Bench) -> None:
    assert await bench.value("health") == {"status": "ok", "paired": False}

    await bench.pair()

    assert await bench.value("health") == {"status": "ok", "paired": True}


async def test_alive_is_alive_whatever_is_missing(bench: Bench) -> None:
    bench.lacks.append("no engine")

    assert await bench.value("live") == {"status": "ok"}


async def test_ready_tells_strangers_whether_and_never_what(bench: Bench) -> None:
    assert await bench.value("ready") == {"status": "ok"}

    bench.lacks.append("no engine")

    assert await bench.value("ready", status=503) == {"status": "unavailable"}


async def test_who_is_stopping_is_not_ready(bench: Bench) -> None:
    bench.operations.stopping = True

    assert await bench.value("ready", status=503) == {"status": "unavailable"}
    assert (await bench.value("health"))["status"] == "ok"


async def test_metrics_come_in_their_own_format(bench: Bench) -> None:
    done = await bench.do("metrics")

    assert isinstance(done, Allow)
    assert isinstance(done.value, Stream)
    assert done.value.status == 200
    assert done.value.headers.get("content-type") == CONTENT_TYPE
    text = b"".join([frame.data async for frame in done.value.frames])
    assert b"# TYPE sidegate_http_requests_total counter" in text


async def test_a_new_code_voids_the_one_before(bench: Bench) -> None:
    first, second = (
        await bench.value("pairing-codes.create"),
        await bench.value("pairing-codes.create"),
    )

    assert first["expires_in"] == 600
    assert len(second["code"]) == 6
    if first["code"] != second["code"]:
        assert isinstance(await bench.pairing.redeem(first["code"], Peer("a")), Deny)
    assert isinstance(await bench.pairing.redeem(second["code"], Peer("a")), Allow)


async def test_status_tells_the_operator_what_is_missing(bench: Bench) -> None:
    bench.lacks.append("no engine")
    await bench.pair()

    assert await bench.value("status") == {
        "version": "1.2.3",
        "instance": bench.store.instance,
        "running": 0,
        "paired": 1,
        "code_pending": False,
        "missing": ["no engine"],
    }


async def test_status_tells_whether_a_code_waits(bench: Bench) -> None:
    await bench.do("pairing-codes.create")
    assert (await bench.value("status"))["code_pending"] is True

    bench.clock.now += 601
    assert (await bench.value("status"))["code_pending"] is False


async def test_a_token_is_called_what_its_code_was(bench: Bench) -> None:
    code = (await bench.value("pairing-codes.create", "phone"))["code"]

    await bench.pairing.redeem(code, Peer("a"))

    (row,) = (await bench.value("tokens.list"))["tokens"]
    assert row["label"] == "phone"


async def test_tokens_are_listed_without_what_could_be_used(bench: Bench) -> None:
    token_id = await bench.pair()

    assert await bench.value("tokens.list") == {
        "tokens": [
            {"id": token_id, "role": "client", "label": "laptop", "created": bench.clock.now}
        ]
    }
    assert token_rows([]) == []


async def test_a_revoked_token_ends_what_runs_for_it_and_nothing_else(bench: Bench) -> None:
    token_id = await bench.pair()

    async def call(principal: str) -> None:
        trace = Trace(inbound(), (), principal=Principal(principal, Role.CLIENT))
        with bench.running.entered(trace):
            await asyncio.Event().wait()

    mine, others = asyncio.create_task(call(token_id)), asyncio.create_task(call("another"))
    await asyncio.sleep(0)

    assert await bench.value("tokens.revoke", token_id) == {"revoked": token_id}

    await asyncio.wait({mine}, timeout=5)
    assert (mine.cancelled(), others.done()) == (True, False)
    assert await bench.value("tokens.list") == {"tokens": []}
    others.cancel()
    await asyncio.wait({others})


@pytest.mark.parametrize("subject", ["", "nobody", "' OR 1=1 --"])
async def test_a_token_that_does_not_exist_cannot_be_revoked(bench: Bench, subject: str) -> None:
    await bench.pair()

    assert await bench.do("tokens.revoke", subject) == Deny(Reason.OPERATION_UNKNOWN)

    assert len((await bench.value("tokens.list"))["tokens"]) == 1
