from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from proxy.config.draft import Plain
from proxy.config.listening import AdminConfig, GatewayConfig, MetricsConfig
from proxy.config.model import Autonomy, Config
from proxy.config.reach import IGNORED
from proxy.config.tunnel import TunnelConfig

# Design, section 4, as far as it is built. `test_listening` and `test_tunnel` tell those of the
# listeners.
DEFAULTS: dict[str, Plain] = {
    "state_dir": None,
    "gateway": GatewayConfig().model_dump(mode="json"),
    "admin": AdminConfig().model_dump(mode="json"),
    "metrics": MetricsConfig().model_dump(mode="json"),
    "tunnel": TunnelConfig().model_dump(mode="json"),
    "principals": {},
    "upstream": {
        "url": None,
        "headers": {},
        "webhook_path": "/webhook",
        "routes": [],
        "connect_timeout_secs": 5,
        "answer_timeout_secs": 300,
        "idle_timeout_secs": 300,
        "total_timeout_secs": None,
        "max_connections": 1024,
        "protocol": "http",
        "scopes": ["operator.read", "operator.write"],
        "methods": [],
    },
    "autonomy": {
        "level": "supervised",
        "mode": "enforce",
        "until": None,
        "max_actions_per_hour": None,
        "workspace_only": True,
        "workspace_dir": "/workspace",
        "allowed_roots": [],
        "ignore": list(IGNORED),
        "allowed_domains": [],
        "allowed_commands": ["git", "ls", "cat", "grep"],
        "forbidden_paths": [],
        "auto_approve": ["file_read", "file_list"],
        "always_ask": [],
        "approval_timeout_secs": 300.0,
    },
    "presets": [],
    "mcp_servers": {},
    "tools": {},
    "runtime": {
        "kind": "docker",
        "require": None,
        "min_free_mb": 256,
        "docker": {
            "image": "alpine:3.20",
            "user": None,
            "network": "none",
            "read_only_rootfs": True,
            "memory_limit_mb": 512,
            "cpu_limit": 1.0,
            "mount_workspace": True,
            "workspace_host_path": None,
            "workspace_volume": None,
            "shell": "sh",
            "engine_runtime": None,
            "pool_size": 0,
            "max_concurrent": 8,
        },
        "native": {
            "allow_unconfined": False,
            "memory_limit_mb": 512,
            "max_processes": 128,
            "max_file_mb": 256,
            "max_concurrent": 8,
        },
    },
    "secrets": {"encrypt": True, "key_file": ".secret_key"},
    "protection": {"rules_file": None, "scan_requests": "none", "style": "prefix", "styles": {}},
    "state": {"url": "sqlite:///sidegate.db", "username": None, "password": None},
    "audit": {"path": "audit.jsonl", "max_file_mb": 64, "max_files": 10},
    "channels_config": {
        "webhook": None,
        "telegram": None,
        "discord": None,
        "slack": None,
        "whatsapp": None,
        "github": None,
        "standard": None,
    },
}


SECRET = "s3cret-s3cret-s3cret-s3cret-s3cret"


