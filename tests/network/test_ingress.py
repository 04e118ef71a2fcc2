import posixpath
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from urllib.parse import unquote

import pytest
from doubles import GATEWAY, HEALTH, inbound
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.decision import Allow, Decision, Deny, Quota
from proxy.exchange import Access, Inbound, Listener, Peer, Route
from proxy.limits import Limiter, per_minute
from proxy.network.forwarded import TUNNEL
from proxy.network.ingress import METHODS, Ingress, host_name, is_normal_path, peer_key
from proxy.origin import Connection, Forwarded
from proxy.protocols.operator import PairCodec
from proxy.reasons import Reason
from proxy.values import Headers

Fields = tuple[tuple[str, str], ...]

LOOPBACK = Peer("127.0.0.1")
PAIR = Route("pair", frozenset({"POST"}), "/pair", PairCodec("pair"), Access.CODE, limit="pair")
HOOK = replace(PAIR, name="webhook", path="/webhook", access=Access.BEARER, limit="webhook")


def connection(address: str, local: str = "127.0.0.1") -> Connection:
    return Connection(ip_address(address), ip_address(local))


def listener(*networks: str) -> Listener:
    return Listener("gateway", tuple(ip_network(each) for each in networks), frozenset())


async def admit(request: Inbound) -> Decision[Peer]:
    return await Ingress({}).admit(request)


def limited(rate: int | None) -> Ingress:
    return Ingress({"pair": per_minute("pair", rate)})


async def test_ordinary_request_is_admitted() -> None:
    assert await admit(inbound()) == Allow(LOOPBACK)


# The request line.


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_methods_in_use_are_admitted(method: str) -> None:
    assert await admit(inbound(method=method)) == Allow(LOOPBACK)


@pytest.mark.parametrize(
    "method",
    [
        *("CONNECT", "TRACE", "TRACK", "DEBUG", "PROPFIND", "LINK", "PRI", "SSTP_DUPLEX_POST"),
        *("get", "Get", "GET ", " GET", "GET\t", "", "\0", "GÉT", "GET /", "*"),
    ],
)
async def test_any_other_method_is_refused(method: str) -> None:
    assert await admit(inbound(method=method)) == Deny(Reason.METHOD_UNSUPPORTED)


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
async def test_versions_spoken_are_admitted(version: tuple[int, int]) -> None:
    assert await admit(inbound(version=version)) == Allow(LOOPBACK)


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (1, 9), (2, 0), (3, 0), (11, 1), (0, 0)])
async def test_any_other_version_is_refused(version: tuple[int, int]) -> None:
    assert await admit(inbound(version=version)) == Deny(Reason.VERSION_UNSUPPORTED)


PATHS = [
    *("/", "/health", "/tools/file_read", "/tools/github.add", "/a/", "/a/b/c"),
    *("/...", "/.well-known/x", "/a..b", "/..a", "/a.", "/~user", "/a-b_c", "/a:b@c", "/a,b=c"),
    *("/a%20b", "/%C3%A4", "/%c3%a4", "/a%3Fb", "/$&'()*+!"),
]


@pytest.mark.parametrize("path", PATHS)
async def test_path_of_one_meaning_is_admitted(path: str) -> None:
    assert await admit(inbound(path=path)) == Allow(LOOPBACK)


