"""A call goes on when its caller leaves, for a while, and is settled once whatever happens."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from doubles import CLIENT, frames
from wire import until

from proxy.actions import Listing
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Content, Document, Frame, Stream
from proxy.isolation.errand import Errand
from proxy.isolation.fate import Fate
from proxy.isolation.kept import unpacked
from proxy.reasons import Reason
from proxy.values import Headers

Call = Callable[[], Awaitable[Decision[Content]]]
LATE = Deny(Reason.UPSTREAM_LATE)


@dataclass
class Book:
    """Where errands are settled, once it is open."""

    begun: int = 0
    settled: list[Fate] = field(default_factory=list)
    answers: list[bytes | None] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def settle(self, known: Fate, answer: bytes | None) -> None:
        self.begun += 1
        await self.open.wait()
        self.settled.append(known)
        self.answers.append(answer)


@pytest.fixture
def book() -> Book:
    book = Book()
    book.open.set()
    return book


@dataclass
class Source:
    """A stream that gives what it is fed, and counts what was taken of it."""

    pieces: asyncio.Queue[bytes | Exception | None] = field(default_factory=asyncio.Queue)
    taken: int = 0
    released: int = 0

    def feed(self, *pieces: bytes | Exception | None) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)

    def release(self) -> None:
        self.released += 1

    def call(self, status: int = 200) -> Call:
        async def run() -> Decision[Content]:
            return Allow(Stream(status, Headers(), self._frames(), self.release), Facts(rule="r"))

        return run

    async def _frames(self) -> AsyncIterator[Frame]:
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            self.taken += 1
            yield Frame("body", piece)


def begun(book: Book, call: Call, stay: float = 5.0) -> tuple[Errand, "asyncio.Task[None]"]:
    errand = Errand(CLIENT, Listing(), book.settle, stay=stay)
    return errand, errand.start(call)


async def stream_of(errand: Errand) -> Stream:
    decision = await errand.answer()
    assert isinstance(decision, Allow)
    assert isinstance(decision.value, Stream)
    return decision.value


async def text(stream: Stream) -> bytes:
    return b"".join([frame.data async for frame in stream.frames])


def answering(decision: Decision[Content]) -> Call:
    async def call() -> Decision[Content]:
        return decision

    return call


# To the end


async def test_a_document_is_settled_before_it_is_answered() -> None:
    book = Book()
    errand, _ = begun(book, answering(Allow(Document({"a": 1}))))
    answer = asyncio.create_task(errand.answer())
    await asyncio.sleep(0.05)
    early = answer.done()

    book.open.set()

    assert await answer == Allow(Document({"a": 1}))
    assert not early
    assert book.settled == [Fate.DONE]
    assert book.answers[0] is not None
    assert unpacked(book.answers[0]) == Document({"a": 1})


@pytest.mark.parametrize("sent", [False, True])
async def test_a_denial_is_settled_by_whether_it_had_gone_out(book: Book, *, sent: bool) -> None:
    async def call() -> Decision[Content]:
        if sent:
            await errand.mark_sent()
        return LATE

    errand, _ = begun(book, call)

    assert await errand.answer() is LATE
    assert book.settled == [Fate.UNKNOWN if sent else Fate.UNDONE]


@pytest.mark.parametrize("sent", [False, True])
async def test_so_is_an_error_which_the_caller_sees(book: Book, *, sent: bool) -> None:
    async def call() -> Decision[Content]:
        if sent:
            await errand.mark_sent()
        raise ZeroDivisionError

    errand, _ = begun(book, call)

    with pytest.raises(ZeroDivisionError):
        await errand.answer()
    assert book.settled == [Fate.UNKNOWN if sent else Fate.UNDONE]


async def test_a_stream_flows_as_it_comes_and_is_settled_before_its_end() -> None:
    book, source = Book(), Source()
    errand, task = begun(book, source.call(201))
    stream = await stream_of(errand)
    pieces = aiter(stream.frames)

    source.feed(b"one")
    first = await anext(pieces)
    source.feed(b"two", None)
    second = await anext(pieces)
    end = asyncio.create_task(anext(pieces, None))
    await asyncio.sleep(0.05)
    early = end.done()
    book.open.set()

    assert (stream.status, first.data, second.data, await end) == (201, b"one", b"two", None)
    assert not early
    assert book.settled == [Fate.DONE]
    assert book.answers[0] is not None
    assert await text(unpacked(book.answers[0])) == b"onetwo"  # type: ignore[arg-type]
    await task
    assert source.released == 1


async def test_the_facts_of_a_stream_pass_on(book: Book) -> None:
    source = Source()
    errand, _ = begun(book, source.call())

    assert (await errand.answer()).facts == {"rule": "r"}
    errand.leave()
    source.feed(None)


async def test_no_more_is_taken_than_the_caller_reads(book: Book) -> None:
    source = Source()
    source.feed(*[b"x"] * 1000, None)
    errand, _ = begun(book, source.call())
    stream = await stream_of(errand)
    await asyncio.sleep(0.05)
    taken = source.taken

    assert len(await text(stream)) == 1000
    assert taken <= 4


async def test_a_stream_that_breaks_off_does_so_for_the_caller_too(book: Book) -> None:
    source = Source()
    source.feed(b"one", OSError("reset"))
    errand, _ = begun(book, source.call())
    stream = await stream_of(errand)
    pieces = aiter(stream.frames)

    assert (await anext(pieces)).data == b"one"
    with pytest.raises(OSError, match="reset"):
        await anext(pieces)
    assert source.released == 1


@pytest.mark.parametrize(
    ("status", "known"), [(200, Fate.UNKNOWN), (503, Fate.UNDONE), (429, Fate.UNDONE)]
)
async def test_half_an_answer_is_none_and_half_a_refusal_is_one(
    book: Book, status: int, known: Fate
) -> None:
    source = Source()
    source.feed(b"one", OSError("reset"))
    errand, task = begun(book, source.call(status))
    await errand.mark_sent()

    with pytest.raises(OSError, match="reset"):
        await text(await stream_of(errand))
    await asyncio.wait({task})
    assert (book.settled, book.answers) == ([known], [None])


# Without the caller


async def test_a_caller_that_leaves_is_not_waited_for_and_the_call_goes_on(book: Book) -> None:
    go = asyncio.Event()

    async def call() -> Decision[Content]:
        await go.wait()
        return Allow(Document("done"))

    errand, task = begun(book, call)
    waiting = asyncio.create_task(errand.answer())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    left = errand.left

    go.set()
    await task

    assert waiting.cancelled()
    assert left
    assert book.settled == [Fate.DONE]


@pytest.mark.parametrize("read", [0, 1, 5])
async def test_a_stream_is_heard_to_its_end_whenever_its_reader_leaves(
    book: Book, read: int
) -> None:
    source = Source()
    errand, task = begun(book, source.call())
    stream = await stream_of(errand)
    source.feed(*[b"x"] * 10)
    pieces = aiter(stream.frames)
    for _ in range(read):
        await anext(pieces)
    await asyncio.sleep(0.02)  # it waits for the reader

    stream.release()
    stream.release()
    source.feed(*[b"x"] * 10, None)
    await task

    assert book.settled == [Fate.DONE]
    assert book.answers[0] is not None
    assert await text(unpacked(book.answers[0])) == b"x" * 20  # type: ignore[arg-type]


@pytest.mark.parametrize("moment", range(8))
async def test_who_leaves_at_any_moment_leaves_nothing_open(book: Book, moment: int) -> None:
    source = Source()
    source.feed(b"x", None)
    errand, task = begun(book, source.call())
    waiting = asyncio.create_task(errand.answer())
    for _ in range(moment):
        await asyncio.sleep(0)
    if not waiting.cancel():
        (await stream_of(errand)).release()

    await asyncio.wait({task, waiting})

    assert book.settled == [Fate.DONE]
    assert source.released == 1


async def test_without_a_caller_it_has_a_while_and_no_more(book: Book) -> None:
    source = Source()
    errand, task = begun(book, source.call(), stay=0.05)
    await errand.mark_sent()
    stream = await stream_of(errand)
    source.feed(b"x")

    stream.release()
    await asyncio.wait({task}, timeout=5)

    assert task.cancelled()
    assert (book.settled, source.released) == ([Fate.UNKNOWN], 1)


async def test_with_its_caller_it_has_all_the_time(book: Book) -> None:
    source = Source()
    errand, task = begun(book, source.call(), stay=0.02)
    stream = await stream_of(errand)
    reading = asyncio.create_task(text(stream))

    await asyncio.sleep(0.1)
    source.feed(b"x", None)

    assert await reading == b"x"
    await task
    assert book.settled == [Fate.DONE]


async def test_an_error_after_its_caller_left_is_nobody_s(book: Book) -> None:
    """It is settled; a log of every such call would say nothing more."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about))

    async def call() -> Decision[Content]:
        raise ZeroDivisionError

    errand, task = begun(book, call)
    errand.leave()
    await asyncio.wait({task})
    del errand, task
    await asyncio.sleep(0)
    gc.collect()

    assert (book.settled, told) == ([Fate.UNDONE], [])


