"""The operator's way to the state, through the running Sidegate or past one that does not run."""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Sidegate, Start
from doubles import Clock

from proxy import seal
from proxy.admin import Admin
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.config.model import Config
from proxy.decision import Allow, ConfigError, Denied, Deny
from proxy.exchange import Peer, Principal, Role
from proxy.places import Places
from proxy.reasons import Reason
from proxy.routes import OPERATIONS
from proxy.scope import Autonomy, Scope
from proxy.state.letters import Letter
from proxy.state.owner import Ownership
from proxy.state.sqlite.store import SqliteStore
from proxy.values import Json

WISH: Mapping[str, Json] = {
    "name": "laptop",
    "routes": ["/tools/*"],
    "tools": ["file_*"],
    "level": "readonly",
    "expires_in": 60,
}
NARROW = Scope(("/tools/*",), ("file_*",), Autonomy.READONLY)


def held(config: Config) -> Loaded:
    """The configuration as from a file; it holds no secret."""
    return loader.parse(json.dumps(config.model_dump(mode="json")), "sidegate.yaml", {})


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    """For a state that no Sidegate runs on."""
    config = Config.model_validate({"state_dir": str(tmp_path), "gateway": {"port": 4000}})
    return Admin(held(config), Places.of(config, {}), Clock())


def running(sidegate: Sidegate) -> Admin:
    return Admin(held(sidegate.app.config), sidegate.app.places, Clock())


async def ask(admin: Admin, verb: str, subject: str = "", wish: Any = None) -> Any:
    return await admin.do(verb, subject, wish)


async def opened(admin: Admin) -> SqliteStore:
    """The state, as a Sidegate that starts now finds it."""
    key = seal.load(admin.places.key)
    assert key is not None
    assert admin.places.database is not None
    return SqliteStore(admin.places.database, key)


async def recognized(admin: Admin, token: str) -> Principal | None:
    store = await opened(admin)
    try:
        return await TokenBook(store.tokens, admin.clock).recognize(token, Peer("a"))
    finally:
        await store.aclose()


# Nobody runs


async def test_status_is_of_a_running_one(admin: Admin) -> None:
    with pytest.raises(OSError, match="no sidegate is running on the state in"):
        await ask(admin, "status")

    assert os.listdir(admin.places.folder) == []


async def test_a_code_is_made_all_the_same(admin: Admin) -> None:
    answer = await ask(admin, "pairing-codes.create", wish=WISH)

    assert answer.keys() == {"code", "expires_in", "url"}
    assert answer["url"] == "http://127.0.0.1:4000"
    store = await opened(admin)
    made = await Pairing(store.codes, store.links, admin.clock).redeem(answer["code"], Peer("a"))
    assert isinstance(made, Allow)
    (record,) = await store.tokens.list(admin.clock())
    assert (record.label, record.scope, record.expires) == ("laptop", NARROW, admin.clock() + 60)
    await store.aclose()


async def test_a_link_is_made_all_the_same(admin: Admin) -> None:
    answer = await ask(admin, "links.create", wish={"name": "console"})

    assert answer.keys() == {"link", "expires_in", "url"}
    assert answer["url"] == "http://127.0.0.1:3001"
    store = await opened(admin)
    pairing = Pairing(store.codes, store.links, admin.clock)
    assert isinstance(await pairing.redeem_link(answer["link"], Peer("a")), Allow)
    await store.aclose()


async def test_a_public_address_is_told_where_there_is_one(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "state_dir": str(tmp_path),
            "gateway": {"public_url": "https://agent.example"},
            "admin": {"public_url": "https://admin.example"},
        }
    )
    admin = Admin(held(config), Places.of(config, {}), Clock())

    assert (await ask(admin, "pairing-codes.create"))["url"] == "https://agent.example"
    assert (await ask(admin, "links.create"))["url"] == "https://admin.example"


async def test_tokens_are_made_listed_rotated_and_revoked_all_the_same(admin: Admin) -> None:
    made = await ask(admin, "tokens.create", wish=WISH)
    first = await recognized(admin, made["token"])
    assert first is not None
    assert (first.id, first.role, first.scope) == (made["id"], Role.CLIENT, NARROW)

    rotated = await ask(admin, "tokens.rotate", made["id"])
    assert await recognized(admin, made["token"]) is None
    second = await recognized(admin, rotated["token"])
    assert second is not None
    assert second.id == made["id"]

    (row,) = (await ask(admin, "tokens.list"))["tokens"]
    assert (row["id"], row["role"], row["label"]) == (made["id"], "client", "laptop")

    assert await ask(admin, "tokens.revoke", made["id"]) == {"revoked": made["id"]}
    assert await recognized(admin, rotated["token"]) is None
    assert (await ask(admin, "tokens.list"))["tokens"] == []


