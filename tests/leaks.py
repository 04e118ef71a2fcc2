"""What is left of a secret in an answer, and what a client makes of one that is a stream of events.

A row of the labelled cases `secrets.json.gz` is a text with the secrets in it (`pos`), or one that
must come back byte for byte (`neg`).
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Row = dict[str, Any]

CORE = ("provider", "tool-output", "keyed", "creddata")
"""The tiers whose recall is one figure."""

RECALL = {
    CORE: 0.9,
    ("structural",): 0.95,
    ("registered",): 1.0,
    ("encoded",): 56 / 72,
    ("chunk-split",): 1.0,
    ("sse-event", "sse-delta-split"): 1.0,
}
"""The least share of the rows of these tiers of which nothing may be left."""

ALTERED = {"core": 0.02, "hard": 0.12}
"""The greatest share of the rows without a secret that may be altered, by tier."""

_INDICES = ("index", "output_index", "content_index", "item_id")
_LEAST = 8


def of(found: Iterable[Row], kind: str, *tiers: str) -> list[Row]:
    """The rows of some tiers, of which there are any."""
    chosen = [row for row in found if row["kind"] == kind and row["tier"] in tiers]
    assert chosen
    return chosen


def judge(found: Iterable[Row], failed: Mapping[str, str]) -> None:
    """Hold all tiers to their bars. `failed`: what is wrong, by the id of a row."""
    rows = [*found]
    broken = list[str]()
    for tiers, recall in RECALL.items():
        broken += _over(of(rows, "pos", *tiers), 1 - recall, failed)
    for tier, share in ALTERED.items():
        broken += _over(of(rows, "neg", tier), share, failed)
    assert not broken, "\n".join(broken)


def _over(rows: Sequence[Row], share: float, failed: Mapping[str, str]) -> list[str]:
    """Nothing where few enough of the rows have failed; otherwise, a line for each that has."""
    lines = [
        f"{row['id']} {row['tier']}, {row['type']} ({row.get('form')}): {failed[row['id']]}"
        for row in rows
        if row["id"] in failed
    ]
    return [f"of {len(rows)}:", *lines] if len(lines) > share * len(rows) else []


def left(text: str, secrets: Iterable[str]) -> str | None:
    """A part of a secret that is there: eight of its characters in a row, or half of them.

    A secret of fewer than eight counts as a whole.
    """
    return next((part for secret in secrets for part in _parts(secret) if part in text), None)


def _parts(secret: str) -> Iterator[str]:
    size = min(len(secret), max(_LEAST, len(secret) // 2))
    return (secret[at : at + size] for at in range(len(secret) - size + 1))


def wrong(row: Row, shown: str) -> str | None:
    """What is not as it should be of a row that was shown so; None: nothing."""
    if row["kind"] == "pos":
        part = left(shown, row["secrets"])
        return None if part is None else f"{part!r} is left"
    return None if shown == row["text"] else f"became {shown!r}"


def told(stream: str) -> str:
    """All that a client reads in server-sent events: each alone, and what they add up to."""
    texts, seen = defaultdict[Any, str](str), []
    for name, data in _events(stream):
        seen.append(data)
        try:
            value = json.loads(data)
        except ValueError:
            texts[name] += data
            continue
        place = tuple(value.get(each) for each in _INDICES) if isinstance(value, dict) else ()
        for path, leaf in _leaves(value):
            texts[name, place, path] += leaf
    return "\n".join([*seen, *texts.values()])


def _events(stream: str) -> Iterator[tuple[str, str]]:
    name, lines = "", list[str]()
    for line in re.split("\r\n|\r|\n", stream):
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            lines.append(value.removeprefix(" "))
        elif not line:
            if lines:
                yield name, "\n".join(lines)
            name, lines = "", []


def _leaves(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _leaves(member, (*path, key))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _leaves(member, (*path, place))
