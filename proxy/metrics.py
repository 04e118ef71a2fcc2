"""Everything that is counted, in Prometheus' format. The only place that imports its client.

Labels come from closed sets and start at zero, so that a rate has something to start from and no
caller can make a time series. Never a token, address, path, sender, argument or free tool name.
"""

import itertools
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from proxy.authorization.tools.observation import OBSERVABLE
from proxy.decision import Allow, Deny, Facts
from proxy.network.ingress import METHODS
from proxy.reasons import Layer, Reason
from proxy.trace import Outcome, Step, Trace

# The text format would show them as gauges of their own.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
ALLOWED = "allowed"
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_HUMAN = (1, 5, 10, 30, 60, 120, 300, 900, 1800, 3600)
CHANNELS = ("webhook", "telegram", "discord", "slack", "whatsapp", "github", "standard")
_VERIFICATIONS = ("verified", "invalid", "stale", "replayed", "closed", "denied")
RUNTIMES = ("docker", "bwrap", "user", "unconfined")
_SANDBOX_RESULTS = ("ok", "failed", "timeout", "oom", "lost", "cancelled")


class Metrics:
    """`Observer` that counts. `rules`: all that a redaction may be counted as."""

    def __init__(self, version: str, routes: tuple[str, ...], rules: tuple[str, ...] = ()) -> None:
        self._registry = CollectorRegistry()
        self._decisions = self._counter(
            "layer_decisions", "Decisions by layer.", ("layer", "decision", "reason")
        )
        self._layer_seconds = self._histogram("layer_duration", "Time in a layer.", ("layer",))
        self._requests = self._counter(
            "http_requests", "Requests answered.", ("route", "method", "status")
        )
        self._request_seconds = self._histogram(
            "http_request_duration", "Time to the end of the answer.", ("route",)
        )
        self._pairings = self._counter("pairing_attempts", "Pairing attempts.", ("result",))
        self._verifications = self._counter(
            "webhook_verifications", "Webhooks verified.", ("channel", "result")
        )
        self._waits = self._histogram(
            "approval_wait", "Time that a human took to decide.", (), _HUMAN
        )
        self._sandbox_runs = self._counter(
            "sandbox_runs", "Commands that ran.", ("runtime", "result")
        )
        self._sandbox_seconds = self._histogram(
            "sandbox_duration", "Time of commands.", ("runtime",), _SLOW
        )
        self._upstream = self._counter("upstream_requests", "Requests to the agent.", ("status",))
        self._redactions = self._counter("redactions", "Secrets masked.", ("rule",))
        self._audit_failures = self._counter("audit_write_failures", "Audit rows lost.", ())
        self._gauge("build_info", "The running version.", ("version", "python")).labels(
            version, platform.python_version()
        ).set(1)
        self._start_at_zero(routes)
        for rule in rules:
            self._redactions.labels(rule)

    def _start_at_zero(self, routes: tuple[str, ...]) -> None:
        self._start_decisions_at_zero()
        for route in routes:
            self._request_seconds.labels(route)
        for result in ("paired", "wrong", "locked"):
            self._pairings.labels(result)
        for channel, result in itertools.product(CHANNELS, _VERIFICATIONS):
            self._verifications.labels(channel, result)
        for status in ("none", "1xx", "2xx", "3xx", "4xx", "5xx"):
            self._upstream.labels(status)
        for runtime, result in itertools.product(RUNTIMES, _SANDBOX_RESULTS):
            self._sandbox_runs.labels(runtime, result)
        for runtime in RUNTIMES:
            self._sandbox_seconds.labels(runtime)

    def _start_decisions_at_zero(self) -> None:
        for layer in Layer:
            self._decisions.labels(layer, "allow", ALLOWED)
            self._layer_seconds.labels(layer)
            for reason in Reason:
                if reason.layer in (None, layer):
                    self._decisions.labels(layer, "deny", reason.code)
        for reason in OBSERVABLE:
            self._decisions.labels(Layer.AUTHORIZATION, "observe", reason.code)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge that asks `value` when it is scraped."""
        self._gauge(name, help_text).set_function(value)

    def watch_total(
        self, name: str, help_text: str, label: str, values: Callable[[], Mapping[str, float]]
    ) -> None:
        """A counter that asks when it is scraped, whose `values` stand under a closed label."""
        self._registry.register(_Totals(f"sidegate_{name}", help_text, label, values))

    def audit_failed(self) -> None:
        """A row was lost."""
        self._audit_failures.inc()

    async def step(self, trace: Trace, step: Step) -> None:  # noqa: ARG002
        """Count a decision and what is known of it."""
        decision = step.decision
        if isinstance(decision, Deny):
            self._decisions.labels(step.layer, "deny", decision.reason.code).inc()
        elif isinstance(decision, Allow):
            self._decisions.labels(step.layer, *_allowed(decision.facts)).inc()
        self._layer_seconds.labels(step.layer).observe(step.seconds)
        facts = decision.facts
        if "pairing" in facts:
            self._pairings.labels(facts["pairing"]).inc()
        if "verification" in facts:
            self._verifications.labels(facts["channel"], facts["verification"]).inc()
        if "waited" in facts:
            self._waits.observe(facts["waited"])
        self._done(facts, step.seconds)

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        """Count a request."""
        self.answered(
            trace.inbound.route.name, trace.inbound.method, outcome.status, outcome.seconds
        )
        for rule, count in outcome.redactions.items():
            self._redactions.labels(rule).inc(count)
        self._done(outcome.facts, outcome.seconds)

    def _done(self, facts: Facts, seconds: float) -> None:
        """Count a command that ran, or a request to the agent."""
        if "upstream_status" in facts:
            self._upstream.labels(_status_class(facts["upstream_status"])).inc()
        if "runtime" in facts:
            self._sandbox_runs.labels(facts["runtime"], facts["result"]).inc()
            self._sandbox_seconds.labels(facts["runtime"]).observe(seconds)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        known = method if method in METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def refused(self, reason: Reason) -> None:
        """Count bytes that never became a request."""
        self._decisions.labels(Layer.NETWORK, "deny", reason.code).inc()
        self.answered("none", "", reason.status, 0.0)

    def render(self) -> bytes:
        """Everything, in the text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"sidegate_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"sidegate_{name}", text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...] = _FAST
    ) -> Histogram:
        full = f"sidegate_{name}_seconds"
        return Histogram(full, text, labels, buckets=buckets, registry=self._registry)


@dataclass(frozen=True, slots=True)
class _Totals(Collector):
    """A counter that somebody else keeps."""

    name: str
    text: str
    label: str
    values: Callable[[], Mapping[str, float]]

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self.name, self.text, labels=[self.label])
        for value, count in self.values().items():
            family.add_metric([value], count)
        yield family


def _allowed(facts: Facts) -> tuple[str, str]:
    """The decision and the reason of what was let pass."""
    observed = facts.get("observed")
    return ("allow", ALLOWED) if observed is None else ("observe", observed.code)


def _status_class(status: int) -> str:
    return f"{status // 100}xx" if status else "none"
