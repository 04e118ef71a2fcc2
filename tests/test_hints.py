"""What is said about many requests at once, and how often."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from doubles import GATEWAY, Clock, inbound
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Listener, Peer
from proxy.hints import Hints
from proxy.origin import Forwarded
from proxy.reasons import Layer, Reason
from proxy.trace import Outcome, Step, Trace

WRONG, LOCKED = Deny(Reason.CODE_WRONG), Deny(Reason.PAIRING_LOCKED)
HINT = (
    "every pairing attempt comes from one address: if a proxy or container network stands between, "
    "set gateway.trust_forwarded_headers and gateway.trusted_proxies"
)


class Told:
    """Hints, what is told them, and what they say."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hints = Hints(self.clock)

    async def attempt(
        self,
        key: str = "172.17.0.1",
        result: str = "wrong",
        peer: Peer | None = None,
        by: Listener = GATEWAY,
    ) -> list[str]:
        """One attempt; the addresses that a hint was given about."""
        facts = Facts(pairing=result)
        decision: Decision[object] = (
            Allow(None, facts) if result == "paired" else Deny(Reason.CODE_WRONG, facts=facts)
        )
        trace = Trace(inbound(listener=by), (), peer or Peer(key))
        with capture_logs() as lines:
            await self.hints.step(trace, Step(Layer.AUTHENTICATION, decision, 0.0))
        assert {(line["event"], line["log_level"]) for line in lines} <= {(HINT, "warning")}
        return [line["address"] for line in lines]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.mark.parametrize("result", ["wrong", "locked"])
async def test_five_failures_of_one_address_alone_are_told(told: Told, result: str) -> None:
    said = [await told.attempt(result=result) for _ in range(5)]

    assert said == [[], [], [], [], ["172.17.0.1"]]


async def test_it_is_told_once_an_hour(told: Told) -> None:
    said = []
    for _ in range(200):
        said += await told.attempt()
        told.clock.now += 60

    assert len(said) == 4


async def test_failures_of_long_ago_are_forgotten(told: Told) -> None:
    for _ in range(20):
        assert await told.attempt() == []
        told.clock.now += 151


async def test_who_is_let_in_has_not_failed(told: Told) -> None:
    for _ in range(4):
        assert await told.attempt() == []
        assert await told.attempt(result="paired") == []


@pytest.mark.parametrize("result", ["wrong", "paired"])
async def test_two_addresses_are_no_proxy(told: Told, result: str) -> None:
    await told.attempt("10.0.0.9", result)
    for _ in range(10):
        assert await told.attempt() == []

    told.clock.now += 601
    for _ in range(4):
        assert await told.attempt() == []
    assert await told.attempt() == ["172.17.0.1"]


async def test_an_address_that_comes_between_ends_it(told: Told) -> None:
    for _ in range(4):
        await told.attempt()
    await told.attempt("10.0.0.9")

    assert await told.attempt() == []
    told.clock.now += 599
    assert [await told.attempt() for _ in range(5)] == [[]] * 5


async def test_behind_a_trusted_proxy_addresses_are_what_they_are(told: Told) -> None:
    client = Forwarded(ip_address("198.51.100.7"), "https", "")
    peer = Peer("198.51.100.7", forwarded=client)

    assert [await told.attempt(peer=peer) for _ in range(9)] == [[]] * 9


@pytest.mark.parametrize("name", ["tunnel", "admin", "admin.sock"])
async def test_only_the_gateways_attempts_count(told: Told, name: str) -> None:
    """The others are not helped by what the hint says."""
    other = replace(GATEWAY, name=name)

    assert [await told.attempt(by=other) for _ in range(9)] == [[]] * 9
    assert (await told.attempt("10.0.0.9", by=other)) == []
    assert [await told.attempt() for _ in range(5)][-1] == ["172.17.0.1"]


async def test_what_is_no_attempt_is_not_counted(told: Told) -> None:
    trace = Trace(inbound(), (), Peer("172.17.0.1"))
    with capture_logs() as lines:
        for decision in (WRONG, LOCKED, Allow(None)) * 5:
            await told.hints.step(trace, Step(Layer.AUTHENTICATION, decision, 0.0))
        await told.hints.close(trace, Outcome(200, 0.0, trace._tally))

    assert lines == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(0, 400))))
async def test_it_is_exactly_what_the_window_shows(attempts: list[tuple[str, bool, int]]) -> None:
    """Against a record of everything."""
    told, record, last = Told(), list[tuple[float, str, bool]](), float("-inf")
    for key, failed, pause in attempts:
        told.clock.now += pause
        now = told.clock.now
        record.append((now, key, failed))
        window = [each for each in record if each[0] >= now - 600]
        due = (
            {who for _, who, _ in window} == {key}
            and sum(wrong for *_, wrong in window) >= 5
            and now - last >= 3600
        )
        last = now if due else last

        assert await told.attempt(key, "wrong" if failed else "paired") == [key] * due
