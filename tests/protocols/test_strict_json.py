import contextlib
import json
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.protocols.strict_json import MAX_DEPTH, dumps, loads
from proxy.reasons import Reason
from proxy.values import Json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inside, max_size=4)
    ),
    max_leaves=20,
)


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        *((b"null", None), (b"true", True), (b"false", False), (b"0", 0), (b"-1", -1)),
        *((b"1.5", 1.5), (b"1e3", 1000.0), (b"1E-3", 0.001), (b"-0.0", -0.0), (b"1e-999", 0.0)),
        *((b'""', ""), (b"[]", []), (b"{}", {}), (b' \t\r\n{"a" : [ 1 ]} \n', {"a": [1]})),
        ('"ä€😀"'.encode(), "ä€😀"),
        (rb'"\u00e4\ud83d\ude00\n\"\\\/"', 'ä😀\n"\\/'),
        (rb'"\u0000"', "\0"),
        (rb'"\\ud800"', "\\ud800"),
        (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
        (b'{"":1}', {"": 1}),
        (b'{"a":{"b":1},"c":{"b":2}}', {"a": {"b": 1}, "c": {"b": 2}}),
        (b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        (b"9" * 400, int("9" * 400)),
    ],
)
def test_document_of_one_meaning_is_read(data: bytes, value: Json) -> None:
    assert loads(data) == value


REFUSED = [
    # two of one key
    pytest.param(b'{"a":1,"a":2}', id="duplicate key"),
    pytest.param(b'{"a":1,"a":1}', id="duplicate key with one value"),
    pytest.param(b'{"":1,"":2}', id="duplicate empty key"),
    pytest.param(b'{"x":[{"y":{"a":1,"b":2,"a":3}}]}', id="duplicate key at depth"),
    pytest.param(rb'{"a":1,"\u0061":2}', id="duplicate key in disguise"),
    pytest.param('{"ä":1,"\\u00e4":2}'.encode(), id="duplicate key in another disguise"),
    pytest.param(rb'{"\ud83d\ude00":1,"\uD83D\uDE00":2}', id="duplicate key of two cases"),
    # no numbers
    *(
        pytest.param(text, id=text.decode())
        for text in (
            *(b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b'{"a":Infinity}', b"nan", b"inf"),
            *(b"1e999", b"-1e999", b"[1e400]", b"1.8e308", b"01", b"-01", b"+1", b".5", b"5."),
            *(b"1e", b"0x10", b"1_000", b"--1", b"-", b"1,5"),
        )
    ),
    pytest.param(b"1" * 5000, id="integer of 5000 digits"),
    pytest.param(b"[-" + b"1" * 5000 + b"]", id="integer of 5000 digits inside"),
    # no text
    pytest.param(rb'"\ud800"', id="lone high surrogate"),
    pytest.param(rb'"\uDFFF"', id="lone low surrogate"),
    pytest.param(rb'"\ude00\ud83d"', id="surrogates in the wrong order"),
    pytest.param(rb'"\ud83d\ud83d"', id="two high surrogates"),
    pytest.param(rb'{"\ud800":1}', id="lone surrogate in a key"),
    pytest.param(rb'{"a":[{"b":"\uD800"}]}', id="lone surrogate at depth"),
    pytest.param(rb'"\ud83d\\ude00"', id="surrogate before a backslash"),
    pytest.param(b'"\xed\xa0\x80"', id="surrogate in UTF-8"),
    pytest.param(b'"\xff"', id="no UTF-8"),
    pytest.param(b'"\xc0\xaf"', id="overlong slash"),
    pytest.param(b'"\xc3"', id="half a character"),
    pytest.param(b'"\xe4"', id="Latin-1"),
    pytest.param(b'\xef\xbb\xbf{"a":1}', id="byte order mark"),
    pytest.param('{"a":1}'.encode("utf-16"), id="UTF-16"),
    pytest.param('{"a":1}'.encode("utf-16-le"), id="UTF-16 without a mark"),
    pytest.param('{"a":1}'.encode("utf-32"), id="UTF-32"),
    pytest.param(b'"a\nb"', id="line feed in a string"),
    pytest.param(b'"a\tb"', id="tab in a string"),
    pytest.param(b'"\0"', id="NUL in a string"),
    pytest.param(rb'"\x41"', id="hexadecimal escape"),
    pytest.param(rb'"\u12"', id="short escape"),
    pytest.param(rb'"\u+123"', id="escape with a sign"),
    pytest.param(b"'a'", id="single quotes"),
    pytest.param(b'"a', id="string without an end"),
    # more or less than a document
    pytest.param(b"", id="empty"),
    pytest.param(b" \n", id="space alone"),
    pytest.param(b'{"a":1}{"a":2}', id="two documents"),
    pytest.param(b'{"a":1}\n{"a":2}', id="two lines"),
    pytest.param(b'{"a":1} x', id="garbage behind"),
    pytest.param(b'{"a":1}\0', id="NUL behind"),
    pytest.param(b"{}]", id="bracket behind"),
    pytest.param(b'x{"a":1}', id="garbage before"),
    pytest.param(b'\xc2\xa0{"a":1}', id="space of another kind"),
    pytest.param(b"\x0c{}", id="form feed"),
    # what some readers forgive
    pytest.param(b"[1,]", id="comma behind"),
    pytest.param(b"[,1]", id="comma before"),
    pytest.param(b'{"a":1,}', id="comma behind a member"),
    pytest.param(b"{a:1}", id="key without quotes"),
    pytest.param(b"{1:1}", id="key that is a number"),
    pytest.param(b'{"a" 1}', id="no colon"),
    pytest.param(b"/* x */ {}", id="comment"),
    pytest.param(b"{} // x", id="comment of a line"),
    pytest.param(b"True", id="true of Python"),
    pytest.param(b"undefined", id="undefined"),
    pytest.param(b"[1", id="list without an end"),
    pytest.param(b'{"a":', id="member without a value"),
    # deeper than any reader must go
    pytest.param(nested(MAX_DEPTH + 1), id="65 lists"),
    pytest.param(nested(MAX_DEPTH + 1, '{"a":', "}"), id="65 mappings"),
    pytest.param(nested(33, '[{"a":', "}]"), id="65 of both"),
    pytest.param(b"[" * 100_000, id="100,000 brackets"),
    pytest.param(b'{"a":' * 100_000, id="100,000 braces"),
    pytest.param(nested(100_000), id="100,000 brackets that are closed"),
    pytest.param(b'"' + b"[" * 99 + b'"' + b"[" * 65 + b"]" * 65, id="a string before depth"),
    pytest.param(b'["\\"' + b"[" * 9 + b'",' + nested(64) + b"]", id="a quote in a string"),
]


