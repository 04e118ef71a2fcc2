import pytest

from proxy.config.draft import (
    MAX_SHOWN,
    Draft,
    Position,
    Problem,
    at,
    children,
    dotted,
    unusable,
)


def test_position_of_a_file_is_clickable() -> None:
    assert str(Position("a.yaml", 3, 7)) == "a.yaml:3:7"
    assert Position("a.yaml", 3, 7).short == "a.yaml:3"


def test_position_without_lines_is_its_source() -> None:
    assert str(Position("env SIDEGATE_X")) == Position("env SIDEGATE_X").short == "env SIDEGATE_X"


def test_problem_is_one_line() -> None:
    key = ("tools", "a\nb", 0)
    assert str(Problem(Position("a", 1, 2), key, "wrong")) == "a:1:2: tools.a\\u000ab.0: wrong"
    assert str(Problem(Position("a", 1, 2), (), "wrong")) == "a:1:2: wrong"


def test_long_key_is_cut() -> None:
    assert len(dotted(("a" * 10_000,))) < 100


def test_position_of_an_unknown_key_is_that_of_the_nearest_around_it() -> None:
    draft = Draft("a", positions={(): Position("a", 1, 1), ("x",): Position("a", 5, 1)})

    assert draft.position(("x", "y", 3)).line == 5
    assert draft.position(("z",)).line == 1
    assert Draft("a").position(("z",)) == Position("a", 1, 1)


def test_what_has_no_line_is_literal() -> None:
    draft = Draft("a", positions={("x",): Position("env X"), ("y",): Position("a", 1, 1)})

    assert draft.literal(("x",))
    assert draft.literal(("x", 0))
    assert not draft.literal(("y",))


def test_nothing_more_is_said_about_a_refused_key() -> None:
    draft = Draft("a")
    draft.refuse(("x", "y"), "wrong")
    draft.complain(("z",), "wrong too")

    assert draft.is_refused(("x", "y"))
    assert draft.is_refused(("x", "y", "z"))
    assert not draft.is_refused(("x",))
    assert not draft.is_refused(("z",))
    assert len(draft.problems) == 2


def test_moved_key_keeps_its_place() -> None:
    draft = Draft("a", positions={("x",): Position("a", 4, 2)})
    draft.move(("x",), ("y",))

    assert draft.positions == {("y",): Position("a", 4, 2)}


def test_forgotten_key_takes_what_is_beneath_with_it() -> None:
    here = Position("a", 1, 1)
    draft = Draft("a", positions={("x",): here, ("x", 0): here, ("xy",): here})
    draft.forget(("x",))

    assert draft.positions == {("xy",): here}


def test_children_are_the_entries_of_mappings_and_lists() -> None:
    assert list(children({"a": 1})) == [("a", 1)]
    assert list(children(["a"])) == [(0, "a")]
    assert list(children("ab")) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [((), {"a": ["b"]}), (("a",), ["b"]), (("a", 0), "b"), (("a", 1), None), (("a", 0, 0), None)],
)
def test_value_at_a_key(key: tuple[str | int, ...], value: object) -> None:
    assert at({"a": ["b"]}, key) == value


def test_problems_are_sorted_by_line_with_the_environment_last() -> None:
    problems = [
        Problem(Position("env B"), (), "5"),
        Problem(Position("env A"), (), "4"),
        Problem(Position("f", 10, 1), (), "3"),
        Problem(Position("f", 9, 5), (), "2"),
        Problem(Position("f", 9, 1), (), "1"),
    ]
    assert [line[-1] for line in unusable(problems).problems] == list("12345")


def test_list_of_problems_is_bounded() -> None:
    problems = [Problem(Position("f", n, 1), (), "x") for n in range(1, MAX_SHOWN + 3)]

    assert unusable(problems).problems[MAX_SHOWN:] == ("and 2 more problems",)


def test_representation_of_a_draft_holds_no_value() -> None:
    assert "s3cret" not in repr(Draft("a", {"key": "s3cret"}))
