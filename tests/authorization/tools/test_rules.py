"""What is demanded of an argument, and what keeps it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.tools.rules import ABSENT, MOST_PATHS, UNSEEN, Rule, reach
from proxy.config.rules import LONGEST, RuleConfig
from proxy.decision import Deny
from proxy.reasons import Reason

REFUSED = Deny(Reason.ARGUMENT_NOT_ALLOWED)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "srcs").mkdir()
    (folder / "src" / "out").symlink_to("/etc")
    opened = Workspace.open(str(folder), ("src/secret",), only=True)
    yield opened
    opened.close()


def rule(name: str = "a", **demands: Any) -> Rule:
    return Rule.build("t.*", name, RuleConfig.model_validate(demands))


def keeps(value: object, **demands: Any) -> bool:
    return rule(**demands).broken({"a": value}, None) is None  # type: ignore[dict-item]


KEPT: list[tuple[dict[str, Any], object, bool]] = [
    # equals
    ({"equals": "x"}, "x", True),
    ({"equals": "x"}, "X", False),
    ({"equals": "x"}, ["x"], False),
    ({"equals": 1}, 1, True),
    ({"equals": 1}, 1.0, True),
    ({"equals": 1}, True, False),
    ({"equals": 1}, "1", False),
    ({"equals": True}, True, True),
    ({"equals": True}, 1, False),
    ({"equals": False}, 0, False),
    ({"equals": False}, None, False),
    ({"equals": None}, None, True),
    ({"equals": None}, False, False),
    ({"equals": None}, "", False),
    # in
    ({"in": ["a", 2, None]}, "a", True),
    ({"in": ["a", 2, None]}, 2, True),
    ({"in": ["a", 2, None]}, None, True),
    ({"in": ["a", 2, None]}, "2", False),
    ({"in": ["a", 1]}, True, False),
    ({"in": ["a"]}, ["a"], False),
    ({"in": [], "optional": True}, "a", False),
    # matches: the whole of a text
    ({"matches": "[a-z]+"}, "abc", True),
    ({"matches": "[a-z]+"}, "abc1", False),
    ({"matches": "[a-z]+"}, "abc\n", False),
    ({"matches": "[a-z]+"}, "1\nabc\n1", False),
    ({"matches": "[0-9]+"}, 7, False),
    ({"matches": "a|b"}, "ab", False),
    ({"matches": ".*"}, None, False),
    ({"matches": ".*"}, ["a"], False),
    ({"matches": "(a+)+"}, "a" * LONGEST, True),
    ({"matches": "(a+)+"}, "a" * (LONGEST + 1), False),
    ({"matches": "(a+)+$"}, "a" * 4000 + "!", False),
    # numbers
    ({"max": 10}, 10, True),
    ({"max": 10}, 10.5, False),
    ({"max": 10}, "5", False),
    ({"max": 10}, True, False),
    ({"max": 10}, 10**400, False),
    ({"min": 0}, 0, True),
    ({"min": 0}, -1, False),
    ({"min": 0}, None, False),
    ({"min": 0, "max": 1}, 0.5, True),
    ({"min": 0, "max": 1}, float("nan"), False),
    ({"min": 0}, [1], False),
    # lengths
    ({"max_length": 2}, "ab", True),
    ({"max_length": 2}, "abc", False),
    ({"max_length": 2}, ["a", "b", "c"], False),
    ({"max_length": 2}, [], True),
    ({"max_length": 2}, {}, False),
    ({"max_length": 2}, 1, False),
    # all together
    ({"matches": "a*", "max_length": 2}, "aa", True),
    ({"matches": "a*", "max_length": 2}, "aaa", False),
    # nothing but being there
    ({}, None, True),
    ({}, {"b": 1}, True),
]


@pytest.mark.parametrize(("demands", "value", "kept"), KEPT, ids=lambda part: str(part)[:30])
def test_a_rule_is_kept_by_values_of_the_right_kind(
    demands: dict[str, Any], value: object, *, kept: bool
) -> None:
    assert keeps(value, **demands) is kept


@pytest.mark.parametrize("demands", [{}, {"equals": None}, {"matches": ".*"}, {"max_length": 1}])
def test_a_missing_argument_breaks_a_rule_unless_it_is_optional(demands: dict[str, Any]) -> None:
    assert rule(**demands).broken({}, None) == REFUSED
    assert rule(**demands, optional=True).broken({}, None) is None


def test_a_refusal_names_the_rule_and_what_broke_it() -> None:
    denied = rule("options.limit", max=1).broken({"options": {"limit": 2}}, None)

    assert denied == REFUSED
    assert denied.facts == {"rule": "tools.t.*.rules.options.limit"}
    assert denied.evidence == "2"


def test_evidence_is_bounded() -> None:
    denied = rule(max_length=1).broken({"a": "x" * 100_000}, None)

    assert denied is not None
    assert len(denied.evidence) == LONGEST


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"a": {"b": {"c": 1}}}, 1),
        ({"a": {"b": {"c": None}}}, None),
        ({"a": {"b": {}}}, ABSENT),
        ({}, ABSENT),
        ({"a": None}, ABSENT),
        ({"a": {"b": None}}, ABSENT),
        ({"a": {"b": [{"c": 1}]}}, UNSEEN),
        ({"a": {"b": []}}, UNSEEN),
        ({"a": "b"}, UNSEEN),
        ({"a": '{"b": {"c": 1}}'}, UNSEEN),
        ({"a": 0}, UNSEEN),
        ({"a": False}, UNSEEN),
        ({"a.b.c": 1}, UNSEEN),
        ({"a.b": {"c": 1}}, UNSEEN),
        ({"a": {"b.c": 1}}, UNSEEN),
        ({"a": {"b": {"c": 1}}, "a.b.c": 2}, UNSEEN),
        ({"a": {"b": {"c": 1}, "b.c": 2}}, UNSEEN),
        ({"a": {"b": {"c": 1}}, "a.b.d": 2, "a.": 3, ".a": 4, "": 5}, 1),
    ],
)
def test_a_dot_reaches_into_objects_alone(arguments: dict[str, Any], found: object) -> None:
    assert reach(arguments, "a.b.c") is found or reach(arguments, "a.b.c") == found


@pytest.mark.parametrize(
    "options", [[{"force": True}], [[{"force": True}]], '{"force":true}', "", [], 0, False]
)
@pytest.mark.parametrize("optional", [True, False])
def test_what_cannot_be_looked_into_breaks_a_rule_even_an_optional_one(
    options: Any, *, optional: bool
) -> None:
    force = rule("options.force", equals=False, optional=optional)

    assert force.broken({"options": options}, None) == REFUSED


@pytest.mark.parametrize("options", [{}, None, {"other": True}, {"force": False}])
def test_an_optional_rule_is_kept_where_there_is_nothing(options: Any) -> None:
    force = rule("options.force", equals=False, optional=True)

    assert force.broken({"options": options}, None) is None


# Folders


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *((path, None) for path in ("src", "src/", "src/a", "./src/deep/../deep"[:10], "src//new")),
        (["src/a", "src/deep/b"], None),
        ([], None),
        # elsewhere in the workspace
        *(
            (path, Reason.ARGUMENT_NOT_ALLOWED)
            for path in (".", "", "a", "srcs", "srcs/a", "src/..", "src/../a", "src/deep/../../a")
        ),
        (["src/a", "a"], Reason.ARGUMENT_NOT_ALLOWED),
        # outside, by whatever name
        *(
            (path, Reason.ARGUMENT_NOT_ALLOWED)
            for path in ("/etc", "/src/a", "~", "//src", "src\0")
        ),
        # of another kind
        *((value, Reason.ARGUMENT_NOT_ALLOWED) for value in (None, 1, {"a": "src"}, ["src", 1])),
        (["src", ["src"]], Reason.ARGUMENT_NOT_ALLOWED),
        # in the folder, and yet nothing that may be used
        ("src/out", Reason.PATH_OUTSIDE_WORKSPACE),
        ("src/out/passwd", Reason.PATH_OUTSIDE_WORKSPACE),
        ("src/secret", Reason.PATH_FORBIDDEN),
    ],
    ids=str,
)
def test_a_path_lies_under_its_folder(
    workspace: Workspace, value: object, reason: Reason | None
) -> None:
    broken = rule(under="src").broken({"a": value}, workspace)  # type: ignore[dict-item]

    assert (broken and broken.reason) is reason


def test_the_workspace_may_be_spelled_out(workspace: Workspace) -> None:
    for path in ("src/a", f"{workspace.folder}/src/a", f"{workspace.spelling}/src/a"):
        for folder in ("src", f"{workspace.folder}/src"):
            assert rule(under=folder).broken({"a": path}, workspace) is None
    outside = rule(under="src").broken({"a": f"{workspace.folder}/a"}, workspace)

    assert outside == REFUSED


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("docs/a", True),
        ("docs/new/deep", True),
        ("docs/inside/a", True),
        ("docs/l", False),
        ("docs/l/s", False),
        ("docs/l/new", False),
        ("docs/up", False),
        ("docs/up/docs/a", True),
        ("docs/dangling", False),
        (["docs/a", "docs/l/s"], False),
    ],
    ids=str,
)
def test_a_link_out_of_a_folder_leads_out_of_it(tmp_path: Path, path: Any, *, kept: bool) -> None:
    for name in ("docs/deep", "private"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "s").write_text("s")
    for name, target in (("l", "../private"), ("inside", "deep"), ("up", "..")):
        (tmp_path / "docs" / name).symlink_to(target)
    (tmp_path / "docs" / "dangling").symlink_to("../private/none")
    (tmp_path / "alias").symlink_to("docs")
    opened = Workspace.open(str(tmp_path), (), only=True)

    assert (rule(under="docs").broken({"a": path}, opened) is None) is kept
    spelled = f"alias{path[4:]}" if isinstance(path, str) else path
    assert (rule(under="alias").broken({"a": spelled}, opened) is None) is kept
    opened.close()


def test_only_so_many_paths_are_looked_at(workspace: Workspace) -> None:
    for count, kept in ((MOST_PATHS, True), (MOST_PATHS + 1, False)):
        broken = rule(under="src").broken({"a": ["src/a"] * count}, workspace)
        assert (broken is None) is kept


def test_without_a_workspace_nothing_lies_in_it() -> None:
    assert rule(under="src").broken({"a": "src/a"}, None) == Deny(Reason.WORKSPACE_MISSING)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=10,
)


@given(JSON, st.sampled_from([demands for demands, _, _ in KEPT]))
def test_any_value_is_judged(value: object, demands: dict[str, Any]) -> None:
    """It is the same whether it was read once or twice."""
    again = json.loads(json.dumps(value))

    assert keeps(value, **demands) is keeps(again, **demands)


@given(st.text(max_size=20), st.sampled_from(["[a-c]*", "a?b+", "(?:a|bc)*", ".", r"\d+"]))
def test_an_expression_means_what_python_s_does(text: str, pattern: str) -> None:
    assert keeps(text, matches=pattern) is (re.fullmatch(pattern, text, re.ASCII) is not None)
    assert re2.compile(pattern)
