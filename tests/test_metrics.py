"""What is counted, as Prometheus' own parser reads it."""

import platform
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from doubles import CLIENT, HEALTH, Clock, grant, inbound
from prometheus_client.parser import text_string_to_metric_families

from proxy.config.channels import ChannelsConfig
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Inbound
from proxy.metrics import CHANNELS, CONTENT_TYPE, RUNTIMES, Metrics
from proxy.network.ingress import METHODS
from proxy.protocols.channels import READERS
from proxy.reasons import Layer, Reason
from proxy.trace import Outcome, Step, Trace

RULES = ("token", "github-pat", "held")
ROUTES = ("health", "tools", "none")
# What `decision.Facts` says that a verification may end in.
VERIFIED = ("verified", "invalid", "stale", "replayed", "closed", "denied")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3", ROUTES, RULES)


def samples(metrics: Metrics) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The value of one series of ours; fails where there is none."""
    return samples(metrics)[f"sidegate_{name}", frozenset(labels.items())]


def labels_of(metrics: Metrics, name: str, label: str) -> set[str]:
    return {dict(labels)[label] for key, labels in samples(metrics) if key == f"sidegate_{name}"}


async def step(
    metrics: Metrics, layer: Layer, decision: Decision[Any], seconds: float = 0.2
) -> None:
    await metrics.step(Trace(inbound(), ()), Step(layer, decision, seconds))


async def close(
    metrics: Metrics, request: Inbound, status: int, redactions: Counter[str] | None = None
) -> None:
    outcome = Outcome(status, 0.25, redactions or Counter())
    await metrics.close(Trace(request, ()), outcome)


# Names and labels


def test_the_names_are_those_that_dashboards_know(metrics: Metrics) -> None:
    families = {
        family.name: family.type
        for family in text_string_to_metric_families(metrics.render().decode())
        if not family.name.endswith("_created")
    }

    assert families == {
        "sidegate_layer_decisions": "counter",
        "sidegate_layer_duration_seconds": "histogram",
        "sidegate_http_requests": "counter",
        "sidegate_http_request_duration_seconds": "histogram",
        "sidegate_pairing_attempts": "counter",
        "sidegate_webhook_verifications": "counter",
        "sidegate_approval_wait_seconds": "histogram",
        "sidegate_sandbox_runs": "counter",
        "sidegate_sandbox_duration_seconds": "histogram",
        "sidegate_upstream_requests": "counter",
        "sidegate_redactions": "counter",
        "sidegate_audit_write_failures": "counter",
        "sidegate_build_info": "gauge",
    }


def test_every_decision_that_can_be_counted_starts_at_zero(metrics: Metrics) -> None:
    for layer in Layer:
        assert (
            value(metrics, "layer_decisions_total", layer=layer, decision="allow", reason="allowed")
            == 0
        )
    for reason in Reason:
        for layer in Layer if reason.layer is None else (reason.layer,):
            labels = {"layer": layer, "decision": "deny", "reason": reason.code}
            assert value(metrics, "layer_decisions_total", **labels) == 0


@pytest.mark.parametrize(
    ("name", "label", "values"),
    [
        ("layer_duration_seconds_count", "layer", {layer.value for layer in Layer}),
        ("http_request_duration_seconds_count", "route", set(ROUTES)),
        ("pairing_attempts_total", "result", {"paired", "wrong", "locked"}),
        ("webhook_verifications_total", "channel", {"webhook", *READERS}),
        ("webhook_verifications_total", "result", set(VERIFIED)),
        ("sandbox_runs_total", "runtime", set(RUNTIMES)),
        ("sandbox_duration_seconds_count", "runtime", set(RUNTIMES)),
        ("redactions_total", "rule", set(RULES)),
        ("upstream_requests_total", "status", {"none", "2xx", "3xx", "4xx", "5xx"}),
    ],
)
def test_the_set_of_labels_is_closed_and_starts_at_zero(
    metrics: Metrics, name: str, label: str, values: set[str]
) -> None:
    assert labels_of(metrics, name, label) >= values
    mine = {key: count for key, count in samples(metrics).items() if key[0] == f"sidegate_{name}"}
    assert set(mine.values()) == {0}


def test_sandboxes_may_end_in_these_ways(metrics: Metrics) -> None:
    assert labels_of(metrics, "sandbox_runs_total", "result") >= {
        *("ok", "failed", "timeout", "oom", "lost")
    }


def test_a_build_is_known_by_its_version(metrics: Metrics) -> None:
    assert value(metrics, "build_info", version="1.2.3", python=platform.python_version()) == 1


def test_the_content_type_is_the_one_of_the_format(metrics: Metrics) -> None:
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
    assert metrics.render().endswith(b"\n")


# Counting


async def test_an_allow_is_counted_with_its_time(metrics: Metrics) -> None:
    await step(metrics, Layer.ISOLATION, Allow(grant()))

    labels = {"layer": "isolation", "decision": "allow", "reason": "allowed"}
    assert value(metrics, "layer_decisions_total", **labels) == 1
    assert value(metrics, "layer_duration_seconds_count", layer="isolation") == 1
    assert value(metrics, "layer_duration_seconds_sum", layer="isolation") == 0.2


async def test_the_time_that_a_human_took_is_counted_whatever_the_answer(metrics: Metrics) -> None:
    await step(metrics, Layer.AUTHORIZATION, Allow(grant(), Facts(waited=20.0)))
    await step(metrics, Layer.AUTHORIZATION, Deny(Reason.APPROVAL_REFUSED, "", Facts(waited=4.0)))
    await step(metrics, Layer.AUTHORIZATION, Allow(grant()))

    assert value(metrics, "approval_wait_seconds_count") == 2
    assert value(metrics, "approval_wait_seconds_sum") == 24.0
    assert value(metrics, "approval_wait_seconds_bucket", le="5.0") == 1


async def test_what_is_only_observed_is_counted_by_what_would_have_refused_it(
    metrics: Metrics,
) -> None:
    before = samples(metrics).keys()
    await step(metrics, Layer.AUTHORIZATION, Allow(grant(), Facts(observed=Reason.PATH_FORBIDDEN)))

    labels = {"layer": "authorization", "decision": "observe", "reason": "path-forbidden"}
    assert value(metrics, "layer_decisions_total", **labels) == 1
    allowed = {"layer": "authorization", "decision": "allow", "reason": "allowed"}
    assert value(metrics, "layer_decisions_total", **allowed) == 0
    assert samples(metrics).keys() == before


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.code)
async def test_a_denial_is_counted_by_its_reason(metrics: Metrics, reason: Reason) -> None:
    before = samples(metrics).keys()
    layer = reason.layer or Layer.AUTHORIZATION

    await step(metrics, layer, Deny(reason, "evidence-from-a-caller"))

    labels = {"layer": layer, "decision": "deny", "reason": reason.code}
    assert value(metrics, "layer_decisions_total", **labels) == 1
    assert samples(metrics).keys() == before
    assert b"evidence" not in metrics.render()


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("result", VERIFIED)
async def test_a_webhook_is_counted_by_its_channel_and_how_it_was_found(
    metrics: Metrics, channel: str, result: str
) -> None:
    before = samples(metrics).keys()
    facts = Facts(channel=channel, verification=result)

    await step(metrics, Layer.AUTHENTICATION, Allow(CLIENT, facts))
    await step(metrics, Layer.AUTHENTICATION, Deny(Reason.SIGNATURE_INVALID, facts=facts))

    counted = value(metrics, "webhook_verifications_total", channel=channel, result=result)
    assert counted == 2
    assert samples(metrics).keys() == before


def test_every_channel_that_can_be_configured_is_counted() -> None:
    assert set(CHANNELS) == ChannelsConfig.model_fields.keys() == {"webhook", *READERS}


@pytest.mark.parametrize("result", ["paired", "wrong", "locked"])
async def test_a_pairing_attempt_is_counted(metrics: Metrics, result: str) -> None:
    await step(metrics, Layer.AUTHENTICATION, Deny(Reason.CODE_WRONG, facts=Facts(pairing=result)))

    assert value(metrics, "pairing_attempts_total", result=result) == 1


async def test_a_command_is_counted_where_and_how_it_ran(metrics: Metrics) -> None:
    facts = Facts(runtime="docker", result="timeout")

    await step(metrics, Layer.ISOLATION, Allow(grant(), facts), seconds=61.0)

    assert value(metrics, "sandbox_runs_total", runtime="docker", result="timeout") == 1
    assert value(metrics, "sandbox_duration_seconds_sum", runtime="docker") == 61.0


@pytest.mark.parametrize(
    ("status", "label"),
    [(101, "1xx"), (200, "2xx"), (304, "3xx"), (404, "4xx"), (503, "5xx"), (0, "none")],
)
async def test_what_the_agent_answered_is_counted_by_class(
    metrics: Metrics, status: int, label: str
) -> None:
    await step(metrics, Layer.ISOLATION, Allow(grant(), Facts(upstream_status=200)))
    before = value(metrics, "upstream_requests_total", status="2xx")

    await step(metrics, Layer.ISOLATION, Allow(grant(), Facts(upstream_status=status)))

    counted = value(metrics, "upstream_requests_total", status=label)
    assert counted == (before + 1 if label == "2xx" else 1)


async def test_a_request_is_counted_by_route_method_and_status(metrics: Metrics) -> None:
    await close(metrics, inbound(), 200, Counter({"token": 3}))

    labels = {"route": "health", "method": "GET", "status": "200"}
    assert value(metrics, "http_requests_total", **labels) == 1
    assert value(metrics, "http_request_duration_seconds_sum", route="health") == 0.25
    assert value(metrics, "redactions_total", rule="token") == 3


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "get", "", "x" * 100])
async def test_odd_methods_are_one_series(metrics: Metrics, method: str) -> None:
    await close(metrics, inbound(None, method=method, path="/marker"), 501)

    assert labels_of(metrics, "http_requests_total", "method") == {"other"}
    assert labels_of(metrics, "http_requests_total", "route") == {"none"}
    assert b"marker" not in metrics.render()


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_known_methods_are_their_own(metrics: Metrics, method: str) -> None:
    await close(metrics, inbound(HEALTH, method=method), 200)

    assert labels_of(metrics, "http_requests_total", "method") == {method}


async def test_nothing_that_is_sent_makes_a_series(metrics: Metrics) -> None:
    """A stranger who could would fill the memory, and show what others sent."""

    def shapes() -> Iterator[str]:
        yield from (name for name, _ in samples(metrics))

    await close(metrics, inbound(None, path="/a"), 404)
    before = len(list(shapes()))

    for number in range(50):
        request = inbound(None, path=f"/{number}", query=f"q={number}", request_id=f"r-{number}")
        await close(metrics, request, 404)

    assert len(list(shapes())) == before


def test_bytes_that_are_no_request_are_counted_as_refused(metrics: Metrics) -> None:
    metrics.refused(Reason.REQUEST_MALFORMED)

    labels = {"layer": "network", "decision": "deny", "reason": "request-malformed"}
    assert value(metrics, "layer_decisions_total", **labels) == 1
    requests = {"route": "none", "method": "other", "status": "400"}
    assert value(metrics, "http_requests_total", **requests) == 1


def test_a_lost_audit_row_is_counted(metrics: Metrics) -> None:
    assert value(metrics, "audit_write_failures_total") == 0

    metrics.audit_failed()

    assert value(metrics, "audit_write_failures_total") == 1


def test_a_watched_value_is_asked_for_when_it_is_scraped(metrics: Metrics) -> None:
    clock = Clock(3)
    metrics.watch("sandbox_active", "Sandboxes.", clock)
    assert value(metrics, "sandbox_active") == 3

    clock.now = 5

    assert value(metrics, "sandbox_active") == 5


def test_a_counter_that_somebody_else_keeps_is_asked_for() -> None:
    metrics, counts = Metrics("1", ()), {"hit": 0, "miss": 2}
    metrics.watch_total("sandbox_pool_takes", "How many.", "result", lambda: counts)
    counts["hit"] = 3

    lines = metrics.render().decode().splitlines()
    assert 'sidegate_sandbox_pool_takes_total{result="hit"} 3.0' in lines
    assert 'sidegate_sandbox_pool_takes_total{result="miss"} 2.0' in lines
    assert "# TYPE sidegate_sandbox_pool_takes_total counter" in lines


async def test_a_command_that_was_streamed_is_counted_when_it_is_over_and_once(
    metrics: Metrics,
) -> None:
    facts = Facts(runtime="docker", result="timeout")
    await step(metrics, Layer.ISOLATION, Allow(None))
    await metrics.close(Trace(inbound(), ()), Outcome(200, 0.25, Counter(), facts=facts))

    counted = {"runtime": "docker", "result": "timeout"}
    assert value(metrics, "sandbox_runs_total", **counted) == 1
    assert value(metrics, "sandbox_duration_seconds_count", runtime="docker") == 1
    assert value(metrics, "sandbox_duration_seconds_sum", runtime="docker") == 0.25


async def test_a_command_that_was_answered_as_a_whole_is_counted_once(metrics: Metrics) -> None:
    facts = Facts(runtime="docker", result="ok")
    await step(metrics, Layer.ISOLATION, Allow(None, facts))
    await metrics.close(Trace(inbound(), ()), Outcome(200, 0.25, Counter()))

    assert value(metrics, "sandbox_runs_total", runtime="docker", result="ok") == 1
    assert value(metrics, "sandbox_duration_seconds_count", runtime="docker") == 1
