"""Who wants to decide on its own calls: every credential but the operator's, at every door."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from conftest import Sidegate, Start
from doubles import CLIENT, inbound
from wire import agent, until

from proxy.actions import ToolCall
from proxy.authentication.tokens import hash_token
from proxy.authorization.approvals import Asking, Wish
from proxy.decision import Allow
from proxy.exchange import Role
from proxy.scope import Minting
from proxy.state.approvals import Ask, Standing, StandingGrant, Stop, StopKind

MACHINE, LISTED = "m" * 32, "a token of the configuration"
CHANNEL = "a-secret-of-the-channel"
APPROVE = {"decision": "approve", "for": "session"}


class Site:
    """A Sidegate in which a call waits, somebody has a grant, and something is stopped."""

    def __init__(self, sidegate: Sidegate) -> None:
        self.sidegate = sidegate
        self.desk = sidegate.app.operations.desk
        self.store = sidegate.app.operations.store

    async def prepare(self) -> None:
        self.client = await self.sidegate.pair()
        self.ask_ = await self.wait("rm -rf build")
        await self.store.grants.add(StandingGrant("g_1", "a", "b", "uid-0", 0.0, 1e11), 0.0)
        await self.store.stops.add(Stop("s_1", StopKind.TOOL, "none", "", "uid-0", 0.0), 0.0)

    async def wait(self, line: str) -> Ask:
        call = ToolCall("shell", {"command": line})
        asking = Asking("rules-1", needed=True, seconds=3600.0)
        parked = await self.desk.rulings.approvals.park(Wish(call, inbound(), CLIENT), asking)
        assert isinstance(parked, Allow)
        return parked.value

    async def operator(self) -> str:
        book = self.sidegate.app.operations.tokens
        token, _ = await book.create(Role.OPERATOR, Minting("console"))
        return token

    def requests(self) -> list[tuple[str, str, Any]]:
        """Everything that an operator may do here, on what there is."""
        ask_id = self.ask_.id
        return [
            ("GET", "/approvals", None),
            ("GET", "/approvals/events", None),
            ("GET", f"/approvals/{ask_id}", None),
            ("POST", "/approvals", {"ids": [ask_id], **APPROVE}),
            ("POST", f"/approvals/{ask_id}", APPROVE),
            ("POST", f"/approvals/{ask_id}", {"decision": "deny"}),
            ("GET", "/grants", None),
            ("DELETE", "/grants/g_1", None),
            ("GET", "/stops", None),
            ("POST", "/stops", {}),
            ("DELETE", "/stops", None),
            ("DELETE", "/stops/s_1", None),
            ("POST", "/explain", {"tool": "shell", "arguments": {"command": "ls"}}),
        ]

    async def send(
        self, method: str, path: str, body: Any, listener: str, **headers: str
    ) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.sidegate.url(path, listener)
        async with self.sidegate.http.request(method, url, json=body, headers=named) as answer:
            if answer.content_type == "text/event-stream":
                return answer.status, await answer.content.readline()
            data = await answer.read()
            return answer.status, json.loads(data) if data.startswith(b"{") else data

    async def untouched(self) -> bool:
        """Whether everything is as it was."""
        now = self.desk.rulings.approvals.clock()
        ask = await self.store.asks.get(self.ask_.id, now)
        grants, stops = await self.store.grants.list(now), await self.store.stops.list(now)
        return (
            ask is not None
            and ask.standing is Standing.PENDING
            and [grant.id for grant in grants] == ["g_1"]
            and [stop.id for stop in stops] == ["s_1"]
        )


async def site(start: Start, **changes: Any) -> Site:
    made = Site(
        await start(
            {
                "gateway": {"paired_tokens": [hash_token(LISTED).hex()]},
                "principals": {
                    "robot": {"role": "agent", "token": MACHINE},
                    "script": {"role": "client", "token": MACHINE.replace("m", "n")},
                },
                "channels_config": {
                    "telegram": {"secret_token": CHANNEL, "allowed_users": ["7"]},
                },
                **changes,
            }
        )
    )
    await made.prepare()
    return made


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}], ids=["", "async"])
async def test_nobody_but_an_operator_decides_on_the_operator_s_listener(
    start: Start, prefer: dict[str, str]
) -> None:
    made = await site(start)
    credentials: list[tuple[dict[str, str], tuple[int, str]]] = [
        ({}, (401, "token-missing")),
        ({"X_Pairing_Code": "123456"}, (401, "token-missing")),
        ({"X_Telegram_Bot_Api_Secret_Token": CHANNEL}, (401, "token-missing")),
        ({"Authorization": "Bearer zo_" + "0" * 64}, (401, "token-unknown")),
        *(
            ({"Authorization": f"Bearer {token}"}, (403, "role-insufficient"))
            for token in (made.client, MACHINE, MACHINE.replace("m", "n"), LISTED)
        ),
    ]

    for headers, expected in credentials:
        for method, path, body in made.requests():
            status, answer = await made.send(method, path, body, "admin", **headers, **prefer)
            assert (status, answer["code"]) == expected, (method, path, headers)

    assert await made.untouched()


@pytest.mark.parametrize("listener", ["gateway", "metrics"])
async def test_no_other_listener_knows_how_to_decide(start: Start, listener: str) -> None:
    """Not even for an operator."""
    made = await site(start)
    tokens = (made.client, MACHINE, LISTED, await made.operator())

    for headers in ({}, *({"Authorization": f"Bearer {token}"} for token in tokens)):
        for method, path, body in made.requests():
            status, answer = await made.send(
                method, path, body, listener, Prefer="respond-async", **headers
            )
            assert (status, answer["code"]) == (404, "route-unknown"), (method, path)

    assert await made.untouched()


async def test_a_route_of_the_agent_of_that_name_leads_to_the_agent(start: Start) -> None:
    """What the agent answers there is its own word, and decides nothing."""
    paths = ("/approvals", "/approvals/*", "/grants/*", "/stops", "/stops/*", "/explain")
    routes = [{"path": path, "methods": ["GET", "POST", "DELETE"]} for path in paths]
    async with agent() as double:
        made = await site(start, upstream={"url": double.url, "routes": routes})
        headers = {"Authorization": f"Bearer {made.client}"}
        asked = [each for each in made.requests() if each[1] != "/grants"]

        for method, path, body in asked:
            status, _ = await made.send(method, path, body, "gateway", **headers)
            assert status == 200, path

        assert [line.split()[1] for line in (seen.line for seen in double.seen)] == [
            path for _, path, _ in asked
        ]
        assert await made.untouched()


async def test_no_tool_is_a_way_to_decide(start: Start) -> None:
    made = await site(start)
    names = ("approvals.decide", "approvals", "operate", "approve", made.ask_.id)

    for name in names:
        for token in (made.client, MACHINE):
            status, body = await made.sidegate.call(name, {"decision": "approve"}, token)
            assert (status, body["code"]) == (403, "tool-unknown")

    assert await made.untouched()


async def test_a_code_however_it_was_made_makes_nobody_who_decides(start: Start) -> None:
    made = await site(start)
    pairing = made.sidegate.app.operations.pairing
    for minting in (None, Minting("operator"), Minting("uid-0")):
        code = await pairing.offer(minting)
        _, answer = await made.send("POST", "/pair", None, "gateway", X_Pairing_Code=code)
        headers = {"Authorization": f"Bearer {answer['token']}"}
        for method, path, body in made.requests():
            status, refusal = await made.send(method, path, body, "admin", **headers)
            assert (status, refusal["code"]) == (403, "role-insufficient")

    assert await made.untouched()


async def test_an_operator_does_all_of_it(start: Start) -> None:
    """So that the refusals above are for who asked, and not for what was asked."""
    made = await site(start)
    headers = {"Authorization": f"Bearer {await made.operator()}"}
    found = []
    for method, path, body in made.requests():
        if (method, path) == ("DELETE", "/stops/s_1"):
            await made.store.stops.add(Stop("s_1", StopKind.TOOL, "none", "", "uid-0", 0.0), 0.0)
        found.append((await made.send(method, path, body, "admin", **headers))[0])

    # once decided it is decided, and while all is stopped nothing is
    assert found == [200, 200, 200, 200, 409, 409, 200, 200, 200, 200, 200, 200, 200]


async def test_a_stream_of_events_ends_with_the_token_that_opened_it(start: Start) -> None:
    made = await site(start)
    operations = made.sidegate.app.operations
    token, record = await operations.tokens.create(Role.OPERATOR, Minting("console"))
    other = await made.operator()
    headers = {"Authorization": f"Bearer {token}"}
    url = made.sidegate.url("/approvals/events", "admin")

    async with made.sidegate.http.get(url, headers=headers) as answer:
        assert await answer.content.readline() == b"event: snapshot\n"
        status, _ = await made.send(
            "DELETE", f"/tokens/{record.id}", None, "admin", Authorization=f"Bearer {other}"
        )
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(10):
                await answer.content.read()

    assert status == 200
    await until(lambda: len(made.desk.feed) == 0)


async def test_a_stop_of_everything_does_not_end_what_the_operator_watches(start: Start) -> None:
    made = await site(start)
    headers = {"Authorization": f"Bearer {await made.operator()}"}
    url = made.sidegate.url("/approvals/events", "admin")

    async with made.sidegate.http.get(url, headers=headers) as answer:
        assert await answer.content.readline() == b"event: snapshot\n"
        await made.send("POST", "/stops", {}, "admin", **headers)
        async with asyncio.timeout(10):
            while await answer.content.readline() != b"event: stopped\n":
                pass

    assert (await made.send("DELETE", "/stops", None, "admin", **headers))[0] == 200


async def test_what_is_stopped_ends_at_the_client_and_at_the_agent(start: Start) -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nfirst words\n"
    async with agent(stream, 60.0) as double:
        routes = [{"path": "/v1/chat", "methods": ["POST"]}]
        made = await site(start, upstream={"url": double.url, "routes": routes})
        operator = {"Authorization": f"Bearer {await made.operator()}"}
        headers = {"Authorization": f"Bearer {made.client}", "Idempotency-Key": "key-1"}
        url = made.sidegate.url("/v1/chat")
        async with made.sidegate.http.post(url, headers=headers, data=b"{}") as answer:
            assert await answer.content.readany() == b"first words\n"

            await made.send("POST", "/stops", {}, "admin", **operator)

            with pytest.raises(aiohttp.ClientError):
                async with asyncio.timeout(10):
                    await answer.content.read()
        await until(lambda: double.left, 8.0)
        audit = made.sidegate.folder / "audit.jsonl"
        await until(lambda: '"cancelled":"stopped"' in audit.read_text())


async def test_what_waits_is_on_the_metrics(start: Start) -> None:
    made = await site(start)
    headers = {"Authorization": f"Bearer {await made.operator()}"}
    await made.send("GET", "/approvals/events", None, "admin", **headers)

    _, text = await made.send("GET", "/metrics", None, "metrics")

    assert b"\nsidegate_approvals_pending 1.0\n" in text
    assert b"\nsidegate_approval_wait_seconds_count 0.0\n" in text
