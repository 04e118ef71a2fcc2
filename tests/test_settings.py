"""What single parts are given of the configuration."""

from pathlib import Path

from proxy.config import loader
from proxy.config.model import Config
from proxy.metrics import Metrics
from proxy.seal import Seal
from proxy.settings import audit_of, keeping_of, limits_of, upstream_headers, upstream_limits


def configured(text: str) -> Config:
    return loader.parse(text, "sidegate.yaml", {}).config


def test_a_listener_bears_what_is_configured() -> None:
    limits = limits_of(configured("gateway: {max_body_bytes: 99, header_timeout_secs: 3}"))

    assert (limits.max_body, limits.header_seconds) == (99, 3)


def test_keys_are_kept_in_the_style_that_is_configured() -> None:
    kept = keeping_of(configured("gateway: {idempotency_style: zeroclaw, idempotency_max_keys: 7}"))

    assert (kept.keys, kept.zeroclaw) == (7, True)


def test_the_agents_headers_are_in_the_clear_here_and_nowhere_else() -> None:
    config = configured("upstream: {url: 'http://a', headers: {X-Key: the-agents-own-key}}")

    assert upstream_headers(config) == {"X-Key": "the-agents-own-key"}
    assert "the-agents-own-key" not in repr(config)


def test_the_agent_is_waited_for_as_long_as_configured() -> None:
    limits = upstream_limits(configured("upstream: {url: 'http://a', connect_timeout_secs: 2}"))

    assert limits.connect == 2


async def test_the_audit_log_is_chained_and_capped_as_configured(tmp_path: Path) -> None:
    metrics = Metrics("1", ())
    config = configured("audit: {max_file_mb: 1, max_files: 2}")
    file = audit_of(config, str(tmp_path / "audit.jsonl"), Seal(bytes(32)), "instance", metrics)

    await file.append(b'{"event":"grant"}\n', wait=True)
    await file.aclose()

    assert b'"prev":"' in (tmp_path / "audit.jsonl").read_bytes()
    assert "sidegate_audit_broken 0.0" in metrics.render().decode()
