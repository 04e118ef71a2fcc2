"""When an upstream that cannot be reached is left in peace, and when it is tried again."""

from doubles import Clock

from proxy.isolation.upstream.breaker import Breaker


def failing(times: int, clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(times):
        assert breaker.wait() == 0
        breaker.failed()
    return breaker


def test_four_failures_in_a_row_are_nothing() -> None:
    assert failing(4, Clock()).wait() == 0


def test_the_fifth_failure_in_a_row_opens_it_for_a_second() -> None:
    clock = Clock()
    breaker = failing(5, clock)

    assert breaker.wait() == 1.0
    clock.now += 0.75
    assert breaker.wait() == 0.25


def test_a_connection_in_between_begins_the_count_anew() -> None:
    clock = Clock()
    breaker = failing(4, clock)
    breaker.reached()
    for _ in range(4):
        breaker.failed()

    assert breaker.wait() == 0


def test_one_call_is_let_through_to_see_and_no_other() -> None:
    clock = Clock()
    breaker = failing(5, clock)
    clock.now += 1.0

    assert breaker.wait() == 0
    assert [breaker.wait() > 0 for _ in range(3)] == [True] * 3


def test_where_that_one_arrives_everybody_may_go() -> None:
    clock = Clock()
    breaker = failing(5, clock)
    clock.now += 1.0
    breaker.wait()

    breaker.reached()

    assert [breaker.wait() for _ in range(3)] == [0, 0, 0]


def test_where_it_fails_the_pause_doubles_up_to_thirty_seconds() -> None:
    clock = Clock()
    breaker = failing(5, clock)
    pauses = []
    for _ in range(7):
        pauses.append(breaker.wait())
        clock.now += pauses[-1]
        assert breaker.wait() == 0
        breaker.failed()

    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_after_a_success_the_pause_is_short_again() -> None:
    clock = Clock()
    breaker = failing(5, clock)
    clock.now += 1.0
    breaker.wait()
    breaker.failed()
    breaker.reached()
    for _ in range(5):
        breaker.failed()

    assert breaker.wait() == 1.0


def test_calls_that_were_under_way_already_do_not_prolong_the_pause() -> None:
    breaker = failing(5, Clock())

    for _ in range(10):
        breaker.failed()

    assert breaker.wait() == 1.0


def test_a_try_whose_caller_left_does_not_close_the_way_for_ever() -> None:
    clock = Clock()
    breaker = failing(5, clock)
    clock.now += 1.0
    assert breaker.wait() == 0

    clock.now += 4.9
    assert breaker.wait() > 0
    clock.now += 0.1
    assert breaker.wait() == 0


def test_it_is_up_as_the_last_try_found_it() -> None:
    breaker = Breaker(Clock())
    seen = [breaker.up]
    for event in (breaker.reached, breaker.failed, breaker.reached):
        event()
        seen.append(breaker.up)

    assert seen == [False, True, False, True]
