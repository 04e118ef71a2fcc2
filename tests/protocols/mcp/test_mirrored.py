import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.jsonrpc import Notification, Request
from proxy.protocols.mcp.mirrored import check, decoded, encoded, made, parameters
from proxy.reasons import Reason
from proxy.values import Headers, Json

NOW = "2026-07-28"
CALL = Request(1, "tools/call", {"name": "add", "arguments": {"region": "eu", "n": 42}})
LIST = Request(1, "tools/list")
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "n": {"type": "integer", "x-mcp-header": "N"},
        "sure": {"type": "boolean", "x-mcp-header": "Sure"},
    },
}
Fields = list[tuple[str, str]]


def fields(revision: str = NOW, method: str = "tools/call", name: str | None = "add") -> Fields:
    named = [] if name is None else [("Mcp-Name", name)]
    return [("MCP-Protocol-Version", revision), ("Mcp-Method", method), *named]


def agrees(given: Fields, message: Request | Notification, revision: Json = NOW) -> bool:
    try:
        check(Headers(tuple(given)), message, revision)
    except Malformed as malformed:
        return malformed.reason is not Reason.HEADER_MISMATCH
    return True


@pytest.mark.parametrize(
    ("given_fields", "message"),
    [
        (fields(), CALL),
        ([(name.lower(), value) for name, value in fields()], CALL),
        (fields(name="=?base64?YWRk?="), CALL),
        (fields(method="tools/list", name=None), LIST),
        (fields(method="tools/list", name="whatever"), LIST),
        (fields(method="x/y", name=None), Request(1, "x/y")),
        (fields(name=None), Request(1, "tools/call", {})),
        (
            fields(method="resources/read", name="file:///a"),
            Request(1, "resources/read", {"uri": "file:///a"}),
        ),
        (
            fields(method="prompts/get", name="=?base64?w6Q=?="),
            Request(1, "prompts/get", {"name": "ä"}),
        ),
    ],
)
def test_fields_that_repeat_the_body_are_taken(given_fields: Fields, message: Request) -> None:
    assert agrees(given_fields, message)


@pytest.mark.parametrize(
    "given_fields",
    [
        [],
        fields()[1:],
        [fields()[0], fields()[2]],
        fields(name=None),
        fields(revision="2025-11-25"),
        fields(method="tools/list"),
        fields(method="Tools/call"),
        fields(method="=?base64?dG9vbHMvY2FsbA==?="),
        fields(name="sub"),
        fields(name="Add"),
        fields(name="add, sub"),
        fields(name=""),
        fields(name="=?base64?YWRl?="),
        fields(name="=?base64?YWR l?="),
        fields(name="=?base64?YWR\n?="),
        fields(name="=?base64??="),
        [*fields(), ("Mcp-Name", "add")],
        [*fields(), ("mcp-name", "sub")],
        [*fields(), ("MCP-METHOD", "tools/call")],
        [*fields(), ("mcp-protocol-version", NOW)],
    ],
)
def test_fields_that_say_something_else_are_refused(given_fields: Fields) -> None:
    assert not agrees(given_fields, CALL)


@pytest.mark.parametrize("name", ["=?base64?YQ==?=", "=?base64?YQ?=", "=?base64?YR==?="])
def test_base64_is_read_in_its_one_form(name: str) -> None:
    request = Request(1, "tools/call", {"name": "a"})

    assert agrees(fields(name=name), request) is (name == "=?base64?YQ==?=")


@pytest.mark.parametrize("revision", [None, 1, ["2026-07-28"], True, "2026-07-29"])
def test_a_revision_of_the_body_that_is_another_is_refused(revision: Json) -> None:
    assert not agrees(fields(), CALL, revision)


@pytest.mark.parametrize("name", [1, {}, ["add"], True])
def test_a_name_that_is_no_text_agrees_with_no_field(name: Json) -> None:
    assert not agrees(fields(name="1"), Request(1, "tools/call", {"name": name}))


def test_an_empty_name_needs_an_empty_field() -> None:
    request = Request(1, "tools/call", {"name": ""})

    assert agrees(fields(name=""), request)
    assert not agrees(fields(name=None), request)


@pytest.mark.parametrize(
    ("given_fields", "revision", "taken"),
    [
        (fields(method="notifications/cancelled", name=None), NOW, True),
        (fields()[:1], None, True),
        (fields()[:1], "2025-11-25", False),
        ([], NOW, False),
        ([], None, False),
        (fields(method="tools/call", name=None), None, False),
    ],
)
def test_a_notification_may_leave_out_its_method(
    given_fields: Fields, revision: Json, *, taken: bool
) -> None:
    assert agrees(given_fields, Notification("notifications/cancelled"), revision) is taken


