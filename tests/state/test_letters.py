from proxy.state.letters import Condition, Letter


def test_who_holds_a_letter_makes_no_other_letter_of_it() -> None:
    one = Letter("a", "slack", b"sealed", 0.0, 0.0, held=1.0)
    other = Letter("a", "slack", b"sealed", 0.0, 0.0, held=2.0)

    assert one == other
    assert one.condition is Condition.WAITING