async def test_the_inbox_is_tended_all_the_same(admin: Admin) -> None:
    await ask(admin, "tokens.list")
    store = await opened(admin)
    for letter_id in ("a", "b"):
        await store.inbox.put(Letter(letter_id, "slack", b"sealed", 0, 0))
    await store.inbox.bury("a", 0.0, "the agent refused it")
    await store.aclose()

    assert await ask(admin, "inbox.retry", "a") == {"retried": "a"}
    assert await ask(admin, "inbox.drop", "b") == {"dropped": "b"}
    (row,) = (await ask(admin, "inbox.list"))["letters"]
    assert (row["id"], row["condition"]) == ("a", "waiting")


@pytest.mark.parametrize("verb", ["tokens.rotate", "tokens.revoke", "inbox.retry", "inbox.drop"])
async def test_what_does_not_exist_is_told(admin: Admin, verb: str) -> None:
    with pytest.raises(LookupError, match="nobody"):
        await ask(admin, verb, "nobody")


async def test_what_is_answered_is_the_same_whether_one_runs_or_not(
    admin: Admin, start: Start
) -> None:
    """But for the ids, the times and the secrets."""
    asked: list[tuple[str, Any]] = [
        ("pairing-codes.create", WISH),
        ("links.create", {"name": "console"}),
        ("tokens.create", WISH),
        ("tokens.list", None),
        ("inbox.list", None),
    ]
    made = running(await start())
    here = [await ask(admin, verb, wish=wish) for verb, wish in asked]
    there = [await ask(made, verb, wish=wish) for verb, wish in asked]

    assert [answer.keys() for answer in here] == [answer.keys() for answer in there]
    ((mine,), (theirs,)) = (json.loads(json.dumps(each[3]))["tokens"] for each in (here, there))
    differing = {"id": "", "created": 0.0, "expires": 0.0}
    assert mine | differing == theirs | differing


async def test_a_state_in_use_is_left_alone(admin: Admin) -> None:
    """Somebody owns it and does not answer: two hands on one state would be one too many."""
    ownership = Ownership(admin.places.folder)
    try:
        with pytest.raises(OSError, match="in use by another sidegate"):
            await ask(admin, "pairing-codes.create")
    finally:
        ownership.release()

    assert os.listdir(admin.places.folder) == ["sidegate.lock"]


async def test_the_state_is_let_go_again(admin: Admin) -> None:
    for verb, subject in (("tokens.list", ""), ("tokens.revoke", "nobody"), ("inbox.list", "")):
        with contextlib.suppress(LookupError):
            await ask(admin, verb, subject)
        Ownership(admin.places.folder).release()


async def test_a_state_whose_key_is_lost_is_not_opened(admin: Admin) -> None:
    await ask(admin, "tokens.create")
    Path(admin.places.key).unlink()

    with pytest.raises(ConfigError, match="put the file back"):
        await ask(admin, "tokens.list")

    assert not Path(admin.places.key).exists()


