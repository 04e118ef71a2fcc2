"""Whoever has one credential and wants what belongs to another: over real sockets."""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from conftest import Sidegate, Start
from wire import Agent, agent, until
from yarl import URL

from proxy.actions import Operate
from proxy.authentication.tokens import hash_token
from proxy.decision import Allow
from proxy.exchange import Document, Peer, Role
from proxy.routes import OPERATIONS
from proxy.scope import Autonomy, Minting, Scope

MACHINE, LISTED = "m" * 32, "a token of the configuration"
CHANNEL = "a-secret-of-the-channel"
TUNNEL_HOST = "agent.example"
# Everything that an operator may do, on an id that is nobody's.
OPERATOR = [
    (method, path.replace("{id}", "c0ffee00"))
    for methods, path, _ in OPERATIONS
    for method in methods
]
# What must have a body to be asked for at all.
BODIES = {
    ("POST", "/approvals"): b'{"ids":["c0ffee00"],"decision":"approve"}',
    ("POST", "/approvals/c0ffee00"): b'{"decision":"approve"}',
    ("POST", "/mcp/tools/c0ffee00"): b'{"digest":"' + b"0" * 64 + b'"}',
}
_PEER = Peer("here")
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nfirst words\n"
SOON = 8.0
"""Seconds in which a request of a credential that is gone has to end: upkeep looks every two."""


@dataclass
class Site:
    """A Sidegate with every kind of caller before it."""

    sidegate: Sidegate
    client: str
    operator: str

    async def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        listener: str = "gateway",
        **headers: str,
    ) -> tuple[int, Any]:
        """Status and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            named["Authorization"] = f"Bearer {token}"
        if listener == "tunnel":
            named["Host"] = TUNNEL_HOST
        url, body = URL(self.sidegate.url(path, listener), encoded=True), None
        if path == "/webhook":
            body, named["Content-Type"] = b'{"message":"hi"}', "application/json"
        if (method, path) in BODIES:
            body, named["Content-Type"] = BODIES[method, path], "application/json"
        if path.startswith("/tools/"):
            body, named["Content-Type"] = b'{"arguments":{"path":"."}}', "application/json"
        async with self.sidegate.http.request(method, url, headers=named, data=body) as answer:
            data = await answer.read()
            return answer.status, json.loads(data) if data.startswith(b"{") else data

    async def code(
        self, method: str, path: str, token: str | None = None, listener: str = "gateway"
    ) -> tuple[int, str | None]:
        """Status, and the reason where it is refused."""
        status, body = await self.ask(method, path, token, listener)
        return status, body.get("code") if isinstance(body, dict) else None

    async def make(self, **bounds: Any) -> tuple[str, str]:
        """A client's token with these bounds, and its id."""
        lifetime = bounds.pop("lifetime", None)
        book = self.sidegate.app.operations.tokens
        token, record = await book.create(Role.CLIENT, Minting("", Scope(**bounds), lifetime))
        return token, record.id

    async def known(self) -> list[str]:
        """The tokens that there are."""
        store = self.sidegate.app.operations.store
        return [record.id for record in await store.tokens.list(0)]

    async def operate(self, verb: str, subject: str) -> str | None:
        """What an operator does; the credential that was made."""
        done = await self.sidegate.app.operations.do(Operate(verb, subject))
        assert isinstance(done, Allow)
        assert isinstance(done.value, Document)
        return done.value.issued


async def site(
    start: Start, upstream: Agent | None = None, *, tunnel: bool = False, **gateway: Any
) -> Site:
    changes: dict[str, object] = {
        "gateway": {"paired_tokens": [hash_token(LISTED).hex()], **gateway},
        "principals": {"robot": {"role": "agent", "token": MACHINE}},
    }
    if upstream is not None:
        routes = [{"path": "/v1/chat", "methods": ["GET", "POST"]}]
        changes["upstream"] = {"url": upstream.url, "routes": routes}
    if tunnel:
        changes["tunnel"] = {
            "provider": "custom",
            "mode": "external",
            "public_url": f"https://{TUNNEL_HOST}",
            "port": free_port(),
        }
    sidegate = await start(changes)
    book = sidegate.app.operations.tokens
    client, _ = await book.create(Role.CLIENT, Minting("client"))
    operator, _ = await book.create(Role.OPERATOR, Minting("console"))
    return Site(sidegate, client, operator)


