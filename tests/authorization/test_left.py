"""What is remembered of calls whose callers did not wait."""

from proxy.authorization.left import Left
from proxy.state.approvals import Ask


def ask(binding: str, expires: float = 100.0) -> Ask:
    return Ask(f"a_{binding}", "p", "t", binding, b"", detached=False, created=0.0, expires=expires)


def test_what_was_left_is_heard_of_once() -> None:
    left = Left()
    left.keep(ask("b"), 0.0)

    found = left.pop("b", 50.0)
    assert found is not None
    assert (found.id, found.expires) == ("a_b", 100.0)
    assert left.pop("b", 50.0) is None
    assert left.pop("other", 50.0) is None


def test_after_a_while_nobody_hears_of_it_any_more() -> None:
    left = Left()
    left.keep(ask("b"), 0.0)
    assert left.pop("b", 701.0) is None

    left.keep(ask("b"), 0.0)
    left.keep(ask("c", expires=1000.0), 701.0)
    assert len(left) == 1


def test_the_oldest_make_room() -> None:
    left = Left(most=3)
    for binding in "abcad":
        left.keep(ask(binding), 0.0)

    assert len(left) == 3
    assert [left.pop(binding, 0.0) is not None for binding in "abcd"] == [True, False, True, True]
