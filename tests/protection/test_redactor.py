"""Layer 5 as a whole: what may be sent of a raw answer."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from doubles import CLIENT, OPERATOR, frames, grant, value
from duplex import FakeAgent
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Allow, Denied
from proxy.duplex import Closing, Socket, SocketEvent
from proxy.exchange import Clean, Content, Document, Frame, Principal, Raw, Stream
from proxy.protection.compiled import Rules
from proxy.protection.masks import Masks
from proxy.protection.redactor import Redactor
from proxy.protection.rule import Rule
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

M = "*[REDACTED]"
HELD = ("held-value-1", "first line of it\nsecond line of it", 'quo"ted\\välue')
PRESENTED = "presented-token-1234"
OWN_TOKEN = "zc_" + "0123456789abcdef" * 4
REDACTOR = Redactor(HELD)


async def redact(content: Content, principal: Principal = CLIENT) -> Clean:
    decision = await REDACTOR.redact(Raw(grant(principal=principal), content))
    assert isinstance(decision, Allow)
    return decision.value


async def document(content: Json, principal: Principal = CLIENT) -> object:
    return value(await redact(Document(content), principal))


async def document_of(content: Document, principal: Principal) -> object:
    return value(await redact(content, principal))


def stream(*pieces: bytes, kind: str = "text/plain") -> Stream:
    return Stream(200, Headers((("Content-Type", kind),)), frames(*pieces))


async def drained(clean: Clean) -> dict[str, bytes]:
    """The text of each channel."""
    assert isinstance(clean.content, Stream)
    texts: dict[str, bytes] = {}
    async for frame in clean.content.frames:
        assert frame.data
        texts[frame.channel] = texts.get(frame.channel, b"") + frame.data
    return texts


async def text_of(content: Stream, principal: Principal = CLIENT) -> str:
    return (await drained(await redact(content, principal))).get("body", b"").decode()


# Documents


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        # strings, wherever they are
        ("token=kQ7vLm4Tr8wZ", f"token={M}"),
        (["a", "token=kQ7vLm4Tr8wZ"], ["a", f"token={M}"]),
        ({"a": {"b": ["password: kQ7vLm4Tr8wZ"]}}, {"a": {"b": [f"password: {M}"]}}),
        ({"stdout": "TOKEN=kQ7vLm4Tr8wZ\nA=1\n"}, {"stdout": f"TOKEN={M}\nA=1\n"}),
        ({"stdout": '{"token": "kQ7vLm4Tr8wZ"}'}, {"stdout": f'{{"token": "{M}"}}'}),
        ({"token=kQ7vLm4Tr8wZ": 1}, {f"token={M}": 1}),
        # what stands under a telling key, whatever it looks like
        ({"token": "xK9mQ2vL7zT4"}, {"token": M}),
        ({"apiKey": "xK9mQ2vL7zT4wB8n"}, {"apiKey": M}),
        ({"password": 1234567890}, {"password": M}),
        ({"password": 123456.75}, {"password": M}),
        ({"password": "ünïcödé-ünïcödé-ünïcödé"}, {"password": M}),
        ({"access_token": "xK9mQ2vL7zT4wB8nR3pH"}, {"access_token": f"xK9m{M}"}),
        ({"secret": "xK9mQ2vL7zT4wB8n" * 9000}, {"secret": f"xK9m{M}"}),
        ({"tokens": ["kQ7vLm4Tr8wZ", "pX3nBd9Yc5Jf"]}, {"tokens": [M, M]}),
        ({"a": [{"password": "kQ7vLm4Tr8wZ"}]}, {"a": [{"password": M}]}),
        # what stands under one and is none
        ({"token": "", "password": "short"}, {"token": "", "password": "short"}),
        ({"token": None, "password": True}, {"token": None, "password": True}),
        ({"tokens": 5, "max_tokens": 1_000_000}, {"tokens": 5, "max_tokens": 1_000_000}),
        ({"token": {}, "secrets": []}, {"token": {}, "secrets": []}),
        ({"token": {"id": "kQ7vLm4Tr8wZ"}}, {"token": {"id": "kQ7vLm4Tr8wZ"}}),
        # registered
        ({"a": "say held-value-1"}, {"a": f"say {M}"}),
        ({"held-value-1": "a"}, {M: "a"}),
        ({"a": "first line of it\nsecond line of it"}, {"a": f"{M}\n{M}"}),
        ({"a": 'quo"ted\\välue'}, {"a": M}),
        ({"a": json.dumps({"b": 'quo"ted\\välue'})}, {"a": json.dumps({"b": M})}),
    ],
)
async def test_a_document_is_walked_and_its_structure_kept(raw: Json, clean: Json) -> None:
    assert await document(raw) == clean


@pytest.mark.parametrize(
    "content",
    [
        *(None, True, False, 0, -1, 1.5, 10**30, "", "text", [], {}, [[]], {"": ""}),
        {"a": [1, "b", None, {"c": 2.5}], "d": {"e": False}},
        "grüße 日本 🦀 \u202e \x00 \\ \"'",
        {"name": "file_read", "effect": "read", "description": "The text of a file: {path}."},
    ],
)
async def test_what_holds_no_secret_stays(content: Json) -> None:
    clean = await redact(Document(content, 201))

    assert clean.content == Document(content, 201)
    assert not clean.tally


async def test_no_member_is_lost_where_two_keys_are_masked_alike() -> None:
    """Two credentials as keys, such as a table of who paired."""
    content = {"zc_0" + "a" * 63: 1, "zc_0" + "b" * 63: 2, "held-value-1": 3}
    found = await document(content)

    assert isinstance(found, dict)
    assert sorted(found.values()) == [1, 2, 3]


async def test_half_a_character_is_shown_as_such() -> None:
    assert await document("a\ud800b") == "a\ufffd\ufffd\ufffdb"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
async def test_any_document_keeps_its_shape(content: Json) -> None:
    def shape(each: object) -> object:
        if isinstance(each, dict):
            return [shape(member) for member in each.values()]
        return [shape(item) for item in each] if isinstance(each, list) else type(each)

    assert shape(await document(content)) == shape(content)


# Streams


async def test_a_stream_keeps_its_status_and_headers() -> None:
    fields = (("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2"))
    clean = await redact(Stream(418, Headers(fields), frames(b"text")))

    assert isinstance(clean.content, Stream)
    assert (clean.content.status, clean.content.headers) == (418, Headers(fields))
    assert await drained(clean) == {"body": b"text"}


@pytest.mark.parametrize(
    ("name", "raw", "clean"),
    [
        ("X-Api-Key", "held-value-1", M),
        ("Location", "/?token=kQ7vLm4Tr8wZ", f"/?token={M}"),
        ("X-Echo", "Bearer kQ7vLm4Tr8wZ", f"Bearer {M}"),
        ("Set-Cookie", "token=kQ7vLm4Tr8wZ; Path=/", "token=kQ7vLm4Tr8wZ; Path=/"),
        ("Set-Cookie", "a=held-value-1", f"a={M}"),
        ("set-cookie", f"a={OWN_TOKEN}", f"a=zc_0{M}"),
        ("WWW-Authenticate", 'Bearer realm="x"', 'Bearer realm="x"'),
        # what the name tells of
        ("X-Auth-Token", "aB3dE6gH9kL2mN5p", M),
        ("x-api-key", "kQ7vLm4Tr8wZ", M),
        ("Authorization", "kQ7vLm4Tr8wZ", M),
        ("Authorization", "Bearer kQ7vLm4Tr8wZ", f"Bearer {M}"),
        # and what it does not
        ("X-RateLimit-Remaining-Tokens", "149984", "149984"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("ETag", '"33a64df551425fcc55e4d42a"', '"33a64df551425fcc55e4d42a"'),
        ("Vary", "Authorization, Cookie", "Authorization, Cookie"),
        ("Idempotency-Key", "8e03978e-40d5-43e8", "8e03978e-40d5-43e8"),
        ("X-Empty", "", ""),
    ],
)
async def test_headers_are_scrubbed_but_a_cookie_is_the_client_s(
    name: str, raw: str, clean: str
) -> None:
    sent = await redact(Stream(200, Headers(((name, raw),)), frames()))

    assert isinstance(sent.content, Stream)
    assert sent.content.headers == Headers(((name, clean),))
    await drained(sent)


@pytest.mark.parametrize("name", ["held-value-1", "X-held-value-1-x", OWN_TOKEN])
@pytest.mark.parametrize("value", ["", "1", "token=kQ7vLm4Tr8wZ"])
async def test_a_field_whose_name_is_a_secret_is_left_out(name: str, value: str) -> None:
    sent = await redact(Stream(200, Headers(((name, value), ("X-A", "1"))), frames()))

    assert isinstance(sent.content, Stream)
    assert sent.content.headers == Headers((("X-A", "1"),))
    await drained(sent)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"token=kQ7vLm4Tr8wZ\nheld-value-1\n"],
        [b"tok", b"en=kQ7", b"", b"vLm4Tr8wZ\nhe", b"ld-value-1", b"\n"],
        [bytes([byte]) for byte in b"token=kQ7vLm4Tr8wZ\nheld-value-1\n"],
    ],
)
async def test_a_stream_is_scrubbed_however_it_is_cut(pieces: Sequence[bytes]) -> None:
    assert await text_of(stream(*pieces)) == f"token={M}\n{M}\n"


async def test_a_large_frame_is_scrubbed_like_many_small_ones() -> None:
    line = b"x" * 4090 + b" token=kQ7vLm4Tr8wZ\n"
    whole = await text_of(stream(line * 20))

    assert whole == (f"{'x' * 4090} token={M}\n") * 20
    assert await text_of(stream(*[line] * 20)) == whole


async def test_a_line_goes_out_when_it_ends() -> None:
    more = asyncio.Event()

    async def slow() -> AsyncIterator[Frame]:
        yield Frame("body", b"data: one\n\ndata: t")
        await more.wait()
        yield Frame("body", b"wo\n\n")

    clean = await redact(Stream(200, Headers(), slow()))
    assert isinstance(clean.content, Stream)
    shown = aiter(clean.content.frames)

    assert await anext(shown) == Frame("body", b"data: one\n\ndata: ")
    more.set()
    assert await anext(shown) == Frame("body", b"two\n\n")
    with pytest.raises(StopAsyncIteration):
        await anext(shown)


async def test_two_channels_are_two_texts() -> None:
    """What is half a secret in one is not completed by the other."""

    async def both() -> AsyncIterator[Frame]:
        yield Frame("stdout", b"token=kQ7")
        yield Frame("stderr", b"held-va")
        yield Frame("stdout", b"vLm4Tr8wZ")
        yield Frame("stderr", b"lue-1 token=")
        yield Frame("stdout", b" held-va")
        yield Frame("stderr", b"short")

    clean = await redact(Stream(200, Headers(), both()))

    assert await drained(clean) == {
        "stdout": f"token={M} held-va".encode(),
        "stderr": f"{M} token=short".encode(),
    }
    assert clean.tally == {"token": 1, "held": 1}


@pytest.mark.parametrize(
    ("kind", "opaque"),
    [
        *(
            ("image/png", True),
            ("image/jpeg; q=1", True),
            ("IMAGE/GIF", True),
            (" image/webp", True),
        ),
        *(("audio/ogg", True), ("video/mp4", True), ("font/woff2", True)),
        *(("image/svg+xml", False), ("Image/SVG+xml; charset=utf-8", False), ("image/svg", False)),
        *(("text/html", False), ("application/json", False), ("text/event-stream", False)),
        *(
            ("", False),
            ("imagetext", False),
            ("x-image/png", False),
        ),
        ("text/plain; image/png", False),
    ],
)
async def test_media_that_is_no_text_passes_untouched(kind: str, *, opaque: bool) -> None:
    data = b"\x89PNG token=kQ7vLm4Tr8wZ \xff"
    clean = await redact(stream(data, kind=kind))

    assert ((await drained(clean))["body"] == data) is opaque
    assert bool(clean.tally) is not opaque


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/zip; a=b"])
async def test_of_what_is_no_text_only_what_is_held_is_masked(kind: str) -> None:
    data = f"\x01token=kQ7vLm4Tr8wZ held-value-1 {OWN_TOKEN}\xff".encode("latin-1")

    shown = (await drained(await redact(stream(data, kind=kind))))["body"]

    assert shown == f"\x01token=kQ7vLm4Tr8wZ {M} zc_0{M}\xff".encode("latin-1")


async def test_values_that_are_held_from_now_on_replace_those_before() -> None:
    redactor = Redactor(("held-value-1",))
    redactor.hold(["other-value-2"])

    assert redactor.text("held-value-1 other-value-2") == f"held-value-1 {M}"
    assert [name for _, _, name in redactor.find("held-value-1 other-value-2")] == ["held"]


async def test_rules_and_masks_may_be_given() -> None:
    rules = Rules((Rule("house-key", "hk_[0-9]{8}", keywords=("hk_",)),))
    redactor = Redactor((), rules, Masks("full", {"held": "prefix"}))

    assert redactor.text("hk_12345678") == "[REDACTED:house-key]"
    assert "house-key" in redactor.labels
    assert redactor.labels[-1] == "held"
    assert redactor.walk({"a": "hk_12345678"}) == ({"a": "[REDACTED:house-key]"}, {"house-key": 1})


@pytest.mark.parametrize("credential", [PRESENTED, OWN_TOKEN])
@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
async def test_no_caller_s_credential_comes_back_in_any_kind_of_body(
    credential: str, kind: str
) -> None:
    caller = replace(CLIENT, presented=credential)
    fields = Headers((("Content-Type", kind), ("Set-Cookie", f"a={credential}")))
    clean = await redact(Stream(200, fields, frames(credential.encode())), caller)

    assert isinstance(clean.content, Stream)
    assert credential not in str(clean.content.headers)
    assert credential.encode() not in (await drained(clean))["body"]


async def test_events_are_read_as_events() -> None:
    """A secret that a model writes piece by piece stands in no single event."""
    events = [b'data: {"delta":"held-va"}\n\n', b'data: {"delta":"lue-1"}\n\n']

    shown = await text_of(stream(*events, kind="text/event-stream; charset=utf-8"))

    assert "lue-1" not in shown
    assert "held-va" not in shown


async def test_a_body_without_a_type_is_scrubbed() -> None:
    assert await text_of(Stream(200, Headers(), frames(b"token=kQ7vLm4Tr8wZ"))) == f"token={M}"


async def test_the_tally_is_whole_once_the_stream_is_drained() -> None:
    text = (
        b"token=kQ7vLm4Tr8wZ\napi_key=kQ7vLm4Tr8wZ\nBearer kQ7vLm4Tr8wZ\nheld-value-1 held-value-1"
    )
    clean = await redact(stream(text))
    assert clean.tally == Counter()

    await drained(clean)

    assert clean.tally == {"token": 1, "api-key": 1, "bearer": 1, "held": 2}
    assert set(clean.tally) <= set(REDACTOR.labels)


async def test_a_stream_that_breaks_shows_nothing_more() -> None:
    async def broken() -> AsyncIterator[Frame]:
        yield Frame("body", b"one\ntoken=kQ7")
        raise ConnectionResetError

    clean = await redact(Stream(200, Headers(), broken()))
    assert isinstance(clean.content, Stream)
    shown = aiter(clean.content.frames)

    assert await anext(shown) == Frame("body", b"one\n")
    with pytest.raises(ConnectionResetError):
        await anext(shown)


SECRET_TEXT = b"a token=kQ7vLm4Tr8wZ held-value-1 b\nno end token=kQ7vLm4Tr8wZ"


async def ended(*pieces: bytes, error: bool = False) -> AsyncIterator[Frame]:
    """A channel in these pieces, its end, and what comes after it."""
    for piece in pieces:
        yield Frame("stdout", piece)
    if error:
        raise Denied(Layer.ISOLATION, Reason.SANDBOX_LOST)
    yield Frame("stdout", b"", final=True)
    yield Frame("result", b"{}", final=True)


async def seen(content: AsyncIterator[Frame]) -> list[Frame]:
    clean = await redact(Stream(200, Headers(), content))
    assert isinstance(clean.content, Stream)
    return [frame async for frame in clean.content.frames]


@given(st.lists(st.integers(0, len(SECRET_TEXT)), max_size=8))
async def test_the_rest_of_a_channel_comes_with_its_end_however_it_is_cut(cuts: list[int]) -> None:
    marks = [0, *sorted(cuts), len(SECRET_TEXT)]
    pieces = [SECRET_TEXT[start:end] for start, end in itertools.pairwise(marks)]

    *text, result = await seen(ended(*pieces))

    assert result == Frame("result", b"{}", final=True)
    assert [frame.final for frame in text] == [False] * (len(text) - 1) + [True]
    shown = b"".join(frame.data for frame in text).decode()
    assert shown == f"a token={M} {M} b\nno end token={M}"


async def test_what_follows_the_end_of_a_channel_is_another_text() -> None:
    async def twice() -> AsyncIterator[Frame]:
        yield Frame("stdout", b"held-va", final=True)
        yield Frame("stdout", b"lue-1", final=True)

    assert await seen(twice()) == [
        Frame("stdout", b"held-va", final=True),
        Frame("stdout", b"lue-1", final=True),
    ]


@given(st.integers(0, len(SECRET_TEXT)), st.integers(0, len(SECRET_TEXT)))
async def test_an_error_in_the_middle_shows_no_secret(cut: int, end: int) -> None:
    content = ended(SECRET_TEXT[:cut], SECRET_TEXT[cut:end], error=True)
    clean = await redact(Stream(200, Headers(), content))
    assert isinstance(clean.content, Stream)
    text = bytearray()

    async def drain(frames: AsyncIterator[Frame]) -> None:
        nonlocal text
        async for frame in frames:
            text += frame.data

    with pytest.raises(Denied):
        await drain(clean.content.frames)
    assert b"kQ7vLm" not in text
    assert b"held-value" not in text


async def test_what_the_frames_come_from_is_given_back_by_the_clean_stream_too() -> None:
    released = []
    source = Stream(200, Headers(), frames(), release=lambda: released.append(1))
    clean = await redact(source)
    assert isinstance(clean.content, Stream)
    clean.content.release()

    assert released == [1]
    await drained(clean)


# The caller's own credential


@pytest.mark.parametrize(
    "text", [PRESENTED, f"you sent {PRESENTED}!", f'{{"a": "{PRESENTED}"}}', f"x{PRESENTED}x"]
)
async def test_a_caller_s_own_credential_does_not_come_back(text: str) -> None:
    caller = replace(CLIENT, presented=PRESENTED)

    assert PRESENTED not in str(await document({"echo": text}, caller))
    assert PRESENTED not in await text_of(stream(text.encode()), caller)
    assert await document(text) == text


async def test_a_credential_that_is_presented_does_not_replace_what_is_held() -> None:
    caller = replace(CLIENT, presented=PRESENTED)

    assert await document(f"held-value-1 {PRESENTED}", caller) == f"{M} {M}"


async def test_every_caller_is_kept_from_its_own_credential() -> None:
    for number in (*range(5), 0):
        token = f"credential-number-{number:04}"
        caller = replace(CLIENT, presented=token)
        assert await document(f"<{token}>", caller) == f"<{M}>"


async def test_a_token_of_sidegate_s_is_masked_for_everybody() -> None:
    token = "zc_" + "0123456789abcdef" * 4

    assert await document(f"found {token}.") == f"found zc_0{M}."


async def test_the_credential_that_is_issued_goes_beside_the_content() -> None:
    token = OWN_TOKEN
    clean = await redact(Document({"token": token}), replace(CLIENT, issued=token))

    assert clean.issued == token
    assert value(clean) == {"token": f"zc_0{M}"}
    assert (await redact(Document({}))).issued is None
    assert token not in repr(clean)


async def test_what_goes_beside_a_document_stays_with_it() -> None:
    session = Headers((("Mcp-Session-Id", "of our own making"),))
    clean = await redact(Document({"result": {}}, 200, rpc=True, headers=session))

    assert clean.content == Document({"result": {}}, 200, rpc=True, headers=session)


# What is held, and texts of Sidegate's own


async def test_nothing_is_held_where_nothing_was_given() -> None:
    decision = await Redactor(()).redact(Raw(grant(), Document("held-value-1")))

    assert isinstance(decision, Allow)
    assert value(decision.value) == "held-value-1"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("--file=/etc/passwd", "--file=/etc/passwd"),
        ("curl -H 'Authorization: Bearer kQ7vLm4Tr8wZ'", f"curl -H 'Authorization: Bearer {M}'"),
        ("rm held-value-1", f"rm {M}"),
        ("\ud800", "\ufffd\ufffd\ufffd"),
    ],
)
def test_a_text_for_the_audit_log_is_scrubbed_whole(text: str, clean: str) -> None:
    assert REDACTOR.text(text) == clean


async def test_what_goes_on_at_the_same_time_is_kept_apart() -> None:
    async def one(number: int) -> str:
        pieces = [f"{number}: token=kQ7vL", f"m4Tr8wZ{number}\n"] * 20
        return await text_of(stream(*[piece.encode() for piece in pieces]))

    found = await asyncio.gather(*[one(number) for number in range(20)])

    assert found == [f"{number}: token={M}\n" * 20 for number in range(20)]


async def test_a_large_document_leaves_room_for_others() -> None:
    """A text full of secrets is slow to scrub; whoever else is served must not wait for it."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    serving = asyncio.create_task(others())
    await asyncio.sleep(0)
    before = turns
    found = await document("token=kQ7vLm4Tr8wZ\n" * 5000)
    serving.cancel()

    assert found == f"token={M}\n" * 5000
    assert turns - before > 10


