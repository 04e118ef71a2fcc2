import json

import pytest

from proxy.scope import Autonomy, Scope
from proxy.state.scopes import parse_scope, scope_text


def spoilt(**changes: object) -> str:
    return json.dumps({"routes": None, "tools": None, "level": None, **changes})


NOT_UNDERSTOOD = [
    pytest.param("", id="nothing"),
    pytest.param("null", id="null"),
    pytest.param("[]", id="a list"),
    pytest.param("{}", id="no bounds"),
    pytest.param('{"routes": null, "tools": null}', id="a bound that is missing"),
    pytest.param(spoilt(hosts=["a"]), id="a bound that is new"),
    pytest.param(spoilt(level="root"), id="a level that is new"),
    pytest.param(spoilt(level=""), id="a level that is empty"),
    pytest.param(spoilt(level=0), id="a level that is a number"),
    pytest.param(spoilt(level=["full"]), id="a level that is a list"),
    pytest.param(spoilt(level={}), id="a level that is an object"),
    pytest.param(spoilt(tools="shell"), id="tools that are a word"),
    pytest.param(spoilt(tools=[["shell"]]), id="tools in lists"),
    pytest.param(spoilt(routes={}), id="routes that are an object"),
    pytest.param(spoilt(routes=False), id="routes that are false"),
    pytest.param(spoilt(routes=[None]), id="a route that is null"),
    pytest.param(spoilt()[:-1], id="cut off"),
]


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_scope_is_understood_whole_or_not_at_all(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_scope(text)


@pytest.mark.parametrize(
    "scope", [Scope(), Scope((), ("a", "é\ud800"), Autonomy.FULL), Scope(routes=("'",))]
)
def test_scope_is_read_as_it_was_written(scope: Scope) -> None:
    assert parse_scope(scope_text(scope)) == scope
