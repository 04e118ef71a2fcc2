import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocols.mcp.annotated import Annotation, annotations, at
from proxy.values import Json

REGION: Json = {"type": "string", "x-mcp-header": "Region"}


def of(**properties: Json) -> dict[str, Json]:
    return {"type": "object", "properties": properties}


def test_an_annotation_is_found_where_properties_lead() -> None:
    schema = of(region=REGION, deep=of(count={"type": "integer", "x-mcp-header": "N"}), free={})

    found = annotations(schema)

    assert found is not None
    assert set(found) == {
        Annotation(("region",), "Region", "string"),
        Annotation(("deep", "count"), "N", "integer"),
    }


INVALID: dict[str, dict[str, Json]] = {
    "at the root": {"x-mcp-header": "A", "type": "string"},
    "in items": of(a={"type": "array", "items": REGION}),
    "in a choice": {"anyOf": [of(a=REGION)]},
    "in a definition": {"$defs": {"a": REGION}},
    "behind a pattern": {"patternProperties": {".": REGION}},
    "in a property of an item": of(a={"items": of(b=REGION)}),
    "twice": of(a=REGION, b=REGION),
    "twice in other letters": of(a=REGION, b={"type": "string", "x-mcp-header": "rEGION"}),
    "on a number": of(a={"type": "number", "x-mcp-header": "A"}),
    "on an object": of(a={"type": "object", "x-mcp-header": "A"}),
    "on several types": of(a={"type": ["string", "null"], "x-mcp-header": "A"}),
    "on no type": of(a={"x-mcp-header": "A"}),
    "no text": of(a={"type": "string", "x-mcp-header": 1}),
    "empty": of(a={"type": "string", "x-mcp-header": ""}),
    "with a space": of(a={"type": "string", "x-mcp-header": "A B"}),
    "with a line end": of(a={"type": "string", "x-mcp-header": "A\r\nB: c"}),
    "with a colon": of(a={"type": "string", "x-mcp-header": "A:"}),
    "not ASCII": of(a={"type": "string", "x-mcp-header": "ä"}),
    "one valid, one not": of(a=REGION, b={"type": "number", "x-mcp-header": "B"}),
}


@pytest.mark.parametrize("schema", INVALID.values(), ids=list(INVALID))
def test_one_annotation_that_is_not_valid_spoils_all(schema: dict[str, Json]) -> None:
    assert annotations(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {},
        of(a={"default": REGION}),
        of(a={"examples": [REGION]}),
        of(a={"const": REGION, "enum": [REGION]}),
        {"properties": [REGION]},
        {"allOf": REGION, "$defs": [REGION]},
    ],
)
def test_data_is_no_annotation(schema: dict[str, Json]) -> None:
    assert annotations(schema) == ()


@given(
    st.recursive(
        st.none() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["properties", "items", "allOf", "$defs", "x-mcp-header", "type"]),
                inner,
            )
        ),
    )
)
def test_any_schema_is_read(value: Json) -> None:
    found = annotations({"properties": {"a": value}})
    assert found is None or all(each.path[0] == "a" for each in found)


def test_a_value_is_found_by_its_path_or_not_at_all() -> None:
    arguments: Json = {"a": {"b": 1}, "c": "text"}

    assert at(arguments, ("a", "b")) == 1
    assert at(arguments, ("a", "x")) is None
    assert at(arguments, ("c", "b")) is None
    assert at(["a"], ("a",)) is None