@pytest.mark.parametrize("replayed", [False, True])
async def test_what_is_answered_from_memory_is_redacted_anew(*, replayed: bool) -> None:
    raw = Raw(grant(), Document("token=kQ7vLm4Tr8wZ"), replayed)

    decision = await REDACTOR.redact(raw)

    assert isinstance(decision, Allow)
    assert decision.value.replayed is replayed
    assert value(decision.value) == f"token={M}"
    assert decision.value.tally == Counter(token=1)


# What is for an operator, with placeholders already


async def test_of_what_is_masked_already_only_held_values_are_masked_again() -> None:
    raw: Json = {"password": "rm -rf / --all", "a": f"token=kQ7vLm4Tr8wZ held-value-1 {OWN_TOKEN}"}
    clean = {"password": "rm -rf / --all", "a": f"token=kQ7vLm4Tr8wZ {M} zc_0{M}"}

    assert await document_of(Document(raw, masked=True), OPERATOR) == clean
    streamed = replace(stream(b'{"token":"rm -rf / held-value-1"}'), masked=True)
    assert await text_of(streamed, OPERATOR) == f'{{"token":"rm -rf / {M}"}}'


async def test_what_is_for_somebody_else_is_never_taken_as_masked() -> None:
    marked = Document({"password": "rm -rf / --all"}, masked=True)

    assert await document_of(marked, CLIENT) == {"password": M}
    assert await text_of(replace(stream(b"token=kQ7vLm4Tr8wZ"), masked=True)) == f"token={M}"