def free_port() -> int:
    with socket.socket() as ends:
        ends.bind(("127.0.0.1", 0))
        return int(ends.getsockname()[1])


# Who is no operator


@pytest.mark.parametrize("require_pairing", [True, False])
async def test_only_an_operator_does_what_operators_do(
    start: Start, *, require_pairing: bool
) -> None:
    made = await site(start, require_pairing=require_pairing)
    before = await made.known()
    refused: dict[str | None, tuple[int, str]] = {
        None: (401, "token-missing"),
        "zo_" + "0" * 64: (401, "token-unknown"),
        **dict.fromkeys((made.client, MACHINE, LISTED), (403, "role-insufficient")),
    }

    for token, expected in refused.items():
        for method, path in OPERATOR:
            assert await made.code(method, path, token, "admin") == expected, (method, path)

    assert await made.known() == before
    assert not await made.sidegate.app.operations.store.codes.pending(0)
    assert (await made.ask("GET", "/tokens", made.operator, "admin"))[0] == 200


@pytest.mark.parametrize("listener", ["gateway", "tunnel", "metrics"])
async def test_what_operators_do_is_found_on_no_other_listener(start: Start, listener: str) -> None:
    """Not even by an operator."""
    made = await site(start, tunnel=True)

    for token in (None, made.client, MACHINE, LISTED, made.operator):
        for method, path in OPERATOR:
            found = await made.code(method, path, token, listener)
            assert found == (404, "route-unknown"), (method, path)


async def test_without_pairing_nobody_is_an_operator_by_coming_from_this_machine(
    start: Start,
) -> None:
    made = await site(start, require_pairing=False)

    assert (await made.ask("GET", "/tools"))[0] == 200
    for method, path in OPERATOR:
        assert await made.code(method, path) == (404, "route-unknown")
        assert await made.code(method, path, None, "admin") == (401, "token-missing")


async def test_a_code_makes_no_operator_and_a_link_no_client(start: Start) -> None:
    made = await site(start)
    pairing = made.sidegate.app.operations.pairing
    code, link = await pairing.offer(), await pairing.offer_link("console")

    for listener, offered in (("admin", code), ("gateway", link)):
        status, body = await made.ask("POST", "/pair", None, listener, X_Pairing_Code=offered)
        assert (status, body["code"]) == (403, "code-wrong")
    for listener, offered, prefix in (("admin", link, "zo_"), ("gateway", code, "zc_")):
        status, body = await made.ask("POST", "/pair", None, listener, X_Pairing_Code=offered)
        assert (status, body["token"][:3]) == (200, prefix)


async def test_an_agent_beside_the_operator_does_not_keep_it_from_pairing(start: Start) -> None:
    """It shares the address, and may ask as often as it likes."""
    made = await site(start)
    link = await made.sidegate.app.operations.pairing.offer_link("console")

    guesses = [await made.ask("POST", "/pair", X_Pairing_Code="wrong") for _ in range(20)]
    status, _ = await made.ask("POST", "/pair", None, "admin", X_Pairing_Code=link)

    assert guesses[-1][0] == 429
    assert status == 200


# Who is no client


async def test_an_operator_s_token_opens_nothing_at_the_gateway(start: Start) -> None:
    async with agent() as double:
        made = await site(start, double)
        asked = {
            (method, path): await made.code(method, path, made.operator)
            for method, path in (
                ("GET", "/tools"),
                ("POST", "/tools/file_list"),
                ("POST", "/tools/none"),
                ("POST", "/webhook"),
                ("GET", "/v1/chat"),
                ("POST", "/v1/chat"),
            )
        }

        assert set(asked.values()) == {(403, "role-insufficient")}
        assert double.seen == []
        assert (await made.ask("GET", "/health", made.operator))[0] == 200


