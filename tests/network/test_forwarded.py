"""Who the client is behind a proxy. In the tables, clients are 198.51.100.x, proxies 10.x."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import labelled
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Listener
from proxy.network.forwarded import forwarded, is_trusted, parse_address
from proxy.origin import Address, Forwarded
from proxy.values import Headers

Fields = tuple[tuple[str, str], ...]

PROXY = ip_address("10.0.0.1")
NETWORKS = tuple(ip_network(each) for each in ("10.0.0.0/8", "fd00::/8"))
OURS = frozenset({"agent.example", "a.example", "[2001:db8::1]"})
LISTENER = Listener("gateway", None, OURS, proxies=NETWORKS)
CLIENT = "198.51.100.7"


def stated(*fields: tuple[str, str], address: Address = PROXY, by: Listener = LISTENER) -> object:
    return forwarded(by, address, Headers(fields))


def client(*fields: tuple[str, str], address: Address = PROXY, by: Listener = LISTENER) -> object:
    """The client's address, as text."""
    found = forwarded(by, address, Headers(fields))
    return str(found.address) if found else None


def listed(*values: str) -> Fields:
    return tuple(("X-Forwarded-For", value) for value in values)


def elements(*values: str) -> Fields:
    return tuple(("Forwarded", value) for value in values)


# Whom to believe


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        *(("10.0.0.1", True), ("10.255.255.255", True), ("::ffff:10.1.2.3", True)),
        *(("fd00::1", True), ("11.0.0.1", False), ("::ffff:11.0.0.1", False)),
        *(("127.0.0.1", False), ("::1", False), ("fe80::1", False), ("::10.0.0.1", False)),
    ],
)
def test_a_proxy_is_trusted_by_its_address(address: str, *, trusted: bool) -> None:
    assert is_trusted(LISTENER, ip_address(address)) is trusted


def test_nobody_is_trusted_unless_named() -> None:
    assert not is_trusted(Listener("gateway", None, None), ip_address("127.0.0.1"))
    assert not is_trusted(LISTENER, None)


EVERY: Fields = (
    *listed(CLIENT),
    *elements(f"for={CLIENT};proto=https"),
    *(("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example")),
    *(("X-Real-IP", CLIENT), ("CF-Connecting-IP", CLIENT), ("X_Forwarded_For", CLIENT)),
)


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.0.1", "::1", "::ffff:8.8.8.8"])
@pytest.mark.parametrize("header", [None, "cf-connecting-ip", "x-forwarded-for"])
def test_who_is_no_proxy_of_ours_is_not_believed(address: str, header: str | None) -> None:
    by = replace(LISTENER, client_header=header)

    assert stated(*EVERY, address=ip_address(address), by=by) is None


def test_who_says_nothing_has_nothing_to_believe() -> None:
    assert stated() is None
    assert stated(("X-Real-IP", CLIENT), ("CF-Connecting-IP", CLIENT)) is None
    assert stated(("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example")) is None


# X-Forwarded-For, from right to left

