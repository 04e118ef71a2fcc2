"""The section about the audit log."""

import pytest
from pydantic import ValidationError

from proxy.config.auditing import AuditConfig


def test_files_are_bounded_by_default() -> None:
    section = AuditConfig()

    assert (section.path, section.max_file_mb, section.max_files) == ("audit.jsonl", 64, 10)


@pytest.mark.parametrize(
    "wrong", [{"max_file_mb": 0}, {"max_files": 1}, {"max_files": 10**9}, {"max_file_mb": "64"}]
)
def test_what_would_keep_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AuditConfig.model_validate(wrong)
