from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.moments import Moment, moment

MOMENT: TypeAdapter[str] = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31", datetime(2030, 1, 31, tzinfo=UTC)),
        ("2030-01-31T12:30", datetime(2030, 1, 31, 12, 30, tzinfo=UTC)),
        ("2030-01-31 12:30:05", datetime(2030, 1, 31, 12, 30, 5, tzinfo=UTC)),
        ("2030-01-31T12:30Z", datetime(2030, 1, 31, 12, 30, tzinfo=UTC)),
        (
            "2030-01-31T12:30:00+02:00",
            datetime(2030, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_a_moment_is_a_date_or_a_time_in_utc_unless_it_says_otherwise(
    text: str, expected: datetime
) -> None:
    assert moment(text) == expected
    assert MOMENT.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "2030", "20300131", "2030-1-31", "2030-02-30", "2030-01-31T25:00"),
        *("2030-01-31T12", "2030-01-31T12:30 UTC", "31.01.2030", "2030-W05-4", "\u0662030-01-01"),
        *("2030-01-31T12:30+99:00", " 2030-01-31", "2030-01-31\n"),
    ],
)
def test_other_text_is_none(text: str) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(text)