WALKS = [
    (CLIENT, CLIENT),
    (f" \t{CLIENT}\t ", CLIENT),
    (f"203.0.113.9, {CLIENT}", CLIENT),
    (f"127.0.0.1, {CLIENT}", CLIENT),
    (f"garbage, {CLIENT}", CLIENT),
    (f"10.0.0.9, {CLIENT}", CLIENT),
    (f"{CLIENT}, 10.0.0.2", CLIENT),
    (f"{CLIENT}, 10.0.0.2, fd00::5, ::ffff:10.0.0.3", CLIENT),
    (f"203.0.113.9, {CLIENT}, 10.0.0.2", CLIENT),
    (f"{CLIENT}:4711, 10.0.0.2:80", CLIENT),
    ("2001:db8::7, 10.0.0.2", "2001:db8::7"),
    ("[2001:db8::7]:443, [fd00::2]", "2001:db8::7"),
    ("::ffff:198.51.100.7", CLIENT),
    ("127.0.0.1", "127.0.0.1"),
    ("0.0.0.0", "0.0.0.0"),
    # what cannot be read ends the walk at the last hop that could
    (f"{CLIENT}, garbage", None),
    (f"{CLIENT},", None),
    (f"{CLIENT}, unknown", None),
    (f"{CLIENT}, _hidden", None),
    (f"{CLIENT}, garbage, 10.0.0.2", "10.0.0.2"),
    (f"{CLIENT}, , 10.0.0.2", "10.0.0.2"),
    (f"{CLIENT}, garbage, 10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ("", None),
    (",", None),
    ("for=198.51.100.7", None),
    ('"198.51.100.7"', None),
]


@pytest.mark.parametrize(("value", "found"), WALKS)
def test_the_first_that_is_no_proxy_is_the_client(value: str, found: str | None) -> None:
    assert client(*listed(value)) == found


@pytest.mark.parametrize(("value", "found"), WALKS)
def test_lines_are_one_list(value: str, found: str | None) -> None:
    assert client(*listed(*value.split(","))) == found


def test_nobody_is_asked_about_more_than_twenty_hops() -> None:
    hops = ", ".join([f"10.1.0.{number}" for number in range(19, 0, -1)])
    assert client(*listed(f"{CLIENT}, {hops}")) == CLIENT

    assert client(*listed(f"{CLIENT}, 10.1.0.20, {hops}")) == "10.1.0.20"
    assert client(*listed(f"{CLIENT}, 10.1.0.21, 10.1.0.20, {hops}")) == "10.1.0.20"


def test_a_long_list_is_not_read_to_its_beginning() -> None:
    assert client(*listed(*["x," * 4000] * 100, CLIENT)) == CLIENT


# Forwarded

ELEMENTS = [
    (f"for={CLIENT}", CLIENT),
    (f"For={CLIENT}", CLIENT),
    (f'for="{CLIENT}:4711"', CLIENT),
    ('for="[2001:db8::7]"', "2001:db8::7"),
    ('for="[2001:db8::7]:4711"', "2001:db8::7"),
    (f'for="{CLIENT[0]}\\{CLIENT[1:]}"', CLIENT),
    (f"for={CLIENT};proto=https;by=10.0.0.1", CLIENT),
    (f"proto=https; host=a.example ; for={CLIENT}", CLIENT),
    (f"for=203.0.113.9, for={CLIENT}", CLIENT),
    (f"for={CLIENT}, for=10.0.0.2", CLIENT),
    (f'for={CLIENT}, for="[fd00::2]";proto=http', CLIENT),
    (f"for=unknown, for={CLIENT}, for=10.0.0.2", CLIENT),
    (f'for="a,b;c", for={CLIENT}', CLIENT),
    (f';;for="{CLIENT}";', CLIENT),
    # what cannot be read
    (f"for={CLIENT}, for=unknown", None),
    (f"for={CLIENT}, for=_hidden", None),
    (f"for={CLIENT}, for=_hidden, for=10.0.0.2", "10.0.0.2"),
    (f"for={CLIENT}, proto=https", None),
    (f"for={CLIENT},", None),
    ("for=", None),
    ('for=""', None),
    (f"for={CLIENT}:4711", None),  # a colon must be quoted
    ("for=[2001:db8::7]", None),
    ('for="2001:db8::7"', None),  # and IPv6 be in brackets
    (f"for = {CLIENT}", None),
    (f"for={CLIENT};for={CLIENT}", None),
    (f'for="{CLIENT}', None),
    (f'", for={CLIENT}', None),
    (f'for={CLIENT};host="', None),
    (f"for={CLIENT} for=10.0.0.2", None),
    (CLIENT, None),
    ("x" * 5000 + f"=1, for={CLIENT}", None),
    ("", None),
]


@pytest.mark.parametrize(("value", "found"), ELEMENTS)
def test_the_standard_header_is_read_as_it_is_written(value: str, found: str | None) -> None:
    assert client(*elements(value)) == found


def test_a_line_that_is_none_ends_the_walk() -> None:
    assert client(*elements('for="', f"for={CLIENT}")) == CLIENT
    assert client(*elements(f"for={CLIENT}", 'for="', "for=10.0.0.2")) == "10.0.0.2"


@pytest.mark.parametrize(
    ("listed_value", "element", "found"),
    [
        (CLIENT, f"for={CLIENT}", CLIENT),
        (f"203.0.113.9, {CLIENT}", f"for={CLIENT}, for=10.0.0.2", CLIENT),
        (f"::ffff:{CLIENT}", f"for={CLIENT}", CLIENT),
        (CLIENT, "for=203.0.113.9", None),
        (CLIENT, "for=unknown", None),
        (CLIENT, 'for="', None),
        (CLIENT, "", None),
        ("garbage", f"for={CLIENT}", None),
        ("", f"for={CLIENT}", None),
    ],
)
def test_two_headers_are_believed_only_where_they_agree(
    listed_value: str, element: str, found: str | None
) -> None:
    """One of them may be the client's own, which the proxy only passed on."""
    assert client(*listed(listed_value), *elements(element)) == found


# What else a proxy says


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        *(("https", "https"), ("HTTPS", "https"), ("http", "http"), ("", "http")),
        *(("ftp", "http"), ("https, http", "http"), ("https ", "http"), ("javascript", "http")),
    ],
)
def test_the_scheme_is_one_of_two(value: str, scheme: str) -> None:
    found = stated(*listed(CLIENT), ("X-Forwarded-Proto", value))

    assert found == Forwarded(ip_address(CLIENT), scheme, "")


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("agent.example", "agent.example"),
        ("Agent.example:8443", "Agent.example:8443"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        *(
            (each, "")
            for each in ("", "a@b", "a/b", "a b", "a,b", "a:port", "http://a", "a\r\nX: y")
        ),
        # Many proxies pass on what the client itself wrote here.
        *(
            (each, "")
            for each in ("evil.example", "127.0.0.1", "agent.example.evil", "x.agent.example")
        ),
    ],
)
def test_the_host_is_one(value: str, host: str) -> None:
    found = stated(*listed(CLIENT), ("X-Forwarded-Host", value))

    assert found == Forwarded(ip_address(CLIENT), "http", host)


