"""Whether a value is made of words, is a placeholder, or is rather random."""

import re
from itertools import pairwise

_PIECE = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SEGMENT = re.compile(rb"[A-Za-z0-9]+")
_NUMBER = 4  # digits that go with a word: a year, a port, a version
_MIXED = 3  # segments of letters and digits: more than a name with a version has
_SHORT = 4  # letters of which any sequence may be a word
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"

# How usual it is, from 0 to 9, that a letter follows another in the words of programs and prose.
# Rows: at the beginning of a word, after a, after b, …; columns: a, b, …, z, the end of the word.
_FOLLOWS = (
    "667666556446665636765554340",
    "466634535147671617685444426",
    "756575337528437416647222527",
    "745474376066438416575321417",
    "654585437225446325655322409",
    "646755424126573548763445428",
    "745577328116447416666222507",
    "634383566115466407646321329",
    "833483227134547306565231508",
    "656665612236687515772514156",
    "845584336454457534747351227",
    "634584457345456425755352428",
    "734584328137337413665411617",
    "853483317135637713646221307",
    "636775736244356413775421328",
    "456634534246685608666553326",
    "734474356147337617665331507",
    "444444334227443456649442328",
    "735584527044557415665420518",
    "526373367145436633676331419",
    "735484268125436407655232528",
    "666565526137684607772213225",
    "834493328014436414543322207",
    "835473368135467416643233217",
    "646575247025645734573325438",
    "545454425125565714664342339",
    "743393357234456404574233557",
)
_USUAL = 5.35  # on average, in what can be said aloud

META = re.compile(
    rb"(?i)pass(?:w(?:or)?d|phrase)?s?|pwd|secret|token|keys?|credential|bearer|auth|login|test|"
    rb"example|sample|demo|dummy|fake|mock|your|my|change|replace|placeholder|redacted|removed|"
    rb"hidden|masked|none|null|nil|undefined|true|false|string|value|name|user|default|foo|bar|baz|"
    rb"qux|todo|here|insert|enter|required|optional|valid|wrong|unknown|empty|blank|text|type|env|"
    rb"config|input|prompt|field|param|label|arg|var|data|x{3,}|abcd?(?:ef)?|not|missing|crypt|"
    rb"hash|plain|raw|new|old|current|confirm|verify|sensitive|private|public|random|generate|"
    rb"some|correct|strong|base64|file|path|url|id"
)
"""Words by which a value says what it stands for, instead of being it."""

_REFERENCE = re.compile(
    rb"\$\{|\$\(|\{\{|\}\}|<%|%\(|#\{|REDACTED|EXAMPLE|process\.env|os\.environ|getenv|\bENV\["
    rb"|\A(?:arn:|vault:|ENC\[|[a-z]{2,12}://|\$[A-Za-z_]\w*\Z|<[^<>]*>?\Z|\{[\w.-]*\}?\Z"
    rb"|%[A-Za-z_]*%?\Z|![A-Za-z]+\Z|@[\w.-]+@\Z|\[[^\]]*\]*\Z)"
)
_CHANGES = ((4, 2.9), (7, 3.6))  # so many pieces that are so short on average: no names


def strange(value: bytes) -> int:
    """How many characters of a value belong neither to words nor to small numbers."""
    segments: list[bytes] = _SEGMENT.findall(value)
    mixed = [segment for segment in segments if _is_mixed(segment)]
    if len(mixed) < _MIXED:
        return sum(map(_strange, segments))
    return sum(len(segment) if segment in mixed else _strange(segment) for segment in segments)


def _is_mixed(segment: bytes) -> bool:
    """Whether a segment is digits and a few letters, which once or twice is a version."""
    pieces: list[bytes] = _PIECE.findall(segment)
    words = [piece for piece in pieces if not piece.isdigit()]
    return 0 < len(words) < len(pieces) and all(len(word) < _SHORT for word in words)


def _strange(segment: bytes) -> int:
    pieces: list[bytes] = _PIECE.findall(segment)
    if any(len(pieces) >= least and len(segment) < most * len(pieces) for least, most in _CHANGES):
        return len(segment)
    words = [piece for piece in pieces if not piece.isdigit()]
    letters = sum(map(len, words))
    if not words:
        return len(segment) if len(segment) > _NUMBER else 0
    if len(segment) - letters <= _NUMBER:
        return letters - sum(len(word) for word in words if usual(word))
    return len(segment) - sum(len(word) for word in words if len(word) > _SHORT and usual(word))


def unusual_rest(value: bytes) -> int:
    """The same without the words by which a value says what it is."""
    return strange(META.sub(b" ", value))


def usual(word: bytes) -> bool:
    """Whether letters follow each other as in words; short ones always do."""
    if len(word) < _SHORT:
        return True
    places = [_LETTERS.index(letter) for letter in word.lower()]
    steps = zip([-1, *places], [*places, len(_LETTERS)], strict=True)
    return sum(int(_FOLLOWS[a + 1][b]) for a, b in steps) >= _USUAL * (len(word) + 1)


def is_reference(value: bytes) -> bool:
    """Whether a value stands for another: a variable, a template, an example, an address."""
    return bool(_REFERENCE.search(value))


def is_mask(value: bytes) -> bool:
    """Whether a value is one character over and over, or two."""
    return len({*value}) < 3


def is_filler(value: bytes) -> bool:
    """Whether a value is hardly more than a character repeated, or counted up."""
    if is_mask(value):
        return True
    commonest = max(value.count(each) for each in {*value})
    return 2 * commonest > len(value) or 10 * counted(value) >= 9 * (len(value) - 1)


def counted(value: bytes) -> int:
    """How often a character follows the one before it in the order of digits or of letters."""
    return sum(b - a in (1, -9) for a, b in pairwise(value))
