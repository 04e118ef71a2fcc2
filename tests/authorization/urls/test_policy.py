"""URLs as an attacker spells them, and hosts as an attacker has them answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from proxy.authorization.urls.policy import Domains, UrlPolicy, host_of
from proxy.authorization.urls.resolver import SystemResolver
from proxy.reasons import Reason

PUBLIC = "93.184.216.34"


@dataclass
class Names:
    """`Resolve` that knows these names, and remembers which it was asked for."""

    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, _owner: str = "", /) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError("no such host")
        return self.known[host]


KNOWN = {
    "example.com": [PUBLIC],
    "www.example.com": [PUBLIC, "2606:4700::1111"],
    "xn--mnchen-3ya.de": [PUBLIC],
    "inner.example.com": ["10.0.0.7"],
    "mixed.example.com": [PUBLIC, "127.0.0.1"],
    "mixed6.example.com": [PUBLIC, "::ffff:127.0.0.1"],
    "linked.example.com": ["fe80::1%eth0"],
    "meta.example.com": ["169.254.169.254"],
    "empty.example.com": [],
}


async def judged(url: str, *domains: str) -> Reason | None:
    return await UrlPolicy(domains, Names(KNOWN)).check(url)


# The form


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com", "example.com"),
        ("https://example.com/", "example.com"),
        ("HTTPS://EXAMPLE.com:8443/a?b=c@d#e@f", "example.com"),
        ("https://example.com?q=1", "example.com"),
        ("https://example.com#top", "example.com"),
        ("https://example.com/a%20b/%2e%2e/?u=https://other.com/", "example.com"),
        ("https://münchen.de/Straße?q=ü", "xn--mnchen-3ya.de"),
        ("https://xn--mnchen-3ya.de/", "xn--mnchen-3ya.de"),
        ("http://1.1.1.1/", "1.1.1.1"),
        ("http://[2606:4700:0::1111]:80/", "2606:4700::1111"),
        ("http://localhost/", "localhost"),
        # a look-alike is a host of its own, by the name that it has on the wire
        ("https://ex\u0430mple.com/", "xn--exmple-4nf.com"),
    ],
)
def test_a_plain_url_names_one_host(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    [
        # no http
        *("", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd"),
        *("javascript:alert(1)", "data:text/html,x", "gopher://example.com/", "ws://example.com/"),
        *("http:example.com", "http:/example.com", "http:///example.com", "http://", "https:///"),
        *(" http://example.com", "\thttp://example.com", "hhttp://example.com", "http ://a.com"),
        # userinfo, and what some take for one
        *("http://a@example.com/", "http://a:b@example.com/", "http://@example.com/"),
        *("http://example.com@evil.com/", "http://example.com:80@evil.com/"),
        *("http://example.com?@evil.com/", "http://example.com#@evil.com/"),
        *("http://example.com;@evil.com/", "http://a@example.com:80@evil.com/"),
        "http://evil.com%40example.com/",
        # blanks, controls, backslashes, what is not seen
        *("http://example.com /", "http://exa mple.com/", "http://example.com/a b"),
        *("http://example.com/\r\nX: y", "http://example.com\n.evil.com/", "http://exam\tple.com/"),
        *("http://example.com\\@evil.com/", "http:\\\\example.com/", "http://example.com/a\\b"),
        *("http://example.com/\x00", "http://example.com/\u00a0", "http://example.com/\u3000"),
        *("http://exam\u200bple.com/", "http://exam\u00adple.com/", "http://example.com/\u202e"),
        *("http://example.com/\ud800", "http://ex\ue000.com/"),
        # ports
        *("http://example.com:/", "http://example.com:0/", "http://example.com:65536/"),
        *("http://example.com:80:80/", "http://example.com:-1/", "http://example.com:+80/"),
        *(
            "http://example.com:\uff18\uff10/",
            "http://example.com:80a/",
            "http://example.com:0x50/",
        ),
        # names that parsers or resolvers read in their own ways
        *("http://example.com./", "http://.example.com/", "http://a..b/", "http://-a.com/"),
        *(
            "http://a_b.com/",
            "http://a,b.com/",
            "http://a;b/",
            "http://%65xample.com/",
            "http://a|b/",
        ),
        *(
            "http://example。com/",
            "http://example\uff0ecom/",
            "http://ⓔxample.com/",
            "http://\u212a.com/",
        ),
        *("http://faß.de/", "http://ExÄmple.com/", "http://xn--a.com/", "http://a\u0301.com/"),
        *("http://" + "a" * 64 + ".com/", "http://" + "a." * 130 + "com/"),
        # addresses in other spellings
        *("http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/"),
        *("http://0x7f.0x0.0x0.0x1/", "http://017700000001/", "http://127.0.0.1./", "http://0/"),
        *("http://127.0.0.01/", "http://127.0.0.1.1/", "http://256.256.256.256/", "http://a.0x1/"),
        *("http://\uff11\uff12\uff17.0.0.1/", "http://①②⑦.0.0.1/", "http://1.1.1.0x1/"),
        *("http://[::1/", "http://::1/", "http://[::1%25eth0]/", "http://[::1%eth0]/"),
        *("http://[v1.a]/", "http://[1.1.1.1]/", "http://[]/", "http://[::1]x/", "http://[::g]/"),
        # length
        "http://example.com/" + "a" * 8192,
    ],
)
async def test_what_not_all_read_alike_is_refused(url: str) -> None:
    names = Names(KNOWN)

    assert host_of(url) is None
    assert await UrlPolicy(("*",), names).check(url) is Reason.URL_NOT_ALLOWED
    assert names.asked == []


_PIECES = st.sampled_from(
    [
        *("http", "https", "://", ":", "/", "//", "\\", "@", "?", "#", "[", "]", ".", "%", "%40"),
        *("example.com", "evil.com", "127.0.0.1", "::1", "80", "0x7f", "1", "é", "。", "ß", " "),
        *("\t", "\n", "xn--", "a", "-", "\u200b", "\u2044", "\ud800"),
    ]
)


@given(st.lists(_PIECES, max_size=10).map("".join) | st.text(max_size=40))
def test_whatever_has_a_host_has_the_same_for_two_parsers(rest: str) -> None:
    for url in (rest, f"http://{rest}", f"https://example.com{rest}"):
        host = host_of(url)
        if host is None:
            continue
        assert URL(url).raw_host == host
        hostname = urlsplit(url).hostname or ""
        assert hostname.isascii() is False or hostname == host
        assert URL(url).user is None


# The list


@pytest.mark.parametrize(
    ("domains", "covered", "not_covered"),
    [
        pytest.param([], [], ["example.com", "localhost", "1.1.1.1"], id="an empty list"),
        pytest.param(
            ["example.com"],
            ["example.com"],
            ["www.example.com", "xexample.com", "example.com.evil.com", "com", "example.co"],
            id="a name",
        ),
        pytest.param(
            ["*.example.com"],
            ["www.example.com", "a.b.example.com"],
            ["example.com", "xexample.com", "www.example.com.evil.com"],
            id="sub-domains",
        ),
        pytest.param(["*"], ["example.com", "a.b.c"], ["1.1.1.1", "::1"], id="all names"),
        pytest.param(["1.1.1.1"], ["1.1.1.1"], ["1.1.1.2", "a.1.1.1.1"], id="an address"),
        pytest.param(["2606:4700:0::1111"], ["2606:4700::1111"], [], id="an address of two forms"),
        pytest.param(["Example.COM"], ["example.com"], [], id="in capitals"),
    ],
)
def test_the_list_covers_what_it_says(
    domains: list[str], covered: list[str], not_covered: list[str]
) -> None:
    listed = Domains.build(domains)

    assert [host for host in covered if not listed.cover(host)] == []
    assert [host for host in not_covered if listed.cover(host)] == []


async def test_an_empty_list_allows_no_url() -> None:
    assert await judged("https://example.com/") is Reason.URL_NOT_ALLOWED


async def test_a_listed_host_that_is_public_is_allowed() -> None:
    assert await judged("https://example.com/", "example.com") is None
    assert await judged("https://www.example.com/a?b#c", "*.example.com") is None
    assert await judged("https://münchen.de/", "xn--mnchen-3ya.de") is None
    assert await judged("http://1.1.1.1/", "1.1.1.1") is None
    assert await judged("https://example.com/", "*") is None


async def test_a_look_alike_of_a_listed_host_is_not_listed() -> None:
    for look_alike in ("ex\u0430mple.com", "examp1e.com", "example.com.evil.com", "exampIe.com"):
        found = await judged(f"https://{look_alike}/", "example.com", "*.example.com")
        assert found is Reason.URL_NOT_ALLOWED, look_alike


async def test_who_is_not_listed_is_not_looked_up() -> None:
    """A look-up tells somebody's name server whatever the name says."""
    names = Names(KNOWN)

    await UrlPolicy(("example.com",), names).check("https://secret.evil.com/")

    assert names.asked == []


