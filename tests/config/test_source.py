from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import source
from proxy.config.draft import Draft
from proxy.decision import ConfigError


def problems(text: str) -> list[str]:
    try:
        return [str(problem) for problem in source.read(text, "f").problems]
    except ConfigError as error:
        return list(error.problems)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null", "\ufeff", "{}"])
def test_nothing_is_an_empty_mapping(text: str) -> None:
    assert source.read(text, "f").data == {}
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # null
        ("", None),
        ("~", None),
        ("null", None),
        # booleans
        ("true", True),
        ("False", False),
        # whole numbers
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("9" * 40, int("9" * 40)),
        # decimals
        ("1.5", 1.5),
        ("-0.5e3", -500.0),
        # what YAML 1.1 would make something else of
        ("yes", "yes"),
        ("no", "no"),
        ("off", "off"),
        ("012", "012"),
        ("0x10", "0x10"),
        ("0o10", "0o10"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("1000:50", "1000:50"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("2026-11-22", "2026-11-22"),
        ("=", "="),
        # quoted and block scalars are text
        ('"3000"', "3000"),
        ("'true'", "true"),
        ("|-\n  null", "null"),
        ("! 5", "5"),
        # tags of the core
        ("!!str 5", "5"),
        ("!!int 5", 5),
        ("!!float 5", 5),
        ("!!bool true", True),
        ("!!null ~", None),
    ],
)
def test_scalar_means_one_thing(text: str, value: object) -> None:
    read = source.read(f"key: {text}", "f")

    assert read.problems == []
    assert read.data == {"key": value}
    assert type(read.data["key"]) is type(value)


@pytest.mark.parametrize("digits", [101, 5_000])
def test_number_beyond_all_bounds_is_text(digits: int) -> None:
    assert source.read(f"key: {'9' * digits}", "f").data == {"key": "9" * digits}


def test_collections_are_read_with_the_place_of_every_key() -> None:
    read = source.read("a:\n  b: [x,\n    {c: 1}]\n'd': !!map {}\ne: !!seq []\n", "f")

    assert read.data == {"a": {"b": ["x", {"c": 1}]}, "d": {}, "e": []}
    assert {key: (at.line, at.column) for key, at in read.positions.items()} == {
        (): (1, 1),
        ("a",): (1, 1),
        ("a", "b"): (2, 3),
        ("a", "b", 0): (2, 7),
        ("a", "b", 1): (3, 5),
        ("a", "b", 1, "c"): (3, 6),
        ("d",): (4, 1),
        ("e",): (5, 1),
    }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("- a", ["f:1:1: the configuration must be a mapping of sections"]),
        ("word", ["f:1:1: the configuration must be a mapping of sections"]),
        ("a: 1\n---\nb: 1", ["f:2:1: only one YAML document is accepted"]),
        ("a: 1\nb: 2\na: 3", ["f:3:1: a: duplicate key, first in line 1"]),
        ("a: {b: 1, 'b': 2}", ["f:1:11: a.b: duplicate key, first in line 1"]),
        ("a: &x 1", ["f:1:4: a: anchors and aliases are not accepted"]),
        ("a: *x", ["f:1:4: a: anchors and aliases are not accepted"]),
        ("a: [*x]", ["f:1:5: a.0: anchors and aliases are not accepted"]),
        ("a: &x {b: 1}", ["f:1:4: a: anchors and aliases are not accepted"]),
        ("*x : 1", ["f:1:1: ?: anchors and aliases are not accepted"]),
        ("<<: {a: 1}", ["f:1:1: merge keys are not accepted"]),
        ("a: {1: 2}", ["f:1:5: a: keys must be text; quote it"]),
        ("true: 2", ["f:1:1: keys must be text; quote it"]),
        ("? [a]\n: 1", ["f:1:3: keys must be text; quote it"]),
        ("a: !!binary aGk=", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !!python/name:os.system x", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !!set {b}", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !own [b]", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !!int x", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !!int 012", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !!int true", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: !!bool yes", ["f:1:4: a: this YAML tag is not accepted here"]),
        ("a: [b", ["f:2:1: is not YAML: did not find expected ',' or ']'"]),
        ("a: b\n\tc: d", ["f:2:1: is not YAML: found a tab character that violates indentation"]),
        ("é: b\n c: \x07", ["f:2:5: is not YAML: this character is not allowed"]),
        ("a: x\ud800", ["f:1:5: is not valid Unicode text"]),
    ],
)
def test_what_is_not_accepted_is_told_with_its_place(text: str, lines: list[str]) -> None:
    assert problems(text) == lines


def test_all_problems_are_told_at_once() -> None:
    text = "a: &x 1\nb: *x\na: 2\n3: 4\nc: !own d\n"

    assert [line[:5] for line in problems(text)] == ["f:1:4", "f:2:4", "f:3:1", "f:4:1", "f:5:4"]


def test_alias_bomb_expands_nothing() -> None:
    rows = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]

    assert len(problems("\n".join(rows))) == 60 + 2 * 59


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "? " * 100_000, "{a: " * 100_000])
def test_deep_nesting_is_refused_before_it_is_walked(text: str) -> None:
    assert [line.partition(" ")[2] for line in problems(text)] == ["nested over 32 levels deep"]


def test_size_is_bounded() -> None:
    assert problems("#" * source.MAX_BYTES) == []
    assert problems("#" * (source.MAX_BYTES + 1)) == ["f:1:1: is larger than 1 MiB"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        (" ", None),
        ("3000", 3000),
        ("true", True),
        ("yes", "yes"),
        ("'3000'", "3000"),
        ('"a: b # c"', "a: b # c"),
        ("http://agent:8080", "http://agent:8080"),
        ("::1", "::1"),
    ],
)
def test_single_scalar_is_read_by_the_same_rules(text: str, value: object) -> None:
    assert source.scalar(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("[1]", "{a: 1}", "a: 1", "- a", "a\n---\nb", "*a", "&a b", "!!int 3", "'", "# a"),
        *("x\ud800", "\x00"),
    ],
)
def test_anything_but_a_single_scalar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not one "):
        source.scalar(text)


@pytest.mark.parametrize("text", ["a # b", "a\n b", "---"])
def test_scalar_that_would_be_shortened_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="put it in quotes"):
        source.scalar(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(source.read(text, "f"), Draft)


@given(st.text())
def test_any_text_is_a_scalar_or_refused(text: str) -> None:
    try:
        value = source.scalar(text)
    except ValueError:
        return
    assert value is None or isinstance(value, bool | int | float | str)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("- 1\n- a: b\n", {"items": [1, {"a": "b"}]}),
        ("[]", {"items": []}),
        ("items: [1]\nmore: 2", {"items": [1], "more": 2}),
        ("", {}),
    ],
)
def test_a_list_may_stand_for_a_mapping_with_it(text: str, data: object) -> None:
    draft = source.read(text, "f", items="items")

    assert draft.data == data
    assert draft.problems == []


def test_the_items_of_such_a_list_have_their_places() -> None:
    draft = source.read("- 1\n- a: b\n", "f", items="items")

    assert draft.position(("items", 1, "a")).line == 2
    assert [str(problem) for problem in source.read("- 1", "f").problems] != []


def test_such_a_list_is_read_as_strictly() -> None:
    draft = source.read("- &x {a: 1, a: 2}\n- *x\n", "f", items="items")

    assert len(draft.problems) == 3
