from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Quota
from proxy.origin import Forwarded
from proxy.protocols.headers import downward, forwarded, outward, upward
from proxy.values import Headers

Fields = tuple[tuple[str, str], ...]

HOP_BY_HOP = [
    *("Connection", "Content-Length", "HTTP2-Settings", "Keep-Alive", "Proxy-Authenticate"),
    *("Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"),
]
NEVER_UP = [
    *HOP_BY_HOP,
    *("Accept-Encoding", "Authorization", "Expect", "Forwarded", "Host", "X-Pairing-Code"),
    *("X-Real-IP", "X-Request-ID", "X-Webhook-Secret"),
    *("If-Range", "Range", "X-Forwarded", "X-Client-IP", "X-Cluster-Client-IP"),
    *("CF-Connecting-IP", "Fastly-Client-IP", "True-Client-IP", "Tailscale-User-Login"),
    *("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"),
    *("X-Original-URL", "X-Rewrite-URL"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"),
    *("X-Forwarded-Anything", "X-Sidegate-Principal", "X-Sidegate-Role", "X-Sidegate-"),
    *("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"),
]
NEVER_DOWN = [
    *HOP_BY_HOP,
    *("Accept-Ranges", "Alt-Svc", "Date", "Server", "Strict-Transport-Security", "X-Request-ID"),
]
PASSING = [
    *("Accept", "Accept-Language", "Content-Type", "Content-Encoding", "Cookie", "User-Agent"),
    *("Idempotency-Key", "Prefer", "Traceparent", "Tracestate", "X-Note", "Origin"),
]

cases = pytest.mark.parametrize(
    "case", [str, str.lower, str.upper, str.swapcase], ids=["same", "lower", "upper", "swapped"]
)


def up(fields: Fields, own: dict[str, str] | None = None) -> Fields:
    return upward(Headers(fields), own or {}).fields


def down(fields: Fields) -> Fields:
    return downward(Headers(fields)).fields


@cases
@pytest.mark.parametrize("name", NEVER_UP)
def test_what_belongs_to_one_connection_never_goes_up(
    name: str, case: Callable[[str], str]
) -> None:
    assert up(((case(name), "value"), ("X-Note", "kept"))) == (("X-Note", "kept"),)


@cases
@pytest.mark.parametrize("name", NEVER_DOWN)
def test_what_belongs_to_one_connection_never_comes_down(
    name: str, case: Callable[[str], str]
) -> None:
    assert down(((case(name), "value"), ("X-Note", "kept"))) == (("X-Note", "kept"),)


@pytest.mark.parametrize("name", PASSING)
def test_everything_else_passes_as_it_is_in_order(name: str) -> None:
    fields = (("A", "1"), (name, "value"), ("B", "2"), (name, "again"))

    assert up(fields) == fields
    assert down(fields) == fields


def test_answer_keeps_its_cookies_and_challenge() -> None:
    fields = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("WWW-Authenticate", "Basic"))

    assert down(fields) == fields


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Content_Length", id="length"),
        pytest.param("Transfer_Encoding", id="framing"),
        pytest.param("X_Forwarded_For", id="address"),
        pytest.param("X_Sidegate_Principal", id="principal"),
        pytest.param("X-Sidegate_Principal", id="half a twin"),
        pytest.param("Authorization_", id="underscore last"),
        pytest.param("_", id="underscore alone"),
        pytest.param("X_Note", id="one that nobody knows"),
    ],
)
def test_twin_with_an_underscore_never_goes_up(name: str) -> None:
    assert up(((name, "value"),)) == ()


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        pytest.param(("close",), ["X-Note", "X-Other"], id="names none"),
        pytest.param(("X-Note",), ["X-Other"], id="names one"),
        pytest.param(("x-NOTE",), ["X-Other"], id="in another case"),
        pytest.param(("close, X-Note , X-Other",), [], id="in a list"),
        pytest.param(("close,,X-Note,",), ["X-Other"], id="in a list with gaps"),
        pytest.param(("\tX-Note\t",), ["X-Other"], id="between tabs"),
        pytest.param(("X-Note", "X-Other"), [], id="in two fields"),
        pytest.param(("X-Note X-Other",), ["X-Note", "X-Other"], id="in no list"),
        pytest.param(("",), ["X-Note", "X-Other"], id="empty"),
    ],
)
def test_what_connection_names_is_dropped(connection: tuple[str, ...], kept: list[str]) -> None:
    named = tuple(("Connection", value) for value in connection)
    fields = (("X-Note", "a"), ("X-Other", "b"), *named)

    assert [name for name, _ in up(fields)] == kept
    assert [name for name, _ in down(fields)] == kept


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Sidegate-Principal", "X-Request-ID", "X-Note"]
)
@pytest.mark.parametrize(
    "connection", [(), (("Connection", "Authorization, X-Sidegate-Principal, X-Note"),)]
)
@cases
def test_own_fields_win(name: str, connection: Fields, case: Callable[[str], str]) -> None:
    """A client cannot have them left out, doubled or replaced."""
    received = ((case(name), "theirs"), *connection)

    assert up(received, {name: "ours"}) == ((name, "ours"),)


def test_own_fields_come_last_and_may_have_any_name() -> None:
    own = {"Host": "agent", "Accept-Encoding": "identity", "X_Own": "1"}

    assert up((("X-Note", "a"),), own) == (("X-Note", "a"), *own.items())


def test_nothing_received_is_nothing_sent() -> None:
    assert up(()) == ()
    assert down(()) == ()


NAMES = st.sampled_from([*NEVER_UP, *NEVER_DOWN, *PASSING]).flatmap(
    lambda name: st.sampled_from([name, name.lower(), name.upper(), name.replace("-", "_")])
)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([*PASSING, "close", "a, X-Note"])))


