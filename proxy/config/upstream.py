"""The agent behind Sidegate, and how long it may take. The counterpart is `isolation/upstream`."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.config.openclaw import GatewayMethods, OperatorScopes
from proxy.config.section import Section, raise_all, wrong
from proxy.config.web import HeaderName, HeaderValue, HttpUrl, RoutePath, UpstreamPath

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _some(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    if not methods:
        raise ValueError("must not be empty")
    return methods


class RouteConfig(Section):
    """A path of the agent that clients may reach."""

    path: RoutePath
    """The raw path, equal byte for byte; a trailing /* is all that lies beneath."""
    methods: Annotated[tuple[Method, ...], Field(strict=False), AfterValidator(_some)] = ("GET",)
    """The methods that are forwarded."""


def _distinct_routes(routes: tuple[RouteConfig, ...]) -> tuple[RouteConfig, ...]:
    seen: set[tuple[str, str]] = set()
    problems = []
    for number, route in enumerate(routes):
        pairs = {(route.path, method) for method in route.methods}
        if pairs & seen:
            problems.append(wrong((number, "path"), "an earlier route has this path and method"))
        seen |= pairs
    raise_all(problems)
    return routes


def _distinct_headers(headers: Mapping[str, HeaderValue]) -> Mapping[str, HeaderValue]:
    seen: set[str] = set()
    problems = []
    for name in headers:
        if name.lower() in seen:
            problems.append(wrong((name,), "given twice: header names compare without case"))
        seen.add(name.lower())
    raise_all(problems)
    return headers


HeadersUp = Annotated[Mapping[HeaderName, HeaderValue], AfterValidator(_distinct_headers)]
"""Headers that Sidegate adds, by name."""


class UpstreamConfig(Section):
    """The agent that Sidegate stands in front of."""

    url: HttpUrl | None = None
    """The agent's address, such as http://agent:8080; null: there is none."""
    protocol: Literal["http", "openclaw", "zeroclaw"] = "http"
    """What the agent speaks: how its tools are called, and the form of what is refused."""
    scopes: OperatorScopes = ("operator.read", "operator.write")
    """What clients may do at OpenClaw; a token of level readonly has operator.read at most."""
    methods: GatewayMethods = ()
    """Methods of OpenClaw's WebSocket beside those built in, for tokens not of level readonly."""
    headers: HeadersUp = Field(default={})
    """Headers added on the way up; the value of NAME may be in a file: NAME_file."""
    webhook_path: UpstreamPath = "/webhook"
    """Where the agent takes messages."""
    routes: Annotated[
        tuple[RouteConfig, ...], Field(strict=False), AfterValidator(_distinct_routes)
    ] = ()
    """What else of the agent is reachable."""
    connect_timeout_secs: Seconds | None = 5
    """Time for a connection to be made, its name resolved and TLS included; null: no limit."""
    answer_timeout_secs: Seconds | None = 300
    """Time to the first byte of an answer; null: no limit. Tools have timeout_secs instead."""
    idle_timeout_secs: Seconds | None = 300
    """Time between two pieces of an answer, unless it is text/event-stream; null: no limit."""
    total_timeout_secs: Seconds | None = None
    """Time to the end of an answer, however steadily it comes; null: no limit."""
    max_connections: Annotated[int, Field(ge=1, le=65_536)] | None = 1024
    """Connections to the agent in use at one time; whoever comes next waits. null: no limit."""

    @model_validator(mode="after")
    def _scopes_of_openclaw(self) -> Self:
        """What is said of one protocol means nothing in another."""
        usual = {key: type(self).model_fields[key].default for key in ("methods", "scopes")}
        given = [key for key, value in usual.items() if getattr(self, key) != value]
        if self.protocol != "openclaw":
            raise_all(wrong((key,), "only with upstream.protocol: openclaw") for key in given)
        return self
