"""A text that comes in pieces, and what of it may be shown."""

import itertools
import json
import re
import time
from collections import Counter
from re import _parser  # no public name tells how long a match may be

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scanning import KNOWN, MIXED, OURS, TEXTS, in_pieces, scrubbed

from proxy.protection.compiled import NONE, SPAN, Rules
from proxy.protection.detector import Detector
from proxy.protection.held import Held
from proxy.protection.masks import Masks
from proxy.protection.rule import Rule, shipped
from proxy.protection.scrubber import Scrubber

NOBODY = Held(())
SHIPPED = Rules(shipped())
ALL = Detector(OURS, KNOWN)
DETECTORS = (
    Detector(NONE, KNOWN),
    Detector(OURS, NOBODY),
    Detector(SHIPPED, KNOWN),
    Detector(MIXED, KNOWN),
    ALL,
)
TOKEN = "kQ7vLm4Tr8wZ"
MOST = SPAN + 5 * 1024 + 4096  # bytes that are held back, beside the piece that just came


def shown(text: str, detector: Detector = ALL) -> str:
    return scrubbed(detector, text.encode()).decode()


# What is masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"token={TOKEN}", "token=[REDACTED:bare]"),
        (f"token={TOKEN}&x=1", "token=[REDACTED:bare]&x=1"),
        (f"a\nToken: {TOKEN}\r\nb", "a\nToken: [REDACTED:bare]\r\nb"),
        (f"token={TOKEN} token={TOKEN}", "token=[REDACTED:bare] token=[REDACTED:bare]"),
        (f'{{"token": "{TOKEN}"}}', '{"token": "[REDACTED:quoted]"}'),
        (f'{{\\"token\\": \\"{TOKEN}\\"}}', '{\\"token\\": \\"[REDACTED:nested]\\"}'),
        ('{"token": "p w\\"\\\\ 1 2", "a": 1}', '{"token": "[REDACTED:quoted]", "a": 1}'),
        ("ghp_" + "aB3" * 12 + ".", "[REDACTED:pat]."),
        ("token=ghp_" + "aB3" * 12, "token=[REDACTED:pat]"),
        ("x://me:pw12@host/a", "x://me:[REDACTED:url]@host/a"),
        ("say held-value-1.", "say [REDACTED:held]."),
        ("xheld-value-1y", "x[REDACTED:held]y"),
        ("first line of it\nsecond line of it", "[REDACTED:held]\n[REDACTED:held]"),
    ],
)
def test_a_secret_is_masked_and_all_around_it_stays(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("number", ["1234567890", "-1.234567e9"])
def test_a_number_in_json_becomes_a_string(number: str) -> None:
    assert shown(f'{{"token":{number},"a":1}}') == '{"token":"[REDACTED:bare]","a":1}'
    nested = json.dumps(f'{{"token":{number}}}')
    assert json.loads(json.loads(shown(nested))) == {"token": "[REDACTED:bare]"}


def test_a_key_that_ends_in_a_backslash_keeps_its_json() -> None:
    assert json.loads(shown('{"token\\\\":1234567890}')) == {"token\\": "[REDACTED:bare]"}


@pytest.mark.parametrize("length", [60, 99, 100, 101, 400, 100_000])
@pytest.mark.parametrize(
    ("before", "after"), [("token=", " x"), ('token="', '"'), ("Bearer ", ",")]
)
def test_a_long_value_is_masked_to_its_end(length: int, before: str, after: str) -> None:
    assert re.fullmatch(
        rf"{before}\[REDACTED:\w+\]{after}", shown(f"{before}{'aB3d' * (length // 4)}{after}")
    )


@pytest.mark.parametrize("position", [29, 30, 31, 58, 59, 60, 61, 400])
@pytest.mark.parametrize("escape", ['\\"', "\\\\", "\\u00e9", "\\n"])
def test_an_escape_far_into_a_value_does_not_end_it(position: int, escape: str) -> None:
    value = "a" * position + escape + "b" * 300

    assert shown(f'{{"token": "{value}", "a": 1}}') == '{"token": "[REDACTED:quoted]", "a": 1}'


def test_what_is_held_and_begins_in_the_rest_of_a_value_is_masked_to_its_end() -> None:
    """Else a long value before it would carry out what comes after its first comma."""
    detector = Detector(OURS, Held(["held,value,1"]))

    assert shown(f"token={'aB3d' * 40}held,value,1.", detector) == "token=[REDACTED:bare]."


def test_a_private_key_is_masked_from_its_first_line_to_its_last() -> None:
    key = (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0B\n-----END RSA PRIVATE KEY-----"
    )
    expected = key.partition("\n")[0] + "[REDACTED:private-key]" + key[key.index("-----END") :]

    assert shown(f"a\n{key}\nb") == f"a\n{expected}\nb"
    assert json.loads(shown(json.dumps([key]))) == [expected]


# Any cutting


@pytest.mark.parametrize("detector", DETECTORS)
@settings(deadline=None, max_examples=150)
@given(TEXTS, st.lists(st.integers(0, 5000), max_size=6))
@example(b"Bearer\tyyabcdNlY29uZCBsaW5" + b" " * 311 + b"lIG9mIGl0", [329])
@example(b"zz abcd\nq", [8])
@example(b"x token: qrst ghp_" + b"aB3" * 12, [18])
@example(b"ababababab" * 3, [11, 12])
@example(b"token: eyJ" + b"a1" * 180 + b".abc", [372])
@example(b"token=" + b"aB3d" * 40 + b"1-held-value-2", [175])
def test_any_cutting_gives_the_same_output(
    detector: Detector, data: bytes, cuts: list[int]
) -> None:
    marks = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(marks)]

    assert in_pieces(detector, pieces) == in_pieces(detector, [data])


