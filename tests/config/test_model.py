from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from proxy.config.draft import Plain
from proxy.config.model import Autonomy, Config

# Design, section 4, as far as it is built.
DEFAULTS: dict[str, Plain] = {
    "state_dir": None,
    "gateway": {
        "host": "127.0.0.1",
        "port": 3000,
        "require_pairing": True,
        "allow_public_bind": False,
        "allow_peers": None,
        "allowed_hosts": [],
        "pair_rate_limit_per_minute": 10,
        "max_body_bytes": 1048576,
        "paired_tokens": [],
    },
    "metrics": {
        "host": "127.0.0.1",
        "port": 9464,
        "allow_public_bind": False,
        "allow_peers": ["127.0.0.0/8", "::1/128"],
    },
    "upstream": {"url": None, "headers": {}, "webhook_path": "/webhook", "routes": []},
    "autonomy": {
        "level": "supervised",
        "workspace_only": True,
        "workspace_dir": "/workspace",
        "allowed_commands": ["git", "ls", "cat", "grep"],
        "forbidden_paths": [],
        "auto_approve": ["file_read", "file_list"],
        "always_ask": [],
    },
    "tools": {},
    "runtime": {
        "kind": "docker",
        "docker": {
            "image": "alpine:3.20",
            "user": None,
            "network": "none",
            "read_only_rootfs": True,
            "memory_limit_mb": 512,
            "cpu_limit": 1.0,
            "mount_workspace": True,
            "workspace_host_path": None,
            "engine_runtime": None,
            "max_concurrent": 8,
        },
    },
    "state": {"url": "sqlite:///sidegate.db"},
    "audit": {"path": "audit.jsonl"},
}


def nested(key: str, value: object) -> dict[str, object]:
    """`a.b` and a value as a mapping in a mapping."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}


def test_these_keys_exist_with_these_defaults() -> None:
    assert Config().model_dump(mode="json") == DEFAULTS


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
        ("autonomy.auto_approve", ["memory_recall", "github.search"]),
        ("tools", {"shell": {"timeout_secs": 5}}),
        ("runtime.docker.user", "1000:1000"),
        ("runtime.docker.cpu_limit", 2),
        ("runtime.docker.memory_limit_mb", 6),
        ("runtime.docker.workspace_host_path", "/srv/workspace"),
        ("runtime.docker.engine_runtime", "runsc"),
        ("state.url", "sqlite:////data/s.db"),
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
        ("autonomy.always_ask", ["*"]),
        ("tools", {"x": {}}),
        ("runtime.kind", "native"),
        ("runtime.docker.user", "0:0"),
        ("runtime.docker.network", "host"),
        ("runtime.docker.memory_limit_mb", 5),
        # below Docker's least, and rounded to nothing, which would be no limit
        ("runtime.docker.cpu_limit", 0),
        ("runtime.docker.cpu_limit", 1e-12),
        ("runtime.docker.cpu_limit", float("inf")),
        ("runtime.docker.max_concurrent", 0),
        ("state.url", "redis://127.0.0.1"),
        ("audit.path", ""),
    ],
)
def test_value_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(nested(key, value))


@pytest.mark.parametrize(
    "key",
    [
        *("admin", "model", "egress", "principals", "tunnel", "mcp_servers", "presets", "secrets"),
        *("protection", "channels_config", "gateway.public_url", "gateway.trusted_proxies"),
        *("gateway.idempotency_ttl_secs", "autonomy.mode", "autonomy.allowed_roots"),
        *("autonomy.approval_timeout_secs", "runtime.native", "runtime.docker.pool_size"),
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
    config = Config.model_validate({"upstream": {"headers": {"X-Key": "s3cret"}}})

    assert config.upstream.headers["X-Key"].get_secret_value() == "s3cret"
    assert "s3cret" not in f"{config!r} {config} {config.model_dump_json()}"


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///sidegate.db", "sidegate.db"), ("sqlite:////data/a.db", "/data/a.db")],
)
def test_state_names_its_file(url: str, path: str) -> None:
    assert Config.model_validate({"state": {"url": url}}).state.path == path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state_dir", "/ws"),
        ("state_dir", "/ws/state"),
        ("state_dir", "/ws/./state"),
        ("audit.path", "/ws/audit.jsonl"),
        ("state.url", "sqlite:////ws/sidegate.db"),
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