async def test_an_agent_s_token_opens_its_tools_and_nothing_else(start: Start) -> None:
    async with agent() as double:
        made = await site(start, double)

        assert (await made.ask("GET", "/tools", MACHINE))[0] == 200
        assert (await made.ask("POST", "/tools/file_list", MACHINE))[0] == 200
        for method, path in (("POST", "/webhook"), ("GET", "/v1/chat"), ("POST", "/v1/chat")):
            assert await made.code(method, path, MACHINE) == (403, "role-insufficient")
        assert double.seen == []


# What the agent could forge with


async def test_no_secret_that_lets_a_message_in_reaches_the_agent(start: Start) -> None:
    """It could write to itself as anybody whom the list admits."""
    section = {"secret_token": CHANNEL, "allowed_users": ["7"]}
    async with agent() as double:
        changes = {
            "upstream": {"url": double.url},
            "channels_config": {"telegram": section, "webhook": {"secret": CHANNEL}},
        }
        sidegate = await start(changes)
        token = await sidegate.pair()
        update = {"update_id": 1, "message": {"from": {"id": 7}, "text": "hi"}}
        posts: list[tuple[str, object, dict[str, str]]] = [
            ("/webhook/telegram", update, {"X-Telegram-Bot-Api-Secret-Token": CHANNEL}),
            (
                "/webhook",
                {"message": "hi"},
                {"X-Webhook-Secret": CHANNEL, "Authorization": f"Bearer {token}"},
            ),
        ]
        for path, body, headers in posts:
            async with sidegate.http.post(sidegate.url(path), json=body, headers=headers) as answer:
                assert answer.status == 200, path

        assert len(double.seen) == 2
        assert [seen.line for seen in double.seen if CHANNEL.encode() in seen.head] == []


# What is gone


@pytest.mark.parametrize("verb", ["tokens.revoke", "tokens.rotate"])
async def test_a_token_that_was_taken_away_is_nobody_s_at_once(start: Start, verb: str) -> None:
    made = await site(start)
    token, token_id = await made.make()
    assert (await made.ask("GET", "/tools", token))[0] == 200

    await made.operate(verb, token_id)

    assert await made.code("GET", "/tools", token) == (401, "token-unknown")
    assert await made.code("GET", "/tools", made.client) == (200, None)


async def test_an_operator_s_token_that_was_taken_away_is_nobody_s_at_once(start: Start) -> None:
    made = await site(start)
    operator = await made.sidegate.app.operations.tokens.recognize(made.operator, _PEER)
    assert operator is not None

    status, body = await made.ask("POST", f"/tokens/{operator.id}", made.operator, "admin")

    assert status == 200
    assert await made.code("GET", "/tokens", made.operator, "admin") == (401, "token-unknown")
    assert await made.code("GET", "/tokens", body["token"], "admin") == (200, None)


async def test_a_token_ends_when_it_ends(start: Start) -> None:
    made = await site(start)
    token, _ = await made.make(lifetime=1.0)
    assert (await made.ask("GET", "/tools", token))[0] == 200

    await asyncio.sleep(1.1)

    assert await made.code("GET", "/tools", token) == (401, "token-unknown")


async def test_a_rotated_token_s_new_one_is_shown_once_and_stands_for_the_same(
    start: Start,
) -> None:
    made = await site(start)
    _, token_id = await made.make(tools=("file_list",))

    fresh = await made.operate("tokens.rotate", token_id)

    assert await made.code("POST", "/tools/file_list", fresh) == (200, None)
    assert await made.code("POST", "/tools/file_read", fresh) == (403, "scope-insufficient")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["tokens.revoke", "tokens.rotate", "expires", "another replica"])