@pytest.mark.parametrize("data", REFUSED)
def test_what_readers_differ_on_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        loads(data)

    assert caught.value.reason is Reason.BODY_MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(nested(MAX_DEPTH), id="64 lists"),
        pytest.param(nested(MAX_DEPTH, '{"a":', "}"), id="64 mappings"),
        pytest.param(b"[" + b",".join([b"[]"] * 10_000) + b"]", id="many lists side by side"),
        pytest.param(b'"' + b"[" * 100_000 + b'"', id="brackets in a string"),
        pytest.param(rb'["\"' + b"[" * 100 + rb'\\", "' + b"{" * 100 + b'"]', id="with escapes"),
    ],
)
def test_depth_is_counted_outside_of_strings(data: bytes) -> None:
    assert loads(data) == json.loads(data)


def test_evidence_holds_nothing_of_the_document() -> None:
    with pytest.raises(Malformed) as caught:
        loads(b'{"password":"s3cret",}')

    assert "s3cret" not in caught.value.evidence + str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 1_000_000, id="brackets"),
        pytest.param(b'"' + b"\\\\" * 500_000, id="backslashes"),
        pytest.param(b"[" + b"1," * 500_000 + b"1]", id="numbers"),
        pytest.param(b"1" * 1_000_000, id="digits"),
        pytest.param(b"0." + b"1" * 1_000_000, id="digits of a fraction"),
        pytest.param(b"1e" + b"9" * 1_000_000, id="digits of an exponent"),
        pytest.param(b'"' + b"\\ud800" * 150_000 + b'"', id="surrogates"),
        pytest.param(b"[" + b'"[[[[[[[[",' * 90_000 + b"1]", id="brackets in strings"),
        pytest.param(b"[" * 65 + b'"' + b'\\"' * 500_000, id="a string of quotes without an end"),
        pytest.param(b"[" * 65 + b'"' * 999_999 + b"\\", id="a backslash without an end"),
    ],
)
def test_reading_a_megabyte_takes_no_time(data: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(Malformed):
        loads(data)

    assert time.process_time() - started < 1.0


@given(st.binary())
@example(b"[[[")
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    try:
        value = loads(data)
    except Malformed:
        return

    assert value == json.loads(data)


@given(st.text(st.sampled_from('{}[]":,\\u0dD8e1.-NanItrufls \n')))
def test_any_text_near_json_is_a_value_or_malformed(text: str) -> None:
    try:
        value = loads(text.encode())
    except Malformed:
        return

    assert value == json.loads(text)


@given(VALUES)
@example([-0.0, 1e308, 5e-324, 2**63])
def test_what_is_written_reads_the_same(value: Json) -> None:
    assert loads(dumps(value)) == value


@given(VALUES)
def test_what_is_read_is_written_the_same_again(value: Json) -> None:
    data = dumps(value)

    assert dumps(loads(data)) == data


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ({"a": [1, 2.5, None, True]}, b'{"a":[1,2.5,null,true]}'),
        ("ä😀", '"ä😀"'.encode()),
        ('\0\n\x1b"\\', rb'"\u0000\n\u001b\"\\"'),
        ({"b": 1, "a": 2}, b'{"b":1,"a":2}'),
    ],
)
def test_json_is_written_compact_in_utf8(value: Json, data: bytes) -> None:
    assert dumps(value) == data


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], "\ud800", {"\udfff": 1}])
def test_what_is_no_json_is_not_written(value: Json) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which words it has is Python's affair
        dumps(value)
