import pytest
from pydantic import SecretStr

from proxy.actions import Effect
from proxy.config import keys
from proxy.config.model import AutonomyConfig, Config


def test_kind_of_a_key_is_the_type_of_its_value() -> None:
    assert keys.kind(()) is Config
    assert keys.kind(("autonomy",)) is AutonomyConfig
    assert keys.kind(("gateway", "port")) is int
    assert keys.kind(("gateway", "pair_rate_limit_per_minute")) is int
    assert keys.kind(("tools", "any.name", "effect")) is Effect
    assert keys.kind(("upstream", "routes", 3, "path")) is str
    assert keys.kind(("upstream", "headers", "Any")) is SecretStr
    assert keys.kind(("principals", "any", "token")) is SecretStr
    assert keys.kind(("channels_config", "slack", "signing_secret")) is SecretStr
    assert keys.kind(("channels_config", "slack", "secrets", 0)) is SecretStr
    assert keys.kind(("tunnel", "custom", "env", "ANY")) is SecretStr
    assert keys.kind(("channels_config", "slack", "allowed_users", 0)) is str


def test_key_that_does_not_exist_has_no_kind() -> None:
    for key in [("x",), ("gateway", "x"), ("gateway", "port", "x"), ("upstream", "routes", "x")]:
        assert keys.kind(key) is None
        assert keys.names(key) == ()


def test_names_are_the_keys_of_a_section() -> None:
    assert keys.names(()) == tuple(Config.model_fields)
    assert keys.names(("state",)) == ("url", "username", "password")
    assert keys.names(("principals",)) == ()
    assert keys.names(("principals", "any")) == ("role", "token", "routes", "tools", "level")
    assert keys.names(("channels_config", "webhook")) == ("secret", "secrets")
    assert keys.names(("upstream", "routes", 0)) == ("path", "methods")
    assert keys.names(("upstream", "headers")) == ()


def test_what_may_be_of_several_kinds_has_the_keys_of_its_sections() -> None:
    listed = ("autonomy", "allowed_commands", 0)
    assert keys.names(listed) == ("program", "subcommands", "options")
    assert keys.names((*listed, "options")) == ("deny",)
    assert "calls" in keys.names(("tools", "any", "dispatch"))
    assert keys.names(("tools", "any", "rules", "any", "equals")) == ()


def test_these_are_the_secrets() -> None:
    fixed = {key for key in keys.leaves() if keys.is_secret(key)}

    assert fixed == {
        ("state", "password"),
        ("tunnel", "cloudflare", "token"),
        ("tunnel", "ngrok", "auth_token"),
        ("channels_config", "webhook", "secret"),
        ("channels_config", "telegram", "secret_token"),
        ("channels_config", "slack", "signing_secret"),
        ("channels_config", "whatsapp", "app_secret"),
        ("channels_config", "whatsapp", "verify_token"),
        ("channels_config", "github", "secret"),
        ("channels_config", "standard", "secret"),
    }
    for entry in (("upstream", "headers", "Any"), ("principals", "any", "token")):
        assert keys.is_secret(entry)
    assert keys.is_secret(("tunnel", "custom", "env", "ANY"))


@pytest.mark.parametrize(
    "key",
    [
        ("upstream", "headers"),
        ("principals", "any"),
        ("principals", "any", "role"),
        ("channels_config", "slack", "secrets"),
        ("channels_config", "discord", "public_key"),
        ("secrets", "key_file"),
        ("state", "password_file"),
    ],
    ids=".".join,
)
def test_these_are_none(key: tuple[str, ...]) -> None:
    assert not keys.is_secret(key)


def test_tables_and_lists_are_told_apart() -> None:
    assert keys.is_table(("tools",))
    assert keys.is_table(("upstream", "headers"))
    assert keys.is_table(("principals",))
    assert keys.is_table(("tunnel", "custom", "env"))
    assert not keys.is_table(("channels_config",))
    assert not keys.is_table(("gateway",))
    assert keys.is_list(("gateway", "allow_peers"))
    assert keys.is_list(("upstream", "routes"))
    assert keys.is_list(("principals", "any", "tools"))
    assert keys.is_list(("channels_config", "slack", "secrets"))
    assert not keys.is_list(("tools",))


def test_leaves_are_every_fixed_key() -> None:
    leaves = set(keys.leaves())

    assert {("state_dir",), ("runtime", "docker", "image"), ("upstream", "routes")} <= leaves
    assert {("channels_config", "slack", "team_id"), ("tunnel", "ngrok", "domain")} <= leaves
    assert not {("gateway",), ("tools",), ("runtime", "docker"), ("principals",)} & leaves
    assert not {("channels_config",), ("channels_config", "slack")} & leaves