@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "key-1"}], ids=["plain", "once"])
async def test_what_runs_for_a_token_that_is_gone_ends_within_seconds(
    start: Start, end: str, key: Mapping[str, str]
) -> None:
    """At the client and at the agent, which would else go on working for nobody."""
    async with agent(STREAM, 60.0) as double:
        made = await site(start, double)
        token, token_id = await made.make(lifetime=1.5 if end == "expires" else None)
        headers = {"Authorization": f"Bearer {token}"}
        headers |= {name.replace("_", "-"): value for name, value in key.items()}
        async with made.sidegate.http.post(
            made.sidegate.url("/v1/chat"), headers=headers, data=b"{}"
        ) as answer:
            assert await answer.content.readany() == b"first words\n"
            if end == "another replica":
                await made.sidegate.app.operations.store.tokens.revoke(token_id)
            elif end != "expires":
                await made.operate(end, token_id)

            with pytest.raises(aiohttp.ClientError):
                await drained(answer)
        await until(lambda: double.left, SOON)


async def drained(answer: aiohttp.ClientResponse) -> None:
    async with asyncio.timeout(SOON):
        while await answer.content.readany():
            pass


async def test_what_runs_for_others_goes_on(start: Start) -> None:
    async with agent(STREAM, 1.0, b"last words\n") as double:
        made = await site(start, double)
        _, token_id = await made.make()
        headers = {"Authorization": f"Bearer {made.client}"}
        async with made.sidegate.http.get(made.sidegate.url("/v1/chat"), headers=headers) as answer:
            assert await answer.content.readany() == b"first words\n"

            await made.operate("tokens.revoke", token_id)

            assert await answer.content.read() == b"last words\n"


# What is out of bounds


async def test_a_token_reaches_no_further_than_its_scope(start: Start) -> None:
    async with agent() as double:
        made = await site(start, double)
        token, _ = await made.make(routes=("/tools/*",), tools=("file_*",), level=Autonomy.READONLY)
        asked = {
            path: await made.code(method, path, token)
            for method, path in (
                ("POST", "/tools/file_list"),
                ("POST", "/tools/file_write"),
                ("POST", "/tools/shell"),
                ("POST", "/tools/none"),
                ("GET", "/tools"),
                ("POST", "/webhook"),
                ("POST", "/v1/chat"),
            )
        }

        assert asked == {
            "/tools/file_list": (200, None),
            "/tools/file_write": (403, "autonomy-readonly"),
            "/tools/shell": (403, "scope-insufficient"),
            "/tools/none": (403, "tool-unknown"),
            "/tools": (403, "scope-insufficient"),
            "/webhook": (403, "scope-insufficient"),
            "/v1/chat": (403, "scope-insufficient"),
        }
        assert double.seen == []
        # What is public is for everybody.
        assert (await made.ask("GET", "/health", token))[0] == 200


async def test_a_token_for_one_route_lists_and_calls_no_tool(start: Start) -> None:
    async with agent() as double:
        made = await site(start, double)
        token, _ = await made.make(routes=("/v1/chat",))

        assert (await made.ask("GET", "/v1/chat", token))[0] == 200
        for method, path in (("GET", "/tools"), ("POST", "/tools/file_list"), ("POST", "/webhook")):
            assert await made.code(method, path, token) == (403, "scope-insufficient")


@pytest.mark.parametrize("bounds", [{"routes": ()}, {"tools": ()}], ids=str)
async def test_an_empty_scope_is_nothing(start: Start, bounds: dict[str, Any]) -> None:
    made = await site(start)
    token, _ = await made.make(**bounds)

    assert await made.code("POST", "/tools/file_list", token) == (403, "scope-insufficient")


async def test_a_scope_holds_on_other_spellings_of_a_path(start: Start) -> None:
    made = await site(start)
    token, _ = await made.make(routes=("/tools/file_list",))

    assert (await made.ask("POST", "/tools/file_list", token))[0] == 200
    for path in ("/tools/file%5flist", "/tools/./file_list", "/tools/file_list/", "//tools/shell"):
        status, _ = await made.ask("POST", path, token)
        assert status in {400, 403, 404}, path


async def test_the_listing_shows_what_the_scope_leaves(start: Start) -> None:
    made = await site(start)
    token, _ = await made.make(tools=("file_*",), level=Autonomy.READONLY)

    _, body = await made.ask("GET", "/tools", token)

    assert {tool["name"] for tool in body["tools"]} == {"file_read", "file_list"}
