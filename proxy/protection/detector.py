"""All rules and all held values as one detector: where the next secret of a text is.

One automaton for all rules finds where a match of any begins, at the speed of the memory; only
there are the rules asked one by one, and what they find must pass its checks. What is decided
depends on the text from CONTEXT bytes before a match to a bounded number after its beginning, and
on nothing else: that is why a text may come in any pieces.
"""

from dataclasses import replace

from proxy.protection.compiled import NONE, SPAN, Rules, start
from proxy.protection.expression import Span
from proxy.protection.held import REACH, Held
from proxy.protection.judging import AFTER, CONTEXT, WHITE, Finding, judged
from proxy.protection.keyed import judge

__all__ = ["CONTEXT", "NONE", "Cursor", "Detector", "Finding"]

_VIEW = SPAN + 3 * REACH + AFTER  # a match, a format in it, and held values that begin in that
_MARKS = [bytes((byte,)) for byte in WHITE]


class Detector:
    """What finds the secrets of a text. With the rules NONE: only what is held."""

    def __init__(self, rules: Rules, held: Held) -> None:
        self.rules = rules
        self.held = held

    def clean(self, data: bytes) -> bool:
        """Whether there is surely no secret, neither in the text nor in what it encloses as JSON.

        An escape may hide one, and a member of an object may be one by its key alone.
        """
        if b"\\" in data or self.rules.telling.start(data) >= 0:
            return False
        return not self.rules.find(data) and self.held.search(data, 0) is None

    def member(self, key: str, value: str) -> str | None:
        """What the whole value of an object's member is, by its key; None: no secret."""
        if not self.rules.keyed:
            return None
        data = value.encode("utf-8", "surrogatepass")
        return judge(key.encode("utf-8", "surrogatepass"), data[:REACH], quoted=True)

    def boundary(self, text: bytes) -> int:
        """Up to where no text to come can change what is found."""
        white = self._white(text, self.held.opened(text))
        since = max(0, white - SPAN)
        opened = self.rules.opening.start(text[since:white])
        if opened >= 0:
            white = self._white(text, since + opened)
        return max(len(text) - _VIEW, white, 0)

    def _white(self, text: bytes, end: int) -> int:
        """Where the last white space before `end` ends that no match crosses."""
        marks = _MARKS[-1:] if self.rules.by_lines else _MARKS
        return max(text.rfind(mark, 0, end) for mark in marks) + 1


class Cursor:
    """One way through a text, from secret to secret.

    `limit`: before it every match begins; more may come there, unless it is the text's end.
    """

    def __init__(self, detector: Detector, text: bytes, limit: int) -> None:
        self._rules = detector.rules
        self._values = detector.held
        self._text = text
        self.limit = limit
        self._rule: Finding | None = None
        self._held: Span | None = None
        self._searched = [False, False]
        self._begins = [-1] * len(self._rules.groups)

    def next(self, at: int) -> Finding | None:
        """The first secret whose match begins at or after `at`."""
        rule, held = self._next_rule(at), self._next_held(at)
        if held is None or held[0] >= (rule.end if rule else self.limit):
            self._searched[0] = False
            return rule
        if rule is None or held[1] <= rule.begin:
            found = Finding(held[0], *held, "held")
        else:
            self._searched[0] = False
            found = self._joined(rule, held)
        if found.end <= self.limit:
            return found
        self.limit = min(found.begin, found.start)  # what begins in a held value is not yet known
        return None

    def _joined(self, rule: Finding, held: Span | None) -> Finding:
        """A finding and all that is held and begins in its match, as one."""
        start, end, tail = rule.start, rule.end, rule.tail
        while held is not None and held[0] < end:
            start = min(start, held[0])
            if held[1] > end:
                end, tail = held[1], None
            held = self._next_held(max(held[0] + 1, held[1]))
        return Finding(rule.begin, start, end, rule.label, tail=tail, quote=rule.quote)

    def _next_held(self, at: int) -> Span | None:
        if not self._searched[1] or (self._held is not None and self._held[0] < at):
            self._held, self._searched[1] = self._values.search(self._text, at), True
        return self._held

    def _next_rule(self, at: int) -> Finding | None:
        if not self._searched[0] or (self._rule is not None and self._rule.begin < at):
            self._rule, self._searched[0] = self._search(at), True
        return self._rule

    def _search(self, at: int) -> Finding | None:
        while (at := self._begin(at)) < self.limit:
            finding = self._first(at)
            if finding is not None:
                return finding
            at += 1
        return None

    def _begin(self, at: int) -> int:
        """Where the first match may begin at or after `at`; at the limit without one."""
        for place, group in enumerate(self._rules.groups):
            if self._begins[place] < at:
                self._begins[place] = start(group, self._text, at, self.limit)
        return min(self._begins, default=self.limit)

    def _first(self, at: int) -> Finding | None:
        """What the first rule finds whose match begins at `at`.

        A value that a key told of may be in a format of its own, which names it better.
        """
        for compiled in self._rules.at(self._text, at):
            finding = judged(compiled, self._text, at)
            if finding is not None:
                return self._named(finding) if compiled.rule.spans else finding
        return None

    def _named(self, told: Finding) -> Finding:
        for compiled in self._rules.formats(self._text, told.start):
            finding = judged(compiled, self._text, told.start)
            if finding is not None and finding.end >= told.end:
                return replace(finding, begin=told.begin, quote=told.quote)
        return told
