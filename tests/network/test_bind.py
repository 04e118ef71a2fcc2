import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address

import pytest
import yaml

from proxy.config import loader
from proxy.config.model import Config
from proxy.network.bind import Binding, bindings, is_local, resolve, unmapped, unsafe
from proxy.origin import Address


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
    *("127.0.0.2", "0177.0.0.1", "017700000001", "127.0.0.01", "0:0:0:0:0:0:0:1", "::01"),
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


def bound(host: str) -> str | None:
    """Where the system puts a socket that is bound to `host` itself; None where it does not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as ends:
        try:
            ends.bind((host, 0))
        except OSError:
            return None
        return str(ends.getsockname()[0])


@pytest.mark.parametrize("host", [*PUBLIC, *LOCAL])
def test_what_is_judged_is_what_the_system_would_bind(host: str) -> None:
    found = bound(host)

    if found is None:
        assert host not in {"0.0.0.0", "::", "", "0", "0x0", "127.0.0.1", "localhost"}
    else:
        assert unmapped(ip_address(found.partition("%")[0])) in resolve(host)


@pytest.mark.parametrize("host", [*PUBLIC, *LOCAL])
@pytest.mark.parametrize("by", ["127.0.0.1", own_address()])
def test_what_is_local_nobody_else_reaches(host: str, by: str) -> None:
    """On real sockets, by an address that only we have and by one that others see too."""
    for address in resolve(host):
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET) as ends:
            try:
                ends.bind((str(address), 0))
            except OSError:  # an address of another machine
                continue
            ends.listen()
            reached = _reaches(by, ends.getsockname()[1])
        outside = not is_local(ip_address(by))
        assert not (outside and reached and is_local(address))
        if str(address) == "0.0.0.0":
            assert reached


def _reaches(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as ends:
        ends.settimeout(2)
        return ends.connect_ex((address, port)) == 0


def test_a_name_is_judged_by_every_address_that_it_has() -> None:
    """Ours may be loopback on one machine and public on another: the resolver says which."""
    name = socket.gethostname()
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        pytest.skip(f"nobody knows {name}")
    local = [is_local(ip_address(str(each).partition("%")[0])) for each in found]

    assert Binding("gateway", resolve(name), 3000).public is not all(local)


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
        Binding("admin", (ip_address("127.0.0.1"),), 3001),
        Binding("metrics", (ip_address("127.0.0.1"),), 9464),
    )


@pytest.mark.parametrize("listener", ["gateway", "admin", "metrics"])
@pytest.mark.parametrize("host", PUBLIC)
def test_public_bind_is_refused_with_the_key_to_set(listener: str, host: str) -> None:
    (sentence,) = told(config(**{listener: {"host": host}}))

    assert f"{listener}.host" in sentence
    assert f"{listener}.allow_public_bind: true" in sentence


@pytest.mark.parametrize("listener", ["gateway", "admin", "metrics"])
@pytest.mark.parametrize("host", PUBLIC)
def test_public_bind_that_is_allowed_is_served(listener: str, host: str) -> None:
    assert told(config(**{listener: {"host": host, "allow_public_bind": True}})) == []


@pytest.mark.parametrize("listener", ["gateway", "admin", "metrics"])
@pytest.mark.parametrize("host", LOCAL)
def test_local_bind_needs_no_permission(listener: str, host: str) -> None:
    assert told(config(**{listener: {"host": host}})) == []


def test_permission_of_one_listener_is_none_for_the_other() -> None:
    gateway = {"host": "0.0.0.0", "allow_public_bind": True}
    (sentence,) = told(config(gateway=gateway, metrics={"host": "0.0.0.0"}))

    assert sentence.startswith("metrics.host")


def test_every_reason_is_told_at_once() -> None:
    sections = {"gateway": {"host": "0.0.0.0"}, "metrics": {"host": "::"}, "admin": {"host": "0"}}
    sentences = told(config(**sections))

    assert [sentence.partition(".")[0] for sentence in sentences] == ["admin", "gateway", "metrics"]


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


# Behind a tunnel, which has a listener of its own


TUNNEL = {"provider": "cloudflare"}
EXTERNAL = {
    "provider": "custom",
    "mode": "external",
    "public_url": "https://agent.example",
    "port": 4000,
}
HERE = (ip_address("127.0.0.1"),)


@pytest.mark.parametrize("tunnel", [TUNNEL, EXTERNAL], ids=["managed", "external"])
def test_a_tunnel_has_a_listener_beside_the_others(tunnel: dict[str, object]) -> None:
    found = bindings(config(tunnel=tunnel))

    assert [binding.name for binding in found] == ["gateway", "admin", "metrics", "tunnel"]
    assert found[-1] == Binding("tunnel", HERE, tunnel.get("port", 0))  # type: ignore[arg-type]
    assert told(config(tunnel=tunnel)) == []


def test_without_a_tunnel_it_has_none() -> None:
    names = {binding.name for binding in bindings(config(tunnel={"host": "0.0.0.0"}))}

    assert names == {"gateway", "admin", "metrics"}
    assert told(config(tunnel={"host": "0.0.0.0"})) == []


@pytest.mark.parametrize("host", PUBLIC)
def test_behind_a_tunnel_a_public_gateway_is_bound_here_and_that_is_told(host: str) -> None:
    made = config(gateway={"host": host, "port": 3100}, tunnel=TUNNEL)
    gateway = bindings(made)[0]

    assert (gateway.name, gateway.addresses, gateway.port) == ("gateway", HERE, 3100)
    assert not gateway.public
    assert "gateway.allow_public_bind: true" in gateway.note
    assert told(made) == []


@pytest.mark.parametrize("host", LOCAL)
def test_behind_a_tunnel_a_local_gateway_is_bound_where_it_says(host: str) -> None:
    with_tunnel = bindings(config(gateway={"host": host}, tunnel=TUNNEL))
    without = bindings(config(gateway={"host": host}))

    assert with_tunnel[:3] == without
    assert [binding.note for binding in with_tunnel] == [""] * 4


@pytest.mark.parametrize("host", PUBLIC)
def test_behind_a_tunnel_a_gateway_that_may_be_public_is(host: str) -> None:
    made = config(gateway={"host": host, "allow_public_bind": True}, tunnel=TUNNEL)
    gateway = bindings(made)[0]

    assert gateway == Binding("gateway", resolve(host), 3000)
    assert gateway.public
    assert told(made) == []


def test_a_tunnel_moves_the_gateway_alone() -> None:
    names = ("gateway", "admin", "metrics")
    made = config(**{name: {"host": "0.0.0.0"} for name in names}, tunnel=TUNNEL)

    assert {binding.name for binding in bindings(made) if binding.public} == {"admin", "metrics"}
    assert [sentence.partition(".")[0] for sentence in told(made)] == ["admin", "metrics"]


@pytest.mark.parametrize("host", PUBLIC)
def test_the_tunnel_s_own_listener_needs_permission_to_be_public(host: str) -> None:
    (sentence,) = told(config(tunnel={**TUNNEL, "host": host}))

    assert sentence.startswith("tunnel.host")
    assert "tunnel.allow_public_bind: true" in sentence
    assert told(config(tunnel={**TUNNEL, "host": host, "allow_public_bind": True})) == []


def test_permission_of_the_gateway_is_none_for_the_tunnel() -> None:
    gateway = {"host": "0.0.0.0", "allow_public_bind": True}
    (sentence,) = told(config(gateway=gateway, tunnel={**TUNNEL, "host": "0.0.0.0"}))

    assert sentence.startswith("tunnel.host")


@pytest.mark.parametrize("tunnel", [TUNNEL, EXTERNAL], ids=["managed", "external"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_agent_is_never_open_to_the_internet(tunnel: dict[str, object], host: str) -> None:
    section = {"host": host, "require_pairing": False}
    (sentence,) = told(config(gateway=section, tunnel=tunnel))

    assert "gateway.require_pairing" in sentence
    assert "tunnel.provider to none" in sentence


def test_without_pairing_network_and_tunnel_are_two_reasons() -> None:
    section = {"host": "0.0.0.0", "allow_public_bind": True, "require_pairing": False}
    sentences = told(config(gateway=section, tunnel=TUNNEL))

    assert ["tunnel.provider" in sentence for sentence in sentences] == [False, True]


def test_without_pairing_the_operator_s_listener_may_be_public_all_the_same() -> None:
    """It asks for an operator's token whatever the gateway asks for."""
    admin = {"host": "0.0.0.0", "allow_public_bind": True}

    assert told(config(gateway={"require_pairing": False}, admin=admin)) == []


@pytest.mark.parametrize(
    ("sections", "told_of"),
    [
        ({}, False),
        ({"gateway": {"host": "0.0.0.0", "allow_public_bind": True}}, True),
        ({"tunnel": {"provider": "cloudflare"}}, True),
        ({"admin": {"host": "0.0.0.0", "allow_public_bind": True}}, False),
    ],
    ids=str,
)
def test_rules_are_never_only_observed_where_strangers_come(
    sections: Mapping[str, Mapping[str, object]],
    *,
    told_of: bool,
) -> None:
    observing = {"mode": "observe", "until": "2999-01-01"}

    assert told(config(**sections, autonomy={})) == []
    sentences = told(config(**sections, autonomy=observing))
    assert ["autonomy.mode" in sentence for sentence in sentences] == [True] * told_of
