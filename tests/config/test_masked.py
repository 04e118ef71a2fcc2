"""The configuration as it is shown, and the secrets that must be shown nowhere."""

import yaml

from proxy.config import loader
from proxy.config.masked import effective, secret_values
from proxy.config.model import Config

# One secret in each place where there can be one.
SECRETS = [f"s3cret-number-{number:02}-of-the-tests-{'x' * 16}" for number in range(20)]
KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
STANDARD = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")


def full() -> Config:
    """A configuration that holds every secret."""
    s = iter(SECRETS)
    return Config.model_validate(
        {
            "upstream": {"headers": {"Authorization": next(s), "X-Key": next(s)}},
            "state": {"url": "redis://cache", "username": "sidegate", "password": next(s)},
            "principals": {"a": {"token": next(s)}, "b": {"token": next(s)}},
            "tunnel": {
                "cloudflare": {"token": next(s)},
                "ngrok": {"auth_token": next(s)},
                "custom": {"env": {"KEY": next(s)}},
            },
            "channels_config": {
                "webhook": {"secret": next(s), "secrets": [next(s), next(s)]},
                "telegram": {"secret_token": next(s), "secrets": [next(s)]},
                "slack": {"signing_secret": next(s), "secrets": [next(s)]},
                "whatsapp": {
                    "app_secret": next(s),
                    "secrets": [next(s)],
                    "verify_token": next(s),
                },
                "github": {"secret": next(s), "secrets": [next(s)]},
                "standard": {"secret": STANDARD[0], "secrets": [STANDARD[1]]},
                "discord": {"public_key": KEY},
            },
        }
    )


def test_every_key_is_shown_with_the_value_that_counts() -> None:
    config = Config.model_validate({"gateway": {"port": 80, "allow_peers": ["10.0.0.0/8"]}})

    shown = yaml.safe_load(effective(config))
    assert shown == config.model_dump(mode="json")
    assert shown["gateway"]["port"] == 80
    assert shown["gateway"]["allow_peers"] == ["10.0.0.0/8"]


def test_secrets_are_masked_wherever_they_stand() -> None:
    shown = effective(full())

    assert [secret for secret in (*SECRETS, *STANDARD) if secret in shown] == []
    values = yaml.safe_load(shown)
    assert set(values["upstream"]["headers"]) == {"Authorization", "X-Key"}
    assert values["state"]["username"] == "sidegate"
    assert values["channels_config"]["discord"]["public_key"] == KEY


def test_a_masked_secret_tells_not_even_its_length() -> None:
    shown = [
        effective(Config.model_validate({"state": {"password": secret}}))
        for secret in ("a", "a" * 99)
    ]

    assert shown[0] == shown[1]


def test_what_is_not_set_is_told_from_what_is_masked() -> None:
    assert yaml.safe_load(effective(Config()))["state"]["password"] is None


def test_stored_secrets_are_shown_by_their_names_and_are_not_known() -> None:
    sealed = "enc2:" + "ab" * 40
    text = (
        f"upstream: {{headers: {{X-A: 'Bearer ${{secret:agent}}', X-B: '{sealed}', X-C: plain}}}}"
    )
    config = loader.parse(text, "f", {}).config

    assert yaml.safe_load(effective(config))["upstream"]["headers"] == {
        "X-A": "**********${secret:agent}",
        "X-B": "enc2:**********",
        "X-C": "**********",
    }
    assert list(secret_values(config)) == ["plain"]


def test_order_is_that_of_the_documentation() -> None:
    assert list(yaml.safe_load(effective(Config()))) == list(Config.model_fields)


def test_every_secret_is_known_so_that_it_is_seen_nowhere() -> None:
    found = list(secret_values(full()))

    assert sorted(found) == sorted((*SECRETS, *STANDARD))


def test_what_is_no_secret_is_none() -> None:
    assert list(secret_values(Config())) == []
    assert list(secret_values((KEY, {"a": KEY}, None, 7))) == []