def nested(key: str, value: object) -> dict[str, object]:
    """`a.b` and a value as a mapping in a mapping."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}


def test_these_keys_exist_with_these_defaults() -> None:
    assert Config().model_dump(mode="json") == DEFAULTS
    assert list(Config.model_fields) == list(DEFAULTS)


def test_defaults_are_valid_when_written_out() -> None:
    assert Config.model_validate(DEFAULTS) == Config()


def test_autonomy_has_three_levels() -> None:
    assert list(Autonomy) == ["readonly", "supervised", "full"]
    assert Config.model_validate({"autonomy": {"level": "full"}}).autonomy.level is Autonomy.FULL


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state_dir", "/var/lib/sidegate"),
        ("state_dir", "state"),
        ("gateway.port", 0),
        ("gateway.allow_peers", ["10.0.0.0/8"]),
        ("gateway.allow_peers", []),
        ("gateway.pair_rate_limit_per_minute", None),
        ("gateway.pair_rate_limit_per_minute", 0),
        ("gateway.max_body_bytes", 1),
        ("gateway.paired_tokens", ["0" * 64]),
        ("metrics.allow_peers", None),
        ("upstream.url", "http://agent:8080"),
        ("upstream.headers", {"Authorization": "Bearer x"}),
        (
            "upstream.routes",
            [{"path": "/v1/*", "methods": ["GET", "POST"]}, {"path": "/v1"}],
        ),
        ("autonomy.allowed_commands", []),
        ("autonomy.auto_approve", ["memory_recall", "github.search", "*.get_*"]),
        ("autonomy.always_ask", ["*"]),
        ("autonomy.max_actions_per_hour", 0),
        ("autonomy.max_actions_per_hour", None),
        ("presets", ["zeroclaw", "mcp-git"]),
        ("runtime.docker.shell", "bash"),
        ("tools", {"shell": {"timeout_secs": 5}}),
        ("runtime.kind", "native"),
        ("runtime", {"kind": "native", "require": "bwrap"}),
        ("runtime.require", "docker"),
        ("runtime.docker.pool_size", 8),
        ("runtime.docker.workspace_volume", "project_work"),
        ("runtime.docker.user", "1000:1000"),
        ("runtime.docker.cpu_limit", 2),
        ("runtime.docker.memory_limit_mb", 6),
        ("runtime.docker.workspace_host_path", "/srv/workspace"),
        ("runtime.docker.engine_runtime", "runsc"),
        ("state.url", "sqlite:////data/s.db"),
        ("state.url", "redis://cache:6379/1"),
        ("state.username", "sidegate"),
        ("state.password", "s3cret"),
        ("secrets.key_file", "/run/secrets/key"),
        ("admin.public_url", "https://admin.example"),
        ("principals", {"agent": {"role": "agent", "token": "t" * 32}}),
        ("tunnel.provider", "cloudflare"),
        ("channels_config.slack", {}),
        ("channels_config.webhook", {"secret": "a-secret-of-the-tests"}),
        ("channels_config", {}),
    ],
)
def test_value_is_accepted(key: str, value: object) -> None:
    assert Config.model_validate(nested(key, value)) is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state_dir", ""),
        ("gateway.host", "0 0"),
        ("gateway.port", 65536),
        ("gateway.port", "3000"),
        ("gateway.port", True),
        ("gateway.require_pairing", "yes"),
        ("gateway.require_pairing", None),
        ("gateway.allow_peers", "10.0.0.0/8"),
        ("gateway.allowed_hosts", ["*"]),
        ("gateway.pair_rate_limit_per_minute", -1),
        ("gateway.max_body_bytes", 0),
        ("gateway.max_body_bytes", None),
        ("gateway.paired_tokens", ["0" * 63]),
        ("metrics.port", -1),
        ("metrics", None),
        ("upstream.url", "agent:8080"),
        ("upstream.headers", {"Host": "x"}),
        ("upstream.headers", {"X-A": "x", "x-a": "y"}),
        ("upstream.headers", []),
        ("upstream.webhook_path", "/webhook/*"),
        ("upstream.routes", [{"path": "/tools/x"}]),
        ("upstream.routes", [{"path": "/a", "methods": []}]),
        ("upstream.routes", [{"path": "/a", "methods": ["get"]}]),
        ("upstream.routes", [{"path": "/a", "methods": ["TRACE"]}]),
        ("upstream.routes", [{"path": "/a"}, {"path": "/a", "methods": ["POST", "GET"]}]),
        ("upstream.routes", [{}]),
        ("autonomy.level", "Full"),
        ("autonomy.workspace_dir", "/"),
        ("autonomy.workspace_dir", "workspace"),
        ("autonomy.allowed_commands", ["*"]),
        ("autonomy.allowed_commands", "git"),
        ("autonomy.forbidden_paths", ["*.pem"]),
        ("autonomy.always_ask", ["a b"]),
        ("autonomy.auto_approve", ["a/b"]),
        ("autonomy.max_actions_per_hour", -1),
        ("autonomy.max_actions_per_hour", True),
        ("presets", ["zeroclaw", "none"]),
        ("presets", "zeroclaw"),
        ("tools", {"x": {}}),
        ("runtime.kind", "none"),
        ("runtime", {"kind": "native", "require": "docker"}),
        ("runtime.require", "native"),
        ("runtime.docker.pool_size", -1),
        ("runtime.docker.pool_size", 65),
        ("runtime.docker.workspace_volume", "/srv"),
        ("runtime.docker", {"workspace_volume": "work", "workspace_host_path": "/srv"}),
        ("runtime.docker.user", "0:0"),
        ("runtime.docker.user", "1000:0"),
        ("runtime.docker.image", "Alpine:3.20"),
        ("runtime.docker.network", "host"),
        ("runtime.docker.memory_limit_mb", 5),
        # below Docker's least, and rounded to nothing, which would be no limit
        ("runtime.docker.cpu_limit", 0),
        ("runtime.docker.cpu_limit", 1e-12),
        ("runtime.docker.cpu_limit", float("inf")),
        ("runtime.docker.max_concurrent", 0),
        ("state.url", "redis://:s3cret@127.0.0.1"),
        ("state.url", "postgres://127.0.0.1"),
        ("state.username", ""),
        ("state.password", 7),
        ("secrets.key_file", ""),
        ("secrets.key_file", "../key"),
        ("audit.path", ""),
        ("principals", []),
        ("principals", {"agent": None}),
        ("channels_config.telegram", []),
        ("channels_config.signal", {}),
    ],
)
def test_value_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(nested(key, value))


@pytest.mark.parametrize(
    "key",
    [
        *("model", "egress", "console"),
        *("secrets.vault", "autonomy.max_cost_per_day"),
        *("admin.require_pairing", "metrics.public_url"),
    ],
)
def test_key_of_a_feature_that_is_not_built_is_unknown(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(nested(key, None))

    assert [error["type"] for error in caught.value.errors()] == ["extra_forbidden"]


def test_networks_become_networks() -> None:
    config = Config.model_validate({"gateway": {"allow_peers": ["10.0.0.0/8", "::1"]}})

    assert config.gateway.allow_peers == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def test_secrets_are_in_no_representation() -> None:
    config = Config.model_validate(
        {
            "upstream": {"headers": {"X-Key": SECRET}},
            "state": {"password": SECRET},
            "principals": {"agent": {"token": SECRET}},
            "tunnel": {"ngrok": {"auth_token": SECRET}, "custom": {"env": {"KEY": SECRET}}},
            "channels_config": {
                "webhook": {"secret": SECRET, "secrets": [SECRET]},
                "whatsapp": {"verify_token": SECRET},
            },
        }
    )

    assert config.upstream.headers["X-Key"].get_secret_value() == SECRET
    assert SECRET not in f"{config!r} {config} {config.model_dump_json()}"
    assert all(SECRET not in repr(channel) for channel in config.channels_config.configured())


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///sidegate.db", "sidegate.db"),
        ("sqlite:////data/a.db", "/data/a.db"),
        ("redis://cache", None),
        ("rediss://cache:6379/1", None),
        ("unix:///run/redis.sock", None),
    ],
)
def test_state_names_its_file_where_it_is_one(url: str, path: str | None) -> None:
    assert Config.model_validate({"state": {"url": url}}).state.path == path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state_dir", "/ws"),
        ("state_dir", "/ws/state"),
        ("state_dir", "/ws/./state"),
        ("audit.path", "/ws/audit.jsonl"),
        ("state.url", "sqlite:////ws/sidegate.db"),
        ("secrets.key_file", "/ws/key"),
    ],
)
def test_own_files_may_not_lie_in_the_workspace(key: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"autonomy": {"workspace_dir": "/ws/"}, **nested(key, value)})

    (error,) = caught.value.errors()
    assert ".".join(map(str, error["loc"])) == key
    assert error["msg"] == "must not lie in autonomy.workspace_dir"


def test_own_files_may_lie_beside_the_workspace() -> None:
    Config.model_validate({"state_dir": "/wsx", "autonomy": {"workspace_dir": "/ws"}})


def test_a_state_on_a_server_lies_in_no_workspace() -> None:
    Config.model_validate(
        {"state": {"url": "unix:///ws/redis"}, "autonomy": {"workspace_dir": "/ws"}}
    )


# Observing


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"mode": "observe"}, "until"),
        ({"mode": "observe", "until": None}, "until"),
        ({"mode": "observe", "until": "2020-01-01"}, "until"),
        ({"mode": "observe", "until": "soon"}, "until"),
        ({"mode": "warn"}, "mode"),
    ],
)
def test_rules_are_only_observed_until_a_day_to_come(section: dict[str, str], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"autonomy": section})

    assert [error["loc"] for error in caught.value.errors()] == [("autonomy", key)]


def test_rules_are_enforced_unless_they_are_observed() -> None:
    assert Config().autonomy.observed_until is None
    enforced = Config.model_validate({"autonomy": {"until": "2020-01-01"}})
    assert enforced.autonomy.observed_until is None
    observed = Config.model_validate({"autonomy": {"mode": "observe", "until": "2999-01-01"}})
    assert observed.autonomy.observed_until == datetime(2999, 1, 1, tzinfo=UTC)