async def test_a_dead_socket_is_nobody(admin: Admin) -> None:
    server = await asyncio.start_unix_server(lambda *_: None, admin.places.socket)
    server.close()
    await server.wait_closed()

    assert await ask(admin, "tokens.list") == {"tokens": []}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", id="half of it"),
        pytest.param(
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", id="a refusal, with words"
        ),
    ],
)
async def test_somebody_else_on_the_socket_is_an_error_and_not_nobody(
    admin: Admin, answer: bytes
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(reply, admin.places.socket)

    with pytest.raises(OSError, match=r"does not answer|refused: no"):
        await ask(admin, "pairing-codes.create")

    server.close()
    assert "sidegate.db" not in os.listdir(admin.places.folder)


# One runs


async def test_a_running_one_does_it_itself(start: Start) -> None:
    sidegate = await start()
    admin = running(sidegate)
    token = await sidegate.pair()

    (row,) = (await ask(admin, "tokens.list"))["tokens"]
    status = await ask(admin, "status")

    assert (status["paired"], status["running"]) == (1, 1)
    assert status["instance"] == sidegate.app.operations.store.instance
    assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 200
    assert await ask(admin, "tokens.revoke", row["id"]) == {"revoked": row["id"]}
    assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 401
    with pytest.raises(LookupError, match=row["id"]):
        await ask(admin, "tokens.revoke", row["id"])


async def test_its_tokens_are_what_was_wished_of_it(start: Start) -> None:
    sidegate = await start()
    admin = running(sidegate)

    made = await ask(admin, "tokens.create", wish=WISH)

    assert (await sidegate.call("file_list", {"path": "."}, made["token"]))[0] == 200
    status, body = await sidegate.call("shell", {"command": "ls"}, made["token"])
    assert (status, body["code"]) == (403, "scope-insufficient")
    rotated = await ask(admin, "tokens.rotate", made["id"])
    assert (await sidegate.call("file_list", {"path": "."}, made["token"]))[0] == 401
    assert (await sidegate.call("file_list", {"path": "."}, rotated["token"]))[0] == 200


async def test_its_code_pairs_and_voids_the_one_before(start: Start) -> None:
    sidegate = await start()
    before = await sidegate.app.operations.pairing.offer()

    code = (await ask(running(sidegate), "pairing-codes.create"))["code"]

    pairing = sidegate.app.operations.pairing
    if before != code:
        assert isinstance(await pairing.redeem(before, Peer("a")), Deny)
    assert isinstance(await pairing.redeem(code, Peer("a")), Allow)


async def test_its_addresses_are_those_that_it_has(start: Start) -> None:
    sidegate = await start()
    ports, admin = sidegate.app.ports, running(sidegate)

    code, link = await ask(admin, "pairing-codes.create"), await ask(admin, "links.create")

    assert code["url"] == f"http://127.0.0.1:{ports['gateway']}"
    assert link["url"] == f"http://127.0.0.1:{ports['admin']}"


@pytest.mark.parametrize("token_id", ["../status", "a/b", "a b", "?x", "%2e%2e", "ä", "", "{id}"])
@pytest.mark.parametrize("verb", ["tokens.revoke", "inbox.drop"])
async def test_an_odd_id_is_no_way_to_another_verb(start: Start, token_id: str, verb: str) -> None:
    sidegate = await start()
    await sidegate.pair()

    with pytest.raises((LookupError, OSError)):
        await ask(running(sidegate), verb, token_id)

    assert len((await ask(running(sidegate), "tokens.list"))["tokens"]) == 1


@pytest.mark.parametrize(
    ("path", "verb"),
    [(p, codec.verb) for _, p, codec in OPERATIONS if codec.verb != "approvals.decide-all"],
)
async def test_every_verb_finds_its_route(start: Start, path: str, verb: str) -> None:
    admin = running(await start())

    if verb == "approvals.events":
        events = admin.watch()
        assert await anext(events) == "event: snapshot"
        await events.aclose()
    elif "{id}" not in path:
        assert await ask(admin, verb, wish=WISHES.get(verb))
    else:
        with pytest.raises(LookupError, match="nobody"):
            await ask(admin, verb, "nobody", WISHES.get(verb))


WISHES: Mapping[str, Json] = {
    "approvals.decide": {"decision": "deny"},
    "mcp-tools.accept": {"digest": "0" * 64},
    "explain": {"tool": "shell", "arguments": {}},
}


async def test_several_decisions_find_their_route(start: Start) -> None:
    wish = {"ids": ["nobody"], "decision": "deny"}

    with pytest.raises(LookupError, match="nobody"):
        await ask(running(await start()), "approvals.decide-all", "nobody", wish)


@pytest.mark.parametrize("verb", ["status", "explain", "approvals.events"])
async def test_what_only_a_running_one_knows_is_not_told_without(admin: Admin, verb: str) -> None:
    with pytest.raises(OSError, match="no sidegate is running"):
        await ask(admin, verb)


async def test_a_refusal_is_the_same_whether_one_runs_or_not(admin: Admin, start: Start) -> None:
    """A decision that comes too late is no fault of the state."""
    wish = {"ids": ["a_1", "a_2"], "decision": "deny"}
    running_one = running(await start())

    for each in (admin, running_one):
        with pytest.raises(Denied) as stale:
            await ask(each, "approvals.decide-all", wish=wish)
        with pytest.raises(OSError, match="not those that the tool takes"):
            await ask(each, "approvals.decide-all", wish={"decision": "deny"})
        assert stale.value.reason is Reason.APPROVAL_STALE


async def test_whoever_stops_is_named_alike_whether_one_runs_or_not(
    admin: Admin, start: Start
) -> None:
    made = running(await start())

    for each in (admin, made):
        await ask(each, "stops.add", wish={"tool": "shell"})
        (stop,) = (await ask(each, "stops.list"))["stops"]
        assert stop["stopped_by"] == f"uid-{os.getuid()}"
