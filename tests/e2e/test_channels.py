"""Webhooks of chat platforms, over sockets, to an agent that counts what reaches it."""

import asyncio
import json
import time
from dataclasses import replace

import pytest
import signing
from conftest import Sidegate, Start
from signing import ALLOWED, STRANGER, Post, channels
from wire import OK, Agent, agent, until

every_channel = pytest.mark.parametrize("channel", list(ALLOWED))


async def started(start: Start, up: Agent, **changes: object) -> Sidegate:
    sections = {"upstream": {"url": up.url}, "channels_config": channels(**changes)}
    return await start({**sections, "gateway": {"webhook_rate_limit_per_minute": None}})


async def sent(sidegate: Sidegate, post: Post) -> tuple[int, dict[str, str], str]:
    url = sidegate.url(post.path)
    async with sidegate.http.post(url, data=post.body, headers=post.headers) as answer:
        return answer.status, dict(answer.headers), await answer.text()


@every_channel
async def test_a_message_of_an_allowed_sender_reaches_the_agent_as_it_came(
    start: Start, channel: str
) -> None:
    async with agent() as up:
        sidegate = await started(start, up)
        post = ALLOWED[channel]("1")

        status, _, _ = await sent(sidegate, post)

        assert status == 200
        assert [request.line for request in up.seen] == [f"POST {post.path} HTTP/1.1"]
        assert up.seen[0].body == post.body
        assert up.seen[0].all("x-sidegate-principal")[0].startswith(f"{channel}:")


@every_channel
async def test_nobody_else_reaches_it(start: Start, channel: str) -> None:
    async with agent() as up:
        sidegate = await started(start, up)

        stranger = await sent(sidegate, STRANGER[channel]("1"))
        forged = await sent(sidegate, replace(ALLOWED[channel]("2"), body=b'{"update_id": 2}'))
        bare = await sent(sidegate, replace(ALLOWED[channel]("3"), headers={}))

        assert (stranger[0], json.loads(stranger[2])["code"]) == (403, "sender-not-allowed")
        # Telegram proves who it is, and not what it says; such a body is no update of anybody's.
        refused = {"telegram": (400, 403)}.get(channel, (401,))
        assert forged[0] in refused
        assert (bare[0], json.loads(bare[2])["code"]) == (401, "signature-invalid")
        assert up.seen == []


@every_channel
async def test_a_dropped_sender_is_told_nothing(start: Start, channel: str) -> None:
    async with agent() as up:
        sidegate = await started(start, up, on_denied="drop")

        status, _, body = await sent(sidegate, STRANGER[channel]("1"))

        assert (status, json.loads(body)) == (200, {"status": "ok"})
        assert up.seen == []


@pytest.mark.parametrize("channel", ["telegram", "whatsapp", "github"])
async def test_a_message_that_is_sent_again_is_delivered_once(start: Start, channel: str) -> None:
    async with agent() as up:
        sidegate = await started(start, up)
        post = ALLOWED[channel]("1")

        answers = [await sent(sidegate, post) for _ in range(3)]

        assert [status for status, _, _ in answers] == [200, 200, 200]
        assert [fields.get("Idempotency-Replayed") for _, fields, _ in answers] == [
            *(None, "true", "true")
        ]
        assert len(up.seen) == 1


async def test_forty_copies_at_once_are_one_delivery(start: Start) -> None:
    async with agent(0.2, OK) as up:
        sidegate = await started(start, up)
        post = ALLOWED["telegram"]("1")

        answers = await asyncio.gather(*(sent(sidegate, post) for _ in range(40)))

        assert {status for status, _, _ in answers} <= {200, 409}
        assert len(up.seen) == 1


async def test_what_is_signed_with_its_time_is_accepted_once_and_soon(start: Start) -> None:
    async with agent() as up:
        sidegate = await started(start, up)
        post = ALLOWED["slack"]("1")

        first, again = [await sent(sidegate, post) for _ in range(2)]
        old = await sent(sidegate, signing.slack("Ev2", "U7", time.time() - 301))
        ahead = await sent(sidegate, signing.slack("Ev3", "U7", time.time() + 301))

        assert first[0] == 200
        assert (again[0], json.loads(again[2])["code"]) == (401, "webhook-replayed")
        for late in (old, ahead):
            assert (late[0], json.loads(late[2])["code"]) == (401, "webhook-stale")
        assert len(up.seen) == 1


async def test_a_provider_that_signs_each_attempt_gets_the_first_answer_again(start: Start) -> None:
    async with agent() as up:
        sidegate = await started(start, up)

        await sent(sidegate, signing.slack("Ev1", "U7", time.time() - 5))
        status, fields, _ = await sent(sidegate, signing.slack("Ev1", "U7"))

        assert (status, fields["Idempotency-Replayed"]) == (200, "true")
        assert len(up.seen) == 1


async def test_of_a_batch_the_agent_gets_the_messages_of_allowed_senders(start: Start) -> None:
    async with agent() as up:
        sidegate = await started(start, up)

        status, _, _ = await sent(sidegate, signing.whatsapp("4918", "4917", "4919"))

        assert status == 200
        value = json.loads(up.seen[0].body)["entry"][0]["changes"][0]["value"]
        assert [message["from"] for message in value["messages"]] == ["4917"]
        assert up.seen[0].all("x-hub-signature-256") == []


