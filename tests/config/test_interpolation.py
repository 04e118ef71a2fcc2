import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import interpolation, source
from proxy.config.deferred import Deferred, Reference
from proxy.config.draft import Plain, at

ENVIRON = {
    "PORT": "3000",
    "WORD": "text",
    "EMPTY": "",
    "QUOTED": "'3000'",
    "YES": "yes",
    "LIST": "[1, 2]",
    "DOLLAR": "${WORD}$$",
    "lower_1": "low",
}


def expanded(text: str, key: str = "description") -> object:
    draft = source.read("{}", "f")
    draft.data = {key: text}
    interpolation.expand(draft, ENVIRON)
    assert not draft.problems, draft.problems[0].text
    return draft.data[key]


def problem(text: str) -> str:
    draft = source.read("{}", "f")
    draft.data = {"key": text}
    interpolation.expand(draft, ENVIRON)
    (only,) = draft.problems
    assert draft.is_refused(("key",))
    return only.text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # no dollar, nothing to do
        ("text", "text"),
        ("3000", "3000"),
        ("{WORD}", "{WORD}"),
        # alone: a YAML scalar
        ("${PORT}", 3000),
        ("${QUOTED}", "3000"),
        ("${YES}", "yes"),
        ("${EMPTY}", None),
        ("${WORD}", "text"),
        ("${lower_1}", "low"),
        ("${NONE:-12}", 12),
        ("${NONE:-}", None),
        ("${EMPTY:-true}", True),
        ("${PORT:-12}", 3000),
        ("${PORT:?needed}", 3000),
        ("${NONE:-a:-b:?c}", "a:-b:?c"),
        # amid text: text
        ("${PORT} ", "3000 "),
        ("a${PORT}b${EMPTY}c${NONE:-d}", "a3000bcd"),
        ("[${LIST}]", "[[1, 2]]"),
        # a dollar sign
        ("$$", "$"),
        ("$$$$", "$$"),
        ("$${WORD}", "${WORD}"),
        ("$$${WORD}", "$text"),
        # what was put in is not looked at again
        ("-${DOLLAR}", "-${WORD}$$"),
    ],
)
def test_value_is_expanded(text: str, value: object) -> None:
    assert expanded(text) == value
    assert type(expanded(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "the variable NONE is not set"),
        ("a ${NONE}", "the variable NONE is not set"),
        ("${NONE:?give it}", "the variable NONE is not set: give it"),
        ("${EMPTY:?give it}", "the variable EMPTY is not set: give it"),
        ("${LIST}", "is not one single value; lists and mappings belong in the file"),
        ("${secret:agent}", "only the value of a secret key may be ${secret:NAME} or enc2:…"),
        ("Bearer ${secret:agent}", "only the value of a secret key may be ${secret:NAME}"),
        ("enc2:abcdef", "only the value of a secret key may be ${secret:NAME} or enc2:…"),
    ],
)
def test_value_that_cannot_be_had_is_refused(text: str, message: str) -> None:
    assert problem(text).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        *("$", "a$", "$WORD", "$ {WORD}", "$$$", "${", "${}", "${WORD", "${ WORD}", "${1A}"),
        *("${WORD-x}", "${WORD?x}", "${WORD:=x}", "${WORD:+x}", "${WÖRD}", "${A:-${WORD}}"),
        *("${A:-$B}", "${A B}", "$(WORD)"),
    ],
)
def test_dollar_that_begins_no_form_is_refused(text: str) -> None:
    assert problem(text).startswith("holds a '$' that begins none of ${NAME}")


def test_secret_stays_the_text_that_it_is() -> None:
    draft = source.read("upstream: {headers: {X-A: '${PORT}', X-B: '${LIST}'}}", "f")
    interpolation.expand(draft, ENVIRON)

    assert draft.data == {"upstream": {"headers": {"X-A": "3000", "X-B": "[1, 2]"}}}


def header(text: str) -> Plain:
    draft = source.read("upstream: {headers: {X-A: x}}", "f")
    draft.data = {"upstream": {"headers": {"X-A": text}}}
    interpolation.expand(draft, ENVIRON)
    assert draft.is_refused(("upstream", "headers", "X-A")) == bool(draft.problems)
    return at(draft.data, ("upstream", "headers", "X-A"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("${secret:agent}", [Reference("agent")]),
        ("Bearer ${secret:agent}", ["Bearer ", Reference("agent")]),
        ("${secret:a}:${secret:b}", [Reference("a"), ":", Reference("b")]),
        ("${WORD} $${x} ${secret:a.b-c_1}", ["text", " ", "$", "{x} ", Reference("a.b-c_1")]),
        # what came from the environment is not looked through
        ("${DOLLAR}${secret:a}", ["${WORD}$$", Reference("a")]),
    ],
)
def test_stored_secret_of_a_secret_key_stays_open(text: str, parts: list[str | Reference]) -> None:
    assert header(text) == Deferred(parts)


def test_dollar_signs_keep_their_meaning_beside_stored_secrets() -> None:
    assert header("$${secret:agent}") == "${secret:agent}"
    assert header("${secret:-fallback}") == "fallback"


@pytest.mark.parametrize(
    "text",
    [
        *("${secret:}", "${secret:1a}", "${secret: a}", "${secret:a }", "${secret:a:-x}"),
        *("${secret:a/b}", "${secret:ä}", "${secret:a", "$secret:a", "${Secret:a}"),
        f"${{secret:{'a' * 65}}}",
    ],
)
def test_what_is_no_name_of_a_stored_secret_is_refused(text: str) -> None:
    assert header(text) is None


def test_values_are_found_wherever_they_are() -> None:
    draft = source.read("a: [x, {b: '${PORT}', c: 5}]\n'${WORD}': 1\nd: ['${NONE}']\n", "f")
    interpolation.expand(draft, ENVIRON)

    assert draft.data == {"a": ["x", {"b": 3000, "c": 5}], "${WORD}": 1, "d": [None]}
    assert [str(each) for each in draft.problems] == ["f:3:5: d.0: the variable NONE is not set"]


@given(st.text(alphabet="${}:-?ABC \n\\\0'\"[é"))
def test_any_text_is_expanded_or_refused(text: str) -> None:
    draft = source.read("{}", "f")
    draft.data = {"key": text}
    interpolation.expand(draft, {"A": text, "B": "1"})

    assert draft.is_refused(("key",)) == bool(draft.problems)
