from ipaddress import ip_network

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.address import LOOPBACK, Cidr, Host, Port, bind_host


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("0:0:0::1", "::1"),
        ("localhost", "localhost"),
        ("Agent.Example.COM", "agent.example.com"),
        ("my_agent", "my_agent"),
        ("1password.com", "1password.com"),
        ("a" * 63, "a" * 63),
    ],
)
def test_host_has_one_spelling(text: str, value: str) -> None:
    assert TypeAdapter(Host).validate_python(text) == value


@pytest.mark.parametrize(
    "text",
    [
        # binds or resolves to something else than it seems
        *("", "0", "127.1", "0x7f.1", "2130706433", "1.2.3", "a.0x7f", "017700000001"),
        # more than a host
        *("[::1]", "localhost:3000", "http://agent", "a/b", "user@host"),
        # no name at all
        *("*", "*.example.com", "a b", "-a", "a-", "a..b", ".", "a.", "ä.example", "a\n", "a" * 64),
        ".".join(["a" * 60] * 5),
    ],
)
def test_host_is_an_address_or_a_name(text: str) -> None:
    with pytest.raises(ValidationError, match="must be an IP address or a host name"):
        TypeAdapter(Host).validate_python(text)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "::1/128", "192.168.1.5", "0.0.0.0/0"])
def test_network_is_read(text: str) -> None:
    assert TypeAdapter(Cidr).validate_python(text) == ip_network(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.1/8", "has bits set beyond the prefix"),
        ("10.0.0.0/33", "such as 10.0.0.0/8"),
        ("", "such as 10.0.0.0/8"),
        ("localhost", "such as 10.0.0.0/8"),
        (167772160, "quote it"),
        (None, "quote it"),
    ],
)
def test_anything_else_is_no_network(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Cidr).validate_python(value)


@pytest.mark.parametrize(("value", "valid"), [(0, 1), (65535, 1), (-1, 0), (65536, 0), (True, 0)])
def test_port_is_in_range(value: object, valid: int) -> None:
    try:
        TypeAdapter(Port).validate_python(value, strict=True)
    except ValidationError:
        assert not valid
    else:
        assert valid


def test_loopback_is_both_families() -> None:
    assert [str(network) for network in LOOPBACK] == ["127.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    "text", ["", "0", "127.1", "0.0.0.0", "::ffff:0.0.0.0", "localhost", "lan"]
)
def test_what_a_listener_binds_is_left_to_layer_one_to_judge(text: str) -> None:
    assert bind_host(text) == text
