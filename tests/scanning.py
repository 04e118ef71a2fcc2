"""Rules, held values and texts to try the machinery of layer 5 with, whatever rules are shipped."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st

from proxy.protection.compiled import Rules
from proxy.protection.detector import Detector
from proxy.protection.held import Held, forms
from proxy.protection.masks import Masks
from proxy.protection.rule import load_rules
from proxy.protection.scrubber import Scrubber

HELD = (
    "held-value-1",
    "first line of it\nsecond line of it",
    'quo"ted\\välue',
    "C:\\new-folder\\x1",
    "ababababab",
    "1-held-value-2",  # overlaps with the first
    "x token: qrst ghp_",
    "long-" + "0123456789" * 30,
    "ghp_heldprefix",
)
OWN = r"""
[[rules]]
id = "pat"
regex = 'ghp_[0-9A-Za-z]{12,255}'
keywords = ["ghp_"]
public = true
[[rules]]
id = "jwt"
regex = 'eyJ[A-Za-z0-9_-]{5,400}\.[A-Za-z0-9_-]{3,400}'
tail = '[A-Za-z0-9_.-]*'
keywords = ["eyj"]
[[rules]]
id = "word"
regex = '\bsk-[a-z]{8,16}\b'
keywords = ["sk-"]
[[rules]]
id = "url"
regex = '''://[^\s"'<>/@:\\]{0,64}:(?P<secret>[^\s"'<>/\\]{1,300})@'''
keywords = ["://"]
[[rules]]
id = "end"
regex = 'qq([a-z]{4,20})(?:$|;)'
keywords = ["qq"]
[[rules]]
id = "private-key"
regex = '-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----'
keywords = ["-----begin"]
check = "pem"
spans = true
[[rules]]
id = "nested"
regex = '''(?i)(?P<key>token)\\{0,8}"?[ \t]{0,20}[=:][ \t]{0,16}(?:\r?\n[ \t]{0,24})?\\"(?P<secret>(?:[^"\\\n]|\\\\(?:\\[^\n]|[^"\\\n])){6,30})'''
tail = '''(?:[^"\\\n]|\\\\(?:\\[^\n]|[^"\\\n]))*'''
keywords = ["token"]
spans = true
[[rules]]
id = "quoted"
regex = '''(?i)(?P<key>token)\\{0,8}"?[ \t]{0,20}[=:][ \t]{0,16}(?:\r?\n[ \t]{0,24})?"(?P<secret>(?:[^"\\\n]|\\[^\n]){6,60})'''
tail = '''(?:[^"\\\n]|\\[^\n])*'''
keywords = ["token"]
spans = true
[[rules]]
id = "bare"
regex = '''(?i)(?P<key>token)(?P<quote>\\{0,8}")?[ \t]{0,20}[=:][ \t]{0,20}(?P<secret>[^\x00-\x20\x7f"'\\,;&|<>(){}]{6,100})'''
tail = '''[^\x00-\x20\x7f"'\\,;&|<>(){}]*'''
keywords = ["token"]
spans = true
[[rules]]
id = "two-words"
regex = "' \\| '(?P<secret>[A-Za-z0-9]{16,150})"
keywords = ["' | '"]
spans = true
[[rules]]
id = "bearer"
regex = '(?i)bearer[ \t]{1,16}(?P<secret>[a-z0-9._~+/=-]{8,200})'
tail = '[A-Za-z0-9._~+/=-]*'
keywords = ["bearer"]
spans = true
"""  # noqa: E501
FOREIGN = r"""
[[rules]]
id = "f-keyed"
regex = '''(?i)[\w.-]{0,50}?(?:hashi)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}([a-z0-9=_\-]{14,60})(?:[\x60'"\s;]|\\[nr]|$)'''
[[rules]]
id = "f-next-line"
regex = 'zz\s+([a-z]{4,})(?:\nq|c)'
[[rules]]
id = "f-line"
regex = '(?m)^yy(\w{4,})$'
[[rules]]
id = "f-unbounded"
regex = '\bww[^;]*;'
[[rules]]
id = "f-inside"
regex = 'vv.{2,8}\b'
[[rules.allowlists]]
regexTarget = "line"
regexes = ["okay"]
[[rules]]
id = "f-all"
regex = '^ss\s*[a-z]+\z'
[[rules]]
id = "f-either"
regex = 'a{3,}b+|(?:tt|uu)(x)?(y)?(z+)?'
"""  # noqa: E501
OWN_RULES = load_rules(OWN, "own.toml", own=True)
FOREIGN_RULES = load_rules(FOREIGN, "foreign.toml")
OURS = Rules(OWN_RULES)
MIXED = Rules((*OWN_RULES, *FOREIGN_RULES))
KNOWN = Held(HELD)

_FRAGMENTS = (
    *(b"token", b"Token", b"=", b":", b": ", b" = ", b":\n", b"=\r\n", b'"', b"'", b'\\"', b"\\"),
    *(b'\\\\\\"', b"\\\\", b"\\n", b"\\t", b"\n", b"\r\n", b" ", b"\t", b" " * 16, b" " * 300),
    *(b"kQ7vLm4Tr8wZ", b"xyz", b",", b"(", b"}", b"\xff\xc3", b"\x00", "é".encode(), b"%", b"\\x"),
    *(b"ghp_", b"ghp_" + b"aB3" * 12, b"aB3dE6" * 50, b"eyJ", b"eyJ" + b"a1" * 150, b"."),
    *(b"a" * size for size in (1, 7, 20, 315, 320, 330, 1000, 1024, 2050)),
    *(
        b"://",
        b"://me:pw12@host",
        b"@",
        b"bearer ",
        b"Bearer\t",
        b"sk-",
        b"sk-abcdefghij",
        b"' |",
        b"' | '",
    ),
    *(b"qqabcdef", b"qq", b";", b"-----BEGIN RSA PRIVATE KEY-----", b"-----BEGIN ", b"-----END"),
    *(b"PRIVATE KEY-----", b"MIIEvQIBADANBgkqhkiG9w0B\n", b"MIIEvQIBADANBgkqhkiG9w0B\n" * 40),
    *(b"MIIEvQIBADANBgkq\\n" * 40, b"MIIEvQIBADANBgkqhkiG9w0B\r\n" * 180, b"Proc-Type: 4\n"),
    *(b"hashicorp_x", b"zz ", b"abcd", b"c", b"q", b"yyabcd", b"ww", b"vvabc", b"okay ", b"ss "),
    *(b"aaa", b"b", b"tt", b"uu", b"x", b"y", b"z"),
)
_FORMS = sorted({form.data for value in HELD for form in forms(value)})
_GAPS = (
    *(b"", b" ", b"\n", b"\\n", b"\r\n", b" \t ", b" " * 500, b"\0"),
    *(b"\x1b[01;31m\x1b[K", b"\\u001b[m", b"\x1b[" + b"1;" * 200),
)


def _spread(drawn: tuple[bytes, int, int, bytes]) -> bytes:
    """A part of a form with a gap in it."""
    form, start, cut, gap = drawn
    part = form[start % len(form) if start > len(form) else 0 :]
    at = cut % (len(part) + 1)
    return part[:at] + gap + part[at:] if cut % 3 else part[:at]


_HELD_PARTS = st.tuples(
    st.sampled_from(_FORMS), st.integers(0, 600), st.integers(0, 600), st.sampled_from(_GAPS)
).map(_spread)
TEXTS = st.lists(
    st.sampled_from(_FRAGMENTS) | st.sampled_from(_FORMS) | _HELD_PARTS, max_size=12
).map(b"".join)
"""Texts of whatever begins, holds or ends a secret."""


def in_pieces(
    detector: Detector, pieces: Sequence[bytes], masks: Masks | None = None
) -> tuple[bytes, Counter[str]]:
    """What is shown of a text that comes in pieces, and what was found in it."""
    tally: Counter[str] = Counter()
    scrubber = Scrubber(detector, masks or Masks("full"), tally)
    shown = [scrubber.scrub(piece, final=False) for piece in pieces]
    return b"".join([*shown, scrubber.scrub(b"", final=True)]), tally


def scrubbed(detector: Detector, text: bytes, masks: Masks | None = None) -> bytes:
    """What is shown of a whole text."""
    return in_pieces(detector, [text], masks)[0]