# Given up


async def test_what_is_given_up_is_settled_and_its_caller_told(book: Book) -> None:
    errand, task = begun(book, Source().call())
    await errand.mark_sent()
    stream = await stream_of(errand)
    reading = asyncio.create_task(text(stream))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(OSError, match="given up"):
        await reading
    assert book.settled == [Fate.UNKNOWN]


async def test_one_who_waits_for_the_answer_is_told_too(book: Book) -> None:
    async def call() -> Decision[Content]:
        await asyncio.sleep(30)
        return LATE

    errand, task = begun(book, call)
    waiting = asyncio.create_task(errand.answer())
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(OSError, match="given up"):
        await waiting
    assert book.settled == [Fate.UNDONE]


async def test_what_is_being_settled_is_not_settled_again() -> None:
    """The answer is on its way to the disk when the time is over."""
    book = Book()
    errand, task = begun(book, answering(Allow(Document({}))))
    await errand.mark_sent()
    await until(lambda: book.begun)

    task.cancel()
    await asyncio.wait({task})

    assert (book.begun, book.settled) == (1, [])


async def test_frames_in_a_row_stay_in_a_row(book: Book) -> None:
    async def call() -> Decision[Content]:
        return Allow(Stream(200, Headers(), frames(*(b"%d," % each for each in range(500)))))

    errand, _ = begun(book, call)

    assert await text(await stream_of(errand)) == b"".join(b"%d," % each for each in range(500))