# Where it leads


@pytest.mark.parametrize(
    "host", ["inner", "mixed", "mixed6", "linked", "meta"], ids=lambda host: f"{host}.example.com"
)
async def test_a_host_with_any_address_that_is_not_public_is_refused(host: str) -> None:
    for domains in (("*.example.com",), ("*",), (f"{host}.example.com",)):
        assert await judged(f"https://{host}.example.com/", *domains) is Reason.URL_PRIVATE


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1"),
        *("[::1]", "[::]", "[fd00:ec2::254]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "168.63.129.16"),
        *("localhost", "LOCALHOST", "x.localhost", "metadata.google.internal", "a.local"),
        *("instance-data.ec2.internal", "printer.lan", "nas.home.arpa"),
    ],
)
async def test_what_is_private_by_its_spelling_is_refused_even_where_listed(host: str) -> None:
    names = Names(KNOWN)
    policy = UrlPolicy((host.strip("[]"), "*"), names)

    assert await policy.check(f"http://{host}/latest/meta-data/") is Reason.URL_PRIVATE
    assert names.asked == []


async def test_a_host_without_an_address_is_unresolved() -> None:
    for host in ("none.example.com", "empty.example.com"):
        assert await judged(f"https://{host}/", "*.example.com") is Reason.URL_UNRESOLVED


async def test_one_call_looks_up_on_behalf_of_its_owner() -> None:
    owners: list[str] = []

    async def resolve(_host: str, owner: str = "", /) -> Sequence[str]:
        owners.append(owner)
        return [PUBLIC]

    policy = UrlPolicy(("example.com",), resolve).for_call("me")

    assert await policy.check("https://example.com/") is None
    assert await policy.check("https://other.com/") is Reason.URL_NOT_ALLOWED
    assert owners == ["me"]


async def test_a_resolver_that_takes_too_long_is_no_answer() -> None:
    resolve = SystemResolver(seconds=0)

    found = await UrlPolicy(("*",), resolve).check("http://loopback.example/")

    assert found is Reason.URL_UNRESOLVED
    resolve.close()
