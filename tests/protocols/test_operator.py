"""The operator's requests: what may be said of a credential, and who is shown one."""

import json
from dataclasses import replace

import pytest
from doubles import LargeBody, UnreadBody, frames, inbound

from proxy.actions import Action, Operate, Question
from proxy.decision import Malformed
from proxy.exchange import Answer, Clean, Codec, Document, Inbound, Stream
from proxy.protocols.operator import (
    MAX_LIFETIME,
    LinkCodec,
    MintCodec,
    OperationCodec,
    PairCodec,
    QuestionCodec,
    RotateCodec,
    Wish,
)
from proxy.reasons import Reason
from proxy.scope import UNBOUND, Autonomy, Minting, Scope
from proxy.values import Headers, Json

JSON = {"Content-Type": "application/json"}
MINT = MintCodec("tokens.create")
MINTS = [pytest.param(MINT, id="mint"), pytest.param(LinkCodec("links.create"), id="link")]
NO_NAMES: list[object] = ["a b", "a/b", "ä", "x" * 65, "a\n", None, 1, []]
NO_PATHS: list[object] = ["", "a", "*", "/a*", "/a/../b", "//a", "/a%20", "/a?b", "/**", 1, None]
NO_TOOLS: list[object] = ["", "**", ".b", "*a", "a*b", "a b", "a/b", 1, None]
NO_LISTS: list[object] = ["/a", {"/a": 1}, 1, True]
NO_LEVELS: list[object] = ["Full", "root", "", 1, [], True]
NO_TIMES: list[object] = [0, -1, MAX_LIFETIME + 1, "60", [], True, 10**400]


def post(wish: object, *, headers: dict[str, str] | None = None) -> Inbound:
    body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
    return inbound(method="POST", body=body, headers=JSON if headers is None else headers)


async def minting(wish: object, codec: MintCodec = MINT) -> Minting | None:
    action = await codec.parse(post(wish))
    assert isinstance(action, Operate)
    assert action.detail is None or isinstance(action.detail, Minting)
    return action.detail


async def refused(codec: Codec, request: Inbound) -> Malformed:
    with pytest.raises(Malformed) as caught:
        await codec.parse(request)
    return caught.value


def shown(answer: Answer) -> Json:
    assert isinstance(answer.body, bytes)
    value: Json = json.loads(answer.body)
    return value


# Operations


@pytest.mark.parametrize(
    ("codec", "capture", "action"),
    [
        (OperationCodec("health"), None, Operate("health")),
        (OperationCodec("tokens.revoke"), "a1b2", Operate("tokens.revoke", "a1b2")),
        (OperationCodec("tokens.revoke"), "../status", Operate("tokens.revoke", "../status")),
        (PairCodec("pair"), None, Operate("pair")),
        (PairCodec("pair-operator"), None, Operate("pair-operator")),
    ],
)
async def test_operation_reads_no_body(codec: Codec, capture: str | None, action: Action) -> None:
    request = replace(inbound(capture=capture), body=UnreadBody())

    assert await codec.parse(request) == action


@pytest.mark.parametrize("value", [None, True, 1, "ä", [1, "a"], {"a": {"b": []}}])
def test_what_an_operation_answers_is_shown_as_it_is(value: Json) -> None:
    answer = OperationCodec("status").render(inbound(), Clean(Document(value, 503)))

    assert (answer.status, shown(answer)) == (503, value)


# Wishes


