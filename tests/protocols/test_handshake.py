"""The opening handshake: what asks for a WebSocket, what accepts one, and what does neither."""

import base64

import pytest
from doubles import inbound
from duplex import ACCEPT, KEY

from proxy.actions import Upgrade
from proxy.decision import Malformed
from proxy.protocols.handshake import Offer, answered, asked
from proxy.reasons import Reason
from proxy.values import Headers

Fields = tuple[tuple[str, str], ...]

ASKING = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def asking(changes: dict[str, str | None] | None = None) -> Fields:
    fields = {**ASKING, **(changes or {})}
    return tuple((name, value) for name, value in fields.items() if value is not None)


def offered(*names: str) -> dict[str, str | None]:
    return {"Sec-WebSocket-Protocol": ", ".join(names)}


@pytest.mark.parametrize(
    ("changes", "protocols"),
    [
        ({}, ()),
        ({"Upgrade": "WebSocket", "Connection": "keep-alive, UPGRADE"}, ()),
        ({"Content-Length": "0"}, ()),
        (offered("chat"), ("chat",)),
        (offered("v2.chat", "v1.chat"), ("v2.chat", "v1.chat")),
        ({"Sec-WebSocket-Extensions": "permessage-deflate"}, ()),
    ],
)
def test_a_handshake_is_read(changes: dict[str, str | None], protocols: tuple[str, ...]) -> None:
    assert asked(inbound(headers=asking(changes))) == Upgrade(protocols)


def test_subprotocols_may_come_in_many_lines() -> None:
    lines = (("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b, c"))

    assert asked(inbound(headers=(*asking(), *lines))) == Upgrade(("a", "b", "c"))


@pytest.mark.parametrize(
    ("changes", "method", "version"),
    [
        pytest.param({"Upgrade": None}, "GET", (1, 1), id="none is asked for"),
        pytest.param({"Upgrade": "h2c"}, "GET", (1, 1), id="another protocol"),
        pytest.param({"Upgrade": "websocket/13"}, "GET", (1, 1), id="a version of it"),
        pytest.param({}, "POST", (1, 1), id="another method"),
        pytest.param({}, "GET", (1, 0), id="an old HTTP, in which it means nothing"),
    ],
)
def test_what_asks_for_none_is_a_plain_request(
    changes: dict[str, str | None], method: str, version: tuple[int, int]
) -> None:
    request = inbound(headers=asking(changes), method=method, version=version)

    assert asked(request) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Upgrade": "h2c, websocket"}, id="one protocol or another"),
        pytest.param({"Connection": None}, id="no connection option"),
        pytest.param({"Connection": "close"}, id="another connection option"),
        pytest.param({"Connection": "not-upgrade"}, id="one that ends alike"),
        pytest.param({"Sec-WebSocket-Version": None}, id="no version"),
        pytest.param({"Sec-WebSocket-Version": "8"}, id="an old version"),
        pytest.param({"Sec-WebSocket-Version": "13, 8"}, id="two versions"),
        pytest.param({"Sec-WebSocket-Key": None}, id="no key"),
        pytest.param({"Sec-WebSocket-Key": ""}, id="an empty key"),
        pytest.param({"Sec-WebSocket-Key": "AAAA"}, id="a short key"),
        pytest.param({"Sec-WebSocket-Key": base64.b64encode(b"x" * 17).decode()}, id="a long key"),
        pytest.param({"Sec-WebSocket-Key": KEY[:-2] + "!="}, id="a key that is no base64"),
        pytest.param({"Sec-WebSocket-Key": KEY[:8] + "\n" + KEY[8:]}, id="a key with more in it"),
        pytest.param({"Content-Length": "5"}, id="a body"),
        pytest.param({"Transfer-Encoding": "chunked"}, id="a body of any length"),
        pytest.param(offered(""), id="an empty subprotocol"),
        pytest.param(offered("a", "", "b"), id="an empty subprotocol among others"),
        pytest.param(offered("a", "a"), id="a subprotocol twice"),
        pytest.param(offered("a b"), id="a subprotocol of two words"),
        pytest.param(offered("a;b"), id="a subprotocol that is no token"),
    ],
)
def test_an_ill_formed_handshake_is_refused(changes: dict[str, str | None]) -> None:
    with pytest.raises(Malformed) as caught:
        asked(inbound(headers=asking(changes)))

    assert caught.value.reason is Reason.HANDSHAKE_MALFORMED


@pytest.mark.parametrize("name", ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Upgrade"])
def test_what_decides_is_sent_once(name: str) -> None:
    with pytest.raises(Malformed):
        asked(inbound(headers=(*asking(), (name, ASKING[name]))))


def test_the_answer_is_the_one_of_the_rfc() -> None:
    assert dict(answered(Headers(asking()))) == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": ACCEPT,
    }


def accepting(changes: dict[str, str | None] | None = None) -> Headers:
    fields = {"Upgrade": "WebSocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
    merged: dict[str, str | None] = {**fields, **(changes or {})}
    return Headers(tuple((name, value) for name, value in merged.items() if value is not None))


def test_an_offer_is_a_handshake_of_its_own() -> None:
    one, other = Offer(("a", "b")), Offer()

    assert one.key != other.key
    assert asked(inbound(headers=dict(one.fields))) == Upgrade(("a", "b"))
    assert asked(inbound(headers=dict(other.fields))) == Upgrade()
    assert one.kept(answered(Headers(tuple(one.fields.items()))))
    assert not one.kept(answered(Headers(tuple(other.fields.items()))))


@pytest.mark.parametrize(
    "changes", [{}, {"Connection": "keep-alive, upgrade"}, {"Sec-WebSocket-Protocol": "b"}]
)
def test_an_answer_that_keeps_to_the_offer(changes: dict[str, str | None]) -> None:
    assert Offer(("a", "b"), KEY).kept(accepting(changes))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Upgrade": None}, id="to nothing"),
        pytest.param({"Upgrade": "h2c"}, id="to something else"),
        pytest.param({"Connection": None}, id="not of this connection"),
        pytest.param({"Sec-WebSocket-Accept": None}, id="without a proof"),
        pytest.param({"Sec-WebSocket-Accept": KEY}, id="with a wrong proof"),
        pytest.param({"Sec-WebSocket-Extensions": "permessage-deflate"}, id="with an extension"),
        pytest.param({"Sec-WebSocket-Protocol": "c"}, id="with another subprotocol"),
        pytest.param({"Sec-WebSocket-Protocol": "a, b"}, id="with two subprotocols"),
        pytest.param({"Sec-WebSocket-Protocol": ""}, id="with an empty subprotocol"),
    ],
)
def test_an_answer_that_does_not(changes: dict[str, str | None]) -> None:
    assert not Offer(("a", "b"), KEY).kept(accepting(changes))
