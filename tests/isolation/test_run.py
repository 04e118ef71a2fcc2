import pytest

from proxy.isolation.run import STDERR, STDOUT, STREAM_CAP, Run


def test_the_streams_are_kept_apart() -> None:
    run = Run(1.0)
    run.take(STDOUT, b"out")
    run.take(STDERR, b"err")
    run.take(STDOUT, b"put")

    assert (run.text(STDOUT), run.text(STDERR), run.truncated) == ("output", "err", False)


@pytest.mark.parametrize("piece", [1000, 4096, STREAM_CAP, STREAM_CAP + 1])
def test_each_stream_is_kept_up_to_its_cap(piece: int) -> None:
    run = Run(1.0)
    for _ in range(STREAM_CAP // piece + 2):
        run.take(STDOUT, b"x" * piece)
    run.take(STDERR, b"still read")

    assert (len(run.text(STDOUT)), run.text(STDERR)) == (STREAM_CAP, "still read")
    assert run.truncated


def test_output_of_exactly_the_cap_is_whole() -> None:
    run = Run(1.0)
    run.take(STDOUT, b"x" * STREAM_CAP)

    assert not run.truncated


def test_what_is_no_text_is_shown_as_such() -> None:
    run = Run(1.0)
    run.take(STDOUT, b"a\xff\xc3")

    assert run.text(STDOUT) == "a\ufffd\ufffd"
