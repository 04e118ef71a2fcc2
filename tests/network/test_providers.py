"""What is started for each provider, and which of the lines that it prints is believed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from labelled import rows

from proxy.config.tunnel import TunnelConfig
from proxy.network.providers import CLIENT_HEADER, Launch, launch

TOKEN = "eyJhIjoi-secret"
PATH = "/usr/bin:/bin"
QUICK = "https://four-dashed-word-url.trycloudflare.com"

STARTED = 't=2026-08-24T18:00:00+0000 lvl=info msg="started tunnel" obj=tunnels name=command_line'

CLOUDFLARE: dict[str, Any] = {"provider": "cloudflare"}
NAMED = {**CLOUDFLARE, "cloudflare": {"token": TOKEN}, "public_url": "https://agent.example"}
NGROK: dict[str, Any] = {"provider": "ngrok", "ngrok": {"auth_token": TOKEN}}
OWN_DOMAIN = {"provider": "ngrok", "ngrok": {"auth_token": TOKEN, "domain": "a.ngrok.app"}}
CUSTOM = {"provider": "custom", "custom": {"start_command": "bore", "url_pattern": "reach me at"}}


def tailscale(folder: Path, output: str) -> Mapping[str, str]:
    """An environment whose `tailscale` prints this, if it is asked as the real one is."""
    program = folder / "tailscale"
    (folder / "output").write_text(output)
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "status --json --peers=false" ] && cat {folder}/output\n'
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}:{PATH}"}


async def launched(
    section: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    address: str = "127.0.0.1",
) -> Launch:
    config = TunnelConfig.model_validate(section)
    return await launch(config, address, 3005, environ or {"PATH": PATH})


MANAGED = (
    *("cloudflared", "tunnel", "--no-autoupdate", "--config", "/dev/null"),
    *("--metrics", "127.0.0.1:0"),
)
LOGGED = ("--inspect=false", "--log", "stdout", "--log-format", "logfmt")


@pytest.mark.parametrize(
    ("section", "argv", "env"),
    [
        (CLOUDFLARE, (*MANAGED, "--url", "http://127.0.0.1:3005"), {}),
        (NAMED, (*MANAGED, "run", "--url", "http://127.0.0.1:3005"), {"TUNNEL_TOKEN": TOKEN}),
        (NGROK, ("ngrok", "http", "http://127.0.0.1:3005", *LOGGED), {"NGROK_AUTHTOKEN": TOKEN}),
        (
            OWN_DOMAIN,
            (
                *("ngrok", "http", "http://127.0.0.1:3005", *LOGGED),
                *("--url", "https://a.ngrok.app"),
            ),
            {"NGROK_AUTHTOKEN": TOKEN},
        ),
        (
            {
                "provider": "custom",
                "custom": {
                    "start_command": "frpc -s '{host}:{port} {port}' $HOME *",
                    "url_pattern": "url",
                    "env": {"FRP_TOKEN": TOKEN},
                },
            },
            ("frpc", "-s", "127.0.0.1:3005 3005", "$HOME", "*"),
            {"FRP_TOKEN": TOKEN},
        ),
    ],
    ids=["quick", "named", "ngrok", "ngrok with a domain", "custom"],
)
async def test_program_gets_its_token_by_the_environment_alone(
    section: Mapping[str, object], argv: tuple[str, ...], env: Mapping[str, str]
) -> None:
    found = await launched(section)

    assert (found.argv, found.env) == (argv, env)
    assert TOKEN not in repr(found)
    assert TOKEN not in "".join(found.argv)


async def test_a_listener_of_ipv6_is_written_as_urls_write_it() -> None:
    assert (await launched(CLOUDFLARE, address="::1")).argv[-1] == "http://[::1]:3005"


@pytest.mark.parametrize(
    ("section", "argv", "url"),
    [
        ({}, ("tailscale", "serve", "--https=443"), "https://box.tail1234.ts.net"),
        (
            {"https_port": 8443, "funnel": True},
            ("tailscale", "funnel", "--https=8443"),
            "https://box.tail1234.ts.net:8443",
        ),
    ],
)
async def test_tailscale_serves_at_the_name_of_this_machine(
    section: Mapping[str, object], argv: tuple[str, ...], url: str, tmp_path: Path
) -> None:
    environ = tailscale(tmp_path, json.dumps({"Self": {"DNSName": "Box.tail1234.ts.net."}}))
    found = await launched({"provider": "tailscale", "tailscale": section}, environ)

    assert found.argv == (*argv, "http://127.0.0.1:3005")
    assert found.read(f"{url}/") == found.read(url) == url
    for line in (
        "Available on the internet:",
        "|-- proxy http://127.0.0.1:3005",
        "https://other.tail1234.ts.net/",
        "https://box.tail1234.ts.net:9443/",
        "http://box.tail1234.ts.net/",
        "Serve is not enabled on your tailnet. To enable, visit:",
        "         https://login.tailscale.com/f/serve?node=nodekey",
        f"{url}.evil.example/",
        f"{url}/path",
    ):
        assert found.read(line) is None


@pytest.mark.parametrize(
    "output",
    [
        *("", "not JSON", "[]", "null", "{}", '{"Self": null}', '{"Self": {}}', "[" * 99_999),
        *('{"Self": {"DNSName": ""}}', '{"Self": {"DNSName": 1}}', '{"Self": {"DNSName": "a/b"}}'),
    ],
)
async def test_tailscale_without_a_name_is_not_started(output: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is it logged in"):
        await launched({"provider": "tailscale"}, tailscale(tmp_path, output))


async def test_missing_tailscale_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        await launched({"provider": "tailscale"}, {"PATH": str(tmp_path)})

    assert raised.value.filename == "tailscale"


@pytest.mark.parametrize(
    ("section", "line", "url"),
    [
        (CLOUDFLARE, f"2026-11-01T19:57:58Z INF |  {QUICK}                      |", QUICK),
        (CLOUDFLARE, f"2026-11-01T19:57:58Z INF |  {QUICK.upper()}  |", QUICK),
        (CLOUDFLARE, f"{QUICK}/", QUICK),
        (CLOUDFLARE, f"\x1b[32mINF\x1b[0m {QUICK}\x1b[0m", QUICK),
        (CLOUDFLARE, "INF Visit it at: https://a.example.com", "https://a.example.com"),
        (CLOUDFLARE, "INF Route at https://a.example.com.", "https://a.example.com"),
        (
            NGROK,
            f"{STARTED} addr=http://localhost:3005 url=https://a1b2.ngrok-free.app",
            "https://a1b2.ngrok-free.app",
        ),
        (NGROK, 'msg="started tunnel" url="https://a1b2.ngrok.io"', "https://a1b2.ngrok.io"),
        (OWN_DOMAIN, 'msg="started tunnel" url=https://a.ngrok.app', "https://a.ngrok.app"),
        (CUSTOM, "reach me at https://a.loca.lt", "https://a.loca.lt"),
        (CUSTOM, "reach me at <https://A.loca.lt/>.", "https://a.loca.lt"),
        (CUSTOM, "reach me at http://bore.pub:41234!", "http://bore.pub:41234"),
        (CUSTOM, "http://localhost:3005: reach me at https://a.loca.lt", "https://a.loca.lt"),
    ],
)
async def test_url_is_found_where_the_provider_tells_it(
    section: Mapping[str, object], line: str, url: str
) -> None:
    assert (await launched(section)).read(line) == url


async def test_cloudflare_lines_mean_what_they_mean_to_zeroclaw() -> None:
    found = await launched(CLOUDFLARE)
    cases: Any = rows("zeroclaw.json.gz")

    assert [found.read(row["line"]) for row in cases["tunnel_url"]] == [
        row["url"] for row in cases["tunnel_url"]
    ]


HOSTILE = [
    # links, errors and its own traffic
    *("", "INF Requesting new quick Tunnel on trycloudflare.com...", "https://", "https:///"),
    'failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": dial tcp',
    "ERR https://api.trycloudflare.com unreachable",
    "INF See https://developers.cloudflare.com and https://github.com for details",
    "INF Visit it at https://github.com",
    "INF Visit it at https://developers.cloudflare.com/cloudflare-one",
    "INF Your quick Tunnel has been created! Visit it at (it may take some time):",
    # the name inside another one
    *(f"{QUICK}.evil.example", "https://trycloudflare.com", "https://.trycloudflare.com"),
    *(
        "https://a.eviltrycloudflare.com",
        "https://a.b.trycloudflare.com",
    ),
    *(f"{QUICK}@evil.example", "https://evil.example@a.trycloudflare.com"),
    *("https://evil.example/a.trycloudflare.com", "https://evil.example?a.trycloudflare.com"),
    *("https://evil.example#.trycloudflare.com", "https://evil.example\\.trycloudflare.com"),
    # no origin, or a plain one
    *(f"{QUICK}/path", f"{QUICK}?q", f"{QUICK}#f", f"{QUICK}:0x1bb", f"{QUICK}:99999"),
    *("http://a.trycloudflare.com", "ftp://a.trycloudflare.com", "HTTPS//a.trycloudflare.com"),
    *(
        "https://a_\u0131.trycloudflare.com",
        "https://\u0430.trycloudflare.com",
        "https://-a.trycloudflare.com",
    ),
    # the words of a stranger, quoted in a log
    f"ERR request failed dest=https://victim.example/{QUICK}",
    f'ERR request failed path="/{QUICK}"',
    f"ERR request failed query=https://victim.example/?next={QUICK}",
]


@pytest.mark.parametrize("line", HOSTILE)
async def test_cloudflare_line_that_is_no_announcement_is_ignored(line: str) -> None:
    assert (await launched(CLOUDFLARE)).read(line) is None


@pytest.mark.parametrize(
    "line",
    [
        *("", "url=https://a.ngrok.app", 'msg="starting web service" url=https://a.ngrok.app'),
        'msg="started tunnel" addr=https://a.ngrok.app',
        'msg="started tunnel" url=http://a.ngrok.app',
        'msg="started tunnel" url=https://a.ngrok.app/path',
        'msg="started tunnel" url=tcp://2.tcp.ngrok.io:19757',
        'msg="started tunnel" url=https://127.0.0.1:4040',
        'msg="started tunnel" url=',
        'lvl=info msg="join connections url=https://a.ngrok.app msg=\\"started tunnel\\""',
        'lvl=eror msg="failed" err="msg=\\"started tunnel\\" url=https://a.ngrok.app"',
    ],
)
async def test_ngrok_line_that_is_no_announcement_is_ignored(line: str) -> None:
    assert (await launched(NGROK)).read(line) is None


async def test_ngrok_at_another_domain_than_ours_is_ignored() -> None:
    found = await launched(OWN_DOMAIN)

    assert found.read('msg="started tunnel" url=https://other.ngrok.app') is None


@pytest.mark.parametrize(
    "line",
    [
        *("", "reach me at", "https://a.loca.lt", "reach me at ssh://a.loca.lt"),
        *("reach me at http://127.0.0.1:3005", "reach me at https://localhost"),
        *(
            "reach me at https://[::1]",
            "reach me at https://203.0.113.5",
            "reach me at https://box",
        ),
        *(
            "reach me at https://0x7f.1",
            "reach me at https://a.local",
            "reach me at https://a.lt/x",
        ),
        *("reach me at http://169.254.169.254/", "reach me at https://u:p@a.lt"),
    ],
)
async def test_custom_line_without_a_public_url_is_ignored(line: str) -> None:
    assert (await launched(CUSTOM)).read(line) is None


@pytest.mark.parametrize(
    ("line", "up"),
    [
        ("INF Registered tunnel connection connIndex=0 location=mad01 protocol=quic", True),
        ("INF Connection 5a8c registered connIndex=0 location=MAD", True),
        ("INF Unregistered tunnel connection connIndex=0", False),
        ("INF Starting tunnel tunnelID=a78a4fc8", False),
        (f"INF {QUICK}", False),
        ("INF Visit it at https://other.example", False),
    ],
)
async def test_named_tunnel_is_up_at_its_declared_url_once_it_is_connected(
    line: str, *, up: bool
) -> None:
    assert (await launched(NAMED)).read(line) == ("https://agent.example" if up else None)


async def test_declared_url_of_a_custom_tunnel_waits_for_its_line_where_there_is_one() -> None:
    declared = {"provider": "custom", "public_url": "https://agent.example"}
    told = await launched({**declared, "custom": {"start_command": "x", "url_pattern": "ready"}})
    silent = await launched({**declared, "custom": {"start_command": "x"}})

    assert (told.url, told.read("start"), told.read("ready")) == (
        None,
        None,
        declared["public_url"],
    )
    assert (silent.url, silent.read("ready")) == (declared["public_url"], None)


async def test_no_provider_is_nothing_to_start() -> None:
    with pytest.raises(OSError, match="no tunnel"):
        await launched({})


def test_every_provider_states_the_client_in_its_own_way() -> None:
    providers = set(TunnelConfig.model_json_schema()["properties"]["provider"]["enum"])

    assert set(CLIENT_HEADER) == providers - {"none"}
