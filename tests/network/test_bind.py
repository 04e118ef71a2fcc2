import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address

import pytest
import yaml

from proxy.config import loader
from proxy.config.model import Config
from proxy.exchange import Address
from proxy.network.bind import Binding, bindings, is_local, resolve, unmapped, unsafe


def told(config: Config) -> list[str]:
    """Why this configuration must not be served."""
    return unsafe(config, bindings(config))


def config(**sections: Mapping[str, object]) -> Config:
    """The configuration that a file of these sections makes."""
    return loader.parse(yaml.safe_dump(sections), "sidegate.yaml", {}).config


def own_address() -> str:
    """An address of this machine that others may reach; loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ends:
        try:
            ends.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "192.168.1.5"
        return str(ends.getsockname()[0])


PUBLIC = [
    # every interface, in all its spellings
    *("0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0", "::ffff:0:0", "", "0"),
    *("0x0", "00", "0.0", "000.000.000.000"),
    # one interface that others reach
    *("192.168.1.5", "10.0.0.1", "172.17.0.1", "169.254.0.1", "8.8.8.8", "::ffff:10.0.0.1"),
    *("fd00::5", "2001:db8::1", "fe80::1", own_address()),
    # loopback to the eye only
    *("128.0.0.1", "126.255.255.255", "::127.0.0.1", "::2", "fe80::7f00:1", "64:ff9b::7f00:1"),
]
LOCAL = [
    *("127.0.0.1", "127.8.9.1", "127.255.255.255", "127.1", "0x7f000001", "2130706433"),
    *("::1", "0:0::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "localhost", "LOCALHOST"),
]


@pytest.mark.parametrize("host", PUBLIC)
def test_address_that_others_reach_is_public_however_it_is_spelled(host: str) -> None:
    addresses = resolve(host)

    assert addresses
    assert Binding("gateway", addresses, 3000).public


@pytest.mark.parametrize("host", LOCAL)
def test_loopback_is_local_however_it_is_spelled(host: str) -> None:
    addresses = resolve(host)

    assert addresses
    assert not Binding("gateway", addresses, 3000).public


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("", ["0.0.0.0", "::"]),
        ("0", ["0.0.0.0"]),
        ("::ffff:0.0.0.0", ["0.0.0.0"]),
        ("::ffff:127.0.0.1", ["127.0.0.1"]),
        ("127.1", ["127.0.0.1"]),
        ("0:0::1", ["::1"]),
    ],
)
def test_host_is_what_the_resolver_says_it_is(host: str, addresses: list[str]) -> None:
    assert resolve(host) == tuple(map(ip_address, addresses))


def test_no_address_is_bound_twice() -> None:
    addresses = resolve("localhost")

    assert len(addresses) == len(set(addresses))


def test_one_public_address_makes_a_binding_public() -> None:
    addresses = (ip_address("127.0.0.1"), ip_address("10.0.0.1"))

    assert Binding("gateway", addresses, 3000).public


@pytest.mark.parametrize(
    "host",
    [
        # none of these is asked of a name server
        pytest.param("a" * 64 + ".invalid", id="a label longer than any"),
        pytest.param("a..b", id="an empty label"),
        pytest.param(".", id="nothing but a dot"),
        pytest.param("fe80::1%no-such-interface", id="a zone that does not exist"),
        pytest.param("\ud800", id="half a character"),
    ],
)
def test_host_that_cannot_be_resolved_is_an_os_error_that_names_it(host: str) -> None:
    with pytest.raises(OSError, match=re.escape(f"the host {host!r} cannot be resolved")):
        resolve(host)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        *(("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True)),
        *(("0.0.0.0", False), ("::", False), ("::ffff:0.0.0.0", False), ("10.0.0.1", False)),
        *(("128.0.0.1", False), ("::ffff:10.0.0.1", False), ("::127.0.0.1", False)),
    ],
)
def test_only_loopback_is_local(address: str, local: bool) -> None:  # noqa: FBT001
    assert is_local(ip_address(address)) is local


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("::10.0.0.1", "::10.0.0.1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::10.0.0.1"),
    ],
)
def test_only_a_mapped_address_is_another(address: str, meant: str) -> None:
    expected: Address = ip_address(meant)

    assert unmapped(ip_address(address)) == expected


def test_default_is_safe_and_local() -> None:
    assert told(config()) == []
    assert bindings(config()) == (
        Binding("gateway", (ip_address("127.0.0.1"),), 3000),
        Binding("metrics", (ip_address("127.0.0.1"),), 9464),
    )


@pytest.mark.parametrize("listener", ["gateway", "metrics"])
@pytest.mark.parametrize("host", PUBLIC)
def test_public_bind_is_refused_with_the_key_to_set(listener: str, host: str) -> None:
    (sentence,) = told(config(**{listener: {"host": host}}))

    assert f"{listener}.host" in sentence
    assert f"{listener}.allow_public_bind: true" in sentence


@pytest.mark.parametrize("listener", ["gateway", "metrics"])
@pytest.mark.parametrize("host", PUBLIC)
def test_public_bind_that_is_allowed_is_served(listener: str, host: str) -> None:
    assert told(config(**{listener: {"host": host, "allow_public_bind": True}})) == []


@pytest.mark.parametrize("listener", ["gateway", "metrics"])
@pytest.mark.parametrize("host", LOCAL)
def test_local_bind_needs_no_permission(listener: str, host: str) -> None:
    assert told(config(**{listener: {"host": host}})) == []


def test_permission_of_one_listener_is_none_for_the_other() -> None:
    gateway = {"host": "0.0.0.0", "allow_public_bind": True}
    (sentence,) = told(config(gateway=gateway, metrics={"host": "0.0.0.0"}))

    assert sentence.startswith("metrics.host")


def test_every_reason_is_told_at_once() -> None:
    sentences = told(config(gateway={"host": "0.0.0.0"}, metrics={"host": "::"}))

    assert [sentence.partition(".")[0] for sentence in sentences] == ["gateway", "metrics"]


@pytest.mark.parametrize("host", PUBLIC)
def test_agent_is_never_open_to_the_network(host: str) -> None:
    """Not even where a public bind is allowed may everybody call without pairing."""
    section = {"host": host, "allow_public_bind": True, "require_pairing": False}
    (sentence,) = told(config(gateway=section))

    assert "gateway.require_pairing" in sentence
    assert "gateway.host to 127.0.0.1" in sentence


def test_without_pairing_a_public_bind_is_refused_for_both_reasons() -> None:
    sentences = told(config(gateway={"host": "0.0.0.0", "require_pairing": False}))

    assert ["allow_public_bind" in each for each in sentences] == [True, False]


def test_loopback_may_be_served_without_pairing() -> None:
    assert told(config(gateway={"require_pairing": False})) == []


def test_public_metrics_do_not_open_the_agent() -> None:
    metrics = {"host": "0.0.0.0", "allow_public_bind": True}

    assert told(config(gateway={"require_pairing": False}, metrics=metrics)) == []
