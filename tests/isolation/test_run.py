"""One command from its start to its end, in a place that does what it is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from wire import until

from proxy.isolation.run import DRAIN_CAP, KILLED, STDERR, STDOUT, STREAM_CAP, Job, Run


class Place(Job):
    """`said` is written, then it ends with `code`; where it `hangs`, nobody answers any more."""

    def __init__(
        self,
        *said: tuple[int, bytes],
        code: int = 0,
        oom: bool = False,
        stays: bool = False,
        fault: OSError | None = None,
    ) -> None:
        self.begun = False
        self.asked = 0
        self._said = said
        self._code = code
        self._oom = oom
        self._stays = stays
        self._fault = fault

    async def start(self) -> None:
        self.begun = True

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        for each in self._said:
            yield each
        if self._stays:
            await asyncio.Event().wait()

    async def wait(self) -> int:
        return self._code

    async def out_of_memory(self) -> bool:
        self.asked += 1
        if self._fault is not None:
            raise self._fault
        return self._oom

    async def discard(self) -> None:
        pass


def run(job: Job | None = None, seconds: float = 1.0) -> Run:
    return Run(job or Place(), seconds)


def test_the_streams_are_kept_apart() -> None:
    made = run()
    made.take(STDOUT, b"out")
    made.take(STDERR, b"err")
    made.take(STDOUT, b"put")

    assert (made.written(STDOUT), made.written(STDERR)) == (b"output", b"err")
    assert not made.truncated
    assert made.written(STDOUT, 3) == b"put"
    assert made.written(STDOUT, 6) == b""


@pytest.mark.parametrize("piece", [1000, 4096, STREAM_CAP, STREAM_CAP + 1])
def test_each_stream_is_kept_up_to_its_cap(piece: int) -> None:
    made = run()
    for _ in range(STREAM_CAP // piece + 2):
        made.take(STDOUT, b"x" * piece)
    made.take(STDERR, b"still read")

    assert (len(made.written(STDOUT)), made.written(STDERR)) == (STREAM_CAP, b"still read")
    assert made.truncated


def test_output_of_exactly_the_cap_is_whole() -> None:
    made = run()
    made.take(STDOUT, b"x" * STREAM_CAP)

    assert not made.truncated


@pytest.mark.parametrize(
    ("code", "oom", "result", "asked"),
    [
        *((0, False, "ok", 0), (1, True, "failed", 0), (KILLED, False, "failed", 1)),
        *((KILLED, True, "oom", 1), (143, False, "failed", 0), (255, False, "failed", 0)),
    ],
)
async def test_the_end_is_told_by_the_code(
    code: int, result: str, asked: int, *, oom: bool
) -> None:
    """Only of what was killed is it asked whether that was for its memory."""
    place = Place((STDOUT, b"x"), code=code, oom=oom)
    made = run(place)
    await made.start()

    ended = await made.follow()

    assert (ended.code, ended.result, place.asked) == (code, result, asked)
    assert 0 <= ended.seconds < 1


async def test_its_own_time_ends_it_and_shows_what_came() -> None:
    made = run(Place((STDOUT, b"x"), stays=True), seconds=0.05)
    await made.start()

    ended = await made.follow()

    assert (ended.code, ended.result) == (KILLED, "timeout")
    assert 0.05 <= ended.seconds < 1
    assert made.written(STDOUT) == b"x"


async def test_its_time_begins_when_it_is_started() -> None:
    made = run(Place(stays=True), seconds=0.1)
    await made.start()
    await asyncio.sleep(0.05)

    assert (await made.follow()).seconds < 0.15


async def test_a_place_that_hangs_is_lost_and_not_late() -> None:
    """The command may have ended, and said more, and nobody would know."""
    made = run(Place(stays=True, fault=ConnectionRefusedError()), seconds=0.05)
    await made.start()

    with pytest.raises(ConnectionRefusedError):
        await made.follow()


async def test_a_flood_is_not_read_to_its_end() -> None:
    piece = (STDERR, bytes(1 << 20))
    made = run(Place(*[piece] * (DRAIN_CAP // len(piece[1]) + 1), stays=True), seconds=30)
    await made.start()

    ended = await made.follow()

    assert (ended.code, ended.result, made.truncated) == (KILLED, "failed", True)
    assert len(made.written(STDERR)) == STREAM_CAP


async def test_who_follows_can_be_told_of_what_is_new() -> None:
    made = run(Place((STDOUT, b"x"), stays=True))
    await made.start()
    following = asyncio.create_task(made.follow())

    await until(made.news.is_set)

    following.cancel()
    await asyncio.wait({following})