TARGETS = [
    pytest.param("/..", id="dots at the end"),
    pytest.param("/../etc/passwd", id="dots at the start"),
    pytest.param("/tools/../admin", id="dots between"),
    pytest.param("/tools/..", id="dots last"),
    pytest.param("/tools/.", id="one dot last"),
    pytest.param("/./tools", id="one dot first"),
    pytest.param("/%2e%2e/admin", id="dots encoded"),
    pytest.param("/%2E%2E/admin", id="dots encoded in capitals"),
    pytest.param("/.%2e/admin", id="one dot of two encoded"),
    pytest.param("/a%2eb", id="a dot encoded where it does no harm"),
    pytest.param("/tools%2fadmin", id="slash encoded"),
    pytest.param("/tools/..%2Fadmin", id="dots and an encoded slash"),
    pytest.param("/tools%5cadmin", id="backslash encoded"),
    pytest.param("/tools/..%5Cadmin", id="dots and an encoded backslash"),
    pytest.param("/tools/%00", id="NUL encoded"),
    pytest.param("/tools/x%00.json", id="NUL encoded before a suffix"),
    pytest.param("/%252e%252e/admin", id="dots encoded twice"),
    pytest.param("/tools%25", id="percent sign encoded"),
    pytest.param("//admin", id="two slashes first"),
    pytest.param("/tools//admin", id="two slashes between"),
    pytest.param("/tools//", id="two slashes last"),
    pytest.param("//evil.example/admin", id="authority after two slashes"),
    pytest.param("/health;/admin", id="semicolon"),
    pytest.param("/admin;x=y/../health", id="path parameter"),
    pytest.param("/tools\\admin", id="backslash"),
    pytest.param("\\tools", id="backslash first"),
    pytest.param("http://evil.example/health", id="absolute form"),
    pytest.param("http://localhost/health", id="absolute form of ours"),
    pytest.param("HTTP://localhost", id="absolute form without a path"),
    pytest.param("file:///etc/passwd", id="absolute form of a file"),
    pytest.param("*", id="asterisk"),
    pytest.param("evil.example:443", id="authority of CONNECT"),
    pytest.param("health", id="relative"),
    pytest.param("", id="empty"),
    pytest.param("?x=y", id="a query alone"),
    pytest.param("/health#x", id="fragment"),
    pytest.param("/health?x", id="query in the path"),
    pytest.param("/health x", id="space"),
    pytest.param("/health\t", id="tab"),
    pytest.param(" /health", id="space first"),
    pytest.param("/health\n", id="line feed last"),
    pytest.param("/health\r\nHost: evil", id="line ends"),
    pytest.param("/health\0", id="NUL"),
    pytest.param("/health\x7f", id="delete"),
    pytest.param("/\x1b[2J", id="escape"),
    pytest.param("/h\xe4lth", id="Latin-1"),
    pytest.param("/h\u2025lth", id="two dots in one character"),
    pytest.param("/\uff0e\uff0e/admin", id="full-width dots"),
    pytest.param("/\u2215admin", id="another slash"),
    pytest.param("/h\udce4lth", id="raw byte"),
    pytest.param("/%", id="percent sign alone"),
    pytest.param("/%2", id="half an encoding"),
    pytest.param("/%zz", id="no encoding at all"),
    pytest.param("/%u002e%u002e/admin", id="encoding of another kind"),
    pytest.param("/\uff05\uff12\uff45", id="full-width encoding"),
    pytest.param('/"<>^`{|}[]', id="what must be encoded"),
]


@pytest.mark.parametrize("path", TARGETS)
async def test_path_of_more_than_one_meaning_is_refused(path: str) -> None:
    assert await admit(inbound(path=path)) == Deny(Reason.TARGET_MALFORMED)


@pytest.mark.parametrize(
    "query", ["", "a=b", "a=b&c=d", "a[]=b", "x=/../y", "a=%2e%2E%00", "a;b", "?", "{}|^`<>\"'"]
)
async def test_query_is_free_within_ascii(query: str) -> None:
    assert await admit(inbound(query=query)) == Allow(LOOPBACK)


@pytest.mark.parametrize(
    "query", ["a b", "a\tb", "a#b", "a\\b", "a\r\nb", "a\n", "\0", "\x7f", "\xe4", "%", "%z0", "%2"]
)
async def test_query_that_readers_differ_on_is_refused(query: str) -> None:
    assert await admit(inbound(query=query)) == Deny(Reason.TARGET_MALFORMED)


SEGMENT = st.text("ab.%2eEfF5cC0;\\~ \0ä", max_size=6)


@given(st.one_of(st.lists(SEGMENT).map(lambda segments: "/" + "/".join(segments)), st.text()))
@example("/")
@example("/a/")
@example("/.%2e/")
def test_normal_path_has_one_meaning(path: str) -> None:
    if not is_normal_path(path):
        return
    decoded = unquote(path)

    assert path.isascii()
    assert posixpath.normpath(path) == (path.rstrip("/") or "/")
    assert decoded.count("/") == path.count("/")
    assert ".." not in decoded.split("/")
    assert "." not in decoded.split("/")
    assert not set(decoded) & {"\0", "\\", ";", "%"}


