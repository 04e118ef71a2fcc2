"""Where a request comes from."""

import ipaddress
from dataclasses import FrozenInstanceError

import pytest

from proxy.origin import Connection, Forwarded


def test_what_is_known_of_a_client_cannot_be_changed() -> None:
    address = ipaddress.ip_address("192.0.2.1")
    for made in (Connection(address), Forwarded(address, "https", "sidegate.example")):
        with pytest.raises(FrozenInstanceError):
            made.address = None  # type: ignore[misc]


def test_behind_a_unix_socket_there_is_a_user_and_no_address() -> None:
    ends = Connection(None, uid=1000)

    assert (ends.address, ends.local, ends.uid) == (None, None, 1000)