async def test_a_provider_sets_its_webhook_up(start: Start) -> None:
    async with agent() as up:
        sidegate = await started(start, up)
        query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
        question = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFDxV"})

        slack = await sent(sidegate, signing.signed_slack(question.encode()))
        async with (
            sidegate.http.get(sidegate.url(f"/whatsapp?{query}meta-verify-token")) as right,
            sidegate.http.get(sidegate.url(f"/whatsapp?{query}other")) as wrong,
        ):
            words, refusal = await right.text(), await wrong.json(content_type=None)

        assert json.loads(slack[2]) == {"challenge": "3eZbrw1aBm2rZgRNFDxV"}
        assert (right.status, right.content_type, words) == (200, "text/plain", "1158201444")
        assert (wrong.status, refusal["code"]) == (403, "verify-token-wrong")
        assert up.seen == []


async def test_a_channel_without_a_secret_is_closed_and_one_not_configured_does_not_exist(
    start: Start,
) -> None:
    async with agent() as up:
        closed = {"telegram": {"allowed_users": ["*"]}}
        sidegate = await start({"upstream": {"url": up.url}, "channels_config": closed})

        telegram = await sent(sidegate, ALLOWED["telegram"]("1"))
        github = await sent(sidegate, ALLOWED["github"]("1"))

        assert (telegram[0], json.loads(telegram[2])["code"]) == (401, "channel-closed")
        assert github[0] == 404
        assert up.seen == []


async def test_a_failed_delivery_may_be_tried_again(start: Start) -> None:
    failing = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    async with agent(failing) as up:
        sidegate = await started(start, up)
        post = ALLOWED["telegram"]("1")

        first = await sent(sidegate, post)
        up.answer = (OK,)
        second = await sent(sidegate, post)

        assert (first[0], second[0]) == (500, 200)
        assert "Idempotency-Replayed" not in second[1]
        assert len(up.seen) == 2


async def test_the_secret_of_the_webhook_is_asked_for_beside_the_token(start: Start) -> None:
    async with agent() as up:
        secret = {"webhook": {"secret": "a-webhook-secret"}}
        sidegate = await start({"upstream": {"url": up.url}, "channels_config": secret})
        bearer = {"Authorization": f"Bearer {await sidegate.pair()}"}
        right = {"X-Webhook-Secret": "a-webhook-secret"}

        statuses = []
        for headers in (bearer, right, bearer | {"X-Webhook-Secret": "another"}, bearer | right):
            async with sidegate.http.post(
                sidegate.url("/webhook"), json={"message": "hi"}, headers=headers
            ) as answer:
                statuses.append(answer.status)

        assert statuses == [401, 401, 401, 200]
        assert len(up.seen) == 1
        assert up.seen[0].all("x-webhook-secret") == []


async def test_a_queued_message_is_delivered_after_its_sender_was_answered(start: Start) -> None:
    async with agent(0.3, OK) as up:
        sidegate = await started(start, up, delivery="queued")

        status, _, body = await sent(sidegate, ALLOWED["github"]("1"))
        again = await sent(sidegate, ALLOWED["github"]("1"))

        assert (status, json.loads(body)) == (200, {"status": "queued"})
        assert again[0] == 200
        await until(lambda: up.seen)
        await asyncio.sleep(0.5)
        assert len(up.seen) == 1


async def test_strangers_who_write_to_a_bot_do_not_use_up_what_its_owner_needs(
    start: Start,
) -> None:
    """All of them come from the provider's own address."""
    async with agent() as up:
        sections = {"upstream": {"url": up.url}, "channels_config": channels()}
        sidegate = await start({**sections, "gateway": {"webhook_rate_limit_per_minute": 5}})

        strangers = [await sent(sidegate, signing.telegram(n, 8)) for n in range(12)]
        owner = [await sent(sidegate, signing.telegram(100 + n, 7)) for n in range(6)]

        assert {status for status, _, _ in strangers} == {403}
        assert [status for status, _, _ in owner] == [200] * 5 + [429]
        assert json.loads(owner[5][2])["code"] == "rate-limited"
        assert owner[5][1]["RateLimit"].startswith('"webhook";r=0;')
        assert int(owner[5][1]["Retry-After"]) <= 12


async def test_forgers_are_counted_by_their_address(start: Start) -> None:
    async with agent() as up:
        sections = {"upstream": {"url": up.url}, "channels_config": channels()}
        sidegate = await start({**sections, "gateway": {"webhook_rate_limit_per_minute": 5}})
        forged = replace(ALLOWED["slack"]("1"), headers={})

        statuses = [(await sent(sidegate, forged))[0] for _ in range(7)]

        assert statuses == [401] * 5 + [429] * 2


async def test_a_flood_from_an_address_does_not_shut_out_who_proves_to_be_somebody(
    start: Start,
) -> None:
    """Behind a tunnel or a container network, all have one address."""
    async with agent() as up:
        sections = {"upstream": {"url": up.url}, "channels_config": channels()}
        sidegate = await start({**sections, "gateway": {"webhook_rate_limit_per_minute": 5}})
        bearer = {"Authorization": f"Bearer {await sidegate.pair()}"}

        async def message(headers: dict[str, str]) -> int:
            url = sidegate.url("/webhook")
            async with sidegate.http.post(url, json={"message": "hi"}, headers=headers) as answer:
                return answer.status

        flood = [await message({}) for _ in range(20)]

        assert flood == [401] * 5 + [429] * 15
        assert [await message(bearer) for _ in range(6)] == [200] * 5 + [429]
        assert (await sent(sidegate, ALLOWED["telegram"]("1")))[0] == 200