@pytest.mark.parametrize("codec", MINTS)
@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
async def test_who_says_nothing_wishes_nothing(codec: MintCodec, headers: dict[str, str]) -> None:
    request = replace(post(b"", headers=headers), capture="a1b2")

    assert await codec.parse(request) == Operate(codec.verb, "a1b2", Minting())


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, Minting()),
        ({"name": "laptop-1_a.b"}, Minting("laptop-1_a.b")),
        ({"name": "x" * 64}, Minting("x" * 64)),
        ({"name": ""}, Minting()),
        ({"routes": ["/tools/*", "/webhook"]}, Minting(scope=Scope(("/tools/*", "/webhook")))),
        ({"routes": ["/*"]}, Minting(scope=Scope(("/*",)))),
        ({"tools": ["file_*", "a.b", "*"]}, Minting(scope=Scope(None, ("file_*", "a.b", "*")))),
        ({"level": "readonly"}, Minting(scope=Scope(level=Autonomy.READONLY))),
        ({"expires_in": 60}, Minting(lifetime=60)),
        ({"expires_in": 0.5}, Minting(lifetime=0.5)),
        ({"expires_in": MAX_LIFETIME}, Minting(lifetime=MAX_LIFETIME)),
        (
            {"name": "a", "routes": ["/a"], "tools": ["b"], "level": "full", "expires_in": 9},
            Minting("a", Scope(("/a",), ("b",), Autonomy.FULL), 9),
        ),
        # null is as good as unsaid, and nothing at all is not
        ({"routes": None, "tools": None, "level": None, "expires_in": None}, Minting()),
        ({"routes": [], "tools": []}, Minting(scope=Scope((), ()))),
    ],
    ids=str,
)
async def test_a_wish_becomes_what_the_token_will_be(wish: object, expected: Minting) -> None:
    assert await minting(wish) == expected


async def test_an_empty_list_is_nothing_and_not_everything() -> None:
    wished = await minting({"routes": [], "tools": []})

    assert wished is not None
    assert wished.scope != UNBOUND
    assert not wished.scope.covers_route("/a")
    assert not wished.scope.covers_tool("a")


@pytest.mark.parametrize("codec", MINTS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        # not a plain name
        *(("name", name) for name in NO_NAMES),
        # paths that are none, or that no route of ours has
        *(("routes", [path]) for path in NO_PATHS),
        *(("routes", routes) for routes in NO_LISTS),
        # tools that are none
        *(("tools", [tool]) for tool in NO_TOOLS),
        *(("tools", tools) for tools in NO_LISTS),
        *(("level", level) for level in NO_LEVELS),
        # no time at all, no time before now, and none for ever after
        *(("expires_in", time) for time in NO_TIMES),
        # what is not known could be meant as a bound
        *((key, "client") for key in ("role", "label", "scope", "lifetime", "id", "Name")),
    ],
)
async def test_any_other_wish_is_refused_whole(codec: MintCodec, key: str, value: object) -> None:
    malformed = await refused(codec, post({key: value}))

    assert malformed.reason is Reason.ARGUMENTS_INVALID
    assert malformed.evidence == f"not accepted: {key}"


async def test_all_that_is_wrong_is_named_and_none_of_its_values() -> None:
    malformed = await refused(MINT, post({"name": "s3cret !", "level": "s3cret", "routes": []}))

    assert malformed.evidence == "not accepted: name, level"


@pytest.mark.parametrize("codec", MINTS)
@pytest.mark.parametrize(
    ("data", "headers", "reason"),
    [
        (b"{}", {}, Reason.BODY_UNTYPED),
        (b"{}", {"Content-Type": "text/plain"}, Reason.BODY_UNTYPED),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, Reason.BODY_UNTYPED),
        (b"{}", {**JSON, "Content-Encoding": "gzip"}, Reason.BODY_UNTYPED),
        (b" ", JSON, Reason.BODY_MALFORMED),
        (b"null", JSON, Reason.BODY_MALFORMED),
        (b"[]", JSON, Reason.BODY_MALFORMED),
        (b'"name"', JSON, Reason.BODY_MALFORMED),
        (b'{"name":"a","name":"b"}', JSON, Reason.BODY_MALFORMED),
        (b'{"expires_in":NaN}', JSON, Reason.BODY_MALFORMED),
        (b'{"expires_in":Infinity}', JSON, Reason.BODY_MALFORMED),
    ],
)
async def test_a_body_that_is_no_wish_is_refused(
    codec: MintCodec, data: bytes, headers: dict[str, str], reason: Reason
) -> None:
    assert (await refused(codec, post(data, headers=headers))).reason is reason


