"""The agent's section: its routes, its headers, and how long it may take."""

import pytest
from pydantic import ValidationError

from proxy.config.model import RouteConfig
from proxy.config.upstream import UpstreamConfig

TIMES = ("connect_timeout_secs", "answer_timeout_secs", "idle_timeout_secs", "total_timeout_secs")


def section(**keys: object) -> UpstreamConfig:
    return UpstreamConfig.model_validate(keys)


def test_there_is_no_agent_unless_it_is_named() -> None:
    assert section().url is None
    assert section().routes == ()


@pytest.mark.parametrize("key", TIMES)
@pytest.mark.parametrize("seconds", [0.1, 300, 86_400, None])
def test_a_time_may_be_any_or_have_no_limit(key: str, seconds: float | None) -> None:
    assert getattr(section(**{key: seconds}), key) == seconds


@pytest.mark.parametrize("key", TIMES)
@pytest.mark.parametrize("seconds", [0, -1, 86_401, "5", float("inf")])
def test_no_time_at_all_is_no_setting(key: str, seconds: object) -> None:
    with pytest.raises(ValidationError):
        section(**{key: seconds})


@pytest.mark.parametrize("connections", [1, 65_536, None])
def test_connections_have_a_bound_or_none(connections: int | None) -> None:
    assert section(max_connections=connections).max_connections == connections


@pytest.mark.parametrize("connections", [0, -1, 65_537, 1.5, True])
def test_an_agent_without_connections_is_refused(connections: object) -> None:
    with pytest.raises(ValidationError):
        section(max_connections=connections)


def test_a_route_is_read_only_unless_it_says_more() -> None:
    (route,) = section(routes=[{"path": "/v1/models"}]).routes

    assert route == RouteConfig(path="/v1/models", methods=("GET",))


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"routes": [{"path": "/a", "methods": []}]}, id="no method"),
        pytest.param({"routes": [{"path": "/a"}, {"path": "/a"}]}, id="a route twice"),
        pytest.param({"headers": {"X-A": "1", "x-a": "2"}}, id="a header twice"),
        pytest.param({"headers": {"Host": "h"}}, id="a header of ours"),
        pytest.param({"url": "ftp://agent"}, id="no URL of HTTP"),
        pytest.param({"timeout_secs": 5}, id="a key that does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        section(**keys)
