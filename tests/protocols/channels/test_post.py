import pytest

from proxy.decision import Malformed
from proxy.protocols.channels.post import (
    check_unencoded,
    document,
    header,
    inside,
    is_form,
)
from proxy.protocols.strict_json import loads_object
from proxy.reasons import Reason
from proxy.values import Headers, Json


def typed(*types: str, encoding: str | None = None) -> Headers:
    pairs = [("Content-Type", content_type) for content_type in types]
    return Headers((*pairs, *([] if encoding is None else [("Content-Encoding", encoding)])))


JSON = [
    *("application/json", "Application/JSON", "application/json; charset=utf-8"),
    *('application/json;charset="UTF-8"', "application/json;", "application/json ; charset=utf-8"),
]
FORMS = [name.lower().replace("json", "x-www-form-urlencoded") for name in JSON]


@pytest.mark.parametrize("content_type", JSON)
def test_json_is_a_document(content_type: str) -> None:
    assert document(b'{"a":1}', typed(content_type)) == {"a": 1}
    assert not is_form(typed(content_type))


@pytest.mark.parametrize("content_type", FORMS)
def test_form_is_none(content_type: str) -> None:
    assert is_form(typed(content_type))
    with pytest.raises(Malformed):
        document(b'{"a":1}', typed(content_type))


@pytest.mark.parametrize(
    "headers",
    [
        typed(),
        typed(""),
        typed("text/plain"),
        typed("text/json"),
        typed("application/json5"),
        typed("application/json, text/plain"),
        typed("application/json; charset=utf-7"),
        typed("application/json; charset=utf-16"),
        typed("application/json; a=b"),
        typed("application/json", "application/json"),
        typed("application/json", "application/x-www-form-urlencoded"),
        typed("multipart/form-data; boundary=x"),
        typed("application/json", encoding="gzip"),
        typed("application/json", encoding=""),
        typed("application/json", encoding="identity, br"),
        typed("application/x-www-form-urlencoded", encoding="deflate"),
    ],
)
def test_type_that_is_neither_or_hidden_is_refused(headers: Headers) -> None:
    for refused in (lambda: is_form(headers), lambda: document(b"{}", headers)):
        with pytest.raises(Malformed) as refusal:
            refused()

        assert refusal.value.reason is Reason.BODY_UNTYPED


def test_body_as_it_is_needs_no_word_on_its_encoding() -> None:
    check_unencoded(typed())
    check_unencoded(typed(encoding="identity"))
    check_unencoded(typed(encoding="Identity"))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"a"', b"1", b'{"a":1,"a":2}', b"\xff{}"])
def test_what_is_not_one_object_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        loads_object(data)

    assert refusal.value.reason is Reason.BODY_MALFORMED


def test_header_is_there_once() -> None:
    headers = Headers((("X-One", "1"), ("X-Two", "2"), ("x-two", "2")))

    assert header(headers, "x-one") == "1"
    for name in ("x-two", "x-none"):
        with pytest.raises(Malformed):
            header(headers, name)


@pytest.mark.parametrize(
    ("value", "names", "found"),
    [
        ({"a": {"b": 1}}, ("a", "b"), 1),
        ({"a": {"b": None}}, ("a", "b"), None),
        ({"a": 1}, ("a", "b"), None),
        ({"a": [{"b": 1}]}, ("a", "b"), None),
        ({"a": "b"}, ("a", "b"), None),
        (None, ("a",), None),
        ([], (), []),
    ],
)
def test_what_is_not_there_is_nothing(value: Json, names: tuple[str, ...], found: Json) -> None:
    assert inside(value, *names) == found