@pytest.mark.slow
@pytest.mark.parametrize("detector", DETECTORS)
@settings(deadline=None, max_examples=25)
@given(TEXTS.map(lambda text: text[-400:]), st.sampled_from(["prefix", "full", "placeholder"]))
def test_byte_by_byte_gives_the_same_output(detector: Detector, data: bytes, style: str) -> None:
    masks = Masks(style)  # type: ignore[arg-type]
    pieces = [bytes([byte]) for byte in data]

    assert in_pieces(detector, pieces, masks) == in_pieces(detector, [data], masks)


@pytest.mark.parametrize("escape", ["\\n", "\\\\n", "\\\\\\\\", '\\\\\\"', '\\"', "\\\\u00e9"])
@pytest.mark.parametrize("length", [3, 29, 30, 31, 59, 60, 61, 903])
@pytest.mark.parametrize("quote", ['"', '\\"'])
def test_a_cut_inside_an_escape_changes_nothing(escape: str, length: int, quote: str) -> None:
    before = f"token: {quote}{'a' * length}"
    data = f"{before}{escape}{'b' * 20}{quote}, c".encode()
    whole = in_pieces(ALL, [data])

    for cut in range(len(before) - 1, len(before) + len(escape) + 2):
        assert in_pieces(ALL, [data[:cut], data[cut:]]) == whole


@pytest.mark.parametrize(
    "rule", [rule for rule in shipped() if rule.spans], ids=lambda each: each.id
)
def test_a_match_of_ours_that_holds_white_space_is_as_short_as_it_must_be(rule: Rule) -> None:
    """Texts are held back no further than that."""
    pattern = re.sub(r"\[\[:\w+:\]", "[x", rule.regex).replace(r"\z", r"\Z")

    assert _parser.parse(pattern.encode()).getwidth()[1] <= SPAN
    assert rule.keywords


# What is held back


def test_a_line_that_ends_is_not_delayed() -> None:
    scrubber = Scrubber(Detector(OURS, NOBODY), Masks(), Counter())

    assert scrubber.scrub(b"one\ntwo", final=False) == b"one\n"
    assert scrubber.scrub(b"\n", final=False) == b"two\n"
    assert scrubber.scrub(b"ghp_" + b"aB3" * 12 + b"\nx", final=False) == b"ghp_*[REDACTED]\n"
    assert scrubber.scrub(b"", final=True) == b"x"
    assert scrubber.scrub(b"", final=True) == b""


@given(st.text('abc .,\n\t"=:\\/-é', max_size=900).map(str.encode), st.sampled_from(" \t\r\n"))
def test_all_is_shown_up_to_white_space_where_no_key_is_near(text: bytes, white: str) -> None:
    data = text + white.encode()
    scrubber = Scrubber(Detector(OURS, NOBODY), Masks(), Counter())

    assert scrubber.scrub(data, final=False) == data


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize(
    "piece",
    [
        *(b"x", b"token=kQ7vLm4Tr8wZ ", b'token="', b'"\\', b"held-val", b"h\n", b"ababababab"),
        *(b"bearer ", b"\\", b" ", b"-----BEGIN RSA PRIVATE KEY-----\n", b"eyJ", b"://a:", b"ww"),
    ],
)
def test_no_more_is_held_back_than_bounds_allow(detector: Detector, piece: bytes) -> None:
    """Without an end, a kilobyte at a time: what was not shown was swallowed or is kept."""
    chunk = (piece * 1024)[:1024]
    scrubber = Scrubber(detector, Masks(), Counter())
    for _ in range(24):
        scrubber.scrub(chunk, final=False)
        assert scrubber.held_back <= MOST


# Time


HOSTILE = (
    *(b"token=", b"eyJ", b"eyJabcdefgh.", b"-----BEGIN RSA PRIVATE KEY-----", b"held-val", b"x"),
    *(b"://a:", b'"', b"\\", b'\\"', b" ", b"\n", b"ww", b"aaa", b"bearer ", b"qq", b"hashi"),
)


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_text_that_is_made_to_cost_takes_time_in_proportion(piece: bytes) -> None:
    def seconds(size: int) -> float:
        data = (piece * size)[:size]
        started = time.process_time()
        in_pieces(DETECTORS[3], [data[at : at + 16384] for at in range(0, size, 16384)])
        return time.process_time() - started

    seconds(1 << 14)  # automata are made as they are needed
    assert seconds(1 << 18) < 8 * seconds(1 << 16) + 0.05  # four times as much, and some noise
