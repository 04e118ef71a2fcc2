import pytest

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender
from proxy.protocols.channels.standard import read
from proxy.values import Headers

ID = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")


@pytest.mark.parametrize("data", [b'{"test": 2432232314}', b"", b"\xff\x00", b'{"a":1,"a":2}'])
def test_any_body_is_delivered_as_it_came(data: bytes) -> None:
    assert read(data, Headers((ID,))) == Event(ID[1], (Sender(("standard",)),), data)
    assert read(data, Headers((ID,))).kept(lambda _: True) == data
    assert read(data, Headers((ID,))).kept(lambda _: False) is None


@pytest.mark.parametrize(
    "headers",
    [
        Headers(),
        Headers((ID, ID)),
        Headers((("webhook-id", ""),)),
        Headers((("webhook-id", "a b"),)),
        Headers((("webhook-id", "x" * 256),)),
        Headers((ID, ("Content-Encoding", "gzip"))),
    ],
)
def test_webhook_has_one_id_and_a_plain_body(headers: Headers) -> None:
    with pytest.raises(Malformed):
        read(b"{}", headers)
