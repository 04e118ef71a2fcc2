import re
import resource
from pathlib import Path

import pytest
from conftest import Start
from serving import config, serving
from wire import agent

from proxy.assembly import VERSION


def test_the_version_is_that_of_the_distribution() -> None:
    assert VERSION.count(".") == 2


async def test_every_secret_of_the_configuration_is_held(start: Start, tmp_path: Path) -> None:
    """Whatever section a secret stands in, an agent that says it is not passed on."""
    token = tmp_path / "token"
    token.write_text("a-token-for-the-agent-of-40-characters!!\n")
    secrets = {
        "telegram": "telegram-secret-token",
        "slack": "slack-signing-secret",
        "agent": "a-token-for-the-agent-of-40-characters!!",
        "upstream": "the-agents-own-credential",
    }
    async with agent() as up:
        sidegate = await start(
            {
                "gateway": {"require_pairing": False},
                "principals": {"agent": {"role": "agent", "token_file": str(token)}},
                "upstream": {
                    "url": up.url,
                    "headers": {"X-Key": secrets["upstream"]},
                    "routes": [{"path": "/echo"}],
                },
                "channels_config": {
                    "telegram": {"secret_token": secrets["telegram"]},
                    "slack": {"signing_secret": secrets["slack"]},
                },
            }
        )
        body = " and ".join(secrets.values()).encode()
        up.answer = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body,)

        async with sidegate.http.get(sidegate.url("/echo")) as answer:
            text = await answer.text()

    assert [name for name, secret in secrets.items() if secret in text] == []


@pytest.mark.parametrize(
    ("path", "limit"), [("/pair", "pair"), ("/webhook", "webhook"), ("/tools/file_list", "tools")]
)
async def test_each_rate_is_that_of_its_key(start: Start, path: str, limit: str) -> None:
    names = {"pair": "pair", "webhook": "webhook", "tools": "tool"}
    sidegate = await start({"gateway": {f"{names[limit]}_rate_limit_per_minute": 3}})
    headers = {"Authorization": f"Bearer {await sidegate.pair()}"} if limit != "pair" else {}

    statuses = []
    for _ in range(5):
        async with sidegate.http.post(
            sidegate.url(path), json={"arguments": {"path": "."}}, headers=headers
        ) as answer:
            statuses.append(answer.status)
            policy = answer.headers["RateLimit-Policy"]

    assert policy == f'"{limit}";q=3;w=60'
    assert [status == 429 for status in statuses] == [False] * 3 + [True] * 2


async def test_serving_takes_every_descriptor_there_may_be(tmp_path: Path) -> None:
    """The usual soft limit is no more than the connections that one listener takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        async with serving(config(tmp_path, "http://127.0.0.1:9")) as served:
            limits = Path(f"/proc/{served.process.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    found = re.search(r"Max open files +(\d+) +(\d+)", limits)
    assert found is not None
    assert int(found[1]) > min(512, hard - 1)
