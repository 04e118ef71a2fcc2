"""Which codecs keep their callers waiting."""

import pytest
from doubles import inbound

from proxy.holding import EVERY_SECONDS, FIRST_SECONDS, Holding
from proxy.protocols.operator import OperationCodec
from proxy.protocols.rest import ForwardCodec, ListingCodec, ToolCodec


def test_a_tool_call_can_be_kept_waiting_and_what_is_not_a_call_cannot() -> None:
    assert isinstance(ToolCodec(), Holding)
    for codec in (ForwardCodec(), ListingCodec(), OperationCodec("status")):
        assert not isinstance(codec, Holding)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Accept": "text/event-stream"}, True),
        ({"Accept": "text/event-stream", "Prefer": "respond-async"}, False),
        ({"Accept": "application/json"}, False),
        ({"Accept": "*/*"}, False),
        ({}, False),
    ],
)
def test_only_who_asked_for_events_is_kept_waiting_by_them(
    headers: dict[str, str], *, waits: bool
) -> None:
    held = ToolCodec().held(inbound(headers=headers))

    assert (held is not None) is waits


def test_signs_of_life_come_before_clients_and_proxies_give_up() -> None:
    assert FIRST_SECONDS < 5
    assert FIRST_SECONDS < EVERY_SECONDS < 30