@pytest.mark.parametrize(
    ("given_fields", "arguments", "agree"),
    [
        ({}, {}, True),
        ({"Mcp-Param-Region": "eu"}, {"region": "eu"}, True),
        ({"mcp-param-region": "eu"}, {"region": "eu"}, True),
        ({"Mcp-Param-Region": "=?base64?ZXU=?="}, {"region": "eu"}, True),
        ({"Mcp-Param-N": "42"}, {"n": 42}, True),
        ({"Mcp-Param-N": "42.0"}, {"n": 42}, True),
        ({"Mcp-Param-N": "42"}, {"n": 42.0}, True),
        ({"Mcp-Param-N": "9007199254740993"}, {"n": 9007199254740993}, True),
        ({"Mcp-Param-Sure": "true"}, {"sure": True}, True),
        ({"Mcp-Param-Other": "x"}, {}, True),
        ({}, {"region": None}, True),
        ({}, {"region": {"a": 1}}, True),
        ({}, {"region": "eu"}, False),
        ({"Mcp-Param-Region": "us"}, {"region": "eu"}, False),
        ({"Mcp-Param-Region": "EU"}, {"region": "eu"}, False),
        ({"Mcp-Param-Region": "eu"}, {}, False),
        ({"Mcp-Param-Region": "eu"}, {"region": None}, False),
        ({"Mcp-Param-Region": "eu"}, {"region": ["eu"]}, False),
        ({"Mcp-Param-Region": "=?base64?ZXV?="}, {"region": "eu"}, False),
        ({"Mcp-Param-N": "42.5"}, {"n": 42}, False),
        ({"Mcp-Param-N": "4e1"}, {"n": 40}, False),
        ({"Mcp-Param-N": "9007199254740992"}, {"n": 9007199254740993}, False),
        ({"Mcp-Param-N": "1"}, {"n": True}, False),
        ({"Mcp-Param-N": "٤٢"}, {"n": 42}, False),
        ({"Mcp-Param-Sure": "True"}, {"sure": True}, False),
        ({"Mcp-Param-Sure": "1"}, {"sure": True}, False),
    ],
)
def test_the_fields_of_parameters(
    given_fields: dict[str, str], arguments: dict[str, Json], *, agree: bool
) -> None:
    assert parameters(Headers(tuple(given_fields.items())), SCHEMA, arguments) is agree


def test_a_parameter_that_is_there_twice_agrees_with_nothing() -> None:
    twice = Headers((("Mcp-Param-Region", "eu"), ("mcp-param-region", "eu")))

    assert not parameters(twice, SCHEMA, {"region": "eu"})


def test_a_schema_that_is_not_valid_checks_nothing() -> None:
    broken: dict[str, Json] = {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}

    assert parameters(Headers((("Mcp-Param-A", "x"),)), broken, {"a": 1})
    assert made(CALL, NOW, broken).get("Mcp-Param-A") is None


def test_what_goes_with_a_request_to_a_server() -> None:
    assert set(made(CALL, NOW, SCHEMA)) == {
        *fields(),
        ("Mcp-Param-Region", "eu"),
        ("Mcp-Param-N", "42"),
    }
    assert list(made(LIST, NOW, None)) == fields(method="tools/list", name=None)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "region": st.text() | st.none(),
            "n": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
            "sure": st.booleans(),
            "free": st.text(),
        },
    ),
    st.text(min_size=1),
)
def test_what_is_made_is_taken_and_is_a_field(arguments: dict[str, Json], name: str) -> None:
    request = Request(1, "tools/call", {"name": name, "arguments": arguments})

    headers = made(request, NOW, SCHEMA)

    check(headers, request, NOW)
    assert parameters(headers, SCHEMA, arguments)
    assert all(value.isascii() and value.isprintable() for _, value in headers)
    assert all(value == value.strip() for _, value in headers)


@given(st.text())
def test_a_text_comes_back_from_its_field(text: str) -> None:
    assert decoded(encoded(text)) == text


@given(st.text(alphabet="=?base64AQ+/ \n"))
def test_any_field_is_read_or_not(value: str) -> None:
    text = decoded(value)
    assert text is None or text == value or encoded_in_full(text) == value


def encoded_in_full(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="