# Sockets


async def said(*events: SocketEvent, principal: Principal = CLIENT) -> tuple[Clean, list[object]]:
    """What may be heard of what an agent says."""

    async def saying() -> AsyncIterator[SocketEvent]:
        for event in events:
            yield event

    headers = Headers((("X-Note", "token=kQ7vLm4Tr8wZ"), ("Sec-WebSocket-Protocol", "chat")))
    socket = replace(FakeAgent().socket, headers=headers, events=saying())
    clean = await redact(socket, principal)
    assert isinstance(clean.content, Socket)
    assert clean.content.headers.fields == (
        ("X-Note", f"token={M}"),
        ("Sec-WebSocket-Protocol", "chat"),
    )
    return clean, [event async for event in clean.content.events]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param("token=kQ7vLm4Tr8wZ ok", f"token={M} ok", id="text"),
        pytest.param('{"password": "hunter22"}', f'{{"password": "{M}"}}', id="JSON"),
        pytest.param('["held\\u002dvalue-1"]', f'["{M}"]', id="JSON in disguise"),
        pytest.param('{"password": 12345678}', f'{{"password": "{M}"}}', id="a number in JSON"),
        pytest.param(
            '{"a":1,"a":"held-value-1"}', f'{{"a":1,"a":"{M}"}}', id="JSON of two meanings"
        ),
        pytest.param('{"a":"held-value-1', f'{{"a":"{M}', id="broken JSON"),
        pytest.param('{"n": 1.50, "a":[ ]}', '{"n": 1.50, "a":[ ]}', id="JSON without any"),
        pytest.param("", "", id="nothing"),
        pytest.param(b"x held-value-1", f"x {M}".encode(), id="bytes that are text"),
        pytest.param(b'{"password":"hunter22"}', f'{{"password":"{M}"}}'.encode(), id="or JSON"),
        pytest.param(b"\xff held-value-1", b"\xff " + M.encode(), id="bytes that are none"),
    ],
)
async def test_every_message_is_scrubbed_on_its_own(
    message: str | bytes, shown: str | bytes
) -> None:
    clean, heard = await said(message, "plain", message)

    assert heard == [shown, "plain", shown]
    assert clean.tally.total() == (1 if shown == message else 3), "one is in the header"


async def test_the_reason_of_a_close_is_scrubbed() -> None:
    _, heard = await said(Closing(4000, "it was held-value-1"))

    assert heard == [Closing(4000, f"it was {M}")]


async def test_nobody_hears_their_own_credential_again() -> None:
    caller = replace(CLIENT, presented=PRESENTED)

    _, heard = await said(f"you said {PRESENTED}", principal=caller)

    assert heard == [f"you said {M}"]


async def test_a_large_message_is_scrubbed_whole() -> None:
    text = "word " * 20_000

    _, heard = await said(f"{text}held-value-1", json.dumps([text, "held-value-1"]))

    assert heard == [f"{text}{M}", json.dumps([text, M])]
