"""What clients were asked, until they answer."""

from proxy.isolation.mcp.questions import MAX_OPEN, Questions
from proxy.jsonrpc import Response


async def test_an_answer_finds_who_asked_and_only_that_one() -> None:
    questions = Questions()
    waiting = questions.put("s", "one", "q")
    for session, server, id_ in (("t", "one", "q"), ("s", "two", "q"), ("s", "one", "r")):
        assert not questions.answer(session, server, Response(id_, {}))
    assert not questions.answer("s", "one", Response(None, {}))
    assert questions.answer("s", "one", Response("q", {"a": 1}))
    assert not questions.answer("s", "one", Response("q", {"a": 2}))
    assert (await waiting).result == {"a": 1}


async def test_who_does_not_wait_any_more_is_forgotten() -> None:
    questions = Questions()
    questions.put("s", "one", "q")
    questions.drop("s", "one", "q")
    questions.drop("s", "one", "q")
    assert not questions.answer("s", "one", Response("q", {}))
    assert len(questions) == 0


async def test_a_session_has_room_for_so_many() -> None:
    questions = Questions()
    for n in range(MAX_OPEN):
        assert questions.room("s", 1)
        questions.put("s", "one", n)
    assert not questions.room("s", 1)
    assert questions.room("t", MAX_OPEN)
