"""Texts over many events, each scrubbed as one."""

import json
from typing import Any

import pytest
from cleaners import SECRET, Double, M

from proxy.decision import Denied
from proxy.protection.channels import MAX_CHANNELS, MAX_KEPT, Channels, Event
from proxy.reasons import Reason


def shown(*data: str | dict[str, Any], name: str = "") -> list[Event]:
    """What comes out of these events, and of the end."""
    channels = Channels(Double())
    texts = [each if isinstance(each, str) else json.dumps(each) for each in data]
    events = [event for text in texts for event in channels.scrub(Event(name, text))]
    return [*events, *channels.end()]


def deltas(events: list[Event]) -> list[str]:
    return [json.loads(event.data)["delta"] for event in events if "delta" in event.data]


def test_a_secret_over_events_is_masked_and_the_rest_kept() -> None:
    events = shown(*({"delta": text} for text in ["say z", "z_1234", "5678", " now", ""]))

    assert deltas(events) == ["say ", "", "", f"{M} ", "", "now"]


@pytest.mark.parametrize(
    "end", ["[DONE]", " [DONE] ", '{"type": "message_stop"}', '{"type":"x.done"}']
)
def test_what_is_held_back_goes_out_before_the_end(end: str) -> None:
    events = shown({"delta": "zz_1234"}, {"delta": "5678"}, end)

    assert [*map(json.loads, (event.data for event in events[:3]))] == [
        *({"delta": ""}, {"delta": ""}, {"delta": M})
    ]
    assert events[3:] == [Event("", end)]


def test_an_end_with_a_piece_of_its_own_needs_no_other_event() -> None:
    events = shown({"response": "zz_1234", "done": False}, {"response": "5678", "done": True})

    assert [json.loads(event.data)["response"] for event in events] == ["", M]


def test_two_texts_that_interleave_stay_two() -> None:
    data = [{"index": at % 2, "delta": text} for at, text in enumerate(["zz_12", "a b", "345678"])]
    events = [json.loads(event.data) for event in shown(*data)]

    assert [(each["index"], each["delta"]) for each in events] == [
        *((0, ""), (1, "a "), (0, ""), (0, M), (1, "b"))
    ]


def test_one_text_twice_in_an_event_is_one() -> None:
    data = '{"delta": "zz_1234", "done": true, "delta": "5678"}'

    assert [event.data for event in shown(data)] == [
        f'{{"delta": "", "done": true, "delta": "{M}"}}'
    ]


def test_what_is_around_a_piece_is_walked() -> None:
    events = shown({"delta": "x ", "password": "abc def", SECRET: "zz_abcdefgh"})

    assert [json.loads(event.data) for event in events] == [{"delta": "x ", "password": M, M: M}]


def test_one_more_event_holds_no_other_secret() -> None:
    events = shown({"model": SECRET, "id": "i", "delta": "a"}, "[DONE]")

    assert json.loads(events[1].data) == {"model": M, "id": "i", "delta": "a"}


def test_a_text_of_bare_events_is_one_where_they_are_called_pieces() -> None:
    events = shown("zz_1234", "5678", "\nend ", " of it all", "[DONE]", name="token")

    assert "".join(event.data for event in events) == f"{M}\nend  of it all[DONE]"


def test_bare_events_of_no_name_stay_as_they_are() -> None:
    assert [event.data for event in shown("1", "2", "ping", SECRET)] == ["1", "2", "ping", M]


def test_strings_of_json_stay_such() -> None:
    said = ["say zz_1234", "5678", '"\n', "a b c d", "zz_12", "345678"]
    events = shown(*map(json.dumps, said), name="token")
    texts = [json.loads(event.data) for event in events]

    assert "".join(texts) == f'say {M}"\na b c d{M}'
    assert len(texts) == len(said) + 1  # what was held back at the end


def test_events_of_other_names_are_whole() -> None:
    assert shown("/messages?id=1", name="endpoint") == [Event("endpoint", "/messages?id=1")]
    assert shown(f"{SECRET} is it", name="log") == [Event("log", f"{M} is it")]


def test_a_character_in_two_pieces_of_bytes_stays_one() -> None:
    text = "ü🦀日 " * 700

    assert "".join(deltas(shown({"delta": text}, {"delta": text}))) == text * 2


@pytest.mark.parametrize(
    "data",
    [
        [{"index": at, "delta": "a"} for at in range(MAX_CHANNELS + 1)],
        [{"id": "a" * 128, "k" * MAX_KEPT: {"delta": "a"}}],
        [{"choices": [{"index": at, "finish_reason": "x"} for at in range(MAX_CHANNELS + 1)]}],
    ],
)
def test_too_many_texts_are_refused(data: list[dict[str, Any]]) -> None:
    with pytest.raises(Denied) as caught:
        shown(*data)

    assert caught.value.reason is Reason.UPSTREAM_UNREADABLE


def test_texts_that_have_ended_do_not_count() -> None:
    data = [{"index": at, "delta": "a", "done": True} for at in range(MAX_CHANNELS * 2)]

    assert len(shown(*data)) == len(data)
