"""Whether what a rule matched is a secret."""

import pytest

from proxy.protection.compiled import Compiled
from proxy.protection.expression import Expression
from proxy.protection.judging import Finding, entropy, judged
from proxy.protection.rule import Allow, Rule


def found(rule: Rule, text: bytes, at: int = 0) -> Finding | None:
    return judged(Compiled(rule), text, at)


@pytest.mark.parametrize(
    ("data", "bits"),
    [(b"", 0.0), (b"aaaa", 0.0), (b"abab", 1.0), (b"abcd", 2.0), (bytes(range(256)), 8.0)],
)
def test_entropy_is_in_bits_a_byte(data: bytes, bits: float) -> None:
    assert entropy(data) == bits


def test_a_finding_tells_where_the_secret_is_and_how_it_may_go_on() -> None:
    rule = Rule("a", 'k(?P<quote>"):(?P<secret>[0-9]+)', tail="[0-9.]*", public=True)
    finding = found(rule, b'..k":123', 2)

    assert finding is not None
    assert (finding.begin, finding.start, finding.end) == (2, 5, 8)
    assert (finding.label, finding.public, finding.quote) == ("a", True, b'"')
    assert isinstance(finding.tail, Expression)


@pytest.mark.parametrize(
    ("rule", "span"),
    [
        (Rule("a", "a(b)(c)"), (1, 2)),
        (Rule("a", "a(b)(c)", group=2), (2, 3)),
        (Rule("a", "a(b)(?P<secret>c)"), (2, 3)),
        (Rule("a", "a(x)?(bc)"), (1, 3)),
        (Rule("a", "abc"), (0, 3)),
        (Rule("a", "b"), None),
        (Rule("a", "abc", entropy=1.58), (0, 3)),
        (Rule("a", "abc", entropy=1.59), None),
        (Rule("a", "a()bc", group=1), None),
    ],
)
def test_the_secret_is_what_the_rule_says(rule: Rule, span: tuple[int, int] | None) -> None:
    finding = found(rule, b"abc")

    assert (finding and (finding.start, finding.end)) == span


@pytest.mark.parametrize(
    ("allow", "allowed"),
    [
        (Allow((Expression("^b"),)), True),
        (Allow((Expression("^a"),)), False),
        (Allow((Expression("^ab"),), target="match"), True),
        (Allow((Expression("^# ab"),), target="line"), True),
        (Allow((Expression("before"),), target="line"), False),
        (Allow(stopwords=(b"bcd",)), True),
        (Allow(stopwords=(b"a",)), False),
        (Allow((Expression("x"),), (b"c",)), True),
        (Allow((Expression("x"),), (b"c",), every=True), False),
        (Allow((Expression("b"),), (b"c",), every=True), True),
        (Allow(), False),
    ],
)
def test_what_is_allowed_is_no_secret(allow: Allow, *, allowed: bool) -> None:
    rule = Rule("a", "a(b[a-zA-Z]+)", allow=(allow,))

    assert (found(rule, b"before\n# abCd", 9) is None) is allowed


def test_a_rule_of_somebody_else_s_ends_with_its_line() -> None:
    """What comes after a line that was shown cannot change what was in it."""
    rule = Rule("a", r"a(b)(?:\nq|c)?", spans=True, own=False)
    finding = found(Rule("a", r"a\s+(b+)", own=False), b"a\nbbb")

    assert finding is None
    assert found(rule, b"ab\nq") == found(rule, b"ab\n")


def test_a_match_is_judged_within_a_kilobyte() -> None:
    assert found(Rule("a", "ab*c"), b"a" + b"b" * 1022 + b"c") is not None
    assert found(Rule("a", "ab*c"), b"a" + b"b" * 1023 + b"c") is None


def test_the_first_line_of_a_private_key_is_no_secret_but_what_follows_is() -> None:
    finding = found(Rule("key", "BEGIN", check="pem"), b"BEGIN\nabc")

    assert finding is not None
    assert (finding.start, finding.end, finding.label, finding.tail) == (5, 5, "key", "pem")
