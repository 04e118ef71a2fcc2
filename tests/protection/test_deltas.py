"""Which strings of an event are pieces, and of which text."""

import json
from typing import Any

import pytest

from proxy.protection.deltas import Delta, deltas, ended, endings, is_fragment, lone


def pieces(value: Any, event: str = "") -> list[Delta]:
    return list(deltas(json.dumps(value), value, event))


def chat(index: int, **delta: object) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


CALL = {"index": 1, "id": "call_1", "type": "function", "function": {"name": "x", "arguments": "a"}}


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        # OpenAI
        (chat(0, role="assistant", content="a"), ["a"]),
        (chat(0, reasoning_content="a", refusal="b"), ["a", "b"]),
        (chat(0, tool_calls=[CALL]), ["a"]),
        (chat(0, function_call={"name": "x", "arguments": "a"}), ["a"]),
        ({"choices": [{"text": "a", "index": 0}]}, ["a"]),
        ({"type": "response.output_text.delta", "item_id": "i", "delta": "a"}, ["a"]),
        ({"type": "response.function_call_arguments.delta", "delta": "a"}, ["a"]),
        ({"type": "response.output_audio.delta", "delta": "a"}, []),
        ({"type": "response.output_audio_transcript.delta", "delta": "a"}, ["a"]),
        ({"type": "response.output_text.done", "text": "a"}, []),
        ({"type": "response.completed", "response": {"output": [{"text": "a"}]}}, []),
        # Anthropic
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}, ["a"]),
        ({"type": "content_block_delta", "delta": {"partial_json": "a"}}, ["a"]),
        ({"type": "content_block_delta", "delta": {"thinking": "a"}}, ["a"]),
        ({"type": "content_block_delta", "delta": {"signature": "a"}}, []),
        ({"type": "message_start", "message": {"content": [{"text": "a"}]}}, []),
        # others
        ({"candidates": [{"content": {"parts": [{"text": "a"}, {"text": "b"}]}}]}, ["a", "b"]),
        ({"model": "m", "message": {"role": "x", "content": "a"}, "done": False}, ["a"]),
        ({"model": "m", "response": "a", "done": False}, ["a"]),
        ({"event_type": "text-generation", "text": "a"}, ["a"]),
        ({"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}}, ["a"]),
        ({"content": "a", "stop": False}, ["a"]),
        ({"token": {"id": 1, "text": "a"}, "generated_text": None}, ["a"]),
        ({"type": "text-delta", "id": "0", "delta": "a"}, ["a"]),
        ({"type": "text-delta", "textDelta": "a"}, ["a"]),
        ({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "a"}, ["a"]),
        ([{"type": "AIMessageChunk", "content": "a"}], ["a"]),
        # what is whole
        ({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"text": "a"}], "delta": "a"}}, []),
        ({"text": "a"}, []),
        ({"message": {"content": "a"}}, []),
        ({"delta": ["a"]}, []),
        ([], []),
        (1, []),
        # perhaps
        ("a", ["a"]),
    ],
)
def test_pieces_are_known_by_their_place(value: object, texts: list[str]) -> None:
    assert [delta.text for delta in pieces(value)] == texts


def test_an_event_that_is_called_a_piece_is_one() -> None:
    assert [delta.text for delta in pieces({"text": "a"}, "token")] == ["a"]
    assert not pieces({"text": "a"}, "token_stop")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(0, content="a"), chat(1, content="a")),
        (chat(0, content="a"), chat(0, refusal="a")),
        (chat(0, tool_calls=[{**CALL, "index": 0}]), chat(0, tool_calls=[CALL])),
        ({"type": "x", "item_id": "i", "delta": "a"}, {"type": "x", "item_id": "j", "delta": "a"}),
        ({"type": "x", "delta": "a"}, {"type": "y", "delta": "a"}),
        ({"type": "x", "id": "0", "delta": "a"}, {"type": "x", "id": "1", "delta": "a"}),
        (
            {"index": 0, "delta": {"type": "text_delta", "text": "a"}},
            {"index": 1, "delta": {"type": "text_delta", "text": "a"}},
        ),
    ],
)
def test_two_texts_are_told_apart(one: object, other: object) -> None:
    assert pieces(one)[0].name != pieces(other)[0].name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(0, content="a"), {**chat(0, role="x", content="b"), "id": "d", "usage": {}}),
        (
            chat(0, tool_calls=[CALL]),
            chat(0, tool_calls=[{"index": 1, "function": {"arguments": "b"}}]),
        ),
        (
            {"choices": [{"index": 1, "delta": {"content": "a"}}]},
            {"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "a"}}]},
        ),
    ],
)
def test_one_text_has_one_name(one: object, other: object) -> None:
    assert pieces(one)[0].name == pieces(other)[0].name