def test_what_is_said_twice_is_not_said() -> None:
    twice = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example")] * 2

    assert stated(*listed(CLIENT), *twice) == Forwarded(ip_address(CLIENT), "http", "")


def test_scheme_and_host_are_those_of_the_clients_own_element() -> None:
    value = f"for=203.0.113.9;proto=http, for={CLIENT};proto=https;host=a.example, for=10.0.0.2"

    assert stated(*elements(value)) == Forwarded(ip_address(CLIENT), "https", "a.example")


def test_what_a_client_says_of_itself_beside_the_list_is_not_used() -> None:
    own = elements(f"for={CLIENT};proto=https;host=evil.example")

    assert stated(*listed(CLIENT), *own) == Forwarded(ip_address(CLIENT), "http", "")


# One header, of a tunnel's provider


@pytest.mark.parametrize(
    ("header", "fields", "found"),
    [
        ("cf-connecting-ip", (("CF-Connecting-IP", CLIENT),), CLIENT),
        (
            "cf-connecting-ip",
            (("CF-Connecting-IP", "2001:db8::7"), *listed("8.8.8.8")),
            "2001:db8::7",
        ),
        ("cf-connecting-ip", listed(CLIENT), None),
        ("cf-connecting-ip", (*elements(f"for={CLIENT}"), *listed(CLIENT)), None),
        ("cf-connecting-ip", (("CF-Connecting-IP", "garbage"), *listed(CLIENT)), None),
        ("x-forwarded-for", listed(CLIENT), CLIENT),
        ("x-forwarded-for", listed(f"203.0.113.9, {CLIENT}"), CLIENT),
        ("x-forwarded-for", listed("203.0.113.9", CLIENT), CLIENT),
        # no walk: the right-most is the one that the provider added, whoever it is
        ("x-forwarded-for", listed(f"{CLIENT}, 10.0.0.2"), "10.0.0.2"),
        ("x-forwarded-for", listed(f"{CLIENT}, "), None),
        ("x-forwarded-for", (*listed(CLIENT), *elements("for=203.0.113.9")), CLIENT),
        ("x-forwarded-for", (), None),
    ],
)
def test_a_header_that_is_named_is_the_only_one(
    header: str, fields: Fields, found: str | None
) -> None:
    assert client(*fields, by=replace(LISTENER, client_header=header)) == found