async def test_a_wish_past_the_limit_is_too_large() -> None:
    request = replace(post(b""), body=LargeBody())

    assert (await refused(MINT, request)).reason is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize("key", ["routes", "tools", "level", "expires_in"])
async def test_a_bound_that_an_operator_s_link_cannot_have_is_refused(key: str) -> None:
    """Taken in silence it would look like protection, and the operator be unbound."""
    value = {"routes": ["/a"], "tools": ["a"], "level": "readonly", "expires_in": 60}[key]

    malformed = await refused(LinkCodec("links.create"), post({key: value}))

    assert malformed.reason is Reason.ARGUMENTS_INVALID


async def test_a_bound_that_a_rotated_token_does_not_get_is_refused() -> None:
    """It keeps its own, whatever is said."""
    request = replace(post({"level": "readonly"}), capture="a1b2")

    assert (await refused(RotateCodec("tokens.rotate"), request)).reason is Reason.ARGUMENTS_INVALID


def test_a_wish_is_read_from_what_the_command_line_collected() -> None:
    wish = Wish.model_validate({"routes": ("/a",), "level": Autonomy.READONLY})

    assert wish.minting == Minting(scope=Scope(("/a",), level=Autonomy.READONLY))


async def test_a_question_is_what_was_asked() -> None:
    asked: dict[str, Json] = {"tool": "shell", "arguments": {"command": "ls"}}

    assert await QuestionCodec("explain").parse(post(asked)) == Operate(
        "explain", "", Question(asked)
    )


@pytest.mark.parametrize("codec", [MINT, LinkCodec("links.create"), RotateCodec("tokens.rotate")])
def test_a_body_means_the_same_whichever_way_it_came(codec: MintCodec) -> None:
    """The command line hands it in where nobody serves."""
    assert codec.operation("a1b2", {}).subject == "a1b2"
    with pytest.raises(Malformed):
        codec.operation("a1b2", {"level": "readonly", "role": "operator"})


# Credentials


@pytest.mark.parametrize("verb", ["pair", "pair-operator"])
def test_pairing_shows_the_token_once(verb: str) -> None:
    answer = PairCodec(verb).render(inbound(), Clean(Document({}), issued="zc_1"))

    assert shown(answer) == {"paired": True, "persisted": True, "token": "zc_1"}
    assert answer.headers.get("Cache-Control") == "no-store"


def test_a_token_that_was_made_stands_beside_its_id() -> None:
    answer = MINT.render(inbound(), Clean(Document({"id": "a1b2"}), issued="zc_1"))

    assert shown(answer) == {"id": "a1b2", "token": "zc_1"}
    assert answer.headers.get("Cache-Control") == "no-store"


def test_a_code_has_no_token_beside_it() -> None:
    codec = MintCodec("pairing-codes.create")
    answer = codec.render(inbound(), Clean(Document({"code": "123456"})))

    assert shown(answer) == {"code": "123456"}


def test_a_link_is_called_one() -> None:
    clean = Clean(Document({"url": "http://127.0.0.1:3001"}), issued="0f" * 16)
    answer = LinkCodec("links.create").render(inbound(), clean)

    assert shown(answer) == {"url": "http://127.0.0.1:3001", "link": "0f" * 16}
    assert answer.headers.get("Cache-Control") == "no-store"


def test_what_makes_no_credential_shows_none() -> None:
    codec = OperationCodec("status")
    document = codec.render(inbound(), Clean(Document({"a": 1}), issued="zc_1"))
    stream = codec.render(
        inbound(), Clean(Stream(200, Headers((("A", "b"),)), frames(b"x")), issued="zc_1")
    )

    assert "zc_1" not in repr((document, stream))