@given(st.lists(st.text("abz09-_~", min_size=1), max_size=4))
def test_plain_path_is_normal(segments: list[str]) -> None:
    assert is_normal_path("/" + "/".join(segments))


# Header fields.

SINGLE = [
    *("Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host"),
    *("Idempotency-Key", "Transfer-Encoding", "X-Idempotency-Key", "X-Pairing-Code"),
    *("X-Webhook-Secret", "Cookie", "Range", "If-Range"),
    *("X-Hub-Signature", "X-Hub-Signature-256", "X-Slack-Signature", "X-Slack-Request-Timestamp"),
    *("X-Signature-Ed25519", "X-Signature-Timestamp", "X-Telegram-Bot-Api-Secret-Token"),
    *("Webhook-Id", "Webhook-Signature", "Webhook-Timestamp"),
]
VALUES = {"Host": "localhost", "Transfer-Encoding": "chunked", "Expect": "100-continue"}


@pytest.mark.parametrize("other", [str, str.lower, str.upper], ids=["same", "lower", "upper"])
@pytest.mark.parametrize("name", SINGLE)
async def test_header_of_one_reader_each_is_refused_when_sent_twice(
    name: str, other: Callable[[str], str]
) -> None:
    value = VALUES.get(name, "1")
    fields = ((name, value), (other(name), value))

    assert await admit(inbound(headers=fields)) == Deny(Reason.HEADER_DUPLICATE)


@pytest.mark.parametrize("name", SINGLE)
async def test_header_of_one_reader_may_be_sent_once(name: str) -> None:
    assert await admit(inbound(headers={name: VALUES.get(name, "1")})) == Allow(LOOPBACK)


@pytest.mark.parametrize("name", ["Set-Cookie", "Accept", "Via", "X-Note", "Connection"])
async def test_header_that_is_a_list_may_be_sent_twice(name: str) -> None:
    assert await admit(inbound(headers=((name, "a"), (name, "b")))) == Allow(LOOPBACK)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a\r\nX-Injected: b", id="line ends"),
        pytest.param("a\nb", id="line feed"),
        pytest.param("a\n", id="line feed last"),
        pytest.param("a\rb", id="carriage return"),
        pytest.param("a\0b", id="NUL"),
        pytest.param("a\x1b[2J", id="escape"),
        pytest.param("a\x7f", id="delete"),
        pytest.param("a\x85b", id="next line of Unicode"),
        pytest.param("\xe4", id="Latin-1"),
        pytest.param("\udce4", id="raw byte"),
        pytest.param("\u2028", id="line separator"),
        pytest.param("\uff41", id="full-width letter"),
    ],
)
@pytest.mark.parametrize("name", ["X-Note", "Authorization", "Host", "X-Pairing-Code"])
async def test_header_value_that_is_not_printable_ascii_is_refused(name: str, value: str) -> None:
    assert await admit(inbound(headers={name: value})) == Deny(Reason.HEADER_MALFORMED)


@pytest.mark.parametrize("value", ["", "a b", "a\tb", " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"])
async def test_header_value_in_printable_ascii_is_admitted(value: str) -> None:
    assert await admit(inbound(headers={"X-Note": value})) == Allow(LOOPBACK)


@pytest.mark.parametrize(
    "name",
    ["", "X Note", "X-Note ", " X-Note", "X:Note", "X(Note)", "X\x00", "X\r\nY", "\xe4", "\ufffd"],
)
async def test_header_name_that_is_no_token_is_refused(name: str) -> None:
    assert await admit(inbound(headers={name: "1"})) == Deny(Reason.HEADER_MALFORMED)


@pytest.mark.parametrize(
    "coding",
    [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "identity",
        "chunked;q=1",
        "xchunked",
        "",
        " chunked",
    ],
)
async def test_a_coding_that_nobody_here_undoes_is_refused(coding: str) -> None:
    request = inbound(headers={"Transfer-Encoding": coding})

    assert await admit(request) == Deny(Reason.HEADER_MALFORMED)