@pytest.mark.parametrize(
    ("delta", "value", "ends"),
    [
        (chat(0, content="a"), {"choices": [{"index": 0, "finish_reason": "stop"}]}, True),
        (chat(0, content="a"), {"choices": [{"index": 1, "finish_reason": "stop"}]}, False),
        (chat(0, content="a"), {"choices": [{"index": 0, "finish_reason": None}]}, False),
        (chat(0, content="a"), {"choices": [{"finish_reason": ["x"]}]}, True),
        ({"index": 0, "delta": "a"}, {"type": "content_block_stop", "index": 0}, True),
        ({"index": 0, "delta": "a"}, {"type": "content_block_stop", "index": 1}, False),
        ({"delta": "a"}, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, True),
        ({"item_id": "i", "delta": "a"}, {"type": "response.x.done", "item_id": "i"}, True),
        ({"item_id": "i", "delta": "a"}, {"type": "response.x.done", "item_id": "j"}, False),
        ({"item_id": "i", "delta": "a"}, {"type": "response.completed"}, True),
        ({"messageId": "i", "delta": "a"}, {"type": "TEXT_MESSAGE_END", "messageId": "i"}, True),
        ({"type": "x", "id": "i", "delta": "a"}, {"type": "text-end", "id": "j"}, False),
        ({"delta": "a"}, {"contentBlockIndex": 0, "type": "contentBlockStop"}, True),
        ({"done": False, "response": "a"}, {"done": True}, True),
        ({"delta": "a"}, {"type": "ping"}, False),
        ({"delta": "a"}, {"type": "APPEND", "done": {}}, True),
        ({"delta": "a"}, {"type": "APPEND"}, False),
        ({"delta": "a"}, ["done"], False),
    ],
)
def test_an_ending_ends_what_it_names(delta: object, value: object, *, ends: bool) -> None:
    ids = pieces(delta)[0].ids

    assert any(ended(ids, by) for by in endings(value, "")) is ends


def test_a_piece_of_its_own_repeats_nothing_that_is_added_up() -> None:
    value = {**chat(0, role="assistant", content="x", tool_calls=[CALL]), "usage": {"a": 1}}
    path = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")

    assert lone(value, path, "rest") == {
        "id": "c",
        "choices": [
            {
                "index": 0,
                "finish_reason": None,
                "delta": {
                    "tool_calls": [
                        {"index": 1, "type": "function", "function": {"arguments": "rest"}}
                    ]
                },
            }
        ],
    }


def test_a_path_that_leads_nowhere_is_none() -> None:
    assert lone({"a": 1}, ("a", 0, "b"), "rest") == {"a": "rest"}
    assert not list(deltas('{"a": {"delta": "x"}, "a": 1}', {"a": 1}, ""))
    deep: Any = "x"
    for _ in range(40):
        deep = {"delta": deep}
    assert not pieces(deep)


@pytest.mark.parametrize(
    ("event", "fragment"),
    [
        *(("", False), ("message", False), ("endpoint", False)),
        *(("token", True), ("text-delta", True), ("done", False), ("chunk_end", False)),
    ],
)
def test_mere_text_is_a_piece_where_it_is_called_one(event: str, *, fragment: bool) -> None:
    assert is_fragment(event) is fragment
