"""Whether what a rule matched is a secret, and where in the match it stands."""

import math
import re
from collections import Counter
from dataclasses import dataclass

from proxy.protection.checks import CHECKS, Candidate
from proxy.protection.compiled import PEM, Compiled
from proxy.protection.expression import Expression, Match, Span
from proxy.protection.held import REACH
from proxy.protection.rule import Allow, Rule

CONTEXT = 64
"""How much before a match may matter to what is made of it, in bytes."""

AFTER = 8
"""How much after a secret may matter, up to the first white space."""

WHITE = b" \t\r\n"
_QUOTES = (b'"', b"'", b"`")
_AFTER = re.compile(rb"[^ \t\r\n]*[ \t\r\n]?")


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret from `start` to `end`, in a match that begins at `begin`.

    `label`: what it is counted and shown as. `public`: its first characters are published. `tail`:
    how it may go on. `quote`: what its mask needs around it where it had none, to stay JSON.
    """

    begin: int
    start: int
    end: int
    label: str
    public: bool = False
    tail: Expression | str | None = None
    quote: bytes = b""


def judged(compiled: Compiled, text: bytes, at: int) -> Finding | None:
    """What a rule finds at `at`, once it has passed all checks."""
    rule = compiled.rule
    end = at + REACH if rule.own else _line_end(text, at)
    match = compiled.expression.match(text, at, end)
    if match is None:
        return None
    if rule.check == PEM:
        if text[match.span[1] : match.span[1] + 1] in _QUOTES:  # a text about keys, and no key
            return None
        return Finding(at, match.span[1], match.span[1], rule.id, tail=compiled.tail)
    start, end = _secret(rule, match)
    if start == end or (not rule.own and b"\n" in text[at:end]):
        return None
    label = _label(rule, text, match, (start, end))
    if label is None:
        return None
    quoted = match.get("quote")
    quote = text[slice(*quoted)] if quoted else b""
    return Finding(at, start, end, label, rule.public, compiled.tail, quote)


def _line_end(text: bytes, at: int) -> int:
    """Where a match of somebody else's rule has to end at last: with its line."""
    return 1 + text.find(b"\n", at, at + REACH) or at + REACH


def _secret(rule: Rule, match: Match) -> Span:
    """The secret in a match, as gitleaks has it."""
    if rule.group is not None and rule.group <= len(match.groups):
        return match.groups[rule.group - 1]
    marked = match.get("secret")
    if marked is not None:
        return marked
    return next((span for span in match.groups if span[1] > span[0]), match.span)


def _label(rule: Rule, text: bytes, match: Match, span: Span) -> str | None:
    secret = text[slice(*span)]
    if rule.entropy and entropy(secret) < rule.entropy:
        return None
    if any(_allows(allow, text, match.span, secret) for allow in rule.allow):
        return None
    if rule.check is None:
        return rule.id
    return CHECKS[rule.check](_candidate(rule, text, match, span))


def _candidate(rule: Rule, text: bytes, match: Match, span: Span) -> Candidate:
    start, end = span
    key = match.get("key") or (start, start)
    after = _AFTER.match(text, end, end + AFTER)
    begin = match.span[0]
    return Candidate(
        rule,
        text[key[0] : key[1]],
        text[start:end],
        text[max(0, begin - CONTEXT) : begin],
        text[key[1] : start],
        after[0] if after else b"",
    )


def _allows(allow: Allow, text: bytes, match: Span, secret: bytes) -> bool:
    """Whether it is no secret after all."""
    target = secret
    if allow.target != "secret":  # of a line, no more is known than what surrounds the match
        target = text[slice(*match)] if allow.target == "match" else _line(text, match)
    kinds = []
    if allow.regexes:
        kinds.append(any(each.finds(target) for each in allow.regexes))
    if allow.stopwords:
        kinds.append(any(word in secret.lower() for word in allow.stopwords))
    return all(kinds) if allow.every else any(kinds)


def _line(text: bytes, match: Span) -> bytes:
    before = text[max(0, match[0] - CONTEXT) : match[0]].rpartition(b"\n")[2]
    return before + text[slice(*match)]


def entropy(data: bytes) -> float:
    """Bits a byte, by how often each occurs (Shannon)."""
    size = len(data)
    return -sum(n / size * math.log2(n / size) for n in Counter(data).values())