@pytest.mark.parametrize(
    ("version", "decision"), [((1, 1), Allow(LOOPBACK)), ((1, 0), Deny(Reason.HEADER_MALFORMED))]
)
async def test_chunks_are_of_the_newer_version(
    version: tuple[int, int], decision: Decision[Peer]
) -> None:
    request = inbound(headers={"Transfer-Encoding": "Chunked"}, version=version)

    assert await admit(request) == decision


@pytest.mark.parametrize("expected", ["", "100-Continue"])
async def test_what_is_kept_may_be_expected(expected: str) -> None:
    assert await admit(inbound(headers={"Expect": expected})) == Allow(LOOPBACK)


@pytest.mark.parametrize("expected", ["200-ok", "100-continue, x", "100-continue;x", "x"])
async def test_what_nobody_keeps_may_not_be_expected(expected: str) -> None:
    assert await admit(inbound(headers={"Expect": expected})) == Deny(Reason.HEADER_MALFORMED)


# Host: a page that reaches loopback under a name of its own is not served.


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "LocalHost:3000", "localhost:1", "127.0.0.1", "127.0.0.1:3000"),
        *("127.8.9.1", "[::1]", "[::1]:3000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"),
        *("[::FFFF:7F00:1]:80", "localhost:65535"),
    ],
)
async def test_loopback_by_any_of_its_names_is_served(host: str) -> None:
    assert await admit(inbound(headers={"Host": host})) == Allow(LOOPBACK)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("", id="empty"),
        pytest.param("evil.example", id="another name"),
        pytest.param("evil.example:3000", id="another name with our port"),
        pytest.param("localhost.evil.example", id="our name in front of another"),
        pytest.param("127.0.0.1.evil.example", id="our address in front of another"),
        pytest.param("evil-localhost", id="our name behind another"),
        pytest.param("localhost.", id="trailing dot"),
        pytest.param("localhost.:3000", id="trailing dot and port"),
        pytest.param("127.0.0.1.", id="address with a trailing dot"),
        pytest.param("user@localhost", id="user before us"),
        pytest.param("localhost@evil.example", id="us as a user of another"),
        pytest.param("user:pass@localhost:3000", id="user and password"),
        pytest.param("localhost,evil.example", id="list"),
        pytest.param("localhost evil.example", id="space"),
        pytest.param(" localhost", id="space first"),
        pytest.param("localhost\t", id="tab last"),
        pytest.param("localhost/health", id="path"),
        pytest.param("http://localhost", id="URL"),
        pytest.param("localhost#", id="fragment"),
        pytest.param("localhost:", id="port left out"),
        pytest.param("localhost:x", id="port that is no number"),
        pytest.param("localhost:123456", id="port too long"),
        pytest.param("localhost:80:80", id="two ports"),
        pytest.param("localhost:-1", id="port below zero"),
        pytest.param("::1", id="IPv6 without brackets"),
        pytest.param("[::1", id="bracket that is not closed"),
        pytest.param("::1]", id="bracket that is not opened"),
        pytest.param("[localhost]", id="name in brackets"),
        pytest.param("[]", id="nothing in brackets"),
        pytest.param("[::1%25lo]", id="zone"),
        pytest.param("[fe80::1%lo]", id="link-local with a zone"),
        pytest.param("[::1]evil", id="name after brackets"),
        pytest.param("0", id="every interface as a number"),
        pytest.param("0.0.0.0", id="every interface"),
        pytest.param("0.0.0.0:3000", id="every interface with our port"),
        pytest.param("[::]", id="every interface of IPv6"),
        pytest.param("[::ffff:0.0.0.0]", id="every interface in IPv6"),
        pytest.param("127.1", id="short form"),
        pytest.param("2130706433", id="number"),
        pytest.param("0x7f000001", id="hexadecimal number"),
        pytest.param("017700000001", id="octal number"),
        pytest.param("0177.0.0.1", id="octal form"),
        pytest.param("10.0.0.1", id="another address"),
        pytest.param("[2001:db8::1]", id="another address of IPv6"),
        pytest.param("*", id="star"),
        pytest.param("xn--lcalhost-e1a", id="punycode"),
    ],
)
async def test_any_other_host_is_not_served(host: str) -> None:
    assert await admit(inbound(headers={"Host": host})) == Deny(Reason.HOST_UNKNOWN)


