"""A moment in a configuration: a date, or a date and a time, as ISO 8601 writes them."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)


def moment(text: str) -> datetime:
    """The moment that `text` names; raises ValueError.

    A date is its first moment; what has no time zone is in UTC.
    """
    if _FORM.fullmatch(text) is None:
        raise ValueError("must be a date such as 2030-01-31, or 2030-01-31T12:00Z")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date that exists") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _checked(text: str) -> str:
    moment(text)
    return text


Moment = Annotated[str, AfterValidator(_checked)]
