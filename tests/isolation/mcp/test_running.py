"""Calls that are under way."""

from proxy.isolation.mcp.running import Running


def test_a_call_is_given_up_by_its_own_session_only() -> None:
    given_up: list[str] = []
    running = Running()
    end = running.begin(("s", 1), lambda: given_up.append("first"))
    running.begin(("s", 1), lambda: given_up.append("again"))
    running.cancel(("t", 1))
    running.cancel(("s", "1"))
    assert given_up == []
    running.cancel(("s", 1))
    assert given_up == ["first", "again"]
    end()
    running.cancel(("s", 1))
    assert given_up == ["first", "again", "first"]


def test_what_has_ended_is_not_given_up() -> None:
    given_up: list[str] = []
    running = Running()
    end = running.begin(("s", 1), lambda: given_up.append("x"))
    end()
    end()
    running.cancel(("s", 1))
    assert given_up == ["x", "x"]