@given(FIELDS, st.dictionaries(st.sampled_from(["Authorization", "X-Note"]), st.just("ours")))
def test_nothing_of_the_closed_list_gets_through(
    fields: list[tuple[str, str]], own: dict[str, str]
) -> None:
    sent = up(tuple(fields), own)
    theirs, ours = sent[: len(sent) - len(own)], sent[len(sent) - len(own) :]

    assert dict(ours) == own
    assert not {name.lower() for name, _ in theirs} & {name.lower() for name in (*NEVER_UP, *own)}
    assert not any("_" in name for name, _ in theirs)
    assert set(theirs) <= set(fields)


@given(FIELDS)
def test_dropping_twice_drops_no_more(fields: list[tuple[str, str]]) -> None:
    assert up(up(tuple(fields))) == up(tuple(fields))
    assert down(down(tuple(fields))) == down(tuple(fields))


# What a trusted proxy said


@pytest.mark.parametrize(
    ("client", "fields"),
    [
        (None, {}),
        (
            Forwarded(ip_address("198.51.100.7"), "https", "agent.example:8443"),
            {
                "X-Forwarded-For": "198.51.100.7",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "agent.example:8443",
            },
        ),
        (
            Forwarded(ip_address("2001:db8::7"), "http", ""),
            {"X-Forwarded-For": "2001:db8::7", "X-Forwarded-Proto": "http"},
        ),
    ],
)
def test_the_agent_hears_of_the_client_what_a_proxy_said(
    client: Forwarded | None, fields: dict[str, str]
) -> None:
    assert forwarded(client) == fields


def test_the_clients_own_words_are_not_among_them() -> None:
    received = tuple(
        (name, "evil") for name in ("X-Forwarded-For", "x-forwarded-host", "Forwarded")
    )
    said = forwarded(Forwarded(ip_address("198.51.100.7"), "http", ""))

    assert up(received, dict(said)) == tuple(said.items())


# Answers

GUARDS = {
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
POLICY = "default-src 'none'; frame-ancestors 'none'"
OURS = {"Server": "sidegate", "X-Content-Type-Options": "nosniff", "X-Request-ID": "r1"}


def test_an_answer_of_ours_may_do_nothing_in_a_browser() -> None:
    sent = outward(Headers((("Content-Type", "application/json"),)), "r1")

    assert dict(sent) == {
        "Content-Type": "application/json",
        **OURS,
        **GUARDS,
        "Content-Security-Policy": POLICY,
    }


def test_an_answer_of_the_agents_may_be_a_page() -> None:
    assert dict(outward(Headers(), "r1", relayed=True)) == {**OURS, **GUARDS}


@pytest.mark.parametrize("relayed", [True, False])
@pytest.mark.parametrize("name", [*GUARDS, "Content-Security-Policy"])
@cases
def test_what_an_answer_says_itself_is_left_to_it(
    name: str, case: Callable[[str], str], *, relayed: bool
) -> None:
    sent = outward(Headers(((case(name), "its own"),)), "r1", relayed=relayed)

    assert sent.all(name) == ["its own"]


@pytest.mark.parametrize("name", [*OURS, "Strict-Transport-Security"])
@cases
def test_some_things_only_we_say(name: str, case: Callable[[str], str]) -> None:
    sent = outward(Headers(((case(name), "theirs"),)), "r1", relayed=True, https=True)

    assert sent.all(name) == [{**OURS, "Strict-Transport-Security": "max-age=31536000"}[name]]


def test_without_tls_none_is_demanded() -> None:
    assert outward(Headers(), "r1").get("Strict-Transport-Security") is None


def test_cookies_stay_apart() -> None:
    sent = outward(Headers((("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))), "r1", relayed=True)

    assert sent.all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("quotas", "policy", "standing"),
    [
        ((), [], []),
        ((Quota("pair", 10, 60, 9, 6.0),), ['"pair";q=10;w=60'], ['"pair";r=9;t=6']),
        ((Quota("pair", 10, 60, 0, 59.01, 5.0),), ['"pair";q=10;w=60'], ['"pair";r=0;t=60']),
        ((Quota("pair", 10, 60, 10, 0.0),), ['"pair";q=10;w=60'], ['"pair";r=10;t=0']),
        ((Quota("pair", 0, 60, -1, -0.5, 60),), ['"pair";q=0;w=60'], ['"pair";r=0;t=0']),
        (
            (Quota("webhook", 60, 60, 59, 1.0), Quota("tools", 600, 60, 599, 0.1)),
            ['"webhook";q=60;w=60, "tools";q=600;w=60'],
            ['"webhook";r=59;t=1, "tools";r=599;t=1'],
        ),
    ],
)
def test_where_one_stands_is_told(
    quotas: tuple[Quota, ...], policy: list[str], standing: list[str]
) -> None:
    """draft-ietf-httpapi-ratelimit-headers-11, with the time rounded up."""
    sent = outward(Headers(), "r1", quotas)

    assert sent.all("RateLimit-Policy") == policy
    assert sent.all("RateLimit") == standing


@pytest.mark.parametrize("relayed", [True, False])
@pytest.mark.parametrize("https", [True, False])
@given(fields=FIELDS)
def test_nothing_else_of_an_answer_is_changed(
    fields: list[tuple[str, str]], *, relayed: bool, https: bool
) -> None:
    sent = outward(Headers(tuple(fields)), "r1", relayed=relayed, https=https).fields
    ours = {"server", "x-request-id", *(["strict-transport-security"] if https else [])}
    theirs = [field for field in fields if field[0].lower() not in ours]

    assert list(sent[: len(theirs)]) == theirs