# Addresses


def test_addresses_are_read_as_zeroclaw_reads_them() -> None:
    cases = labelled.rows("zeroclaw.json.gz")
    assert isinstance(cases, dict)
    for row in cases["parse_client_ip"]:
        found = parse_address(row["input"])
        expected = ip_address(row["result"]) if row["result"] else None
        mapped = getattr(expected, "ipv4_mapped", None)
        assert found == (mapped or expected), row["input"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.-4",
        ),
        *("01.2.3.4", "1.2.3.04", "0x7f.0.0.1", "127.1", "2130706433", "1.2.3.4/8", "1.2.3.4 5"),
        *(
            "1.2.3.4:",
            "1.2.3.4:65536",
            "1.2.3.4:123456",
            "1.2.3.4:-1",
            "1.2.3.4:x",
            "1.2.3.4:80:80",
        ),
        *("[1.2.3.4]", "[::1", "::1]", "[]", "[::1]80", "[::1]:", "[::1]:65536", "[[::1]]"),
        *("fe80::1%eth0", "[fe80::1%25eth0]", "::1::", ":::", "12345::", "1:2:3:4:5:6:7:8:9"),
        *('"1.2.3.4"', "for=1.2.3.4", "1.2.3.4,5.6.7.8", "1.2.3.4\n", "\u0661.2.3.4", "1。2。3。4"),
        "1" * 100,
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    assert parse_address(text) is None


@given(st.ip_addresses(v=4), st.none() | st.integers(0, 65535))
def test_every_address_is_read_back(address: Address, port: int | None) -> None:
    assert parse_address(f"{address}" if port is None else f"{address}:{port}") == address


@given(st.ip_addresses(v=6), st.none() | st.integers(0, 65535))
def test_every_longer_address_is_read_back(address: Address, port: int | None) -> None:
    meant = getattr(address, "ipv4_mapped", None) or address

    for text in (f"{address}", f"[{address}]") if port is None else (f"[{address}]:{port}",):
        assert parse_address(f" {text}\t") == meant


ENTRY = st.one_of(
    st.sampled_from([CLIENT, "10.0.0.2", "fd00::2", "unknown", "", "for=1", '"', "10.0.0.3:80"]),
    st.text(max_size=10),
)


@given(st.lists(ENTRY, max_size=30), st.lists(ENTRY, max_size=5))
def test_nothing_a_client_writes_reaches_past_the_proxys_entry(
    before: list[str], lines: list[str]
) -> None:
    """Whatever stands left of what the proxy added, the client is who the proxy saw."""
    mess = ", ".join(before)

    assert client(*listed(*lines, f"{mess}, 203.0.113.9")) == "203.0.113.9"
    assert client(*elements(*lines, "for=203.0.113.9")) == "203.0.113.9"


@given(st.text(), st.text())
def test_anything_is_a_client_or_nobody(some: str, other: str) -> None:
    for fields in (listed(some), elements(other), (*listed(some), *elements(other))):
        found = forwarded(LISTENER, PROXY, Headers(fields))
        assert found is None or (found.scheme in ("http", "https") and found.host.isascii())
