"""JSON without its secrets, and otherwise byte for byte as it was."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cleaners import HELD, SECRET, Double, M
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.structure import MAX_DEPTH, json_text, parsed, walk
from proxy.values import Json


def nested(value: Json, depth: int) -> str:
    """JSON in a string of JSON, and so on."""
    for _ in range(depth):
        value = json.dumps([value])
    assert isinstance(value, str)
    return value


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        # strings and names
        (f"a {SECRET} b", f"a {M} b"),
        ({"a": [{"b": SECRET}]}, {"a": [{"b": M}]}),
        ({SECRET: 1}, {M: 1}),
        ((SECRET, 1), [M, 1]),
        # by their names
        ({"password": "abc def"}, {"password": M}),
        ({"password": ["abc def", "short", ["abc def"]]}, {"password": [M, "short", [M]]}),
        ({"password": {"a": "abc def"}}, {"password": {"a": "abc def"}}),
        ({"password": 12345678, "a": 12345678}, {"password": M, "a": 12345678}),
        ({"password": -1234.5678}, {"password": M}),
        ({"password": 12345}, {"password": 12345}),
        ({"password_tokens": 12345678}, {"password_tokens": 12345678}),
        ({"password": True, "passwords": None}, {"password": True, "passwords": None}),
        ({"password": [{"a": "abc def"}, "abc def"]}, {"password": [{"a": "abc def"}, M]}),
        ([{"password": "abc def"}, "abc def"], [{"password": M}, "abc def"]),
        ({"pass\\u0077ord": "abc def"}, {"pass\\u0077ord": "abc def"}),
        # names that are masked alike
        ({SECRET: 1, "zz_abcdefgh": 2, M: 3}, {M: 1, f"{M}*": 2, f"{M}**": 3}),
        # JSON in a string
        ({"a": json.dumps({"password": "abc def"})}, {"a": json.dumps({"password": M})}),
        ({"a": nested(SECRET, 3)}, {"a": nested(M, 3)}),
        (nested(SECRET, MAX_DEPTH + 2), nested(M, MAX_DEPTH + 2)),
        ({"a": '["zz_1234\\u00356789"]'}, {"a": f'["{M}"]'}),
        ({"a": f'{{"b": {SECRET}'}, {"a": f'{{"b": {M}'}),
        # half a character
        (["a\ud800b", SECRET], ["a\ufffd\ufffd\ufffdb", M]),
        ("a\ud800b", "a\ufffd\ufffd\ufffdb"),
    ],
)
def test_secrets_are_masked_and_the_shape_stays(raw: Json, clean: Json) -> None:
    assert walk(raw, Double()) == clean


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, 10**30, 1.5, float("inf"), "", "text", '\\ " \n \u2028 🦀', [], {}, ()),
        {"a": [1, "b", None, {"c": 2.5}], "password": "short", "token": {}, "b": '{"a": "\\n"}'},
    ],
)
def test_what_holds_no_secret_is_the_very_same(value: Json) -> None:
    cleaner = Double()

    assert walk(value, cleaner) is value
    assert not cleaner.tally


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        # what is around a secret stays as it is written
        (
            '\t{ "b" : 1.50,\r\n"a":"zz_12345678" ,"c":1E5}',
            f'\t{{ "b" : 1.50,\r\n"a":"{M}" ,"c":1E5}}',
        ),
        (r'["\u00e9\/ zz_12345678 \/\ud83e\udd80\n"]', rf'["\u00e9\/ {M} \/\ud83e\udd80\n"]'),
        (r'["\ud83e zz_12345678 \udd80"]', None),
        # however it is escaped
        (r'["zz_12345\u0036\u00378"]', f'["{M}"]'),
        (r'{"pass\u0077ord" : "abc def"}', rf'{{"pass\u0077ord" : "{M}"}}'),
        (r'{"\u007az_12345678" : 1}', f'{{"{M}" : 1}}'),
        # in a string of JSON, too
        (
            r'{"a":"{ \"b\" : 1.50,\n\"a\":\"zz_12345678\" }"}',
            rf'{{"a":"{{ \"b\" : 1.50,\n\"a\":\"{M}\" }}"}}',
        ),
        # what has the same name twice is read by some
        ('{"a":"zz_12345678","a":"zz_12345678"}', f'{{"a":"{M}","a":"{M}"}}'),
        # a held number
        ('{"password": 12345678}', f'{{"password": "{M}"}}'),
        ("[NaN, -Infinity, true, zz_12345678]", f"[NaN, -Infinity, true, {M}]"),
        # no JSON
        ("password=abcdefgh", f"password={M}"),
        ('{"a": "zz_12345678"', f'{{"a": "{M}"'),
        ("zz_12345678", M),
        ("", ""),
    ],
)
def test_only_a_secret_is_written_anew(raw: str, clean: str | None) -> None:
    shown = json_text(raw, Double())

    assert SECRET not in shown
    if clean is not None:
        assert shown == clean


def test_what_is_known_already_is_put_in() -> None:
    data = '{"a": "zz_12345678", "b": "zz_12345678"}'

    assert json_text(data, Double(), {6: "known"}) == f'{{"a": "known", "b": "{M}"}}'


@pytest.mark.parametrize("text", ["", "{", '{"a":}', "[1] 2", "[" * 100_000])
def test_what_is_no_json_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parsed(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, "[" * 100_000 + "]" * 100_000, '"' * 100_001, "\\" * 100_000),
        *(
            '["' + "\\\\" * 100_000 + '"]',
            '["' + '\\"' * 100_000,
            '["' + "\\u0041" * 100_000 + '"]',
        ),
        *("[" + "1" * 100_000 + "]", "[" + "1," * 100_000 + "1]", '{"' * 50_000),
        *("[[" + '"' * 99_999 + "]]", json.dumps(["[" * 100_000]), '[" ' + " " * 100_000 + '"]'),
        nested('"' * 10, MAX_DEPTH + 4),
    ],
)
def test_hostile_texts_take_no_longer(text: str) -> None:
    hostile = f'{{"x": "{SECRET}", "y": {text}}}'

    assert SECRET not in json_text(hostile, Double())
    assert json_text(text, Double()) == text


@pytest.mark.parametrize("depth", [10, 60, 500])
def test_deep_values_are_walked(depth: int) -> None:
    deep = "[" * depth + '"zz_12345678"' + "]" * depth

    assert json_text(deep, Double()) == deep.replace(SECRET, M)


TEXTS = st.text() | st.sampled_from([SECRET, f"a {HELD}", '{"a": "zz_12345678"}', "\\", '"'])
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


def shape(each: object) -> object:
    if isinstance(each, dict):
        return [shape(member) for member in each.values()]
    return [shape(item) for item in each] if isinstance(each, list) else type(each)


@given(VALUES, st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 1}]))
def test_any_value_keeps_its_shape_and_loses_its_secrets(
    value: Json, written: Mapping[str, Any]
) -> None:
    text = json.dumps(value, **written)
    shown = json_text(text, Double())

    assert SECRET not in shown
    assert HELD not in shown
    assert shape(json.loads(shown)) == shape(value)
    assert json.loads(shown) == walk(value, Double())
