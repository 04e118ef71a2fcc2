from collections.abc import Mapping
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from proxy.config.tunnel import TunnelConfig

TOKEN = "eyJhIjoi-secret"
URL = "https://agent.example"


def wrongs(section: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with a section, by key."""
    try:
        TunnelConfig.model_validate(section)
    except ValidationError as error:
        return {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
    return {}


def test_by_default_there_is_no_tunnel_and_its_listener_is_closed() -> None:
    assert TunnelConfig().model_dump(mode="json") == {
        "provider": "none",
        "mode": "managed",
        "host": "127.0.0.1",
        "port": 0,
        "allow_public_bind": False,
        "allow_peers": ["127.0.0.0/8", "::1/128"],
        "public_url": None,
        "cloudflare": {"token": None},
        "tailscale": {"funnel": False, "https_port": 443},
        "ngrok": {"auth_token": None, "domain": None},
        "custom": {"start_command": None, "url_pattern": None, "env": {}},
    }


@pytest.mark.parametrize(
    "section",
    [
        {"provider": "none"},
        {"provider": "cloudflare"},
        {"provider": "cloudflare", "cloudflare": {"token": TOKEN}, "public_url": URL},
        {"provider": "cloudflare", "public_url": URL},
        {"provider": "tailscale"},
        {"provider": "tailscale", "tailscale": {"https_port": 8444}},
        {"provider": "tailscale", "tailscale": {"funnel": True, "https_port": 8443}},
        {"provider": "ngrok", "ngrok": {"auth_token": TOKEN}},
        {"provider": "ngrok", "ngrok": {"auth_token": TOKEN, "domain": "a.ngrok.app"}},
        {
            "provider": "custom",
            "custom": {"start_command": "bore local {port}", "url_pattern": "at"},
        },
        {"provider": "custom", "custom": {"start_command": "frpc -c 'a b'"}, "public_url": URL},
        {"provider": "custom", "mode": "external", "public_url": URL, "port": 3005},
        {"provider": "ngrok", "mode": "external", "public_url": "http://a:81", "port": 3005},
        # what another provider would need is not asked for
        {
            "provider": "tailscale",
            "ngrok": {"domain": "a.ngrok.app"},
            "custom": {"env": {"A": "b"}},
        },
        {"provider": "none", "cloudflare": {"token": TOKEN}, "tailscale": {"funnel": True}},
    ],
)
def test_what_a_provider_needs_is_enough(section: Mapping[str, object]) -> None:
    assert wrongs(section) == {}


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ({"provider": "none", "mode": "external"}, {"provider"}),
        ({"provider": "cloudflare", "mode": "external"}, {"public_url", "port"}),
        ({"provider": "ngrok", "mode": "external", "public_url": URL}, {"port"}),
        ({"provider": "custom", "mode": "external", "port": 3005}, {"public_url"}),
        ({"provider": "cloudflare", "cloudflare": {"token": TOKEN}}, {"public_url"}),
        ({"provider": "ngrok"}, {"ngrok.auth_token"}),
        ({"provider": "custom"}, {"custom.start_command", "public_url"}),
        ({"provider": "custom", "custom": {"start_command": "bore"}}, {"public_url"}),
        ({"provider": "custom", "custom": {"url_pattern": "x"}}, {"custom.start_command"}),
        (
            {"provider": "tailscale", "tailscale": {"funnel": True, "https_port": 444}},
            {"tailscale.https_port"},
        ),
    ],
)
def test_what_is_missing_is_told_at_its_key(section: Mapping[str, object], keys: set[str]) -> None:
    assert wrongs(section).keys() == keys


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("provider", "openvpn"),
        ("provider", ""),
        ("mode", "auto"),
        ("host", "a b"),
        ("port", 65536),
        ("allow_peers", ["127.0.0.1/8"]),
        *(("public_url", url) for url in ("agent.example", "ftp://a", f"{URL}/path", f"{URL}?a")),
        *(("public_url", url) for url in ("https://", "https://u@agent.example", "https://a b")),
        *(("cloudflare", {"token": token}) for token in ("", "a b", "a\n", "ä", "a\x00", 1)),
        ("ngrok", {"auth_token": " x"}),
        *(("ngrok", {"domain": name}) for name in ("", "https://a.ngrok.app", "a/b", "a b", "-a")),
        ("tailscale", {"https_port": 0}),
        ("tailscale", {"funnel": "yes"}),
        *(("custom", {"start_command": line}) for line in ("", " ", "'' a", "bore 'open", "a\nb")),
        ("custom", {"url_pattern": ""}),
        *(("custom", {"env": {name: "x"}}) for name in ("", "1A", "A-B", "A=B", "A B", "Ä")),
        ("custom", {"env": {"A": "b\x00"}}),
        ("custom", {"health_url": "http://localhost"}),
        ("openvpn", {}),
    ],
)
def test_value_is_refused(key: str, value: object) -> None:
    assert [told.split(".")[0] for told in wrongs({key: value})] == [key]


@pytest.mark.parametrize(
    "section",
    [
        {"provider": "cloudflare", "cloudflare": {"token": TOKEN}, "public_url": URL},
        {"provider": "ngrok", "ngrok": {"auth_token": TOKEN}},
        {"custom": {"env": {"FRP_TOKEN": TOKEN}}},
    ],
)
def test_tokens_are_never_shown(section: Mapping[str, object]) -> None:
    config = TunnelConfig.model_validate(section)

    assert TOKEN not in repr(config)
    assert TOKEN not in yaml.safe_dump(config.model_dump(mode="json"))


def test_a_refused_token_is_not_repeated() -> None:
    assert TOKEN not in str(wrongs({"cloudflare": {"token": f"{TOKEN} "}}))


def test_every_key_is_explained() -> None:
    sections = [TunnelConfig]
    for section in sections:
        for name, field in section.model_fields.items():
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                sections.append(field.annotation)
            else:
                assert field.description, name
    assert len(sections) == len(get_args(TunnelConfig.model_fields["provider"].annotation))
