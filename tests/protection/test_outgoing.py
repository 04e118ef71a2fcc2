"""Secrets in what goes up."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from placing import PATTERN, outgoing

from proxy.actions import Relay, Upgrade, Upload
from proxy.decision import Allow, Denied, Deny, Malformed
from proxy.duplex import Closing, Socket, SocketEvent
from proxy.reasons import Reason
from proxy.values import Headers

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
FOUND = Deny(Reason.SECRET_IN_REQUEST)
UNREADABLE = Deny(Reason.REQUEST_UNREADABLE)


def relay(body: bytes = b"", kind: str = JSON, target: str = "/api", **fields: str) -> Relay:
    named = {"Content-Type": kind, **{key.replace("_", "-"): each for key, each in fields.items()}}
    return Relay("POST", target, Headers(tuple(named.items())), body)


def upload(*pieces: bytes, kind: str = JSON) -> Relay:
    async def coming() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return replace(relay(kind=kind), upload=Upload(sum(map(len, pieces)), coming()))


async def masked(given: Relay, *, words: bool = False) -> Relay:
    done = await outgoing(refuses=False).relay(given, words=words)
    assert isinstance(done, Allow)
    return done.value


BODIES = [
    (JSON, json.dumps({"a": [1.50, f"is {PATTERN}"], "b": None})),
    ("application/problem+json; charset=UTF-8", json.dumps([PATTERN])),
    (FORM, f"a=1&text=it+is+{PATTERN}&b=%20"),
    ("text/plain", f"it is {PATTERN}\n"),
    ("", f"it is {PATTERN}"),
    ("application/octet-stream", f"it is {PATTERN}\n"),
]


@pytest.mark.parametrize(("kind", "body"), BODIES)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_body_is_masked_or_refused(kind: str, body: str, *, streamed: bool) -> None:
    data = body.encode()
    halves = data[:30], data[30:]
    given = upload(*halves, kind=kind) if streamed else relay(data, kind)
    again = upload(*halves, kind=kind) if streamed else relay(data, kind)

    assert await outgoing(refuses=True).relay(given) == FOUND
    done = await masked(again)
    shown = done.body
    if done.upload is not None:
        shown = b"".join([piece async for piece in done.upload.pieces])
    assert PATTERN.encode() not in shown
    assert b"REDACTED" in shown
    if "json" in kind:
        json.loads(shown)


async def test_what_holds_no_secret_goes_on_to_the_byte() -> None:
    for given in (
        relay(b' { "a":1.0,"b" : "\\u00e9" }', target="/x?a=%7e&b&=c&a=%zz"),
        relay(b"\xff\xfe\x00", "image/png"),
        replace(relay(), upgrade=Upgrade()),
        relay(),
    ):
        for refuses in (True, False):
            assert await outgoing(refuses=refuses).relay(given) == Allow(given)


async def test_an_empty_body_is_left_as_it_is() -> None:
    given = upload(kind="text/plain; charset=utf-16")

    assert await outgoing(refuses=True).relay(given) == Allow(given)


@pytest.mark.parametrize(
    "given",
    [
        relay(b"\x1f\x8b", Content_Encoding="gzip"),
        relay(b"\x1f\x8b", Content_Encoding="identity, br"),
        relay(PATTERN.encode("utf-16"), "text/plain; charset=utf-16"),
        relay(PATTERN.encode("utf-16"), 'application/json;charset="UTF-16LE"'),
    ],
)
async def test_what_cannot_be_searched_is_refused(given: Relay) -> None:
    for refuses in (True, False):
        assert await outgoing(refuses=refuses).relay(given) == UNREADABLE


async def test_a_body_that_breaks_off_is_malformed() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"{"
        raise Malformed(Reason.BODY_LATE)

    given = replace(relay(), upload=Upload(9, broken()))
    with pytest.raises(Malformed):
        await outgoing(refuses=True).relay(given)


async def test_a_query_is_masked_or_refused() -> None:
    given = relay(target=f"/api?page=1&key={PATTERN}&q=a%20b")

    assert await outgoing(refuses=True).relay(given) == FOUND
    done = await masked(given)
    assert PATTERN not in done.target
    assert done.target.startswith("/api?page=1&key=")
    assert done.target.endswith("&q=a%20b")
    assert quote(done.target, safe="/?&=%*") == done.target


async def test_what_is_changed_has_no_proof_of_what_it_was() -> None:
    proofs = {"X_Hub_Signature_256": "sha256=1", "Content_Digest": "x", "X_Other": "kept"}
    data = json.dumps({"message": PATTERN}).encode()

    changed = await masked(relay(data, JSON, **proofs))
    same = await masked(relay(b"{}", JSON, **proofs))
    assert [name for name, _ in changed.headers] == ["Content-Type", "X-Other"]
    assert len(same.headers.fields) == 4


POSTS = [
    (JSON, {"token": "verification-1234-abcd", "event": {"text": f"it is {PATTERN}", "n": 1}}),
    (JSON, {"message": {"text": PATTERN}, "token": "verification-1234-abcd"}),
    (JSON, {"data": {"options": [{"value": PATTERN}]}, "token": "verification-1234-abcd"}),
]


@pytest.mark.parametrize(("kind", "post"), POSTS)
async def test_of_a_provider_s_post_only_the_words_are_searched(
    kind: str, post: dict[str, object]
) -> None:
    """It has tokens of its own, without which the agent could not answer."""
    data = json.dumps(post).encode()
    done = await masked(relay(data, kind), words=True)

    assert PATTERN.encode() not in done.body
    assert json.loads(done.body)["token"] == "verification-1234-abcd"
    assert await outgoing(refuses=True).relay(relay(data, kind), words=True) == FOUND


async def test_of_a_form_only_the_words_are_searched() -> None:
    data = f"token=verification-1234-abcd&text=it+is+{PATTERN}&user=%FF".encode()
    done = await masked(relay(data, FORM), words=True)

    assert PATTERN.encode() not in done.body
    assert done.body.startswith(b"token=verification-1234-abcd&text=it%20is%20")
    assert done.body.endswith(b"&user=%FF")


async def test_of_a_message_of_ours_all_is_searched() -> None:
    data = json.dumps({"message": "hello", "context": {"a": PATTERN}}).encode()

    assert PATTERN.encode() not in (await masked(relay(data), words=True)).body
    assert (
        PATTERN.encode()
        not in (await masked(relay(f"no json {PATTERN}".encode()), words=True)).body
    )


async def test_large_arguments_are_searched_apart() -> None:
    value = {"text": f"{'word ' * 20_000}{PATTERN}"}

    assert await outgoing(refuses=True).value(value) == FOUND
    done = await outgoing(refuses=False).value(value)
    assert isinstance(done, Allow)
    assert PATTERN not in json.dumps(done.value)


async def test_a_message_over_a_socket_is_masked_or_ends_it() -> None:
    said: list[SocketEvent] = []

    async def send(event: SocketEvent) -> None:
        said.append(event)

    async def events() -> AsyncIterator[SocketEvent]:
        yield Closing(1000)

    socket = Socket(Headers(), events(), send)
    masking, refusing = (outgoing(refuses=each).socket(socket) for each in (False, True))
    for event in ("hello", b"\x00\xff", Closing(1000, "over")):
        await masking.send(event)
        await refusing.send(event)
    assert said == [each for each in ("hello", b"\x00\xff", Closing(1000, "over")) for _ in "ab"]
    said.clear()
    for message in (json.dumps({"a": PATTERN}), PATTERN.encode(), b"\xff" + f" {PATTERN}".encode()):
        await masking.send(message)
        with pytest.raises(Denied, match="secret-in-request"):
            await refusing.send(message)
    assert [type(each) for each in said] == [str, bytes, bytes]
    assert not any(PATTERN in str(each) for each in said)
    assert isinstance(said[0], str)
    json.loads(said[0])


async def test_what_is_masked_as_it_comes_is_counted_as_it_comes() -> None:
    done = await outgoing(refuses=False).relay(upload(PATTERN.encode(), b" x", kind="text/plain"))

    assert isinstance(done, Allow)
    assert not done.facts["masked"]
    assert done.value.upload is not None
    assert [piece async for piece in done.value.upload.pieces]
    assert done.facts["masked"] == {"github-pat": 1}
