"""What Sidegate itself does, verb by verb."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from doubles import OPERATOR, Clock, grant, inbound
from state.backends import SEAL

from proxy.actions import Detail, Halt, Operate, Question
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook, hash_token
from proxy.authorization.approvals import Approvals
from proxy.authorization.policy import OPERATIONS
from proxy.authorization.stops import Stops
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document, Peer, Principal, Role, Stream
from proxy.metrics import CONTENT_TYPE, Metrics
from proxy.operator.desk import Desk
from proxy.operator.names import Names
from proxy.operator.operations import About, Operations, letter_rows, token_rows
from proxy.reasons import Reason
from proxy.running import Ended, Running
from proxy.scope import Autonomy, Minting, Scope
from proxy.state.letters import Letter
from proxy.state.sqlite.store import SqliteStore
from proxy.trace import Trace
from proxy.values import Json

NARROW = Scope(("/tools/*",), ("file_read",), Autonomy.READONLY)


@dataclass
class Bench:
    """Operations over a real state, with what they lack."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    lacks: list[str] = field(default_factory=list)
    woken: int = 0
    tunnel: tuple[str, str | None] = ("off", None)
    ends: list[Ended] = field(default_factory=list)
    forgiven: int = 0

    def __post_init__(self) -> None:
        self.store = SqliteStore(str(self.folder / "sidegate.db"), SEAL)
        self.pairing = Pairing(self.store.codes, self.store.links, self.clock)
        self.tokens = TokenBook(self.store.tokens, self.clock)
        self.running = Running()
        self.operations = Operations(
            self.store,
            self.tokens,
            self.pairing,
            self.running,
            Metrics("1.2.3", ("none",)),
            self._missing,
            self.clock,
            About(
                "1.2.3",
                "docker",
                lambda: self.tunnel,
                lambda: "http://127.0.0.1:3000",
                lambda: "http://127.0.0.1:3001",
            ),
            self._wake,
            self._forgive,
            self._desk(),
            self._explain,
        )

    def _desk(self) -> Desk:
        approvals = Approvals(self.store.asks, self.store.grants, SEAL, self.clock, "", "")
        stops = Stops(self.store.stops, self.clock, str(self.folder / "STOP"))
        names = Names(self.store.tokens, self.clock)
        return Desk.of(approvals, stops, self.running, lambda _text, _key: [], names)

    async def _explain(self, question: Json) -> Json:
        return {"asked": question}

    async def _missing(self) -> list[str]:
        return self.lacks

    async def _forgive(self) -> None:
        self.forgiven += 1

    def _wake(self) -> None:
        self.woken += 1

    async def do(
        self, verb: str, subject: str = "", detail: Detail | None = None
    ) -> Decision[Content]:
        plan = Operate(verb, subject, detail)
        return await self.operations.run(plan, grant(plan, OPERATOR))

    async def document(
        self, verb: str, subject: str = "", detail: Detail | None = None
    ) -> Document:
        done = await self.do(verb, subject, detail)
        assert isinstance(done, Allow)
        assert isinstance(done.value, Document)
        return done.value

    async def value(self, verb: str, subject: str = "", status: int = 200) -> Any:
        document = await self.document(verb, subject)
        assert document.status == status
        assert document.issued is None
        return document.value

    async def pair(self, role: Role = Role.CLIENT) -> str:
        """The id of a new token."""
        _, record = await self.tokens.create(role, Minting("laptop"))
        return record.id

    async def recognized(self, token: str | None) -> Principal | None:
        assert token is not None
        return await self.tokens.recognize(token, Peer("a"))

    async def put(self, letter_id: str) -> None:
        now = self.clock()
        await self.store.inbox.put(Letter(letter_id, "slack", b"sealed", now, now))

    async def call(self, principal: str) -> "asyncio.Task[None]":
        """A request of this principal, under way for as long as nobody ends it."""

        async def run() -> None:
            trace = Trace(inbound(), (), principal=Principal(principal, Role.CLIENT))
            with self.running.entered(trace) as entry:
                try:
                    await asyncio.Event().wait()
                finally:
                    ends.append(entry.ended)

        ends = self.ends
        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        return task


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.store.aclose()


