"""What a model's pieces repeat beside themselves."""

import json
from typing import Any

import pytest
from cleaners import SECRET, Double, M

from proxy.protection.channels import Channels, Event
from proxy.protection.logprobs import without_logprobs

TOLD = {"content": [{"token": "zz_", "bytes": [122, 122], "top_logprobs": [{"token": "a"}]}]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        *(("{}", "{}"), ("[1, 2]", "[1, 2]"), ('"logprobs"', '"logprobs"')),
        ('{"logprobs": null, "a":  1}', '{"logprobs": null, "a":  1}'),
        ('{"logprobs": 5}', '{"logprobs": 5}'),
        ('{"logprobs": [], "a":  1}', '{"logprobs": null, "a":  1}'),
        ('{"a": [{"logprobs":{"b": [{}]}}, 2]}', '{"a": [{"logprobs":null}, 2]}'),
        ('{"logprobs":[1],"b":{"logprobs":{}}}', '{"logprobs":null,"b":{"logprobs":null}}'),
        ('{"logprobs":{"logprobs":{}},"b":1}', '{"logprobs":null,"b":1}'),
        ('{"a": "logprobs", "b": [1]}', '{"a": "logprobs", "b": [1]}'),
    ],
)
def test_they_are_null_and_all_else_stays(data: str, expected: str) -> None:
    assert without_logprobs(data) == expected


@pytest.mark.parametrize(
    "shape",
    [
        {"choices": [{"index": 0, "delta": {"content": "$"}, "logprobs": TOLD}]},
        {"type": "response.output_text.delta", "item_id": "i", "delta": "$", "logprobs": [TOLD]},
    ],
)
def test_no_secret_is_shown_in_them(shape: dict[str, Any]) -> None:
    channels = Channels(Double())
    pieces = ["say ", SECRET[:5], SECRET[5:], " end "]
    data = [json.dumps(shape).replace("$", piece).replace('zz_"', f'{piece}"') for piece in pieces]
    shown = [each.data for text in data for each in channels.scrub(Event("", text))]

    assert M in "".join(shown)
    assert "5678" not in "".join(shown)
    assert "bytes" not in "".join(shown)


def test_a_message_that_is_whole_keeps_them() -> None:
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"logprobs": TOLD}})

    assert list(Channels(Double()).scrub(Event("", data))) == [Event("", data)]
