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


def test_key_that_does_not_exist_has_no_kind() -> None:
    for key in [("x",), ("gateway", "x"), ("gateway", "port", "x"), ("upstream", "routes", "x")]:
        assert keys.kind(key) is None
        assert keys.names(key) == ()


def test_names_are_the_keys_of_a_section() -> None:
    assert keys.names(()) == tuple(Config.model_fields)
    assert keys.names(("state",)) == ("url",)
    assert keys.names(("upstream", "routes", 0)) == ("path", "methods")
    assert keys.names(("upstream", "headers")) == ()


def test_headers_are_the_only_secrets() -> None:
    assert keys.is_secret(("upstream", "headers", "Any"))
    assert not keys.is_secret(("upstream", "headers"))
    assert not any(keys.is_secret(key) for key in keys.leaves())


def test_tables_and_lists_are_told_apart() -> None:
    assert keys.is_table(("tools",))
    assert keys.is_table(("upstream", "headers"))
    assert not keys.is_table(("gateway",))
    assert keys.is_list(("gateway", "allow_peers"))
    assert keys.is_list(("upstream", "routes"))
    assert not keys.is_list(("tools",))


def test_leaves_are_every_fixed_key() -> None:
    leaves = set(keys.leaves())

    assert {("state_dir",), ("runtime", "docker", "image"), ("upstream", "routes")} <= leaves
    assert not {("gateway",), ("tools",), ("runtime", "docker")} & leaves