async def over(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def test_every_verb_that_may_be_granted_is_done(bench: Bench) -> None:
    for verb in OPERATIONS:
        await bench.do(verb)


async def test_health_says_whether_somebody_is_paired_and_no_more(bench: Bench) -> None:
    assert await bench.value("health") == {"status": "ok", "paired": False}

    await bench.pair()

    assert await bench.value("health") == {"status": "ok", "paired": True}


async def test_whoever_asks_how_it_is_breaks_nothing_while_the_state_is_away(bench: Bench) -> None:
    """A stranger could else fill the log, one traceback for each request."""
    await bench.store.aclose()

    for verb in ("health", "live", "ready"):
        await bench.do(verb)


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


@pytest.mark.parametrize("verb", ["pair", "pair-operator"])
async def test_who_was_paired_in_layer_2_is_answered_and_no_more(bench: Bench, verb: str) -> None:
    assert await bench.value(verb) == {}
    assert await bench.store.tokens.list(bench.clock()) == []


# Codes and links


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


async def test_a_code_tells_where_it_is_redeemed(bench: Bench) -> None:
    answer = await bench.value("pairing-codes.create")

    assert answer == {
        "code": answer["code"],
        "expires_in": 600,
        "url": "http://127.0.0.1:3000",
    }


async def test_a_code_makes_what_was_wished(bench: Bench) -> None:
    wish = Minting("phone", NARROW, 60)
    answer: Any = (await bench.document("pairing-codes.create", detail=wish)).value
    await bench.pairing.redeem(answer["code"], Peer("a"))

    (record,) = await bench.store.tokens.list(bench.clock())
    assert (record.label, record.scope, record.expires) == ("phone", NARROW, bench.clock() + 60)


@pytest.mark.parametrize("wish", [None, Minting("console")])
async def test_a_link_is_issued_beside_the_document_and_makes_an_operator(
    bench: Bench, wish: Minting | None
) -> None:
    document = await bench.document("links.create", detail=wish)

    assert document.value == {"expires_in": 600, "url": "http://127.0.0.1:3001"}
    assert document.issued is not None
    made = await bench.pairing.redeem_link(document.issued, Peer("a"))
    assert isinstance(made, Allow)
    (record,) = await bench.store.tokens.list(bench.clock())
    assert (record.role, record.label) == (Role.OPERATOR, wish.label if wish else "")


# How it is


async def test_status_tells_the_operator_what_is_missing(bench: Bench) -> None:
    bench.lacks.append("no engine")
    bench.tunnel = ("up", "https://agent.example")
    await bench.pair()
    await bench.put("a")

    assert await bench.value("status") == {
        "version": "1.2.3",
        "instance": bench.store.instance,
        "isolation": "docker",
        "running": 0,
        "paired": 1,
        "code_pending": False,
        "inbox": 1,
        "waiting": 0,
        "stops": [],
        "file": False,
        "tunnel": {"state": "up", "url": "https://agent.example"},
        "missing": ["no engine"],
    }


async def test_status_tells_what_is_stopped(bench: Bench) -> None:
    await bench.do("stops.add", detail=Halt(tool="shell"))
    (bench.folder / "STOP").touch()

    status = await bench.value("status")

    assert [(row["kind"], row["target"]) for row in status["stops"]] == [("tool", "shell")]
    assert status["file"] is True


async def test_status_counts_what_runs(bench: Bench) -> None:
    task = await bench.call("client-1")

    assert (await bench.value("status"))["running"] == 1

    await over(task)


async def test_status_tells_whether_a_code_waits(bench: Bench) -> None:
    await bench.do("pairing-codes.create")
    assert (await bench.value("status"))["code_pending"] is True

    bench.clock.now += 601
    assert (await bench.value("status"))["code_pending"] is False


async def test_paired_means_the_same_everywhere(bench: Bench) -> None:
    """An operator is no client: nobody has paired, and a first code is shown at the start."""
    await bench.pair(Role.OPERATOR)

    assert (await bench.value("health"))["paired"] is False
    assert (await bench.value("status"))["paired"] == 0


# Tokens


async def test_tokens_are_listed_without_what_could_be_used(bench: Bench) -> None:
    token, record = await bench.tokens.create(Role.CLIENT, Minting("laptop", NARROW, 60))
    await bench.pair(Role.OPERATOR)

    answer = await bench.value("tokens.list")

    first, second = answer["tokens"]
    assert first == {
        "id": record.id,
        "role": "client",
        "label": "laptop",
        "created": bench.clock.now,
        "expires": bench.clock.now + 60,
        "used": None,
        "routes": ("/tools/*",),
        "tools": ("file_read",),
        "level": "readonly",
    }
    assert (second["role"], second["routes"], second["expires"]) == ("operator", None, None)
    assert token not in repr(answer)
    assert hash_token(token).hex() not in repr(answer)
    assert repr(hash_token(token)) not in repr(answer)
    assert token_rows([]) == []


async def test_a_use_is_in_the_list_at_once(bench: Bench) -> None:
    token, _ = await bench.tokens.create(Role.CLIENT, Minting())
    bench.clock.now += 5
    await bench.recognized(token)

    (row,) = (await bench.value("tokens.list"))["tokens"]
    assert row["used"] == bench.clock.now


async def test_what_has_expired_is_not_listed(bench: Bench) -> None:
    await bench.tokens.create(Role.CLIENT, Minting(lifetime=60))
    bench.clock.now += 60

    assert await bench.value("tokens.list") == {"tokens": []}


@pytest.mark.parametrize("wish", [None, Minting("phone", NARROW, 60)])
async def test_a_token_is_made_for_a_client_as_it_was_wished(
    bench: Bench, wish: Minting | None
) -> None:
    document = await bench.document("tokens.create", detail=wish)

    principal = await bench.recognized(document.issued)
    assert principal is not None
    assert document.value == {"id": principal.id}
    assert principal.role is Role.CLIENT
    (record,) = await bench.store.tokens.list(bench.clock())
    expected = wish or Minting()
    lifetime = None if record.expires is None else record.expires - bench.clock()
    assert Minting(record.label, record.scope, lifetime) == expected


async def test_a_rotated_token_is_another_under_the_same_id(bench: Bench) -> None:
    old, record = await bench.tokens.create(Role.OPERATOR, Minting("console"))

    document = await bench.document("tokens.rotate", record.id)

    assert document.value == {"id": record.id}
    assert await bench.recognized(old) is None
    found = await bench.recognized(document.issued)
    assert found is not None
    assert (found.id, found.role) == (record.id, Role.OPERATOR)


@pytest.mark.parametrize("verb", ["tokens.revoke", "tokens.rotate"])
async def test_the_end_of_a_token_is_the_end_of_what_runs_for_it_and_of_nothing_else(
    bench: Bench, verb: str
) -> None:
    token_id, other = await bench.pair(), await bench.pair()
    mine, others = await bench.call(token_id), await bench.call(other)

    await bench.document(verb, token_id)

    await asyncio.wait({mine}, timeout=5)
    assert (mine.cancelled(), others.done()) == (True, False)
    assert bench.ends == [Ended.TOKEN_REVOKED]
    await over(others)


async def test_a_revoked_token_is_listed_no_more(bench: Bench) -> None:
    token_id = await bench.pair()

    assert await bench.value("tokens.revoke", token_id) == {"revoked": token_id}
    assert await bench.value("tokens.list") == {"tokens": []}


@pytest.mark.parametrize("verb", ["tokens.revoke", "tokens.rotate"])
@pytest.mark.parametrize("subject", ["", "nobody", "' OR 1=1 --", "principal:robot", "laptop"])
async def test_what_is_no_token_is_neither_revoked_nor_rotated(
    bench: Bench, verb: str, subject: str
) -> None:
    await bench.pair()
    task = await bench.call(subject)

    assert await bench.do(verb, subject) == Deny(Reason.OPERATION_UNKNOWN)

    assert len((await bench.value("tokens.list"))["tokens"]) == 1
    await asyncio.sleep(0)
    assert not task.done()
    await over(task)


# The inbox


async def test_letters_are_listed_without_what_they_say(bench: Bench) -> None:
    await bench.put("a")

    assert await bench.value("inbox.list") == {
        "letters": [
            {
                "id": "a",
                "channel": "slack",
                "condition": "waiting",
                "stored": bench.clock.now,
                "due": bench.clock.now,
                "attempts": 0,
                "why": "",
            }
        ]
    }
    full = Letter("a", "slack", b"what it says", 0, 0, why="it was refused")
    assert "what it says" not in repr(letter_rows([full]))
    assert "it was refused" in repr(letter_rows([full]))


async def test_a_dead_letter_is_tried_again_at_once(bench: Bench) -> None:
    await bench.put("a")
    await bench.store.inbox.bury("a", 0.0, "the agent refused it")

    assert await bench.value("inbox.retry", "a") == {"retried": "a"}

    assert bench.woken == 1
    (row,) = (await bench.value("inbox.list"))["letters"]
    assert (row["condition"], row["attempts"]) == ("waiting", 0)


async def test_a_letter_is_dropped(bench: Bench) -> None:
    await bench.put("a")
    await bench.put("b")

    assert await bench.value("inbox.drop", "a") == {"dropped": "a"}

    assert [row["id"] for row in (await bench.value("inbox.list"))["letters"]] == ["b"]


@pytest.mark.parametrize(
    ("verb", "subject"),
    [
        ("inbox.retry", ""),
        ("inbox.retry", "none"),
        ("inbox.retry", "a"),  # it waits already
        ("inbox.drop", ""),
        ("inbox.drop", "none"),
    ],
)
async def test_what_is_no_such_letter_is_left_alone(bench: Bench, verb: str, subject: str) -> None:
    await bench.put("a")

    assert await bench.do(verb, subject) == Deny(Reason.OPERATION_UNKNOWN)

    assert bench.woken == 0
    assert len((await bench.value("inbox.list"))["letters"]) == 1


# The calls of others


async def test_whoever_stops_something_is_who_stopped_it(bench: Bench) -> None:
    await bench.do("stops.add", detail=Halt(tool="shell"))

    (stop,) = await bench.store.stops.list(bench.clock())
    assert stop.stopped_by == OPERATOR.id


async def test_where_the_state_is_away_the_desk_is_unavailable(bench: Bench) -> None:
    await bench.store.aclose()

    for verb in ("approvals.list", "approvals.get", "grants.list", "stops.list", "stops.add"):
        assert await bench.do(verb) == Deny(Reason.STATE_UNAVAILABLE)


async def test_what_would_be_decided_is_told(bench: Bench) -> None:
    question: dict[str, Json] = {"tool": "shell", "arguments": {"command": "ls"}}

    document = await bench.document("explain", detail=Question(question))

    assert document.value == {"asked": question}
