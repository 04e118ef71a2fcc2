"""Labelled cases: texts of tools, scanners and models with secrets in them, and texts without.

Each goes through layer 5 as a document, and as a stream: as it arrives, whole, and byte by byte. A
case is passed where all of these are.
"""

import json
from collections.abc import Iterator, Sequence

import pytest
from doubles import frames, grant
from labelled import rows
from leaks import Row, judge, told, wrong

from proxy.decision import Allow
from proxy.exchange import Content, Document, Raw, Stream
from proxy.protection.redactor import Redactor
from proxy.values import Headers, Json

pytestmark = pytest.mark.slow

TEXT = Headers((("content-type", "text/plain; charset=utf-8"),))
JSON = Headers((("content-type", "application/json"),))
EVENTS = Headers((("content-type", "text/event-stream"),))


async def shown(redactor: Redactor, content: Content) -> Json:
    """What a client would see: the value of a document, or the text of a stream."""
    decision = await redactor.redact(Raw(grant(), content))
    assert isinstance(decision, Allow)
    clean = decision.value.content
    if isinstance(clean, Document):
        return clean.value
    assert isinstance(clean, Stream)
    return b"".join([frame.data async for frame in clean.frames]).decode()


async def streamed(redactor: Redactor, headers: Headers, pieces: Sequence[bytes]) -> str:
    text = await shown(redactor, Stream(200, headers, frames(*pieces)))
    assert isinstance(text, str)
    return text


def cuts(row: Row) -> Iterator[Sequence[bytes]]:
    """The text in one piece, as it arrives, and byte by byte."""
    pieces = [piece.encode() for piece in row.get("chunks") or [row["text"]]]
    whole = b"".join(pieces)
    yield [whole]
    yield pieces
    yield [whole[at : at + 1] for at in range(len(whole))]


async def problems(redactor: Redactor, row: Row) -> list[str]:
    """What is wrong with a row, in any of the ways in which it may go out."""
    events = row["tier"].startswith("sse")
    texts = [await streamed(redactor, EVENTS if events else TEXT, each) for each in cuts(row)]
    if events:
        return [why for text in texts if (why := wrong(row, told(text)))]
    for name in ("result", "stdout"):
        value = await shown(redactor, Document({name: row["text"]}))
        assert isinstance(value, dict)
        texts.append(str(value[name]))
    cut = ["it depends on the pieces"] if len({*texts[:3]}) > 1 else []
    return [*(why for text in texts if (why := wrong(row, text))), *cut]


async def test_secrets_are_not_left_and_nothing_else_is_altered() -> None:
    found, plain, failed = rows("secrets.json.gz"), Redactor(()), dict[str, str]()
    for row in found:
        redactor = Redactor(row["register"]) if row.get("register") else plain
        if why := await problems(redactor, row):
            failed[row["id"]] = why[0]

    judge(found, failed)


async def test_what_was_json_is_json() -> None:
    redactor, broken = Redactor(()), []
    for row in rows("secrets.json.gz"):
        try:
            json.loads(row["text"])
        except ValueError:
            continue
        for headers in (TEXT, JSON):
            text = await streamed(redactor, headers, [row["text"].encode()])
            try:
                json.loads(text)
            except ValueError:
                broken.append(f"{row['id']}: {text}")

    assert not broken, "\n".join(broken)