async def test_missing_host_is_not_served() -> None:
    request = replace(inbound(), headers=Headers())

    assert await admit(request) == Deny(Reason.HOST_UNKNOWN)


ALLOWING = Listener("gateway", None, frozenset({"agent.example", "10.9.9.9", "my_agent"}))


@pytest.mark.parametrize(
    ("host", "decision"),
    [
        *(("agent.example", Allow(LOOPBACK)), ("AGENT.Example:443", Allow(LOOPBACK))),
        *(("10.9.9.9", Allow(LOOPBACK)), ("my_agent:80", Allow(LOOPBACK))),
        ("localhost", Allow(LOOPBACK)),
        ("sub.agent.example", Deny(Reason.HOST_UNKNOWN)),
        ("agent.example.", Deny(Reason.HOST_UNKNOWN)),
        ("agent.example.evil.example", Deny(Reason.HOST_UNKNOWN)),
        ("evilagent.example", Deny(Reason.HOST_UNKNOWN)),
        ("example", Deny(Reason.HOST_UNKNOWN)),
        ("10.9.9.8", Deny(Reason.HOST_UNKNOWN)),
    ],
)
async def test_allowed_host_is_served_and_no_other(host: str, decision: Decision[Peer]) -> None:
    assert await admit(inbound(headers={"Host": host}, listener=ALLOWING)) == decision


