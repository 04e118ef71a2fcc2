"""The operator's way to the state, through the running Sidegate or past one that does not run."""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import Start
from doubles import Clock

from proxy.admin import Admin
from proxy.authentication.pairing import Pairing
from proxy.config.model import Config
from proxy.decision import Allow, Deny
from proxy.exchange import Peer
from proxy.state.owner import Ownership
from proxy.state.sqlite import SqliteStore


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    """For a state that no Sidegate runs on."""
    return Admin(str(tmp_path), str(tmp_path / "sidegate.db"), Clock())


async def pair(admin: Admin) -> str:
    """The id of a token in the state, got with a code of the operator's."""
    code = cast("dict[str, str]", await admin.create_code())["code"]
    store = SqliteStore(admin.database)
    try:
        done = await Pairing(store.codes, admin.clock).redeem(code, Peer("a"))
    finally:
        await store.aclose()
    assert isinstance(done, Allow)
    return done.value.id


def rows(answer: object) -> list[dict[str, Any]]:
    return cast("dict[str, list[dict[str, Any]]]", answer)["tokens"]


def test_it_is_for_the_state_of_its_configuration(tmp_path: Path) -> None:
    config = Config.model_validate(
        {"state_dir": str(tmp_path), "state": {"url": "sqlite:///a/b.db"}}
    )

    admin = Admin.of(config, {"STATE_DIRECTORY": "/elsewhere"}, Clock())

    assert admin.folder == str(tmp_path)
    assert admin.database == str(tmp_path / "a" / "b.db")


# Nobody runs


async def test_status_is_of_a_running_one(admin: Admin) -> None:
    with pytest.raises(OSError, match="no sidegate is running on the state in"):
        await admin.status()


async def test_a_code_is_made_all_the_same(admin: Admin) -> None:
    assert await pair(admin)


async def test_tokens_are_listed_and_revoked_all_the_same(admin: Admin) -> None:
    token_id = await pair(admin)

    (row,) = rows(await admin.tokens())
    assert row == {"id": token_id, "role": "client", "label": "", "created": admin.clock()}
    assert await admin.revoke(token_id) == {"revoked": token_id}
    assert rows(await admin.tokens()) == []


async def test_what_does_not_exist_is_not_revoked(admin: Admin) -> None:
    with pytest.raises(LookupError, match="nobody"):
        await admin.revoke("nobody")


async def test_a_state_in_use_is_left_alone(admin: Admin) -> None:
    """Somebody owns it and does not answer: two hands on one state would be one too many."""
    ownership = Ownership(admin.folder)
    try:
        with pytest.raises(OSError, match="in use by another sidegate"):
            await admin.create_code()
    finally:
        ownership.release()


async def test_a_dead_socket_is_nobody(admin: Admin, tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(lambda *_: None, str(tmp_path / "admin.sock"))
    server.close()
    await server.wait_closed()

    assert rows(await admin.tokens()) == []


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
    admin: Admin, tmp_path: Path, answer: bytes
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(reply, str(tmp_path / "admin.sock"))

    with pytest.raises(OSError, match=r"does not answer|refused: no"):
        await admin.create_code()

    server.close()
    assert "sidegate.db" not in os.listdir(tmp_path)


# One runs


async def test_a_running_one_does_it_itself(start: Start) -> None:
    sidegate = await start()
    admin = Admin.of(sidegate.app.config, {}, Clock())
    token = await sidegate.pair()

    (row,) = rows(await admin.tokens())
    status = cast("dict[str, Any]", await admin.status())

    assert (status["paired"], status["running"]) == (1, 1)
    assert status["instance"] == sidegate.app.operations.store.instance
    assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 200
    assert await admin.revoke(row["id"]) == {"revoked": row["id"]}
    assert (await sidegate.call("file_list", {"path": "."}, token))[0] == 401
    with pytest.raises(LookupError, match=row["id"]):
        await admin.revoke(row["id"])


async def test_its_code_pairs_and_voids_the_one_before(start: Start) -> None:
    sidegate = await start()
    admin = Admin.of(sidegate.app.config, {}, Clock())
    before = await sidegate.app.operations.pairing.offer()

    code = cast("dict[str, str]", await admin.create_code())["code"]

    pairing = sidegate.app.operations.pairing
    if before != code:
        assert isinstance(await pairing.redeem(before, Peer("a")), Deny)
    assert isinstance(await pairing.redeem(code, Peer("a")), Allow)


@pytest.mark.parametrize("token_id", ["../status", "a/b", "a b", "?x", "%2e%2e", "ä", ""])
async def test_an_odd_id_is_no_way_to_another_verb(start: Start, token_id: str) -> None:
    sidegate = await start()

    with pytest.raises((LookupError, OSError)):
        await Admin.of(sidegate.app.config, {}, Clock()).revoke(token_id)
