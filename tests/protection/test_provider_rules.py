"""The formats of providers: every rule finds what it describes, and nothing like it."""

import functools
import math
import random
import re
import re._constants as kinds  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import pytest
from labelled import rows

from proxy.protection.compiled import Rules
from proxy.protection.expression import Alternation, Expression, Match
from proxy.protection.rule import Rule, load_rules

TEXT = (files("proxy.protection") / "rules" / "providers.toml").read_text("utf-8")
RULES = load_rules(TEXT, "providers.toml", own=True)
EACH = [pytest.param(rule, id=rule.id) for rule in RULES]
TOGETHER = Rules(RULES)

CONTEXTS = {
    "bare": "{}",
    "quoted": "key '{}', and more",
    "assigned": "A_KEY={}\nOTHER=1",
    "json": '{{"value": "{}", "n": 1}}',
    "url": "https://example.com/v1/{}/part",
    "end": "the last word is {}",
}

HARMLESS = [
    "risk-assessment, task-management-for-everybody-in-the-team, disk-usage",
    'class="sk-estimator-doc-link sk-toggleable__label-arrow md-sidenav-backdrop-animated-x"',
    "golang.org/x/net v0.0.0-20180826012351-8a410e7b638d/go.mod h1:" + "mL1N/T3taQHkDXs73rZJ=",
    '"integrity": "sha512-' + "vkcDPrRZo1QZLbn5RLGPpg" * 4 + '=="',
    "sha256:" + "d76c6268b3165840ce5599ec42875b2a" * 2,
    'checksum = "' + "91e195e091a93c46f7102ec7818a2aa3" * 2 + '"',
    "100644 blob c4596f2bc8032d63220b0f8c956852642fe4750c\t.github/lock.yml",
    '{"id": "b4115f05-a659-41ca-80cc-4c89b583be72", "trace": "76571187a568977dfa799bf48bd29475"}',
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAApQKsRSJafgUQ6TRPP0fbjGEZg1qN2zFv2W/L9IM",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIbvEqgDN4uDlE221Z5qVsdpYyXGJwwYFym8CqAs09h1Y user@host",
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7" + "EXAMPLE",
    "GITHUB_TOKEN=ghp_" + "x" * 36,
    "OPENAI_API_KEY=sk-" + "x" * 48,
    "ANTHROPIC_API_KEY=sk-ant-... and xoxb-your-token and hf_your_token_here",
    "tests/x_test.py::test_every_rule_has_a_keyword_in_the_sample_and_nothing_else_at_all PASSED",
    "def test_utf8_strings_of_x509_certificates_are_kept_as_they_are_in_the_log(): ...",
    "s.hasOwnPropertyDescriptor1(e), s.isPrototypeOfTheOtherOneX",
    "2026-08-21T10:14:03.221Z INFO [web] GET /v1/users/1234567890123456 200 in 12 ms",
    "Discovery of eyJ means that a JSON object follows, as in eyJhbGciOiJIUzI1NiJ9 alone",
]


def made(pattern: str, seed: int) -> str:
    """A text that the pattern matches, as random as its classes let it be."""
    return _made(parser.parse(pattern), random.Random(seed))


def _made(tree: Iterable[tuple[Any, Any]], rng: random.Random) -> str:
    return "".join(_piece(kind, value, rng) for kind, value in tree)


def _piece(kind: object, value: Any, rng: random.Random) -> str:
    match kind:
        case kinds.LITERAL:
            return chr(value)
        case kinds.IN:
            return rng.choice(_members(value))
        case kinds.AT:
            return ""
        case kinds.SUBPATTERN:
            return _made(value[3], rng)
        case kinds.BRANCH:
            return _made(rng.choice(value[1]), rng)
        case kinds.MAX_REPEAT:
            least, most, inner = value
            times = rng.randint(least, min(most, least + 40)) if least else 0
            return "".join(_made(inner, rng) for _ in range(times))
    raise NotImplementedError(kind)


