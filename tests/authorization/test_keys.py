"""Two requests are one only where all of it is the same: who, where, and the key."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from doubles import CLIENT, inbound

from proxy.actions import (
    Action,
    Challenge,
    Enqueue,
    Forward,
    Listing,
    Message,
    Operate,
    Relay,
    ToolCall,
)
from proxy.authorization.keys import addressed, once_key
from proxy.decision import Malformed
from proxy.exchange import Inbound, OnceKey, Peer, Principal, Role, Route
from proxy.jsonrpc import Request
from proxy.mcp import Client, Era, Via
from proxy.protocols.rest import ForwardCodec
from proxy.reasons import Reason
from proxy.values import Headers

RELAY = Relay("POST", "/", Headers(), b"")
CALL = ToolCall("shell", {})
ROUTE = Route("route", frozenset({"POST"}), "/v1/*", ForwardCodec())
SLACK = Route("webhook", frozenset({"POST"}), "/webhook/slack", ForwardCodec(), channel="slack")
ANYBODY = Principal("anonymous", Role.CLIENT, Peer("192.0.2.1"))
KEY = {"Idempotency-Key": "k"}


def request(
    method: str = "POST",
    *,
    path: str = "/v1/chat",
    query: str = "",
    headers: Mapping[str, str] = KEY,
    body: bytes = b"hello",
    route: Route = ROUTE,
) -> Inbound:
    return inbound(route, method=method, path=path, query=query, headers=headers, body=body)


async def key(
    made: Inbound | None = None, principal: Principal = CLIENT, action: Action = CALL
) -> OnceKey:
    found = await once_key(made or request(), principal, action)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "action", [CALL, Message(RELAY), Forward(RELAY)], ids=lambda action: type(action).__name__
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_acts_may_have_a_key(action: Action, method: str) -> None:
    found = await key(request(method), action=action)

    assert (len(found.key), len(found.fingerprint), found.channel) == (64, 64, False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_what_only_asks_has_none(method: str) -> None:
    assert await once_key(request(method), CLIENT, Forward(RELAY)) is None


@pytest.mark.parametrize(
    "action", [Listing(), Operate("tokens.create"), Challenge("c")], ids=lambda a: type(a).__name__
)
async def test_what_sidegate_itself_does_is_never_kept(action: Action) -> None:
    """A new credential would be among it."""
    assert await once_key(request(), CLIENT, action) is None


async def test_without_a_key_nothing_is_kept() -> None:
    assert await once_key(request(headers={}), CLIENT, CALL) is None


async def test_the_same_request_has_the_same_key() -> None:
    assert await key() == await key(request(headers={"X-Idempotency-Key": '"k"'}))


@pytest.mark.parametrize(
    ("other", "principal"),
    [
        pytest.param(request("PUT"), CLIENT, id="method"),
        pytest.param(request(path="/v1/chat2"), CLIENT, id="path"),
        pytest.param(request(headers={"Idempotency-Key": "l"}), CLIENT, id="key"),
        pytest.param(request(), replace(CLIENT, id="client-2"), id="principal"),
        # parts that would join to the same text
        pytest.param(
            request(path="/v1/cha", headers={"Idempotency-Key": "tk"}), CLIENT, id="a shorter path"
        ),
    ],
)
async def test_another_request_has_another_key(other: Inbound, principal: Principal) -> None:
    first, second = await key(), await key(other, principal)

    assert first.key != second.key


@pytest.mark.parametrize("other", [request(body=b"bye"), request(query="a=1")])
async def test_another_body_is_the_same_key_of_another_request(other: Inbound) -> None:
    first, second = await key(), await key(other)

    assert first.key == second.key
    assert first.fingerprint != second.fingerprint


async def test_a_client_may_come_from_elsewhere_and_anybody_may_not() -> None:
    here, there = Peer("192.0.2.1"), Peer("192.0.2.2")

    assert await key(principal=replace(CLIENT, peer=here)) == await key(
        principal=replace(CLIENT, peer=there)
    )
    assert (await key(principal=ANYBODY)).key != (
        await key(principal=replace(ANYBODY, peer=there))
    ).key


async def test_a_key_that_is_none_is_malformed() -> None:
    with pytest.raises(Malformed) as raised:
        await once_key(request(headers={"Idempotency-Key": "a b"}), CLIENT, CALL)

    assert raised.value.reason is Reason.IDEMPOTENCY_MALFORMED


# Messages of providers


async def test_a_provider_s_id_is_the_key_whatever_else_it_sends() -> None:
    """It sends again with other headers, from another address, on another of its paths."""
    again = request(
        path="/slack", body=b"again", headers={"Idempotency-Key": "a b"}, route=SLACK, query="a=1"
    )
    sender = replace(CLIENT, id="slack:U2")

    first = await key(request(route=SLACK), action=Message(RELAY, "M1"))
    second = await key(again, sender, Message(RELAY, "M1"))

    assert first == second
    assert (first.fingerprint, first.channel) == ("", True)


@pytest.mark.parametrize(
    ("other", "name"),
    [(SLACK, "M2"), (replace(SLACK, channel="github"), "M1"), (ROUTE, "M1")],
    ids=["another id", "another channel", "no channel"],
)
async def test_another_message_has_another_key(other: Route, name: str) -> None:
    first = await key(request(route=SLACK), action=Message(RELAY, "M1"))

    assert first.key != (await key(request(route=other), action=Message(RELAY, name))).key


# The inbox


async def test_a_letter_goes_by_its_provider_s_id() -> None:
    made = request(route=SLACK, path="/webhook/slack")
    once = await key(made, action=Message(RELAY, "M1", queued=True))

    plan = addressed(Enqueue(RELAY, "M1"), made, once)

    assert plan == Enqueue(RELAY, once.key, "slack", "/webhook/slack")


async def test_a_letter_of_a_client_goes_by_its_key_and_its_body() -> None:
    """The inbox does not compare bodies: what is not the same is another letter, and not lost."""
    made = [request(), request(), request(body=b"bye"), request(headers={"Idempotency-Key": "l"})]
    ids = {
        addressed(Enqueue(RELAY, ""), each, await key(each, action=Message(RELAY))).key
        for each in made
    }

    assert len(ids) == 3


async def test_a_letter_without_any_key_has_none() -> None:
    assert addressed(Enqueue(RELAY, ""), request(), None) == Enqueue(RELAY, "", "route", "/v1/chat")


async def test_a_call_by_mcp_has_no_key() -> None:
    """It is answered under its own id, which an answer from memory would not have."""
    call = replace(CALL, via=Via(Client(Era.MODERN, "2026-07-28"), Request(1, "tools/call")))

    assert await once_key(request(), CLIENT, CALL) is not None
    assert await once_key(request(), CLIENT, call) is None
