from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config.rules import MAX_PATTERN, RuleConfig, demands


def test_a_rule_without_anything_demands_that_the_argument_is_there() -> None:
    assert RuleConfig().model_dump() == {
        "equals": None,
        "in": None,
        "matches": None,
        "min": None,
        "max": None,
        "max_length": None,
        "under": None,
        "optional": False,
    }


@pytest.mark.parametrize(
    "rule",
    [
        {"equals": None},
        {"equals": False},
        {"in": ["a", 1, 1.5, True, None]},
        {"matches": "[a-z]+"},
        {"matches": "x" * MAX_PATTERN},
        {"min": -1, "max": 1.5},
        {"max_length": 0},
        {"under": "src/deep"},
        {"under": "/workspace/src"},
        {"optional": True},
        {"in": [], "optional": True},
        {"min": 1, "max": 1},
        {"equals": "ab", "in": ["a", "ab"], "matches": "[a-z]+", "max_length": 2},
        {"in": [1, 9], "min": 5},
        {"equals": "src/a", "under": "src"},
        {"matches": "a", "max_length": 1, "under": "src"},
    ],
    ids=str,
)
def test_values_stay_as_they_are_written(rule: dict[str, Any]) -> None:
    found = RuleConfig.model_validate(rule)

    assert found.model_dump(mode="json", exclude_unset=True) == rule


@pytest.mark.parametrize(
    "rule",
    [
        {"among": ["a"]},
        {"like": "a"},
        {"equals": ["a"]},
        {"in": "a"},
        {"in": [["a"]]},
        {"matches": "("},
        {"matches": "(?=a)"},
        {"matches": r"(a)\1"},
        {"matches": "x" * (MAX_PATTERN + 1)},
        {"matches": "x{1001}"},
        {"max": "1"},
        {"max": True},
        {"min": float("inf")},
        {"max_length": -1},
        {"under": "../x"},
        {"under": ""},
        {"optional": "yes"},
        {"min": [1]},
        {"equals": {}},
    ],
    ids=lambda rule: str(rule)[:40],
)
def test_what_cannot_be_meant_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RuleConfig.model_validate(rule)


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ({"min": 2, "max": 1}, "min"),
        ({"in": []}, "in"),
        ({"equals": "a", "in": ["b"]}, "equals"),
        ({"equals": 1, "in": [True, "1"]}, "equals"),
        ({"equals": "a", "matches": "b"}, "equals"),
        ({"equals": None, "max_length": 1}, "equals"),
        ({"equals": 5, "max": 4}, "equals"),
        ({"equals": "abc", "max_length": 2}, "equals"),
        ({"equals": 5, "under": "src"}, "equals"),
        ({"in": ["a", "b"], "matches": "[0-9]"}, "in"),
        ({"in": [1, 2], "min": 3}, "in"),
        ({"min": 1, "matches": "[0-9]"}, "min"),
        ({"max": 1, "max_length": 2}, "max"),
        ({"max": 1, "under": "src"}, "max"),
        # that it may be missing makes no sense of it
        ({"min": 2, "max": 1, "optional": True}, "min"),
        ({"equals": "a", "in": [], "optional": True}, "equals"),
    ],
    ids=str,
)
def test_what_no_value_can_meet_is_refused(rule: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RuleConfig.model_validate(rule)

    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ({"min": "1"}, "must be a number"),
        ({"max": True}, "must be a number"),
        ({"equals": [1]}, "must be text, a number, true, false or null"),
    ],
    ids=str,
)
def test_a_value_of_a_wrong_type_is_one_problem(rule: dict[str, Any], kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RuleConfig.model_validate(rule)

    assert [error["msg"] for error in caught.value.errors()] == [f"Value error, {kind}"]


def test_each_demand_is_made_of_a_value_by_itself() -> None:
    rule = RuleConfig.model_validate({"min": 1, "max": 3})

    assert [[demand(value) for demand in demands(rule)] for value in (0, 2, 4, "2")] == [
        [False, True],
        [True, True],
        [True, False],
        [False, False],
    ]