def _members(ranges: Iterable[tuple[Any, Any]]) -> str:
    found = ""
    for kind, value in ranges:
        found += (
            chr(value)
            if kind is kinds.LITERAL
            else "".join(map(chr, range(value[0], value[1] + 1)))
        )
    # A sample ends in a word, or `\b` after it would not hold.
    return "".join(each for each in found if each.isalnum()) or found


@functools.cache
def sample(rule: Rule) -> str:
    """The first random text of a rule that it takes for a secret in itself."""
    for seed in range(50):
        text = made(rule.regex.replace("(?i)", ""), seed)
        if found(rule, text) == text or (found(rule, text) and "(?P<secret>" in rule.regex):
            return text
    pytest.fail(f"{rule.id}: no text of fifty is found whole")


def found(rule: Rule, text: str) -> str | None:
    """What the rule finds first in a text that is not allowed, with what is before it."""
    data = text.encode("latin-1")
    start, expression = _compiled(rule.regex)
    at = start.start(data)
    while at >= 0:
        match = expression.match(data, at, len(data))
        if match is not None and not _allowed(rule, data, match):
            return data[match.span[0] : match.span[1]].decode("latin-1")
        at = start.start(data, at + 1)
    return None


@functools.cache
def _compiled(regex: str) -> tuple[Alternation, Expression]:
    return Alternation([regex]), Expression(regex)


def _allowed(rule: Rule, data: bytes, match: Match) -> bool:
    secret = data[slice(*match.named.get("secret", match.span))]
    shares = [count / len(secret) for count in Counter(secret).values()]
    low = -sum(share * math.log2(share) for share in shares) < rule.entropy
    return low or any(
        any(each.finds(secret) for each in allow.regexes)
        or any(word in secret.lower() for word in allow.stopwords)
        for allow in rule.allow
    )


def findings(text: str) -> list[str]:
    return [rule.id for rule in RULES if found(rule, text)]


def test_there_are_rules_for_most_providers() -> None:
    assert len(RULES) >= 180


def test_every_id_is_kebab_case_and_given_once() -> None:
    ids = [rule.id for rule in RULES]
    assert len({*ids}) == len(ids)
    assert [each for each in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each)] == []


@pytest.mark.parametrize("rule", EACH)
def test_a_sample_is_found_wherever_it_stands(rule: Rule) -> None:
    text = sample(rule)
    for name, context in CONTEXTS.items():
        data = context.format(text)
        assert found(rule, data) is not None, f"{name}: {data}"
        assert TOGETHER.find(data.encode("latin-1"))


@pytest.mark.parametrize("rule", EACH)
def test_half_a_sample_is_not_found_as_a_whole_one(rule: Rule) -> None:
    text = sample(rule)
    assert found(rule, text[: min(len(text) // 4, 12)]) is None


@pytest.mark.parametrize("rule", EACH)
def test_one_repeated_character_is_a_placeholder(rule: Rule) -> None:
    text = sample(rule)
    prefix = re.match(r"[A-Za-z]+[_.-]?", text)
    head = prefix[0] if prefix and len(prefix[0]) < 8 else text[:4]
    assert found(rule, head + "x" * (len(text) - len(head))) is None


@pytest.mark.parametrize("rule", EACH)
def test_every_match_has_a_keyword(rule: Rule) -> None:
    text = sample(rule).lower()
    assert rule.keywords
    assert any(word in text for word in rule.keywords)
    assert all(word == word.lower() for word in rule.keywords)


@pytest.mark.parametrize("rule", EACH)
def test_no_match_is_without_bound_and_none_holds_white_space(rule: Rule) -> None:
    assert parser.parse(rule.regex.replace("(?i)", "")).getwidth()[1] <= 1024
    if not rule.spans:
        assert not any(Expression(rule.regex).finds(white + b"a") for white in (b" ", b"\t", b"\n"))
        assert r"\s" not in rule.regex


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert findings(text) == []


def test_labelled_texts_without_a_secret_are_left_alone() -> None:
    texts = [
        row for row in rows("secrets.json.gz") if (row["kind"], row["tier"]) == ("neg", "core")
    ]
    hits = {
        row["id"]: findings(row["text"]) for row in texts if TOGETHER.find(row["text"].encode())
    }
    assert {key: value for key, value in hits.items() if value} == {}
