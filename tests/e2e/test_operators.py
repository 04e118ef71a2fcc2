"""The operator's listener: a link becomes a token, and nothing else opens it."""

import asyncio
import json
import stat
from pathlib import Path

import aiohttp
import pytest
from serving import Serving, config, finished, paired, serving
from wire import agent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return config(tmp_path, "http://127.0.0.1:9")


async def ask(
    served: Serving, method: str, path: str, headers: dict[str, str], data: object = None
) -> tuple[int, dict[str, object]]:
    url = f"http://127.0.0.1:{served.ports['admin']}{path}"
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, headers=headers, json=data) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def operator(served: Serving, path: Path) -> dict[str, str]:
    _, link, _ = await finished("pair", "--operator", "--name", "me", "-c", str(path))
    _, answer = await ask(served, "POST", "/pair", {"X-Pairing-Code": link.strip()})
    return {"Authorization": f"Bearer {answer['token']}"}


async def test_a_link_is_good_for_one_operator(path: Path) -> None:
    async with serving(path) as served:
        _, link, _ = await finished("pair", "--operator", "-c", str(path))
        header = {"X-Pairing-Code": link.strip()}

        answers = await asyncio.gather(*(ask(served, "POST", "/pair", header) for _ in range(10)))

        assert len(link.strip()) == 32
        assert sorted(status for status, _ in answers) == [200] + [403] * 9
        (token,) = [body["token"] for status, body in answers if status == 200]
        status, body = await ask(served, "GET", "/status", {"Authorization": f"Bearer {token}"})
        assert (status, body["code_pending"]) == (200, True)


async def test_no_credential_of_the_front_opens_it(path: Path) -> None:
    async with serving(path) as served:
        client = await paired(served)
        _, code, _ = await finished("pair", "-c", str(path))

        assert (await ask(served, "GET", "/status", {}))[0] == 401
        assert (await ask(served, "GET", "/tokens", client))[0] == 403
        assert (await ask(served, "POST", "/pairing-codes", client))[0] == 403
        assert (await ask(served, "POST", "/pair", {"X-Pairing-Code": code.strip()}))[0] == 403


async def test_an_operator_makes_what_clients_need(path: Path) -> None:
    async with serving(path) as served:
        mine = await operator(served, path)
        wish = {"name": "phone", "tools": ["file_*"], "level": "readonly", "expires_in": 3600}

        minted, code = await ask(served, "POST", "/pairing-codes", mine, wish)
        made, token = await ask(served, "POST", "/tokens", mine, {"name": "script"})
        rotated, new = await ask(served, "POST", f"/tokens/{token['id']}", mine)
        listed, rows = await ask(served, "GET", "/tokens", mine)
        gone, _ = await ask(served, "DELETE", f"/tokens/{token['id']}", mine)
        missing, _ = await ask(served, "DELETE", f"/tokens/{token['id']}", mine)
        odd, refusal = await ask(served, "POST", "/tokens", mine, {"role": "operator"})

    assert (minted, made, rotated, listed, gone, missing) == (200, 200, 200, 200, 200, 404)
    assert len(str(code["code"])) == 6
    assert str(token["token"]).startswith("zc_")
    assert new["token"] != token["token"]
    assert {row["label"] for row in rows["tokens"]} == {"me", "script"}  # type: ignore[attr-defined]
    assert (odd, refusal["code"]) == (400, "arguments-invalid")


async def test_the_scope_of_a_code_is_that_of_its_token(tmp_path: Path) -> None:
    async with agent() as up, serving(config(tmp_path, up.url)) as served:
        path = tmp_path / "sidegate.yaml"
        options = ("--route", "/tools/*", "--tool", "file_list", "--expires", "1h", "--json")
        _, out, _ = await finished("pair", *options, "-c", str(path))
        base = f"http://127.0.0.1:{served.ports['gateway']}"
        async with aiohttp.ClientSession() as http:
            header = {"X-Pairing-Code": json.loads(out)["code"]}
            async with http.post(f"{base}/pair", headers=header) as answer:
                bearer = {"Authorization": f"Bearer {(await answer.json())['token']}"}
            codes = []
            for path_, data in (
                ("/tools/file_list", {"arguments": {"path": "."}}),
                ("/tools/file_read", {"arguments": {"path": "x"}}),
                ("/webhook", {"message": "hi"}),
            ):
                async with http.post(f"{base}{path_}", json=data, headers=bearer) as answer:
                    codes.append((answer.status, (await answer.json()).get("code")))

    assert codes == [(200, None), (403, "scope-insufficient"), (403, "scope-insufficient")]
    assert up.seen == []


async def test_the_command_line_works_with_and_without_a_running_one(path: Path) -> None:
    _, token, _ = await finished("tokens", "create", "--name", "early", "-c", str(path))
    async with serving(path, paired=True) as served:
        base = f"http://127.0.0.1:{served.ports['gateway']}"
        async with aiohttp.ClientSession() as http:
            bearer = {"Authorization": f"Bearer {token.strip()}"}
            async with http.get(f"{base}/tools", headers=bearer) as answer:
                assert answer.status == 200
        _, out, _ = await finished("tokens", "list", "--json", "-c", str(path))
    (row,) = json.loads(out)["tokens"]
    key = path.parent / "state" / ".secret_key"

    assert (row["label"], row["role"]) == ("early", "client")
    assert row["used"] is not None
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_a_lost_key_stops_it_and_nothing_is_lost(path: Path) -> None:
    async with serving(path) as served:
        await paired(served)
    key = path.parent / "state" / ".secret_key"
    kept = key.read_bytes()
    key.unlink()

    code, _, err = await finished("serve", "-c", str(path))
    assert (code, key.exists()) == (78, False)
    assert "put the file back" in err

    key.write_bytes(kept)
    key.chmod(0o600)
    async with serving(path, paired=True):
        pass
