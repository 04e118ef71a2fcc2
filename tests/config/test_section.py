from typing import Annotated

import pytest
from pydantic import AfterValidator, Field, ValidationError

from proxy.config.section import Section, raise_all, wrong


def _no_three(numbers: tuple[int, ...]) -> tuple[int, ...]:
    raise_all(wrong((at,), "not three") for at, number in enumerate(numbers) if number == 3)
    return numbers


class Example(Section):
    on: bool = False
    count: int = 0
    share: float = 0.0
    word: str = ""
    numbers: Annotated[tuple[int, ...], Field(strict=False), AfterValidator(_no_three)] = ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("on", value) for value in (1, 0, "yes", "true", "", None)],
        *[("count", value) for value in (True, 1.0, "1", None)],
        *[("share", value) for value in (True, "1", float("inf"), float("nan"), None)],
        *[("word", value) for value in (1, True, b"a", None)],
        *[("numbers", value) for value in ("12", {1: 2}, 1, None, ["1"], [True])],
        ("unknown", 1),
    ],
)
def test_nothing_is_converted(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate({key: value})


def test_values_of_the_right_type_are_taken() -> None:
    example = Example.model_validate(
        {"on": True, "count": 2, "share": 1, "word": "a", "numbers": [1]}
    )

    assert (example.on, example.count, example.share) == (True, 2, 1.0)
    assert (example.word, example.numbers) == ("a", (1,))


def test_sections_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Example().count = 5


def test_input_is_in_no_message() -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"count": "s3cret"})

    assert "s3cret" not in str(caught.value)


def test_rules_are_told_at_their_keys() -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"numbers": [3, 4, 3], "count": "x"})

    assert [error["loc"] for error in caught.value.errors()] == [
        ("count",),
        ("numbers", 0),
        ("numbers", 2),
    ]
    assert caught.value.errors()[1]["msg"] == "not three"