class Names:
    """A container of names that changes."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self.names


async def test_names_may_change_while_serving() -> None:
    names = Names()
    request = inbound(headers={"Host": "agent.example"}, listener=Listener("gateway", None, names))
    assert await admit(request) == Deny(Reason.HOST_UNKNOWN)

    names.names.add("agent.example")

    assert await admit(request) == Allow(LOOPBACK)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.0.0.5", "127.0.0.1:80"])
async def test_behind_a_tunnel_nobody_calls_us_by_a_local_name(host: str) -> None:
    tunnel = Listener(TUNNEL, None, frozenset({"agent.example"}), own_names=False)
    request = inbound(
        headers={"Host": host}, listener=tunnel, connection=connection("127.0.0.1", "10.0.0.5")
    )
    assert await admit(request) == Deny(Reason.HOST_UNKNOWN)

    named = inbound(headers={"Host": "agent.example"}, listener=tunnel)
    assert await admit(named) == Allow(Peer("tunnel"))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5:3000", "10.0.0.5"),
        ("10.0.0.5", "::ffff:10.0.0.5"),
        ("[::ffff:10.0.0.5]", "10.0.0.5"),
        ("[fd00::5]", "fd00::5"),
        ("[FD00:0::5]:3000", "fd00::5"),
    ],
)
async def test_address_that_was_connected_to_is_served(host: str, local: str) -> None:
    request = inbound(headers={"Host": host}, connection=connection("10.0.0.9", local))

    assert await admit(request) == Allow(Peer("10.0.0.9"))


async def test_address_that_was_not_connected_to_is_not_served() -> None:
    request = inbound(headers={"Host": "10.0.0.6"}, connection=connection("10.0.0.9", "10.0.0.5"))

    assert await admit(request) == Deny(Reason.HOST_UNKNOWN)


async def test_host_is_free_where_no_browser_reaches() -> None:
    socket = Listener("admin.sock", None, None)
    request = inbound(
        headers={"Host": "anything"}, listener=socket, connection=Connection(None, uid=1000)
    )

    assert await admit(request) == Allow(Peer("local", uid=1000))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Agent.Example:80", "agent.example"),
        ("[FD00::1]:80", "[fd00::1]"),
        ("a@b", None),
        ("", None),
        ("localhost\n", None),
    ],
)
def test_host_name_is_without_port_and_case(host: str, name: str | None) -> None:
    assert host_name(host) == name


@given(st.text())
def test_host_name_of_anything_is_a_name_or_none(host: str) -> None:
    name = host_name(host)

    assert name is None or (name == name.lower() and name in host.lower() and name.isascii())


# Peers.


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        (["10.0.0.0/8"], "10.1.2.3"),
        (["10.0.0.0/8"], "::ffff:10.1.2.3"),
        (["127.0.0.0/8", "::1/128"], "::1"),
        (["fd00::/8"], "fd00::9"),
        (["0.0.0.0/0"], "8.8.8.8"),
        (["192.168.1.5/32"], "192.168.1.5"),
    ],
)
async def test_peer_in_the_list_is_admitted(networks: list[str], address: str) -> None:
    request = inbound(listener=listener(*networks), connection=connection(address))

    assert isinstance(await admit(request), Allow)


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        ([], "127.0.0.1"),
        (["10.0.0.0/8"], "11.0.0.1"),
        (["10.0.0.0/8"], "::ffff:11.0.0.1"),
        (["10.0.0.0/8"], "::10.0.0.1"),
        (["10.0.0.0/8"], "64:ff9b::10.0.0.1"),
        (["127.0.0.0/8"], "::1"),
        (["0.0.0.0/0"], "2001:db8::1"),
        (["::/0"], "8.8.8.8"),
        (["fd00::/8"], "fe80::1"),
        (["192.168.1.5/32"], "192.168.1.6"),
    ],
)
async def test_peer_that_is_not_in_the_list_is_refused(networks: list[str], address: str) -> None:
    request = inbound(listener=listener(*networks), connection=connection(address))

    assert await admit(request) == Deny(Reason.PEER_NOT_ALLOWED)


async def test_empty_allowlist_admits_nobody() -> None:
    assert await admit(inbound(listener=listener())) == Deny(Reason.PEER_NOT_ALLOWED)


async def test_connection_that_is_gone_is_in_no_list() -> None:
    request = inbound(listener=listener("0.0.0.0/0", "::/0"), connection=Connection(None))

    assert await admit(request) == Deny(Reason.PEER_NOT_ALLOWED)


async def test_no_list_admits_every_address() -> None:
    assert GATEWAY.networks is None
    request = inbound(connection=connection("8.8.8.8"))

    assert await admit(request) == Allow(Peer("8.8.8.8"))


SPOOFS: Fields = (
    ("X-Forwarded-For", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("CF-Connecting-IP", "127.0.0.1"),
)


async def test_forwarded_address_opens_nothing() -> None:
    """Who may connect is judged on who connects, even where a proxy is believed otherwise."""
    local = listener("127.0.0.0/8")
    for proxies in ((), (ip_network("8.8.8.0/24"),)):
        request = inbound(
            headers=SPOOFS,
            listener=replace(local, proxies=proxies),
            connection=connection("8.8.8.8"),
        )
        assert await admit(request) == Deny(Reason.PEER_NOT_ALLOWED)


PROXIED = Listener("gateway", None, frozenset(), proxies=(ip_network("10.0.0.0/8"),))


async def test_behind_a_proxy_the_client_is_who_the_proxy_says() -> None:
    fields = (("X-Forwarded-For", "1.1.1.1, 2001:db8::7"), ("X-Forwarded-Proto", "https"))
    request = inbound(headers=fields, listener=PROXIED, connection=connection("10.0.0.1"))

    admitted = await admit(request)

    client = Forwarded(ip_address("2001:db8::7"), "https", "")
    assert admitted == Allow(Peer("2001:db8::/64", forwarded=client))


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.0.1", "::ffff:8.8.8.8"])
async def test_nobody_else_is_believed(address: str) -> None:
    request = inbound(headers=SPOOFS, listener=PROXIED, connection=connection(address))

    assert await admit(request) == Allow(Peer(address.removeprefix("::ffff:")))


@pytest.mark.parametrize("fields", [(), (("X-Forwarded-For", "garbage"),)])
async def test_a_proxy_that_names_nobody_is_the_client_itself(fields: Fields) -> None:
    request = inbound(headers=fields, listener=PROXIED, connection=connection("10.0.0.1"))

    assert await admit(request) == Allow(Peer("10.0.0.1"))


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ((("CF-Connecting-IP", "198.51.100.7"),), "198.51.100.7"),
        ((("CF-Connecting-IP", "127.0.0.1"),), "127.0.0.1"),
        ((("CF-Connecting-IP", "garbage"),), "tunnel"),
        ((("X-Forwarded-For", "198.51.100.7"),), "tunnel"),
        ((), "tunnel"),
    ],
)
async def test_behind_a_tunnel_nobody_is_local(fields: Fields, key: str) -> None:
    """Its program connects from loopback, whoever it brings."""
    tunnel = Listener(
        TUNNEL,
        None,
        frozenset({"agent.example"}),
        own_names=False,
        proxies=(ip_network("127.0.0.0/8"),),
        client_header="cf-connecting-ip",
    )
    request = inbound(headers=(("Host", "agent.example"), *fields), listener=tunnel)

    admitted = await admit(request)

    assert isinstance(admitted, Allow)
    assert admitted.value.key == key


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X-Forwarded-Host", "CF-Connecting-IP"])
async def test_what_a_proxy_says_it_says_once(name: str) -> None:
    fields = ((name, "a"), (name, "b"))
    direct = inbound(headers=fields, listener=PROXIED)
    proxied = replace(direct, connection=connection("10.0.0.1"))

    assert await admit(direct) == Allow(LOOPBACK)
    assert await admit(proxied) == Deny(Reason.HEADER_DUPLICATE)


async def test_stranger_is_told_nothing_but_that() -> None:
    request = inbound(None, method="BREW", path="/../", listener=listener())

    assert await admit(request) == Deny(Reason.PEER_NOT_ALLOWED)


async def test_unknown_route_is_refused() -> None:
    assert await admit(inbound(None)) == Deny(Reason.ROUTE_UNKNOWN)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
    ],
)
def test_one_customer_is_one_key(address: str, key: str) -> None:
    assert peer_key(connection(address)) == key


def test_unix_socket_has_a_key_of_its_own() -> None:
    assert peer_key(Connection(None, uid=1000)) == "local"


async def test_user_behind_a_socket_is_passed_on() -> None:
    request = inbound(connection=Connection(None, uid=1000))

    assert await admit(request) == Allow(Peer("local", uid=1000))


# Rates.


def pairing(address: str = "10.0.0.1") -> Inbound:
    return inbound(PAIR, method="POST", path="/pair", connection=connection(address))


async def test_rate_is_limited_with_the_time_to_wait() -> None:
    ingress = limited(2)
    assert await ingress.admit(pairing()) == Allow(Peer("10.0.0.1"))
    assert await ingress.admit(pairing()) == Allow(Peer("10.0.0.1"))

    denied = await ingress.admit(pairing())

    assert denied == Deny(Reason.RATE_LIMITED)
    assert 0 < denied.facts["retry_after"] <= 30
    assert denied.facts["quota"].wait == denied.facts["retry_after"]


async def test_who_is_let_through_is_told_what_is_left() -> None:
    quota = (await limited(10).admit(pairing())).facts["quota"]

    assert (quota.policy, quota.limit, quota.window, quota.remaining) == ("pair", 10, 60, 9)
    assert quota.wait is None
    assert quota.reset > 0


async def test_without_a_limit_nothing_is_told() -> None:
    allowed = await limited(None).admit(pairing())

    assert allowed == Allow(Peer("10.0.0.1"))
    assert allowed.facts == {}


async def test_rate_of_zero_admits_nobody() -> None:
    denied = await limited(0).admit(pairing())

    assert denied == Deny(Reason.RATE_LIMITED)
    assert denied.facts["retry_after"] > 0


async def test_rate_is_per_peer() -> None:
    ingress = limited(1)
    await ingress.admit(pairing())

    assert await ingress.admit(pairing("10.0.0.2")) == Allow(Peer("10.0.0.2"))


async def test_rate_holds_over_all_addresses_of_one_customer() -> None:
    ingress = limited(1)
    await ingress.admit(pairing("2001:db8::1"))

    assert await ingress.admit(pairing("2001:db8::2")) == Deny(Reason.RATE_LIMITED)


async def test_rate_is_of_the_client_behind_the_proxy() -> None:
    ingress = limited(1)

    def by(client: str) -> Inbound:
        return replace(
            pairing("10.0.0.1"),
            listener=PROXIED,
            headers=Headers((("Host", "localhost"), ("X-Forwarded-For", client))),
        )

    assert isinstance(await ingress.admit(by("198.51.100.7")), Allow)
    assert isinstance(await ingress.admit(by("198.51.100.8")), Allow)
    assert await ingress.admit(by("198.51.100.7")) == Deny(Reason.RATE_LIMITED)
    assert await ingress.admit(by("1.1.1.1, 198.51.100.7")) == Deny(Reason.RATE_LIMITED)


async def test_each_rate_is_counted_on_its_own() -> None:
    limiters: dict[str, Limiter] = {
        "pair": per_minute("pair", 1),
        "webhook": per_minute("webhook", 1),
    }
    ingress = Ingress(limiters)
    hook = replace(pairing(), route=HOOK)

    assert isinstance(await ingress.admit(pairing()), Allow)
    assert isinstance(await ingress.admit(hook), Allow)
    denied = await ingress.admit(hook)
    assert denied.facts["quota"].policy == "webhook"


class Broken:
    """A limiter whose state is gone."""

    async def hit(self, key: str) -> Quota | None:
        raise OSError("no server")

    async def refund(self, key: str) -> None:
        raise OSError("no server")

    async def clear(self) -> None:
        raise OSError("no server")

    def keys(self) -> int:
        return 0


async def test_a_rate_that_cannot_be_counted_admits_nobody() -> None:
    denied = await Ingress({"pair": Broken()}).admit(pairing())

    assert denied == Deny(Reason.STATE_UNAVAILABLE)


async def test_a_rate_that_nobody_made_admits_nobody() -> None:
    """The trace makes a denial of it."""
    with pytest.raises(KeyError):
        await Ingress({}).admit(pairing())


async def test_routes_without_a_limit_are_not_limited() -> None:
    assert HEALTH.limit is None
    assert await limited(0).admit(inbound()) == Allow(LOOPBACK)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("Host", "evil.example"),), id="another host"),
        pytest.param((("X-Note", "\0"),), id="a malformed header"),
        pytest.param((("Host", "localhost"), ("Host", "localhost")), id="two hosts"),
    ],
)
async def test_refused_request_uses_nothing_of_the_rate(headers: Fields) -> None:
    """A web page must not be able to lock its visitor out of pairing."""
    ingress = limited(1)
    refused = inbound(PAIR, method="POST", path="/pair", headers=headers)
    assert isinstance(await ingress.admit(refused), Deny)

    request = inbound(PAIR, method="POST", path="/pair")
    assert await ingress.admit(request) == Allow(LOOPBACK)


PAGES = [
    pytest.param("http://evil.example", id="another host"),
    pytest.param("http://localhost:8080", id="another port of this machine"),
    pytest.param("null", id="a page without an origin"),
    pytest.param("", id="an empty one"),
    pytest.param("localhost:3000", id="no scheme"),
    pytest.param("http://localhost:3000.evil.example", id="a host that begins like ours"),
    pytest.param("http://evil.example@localhost:3000", id="a user that looks like a host"),
]


@pytest.mark.parametrize("origin", PAGES)
async def test_page_of_another_origin_is_refused(origin: str) -> None:
    request = inbound(headers={"Host": "localhost:3000", "Origin": origin})

    assert await admit(request) == Deny(Reason.ORIGIN_NOT_ALLOWED)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://LOCALHOST:3000"])
async def test_page_of_our_own_origin_is_admitted(origin: str) -> None:
    request = inbound(headers={"Host": "localhost:3000", "Origin": origin})

    assert isinstance(await admit(request), Allow)


ALLOWED_PAGE = replace(
    GATEWAY, origins=frozenset({"https://app.example", "http://app.example:8080", "null"})
)


@pytest.mark.parametrize(
    ("origin", "decision"),
    [
        ("https://app.example", Allow(LOOPBACK)),
        ("https://App.Example", Allow(LOOPBACK)),
        ("http://app.example:8080", Allow(LOOPBACK)),
        ("http://app.example", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://app.example:8080", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://app.example:443", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://app.example/", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://app.example.evil.example", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://evil-app.example", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://user@app.example", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("https://app.example, https://evil.example", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("app.example", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("null", Deny(Reason.ORIGIN_NOT_ALLOWED)),
        ("", Deny(Reason.ORIGIN_NOT_ALLOWED)),
    ],
)
async def test_page_of_an_origin_that_is_allowed_is_admitted_and_no_other(
    origin: str, decision: Decision[Peer]
) -> None:
    request = inbound(headers={"Origin": origin}, listener=ALLOWED_PAGE)

    assert await admit(request) == decision
