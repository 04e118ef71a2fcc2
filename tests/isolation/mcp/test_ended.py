"""Sessions that have ended."""

from proxy.isolation.mcp.ended import MAX, Ended


def test_an_ended_session_is_remembered_among_many() -> None:
    ended = Ended()
    ended.add("s")
    assert "s" in ended
    assert "t" not in ended
    for n in range(MAX):
        ended.add(str(n))
    assert "s" not in ended
    assert str(MAX - 1) in ended
