"""Pieces of texts in events of shapes that are not listed."""

import json
from typing import Any

import pytest
from cleaners import SECRET, Double, M

from proxy.protection.channels import Channels, Event
from proxy.protection.deltas import Path
from proxy.protection.unlisted import Unlisted

TEXT = f"the key is {SECRET}, so keep it"
PIECES = [TEXT[at : at + 4] for at in range(0, len(TEXT), 4)]


def pieces(*events: dict[str, Any], name: str = "") -> list[Path]:
    """The paths of all pieces in these events."""
    unlisted = Unlisted()
    found = [unlisted.deltas(json.dumps(each), each, name, set()) for each in events]
    return [delta.path for deltas in found for delta in deltas]


def told(shape: Any, at: int, piece: str) -> Any:
    """An event of a shape with a piece in it, and its number."""
    return json.loads(json.dumps(shape).replace('"#"', str(at)).replace('"$"', json.dumps(piece)))


@pytest.mark.parametrize(
    "shape",
    [
        *({"answer": "$"}, {"output": "$"}, {"response": "$"}, {"chunk": "$"}, {"v": {"w": "$"}}),
        {"event": "message", "task_id": "t", "answer": "$", "created_at": "#"},
        {"token": {"id": "#", "text": "$"}},
        {"ops": [{"op": "add", "path": "/streamed_output/-", "value": "$"}]},
        {"n": "#", "content": "$"},
    ],
)
def test_a_secret_in_pieces_is_masked_whatever_the_shape(shape: Any) -> None:
    channels = Channels(Double())
    events = [Event("", json.dumps(told(shape, at, piece))) for at, piece in enumerate(PIECES)]
    shown = [each.data for event in events for each in channels.scrub(event)]
    shown += [each.data for each in channels.end()]
    place = next(
        name
        for name in ("answer", "output", "response", "chunk", "v", "token", "ops", "content")
        if name in shape
    )
    texts = [str(json.loads(each)[place]) for each in shown]

    assert "5678" not in "".join(texts)
    assert M in "".join(texts)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"status": "queued"}, {"status": "running"}),
        ({"msg": "listening on 80"}, {"msg": "a client came"}),
        ({"log": "one\n"}, {"log": "two\n"}),
        ({"a": " same"}, {"a": " same"}),
        ({"a": " one"}, {"b": " two"}),
        ({"a": "x " * 40}, {"a": "y " * 40}),
        ({"a": ["x"]}, {"a": {"0": " y"}}),
        (
            {"jsonrpc": "2.0", "method": "m ", "a": " b"},
            {"jsonrpc": "2.0", "method": "n", "a": "c"},
        ),
    ],
)
def test_what_does_not_come_as_pieces_is_whole(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not pieces(one, other, one, {})


def test_pieces_are_those_from_the_second_on_of_the_same_event() -> None:
    assert pieces({"a": "x"}, {"a": " y"}, {"a": "z"}) == [("a",), ("a",)]
    assert pieces({"a": "x"}, {}, {"a": " y"}) == []


def test_what_is_listed_is_no_other_piece() -> None:
    unlisted = Unlisted()
    for text in ("x", " y", " z"):
        assert not list(unlisted.deltas(json.dumps({"a": text}), {"a": text}, "", {6}))
