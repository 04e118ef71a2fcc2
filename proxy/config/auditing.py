"""The section about the audit log. The counterpart is `audit`, which is given its values."""

from typing import Annotated

from pydantic import Field

from proxy.config.section import Section
from proxy.config.text import FilePath


class AuditConfig(Section):
    """The record of what was granted and denied."""

    path: FilePath = "audit.jsonl"
    """The file, relative to state_dir; older ones lie beside it, as audit.jsonl.1 and so on."""
    max_file_mb: Annotated[int, Field(ge=1, le=65_536)] = 64
    """How large a file grows before the next is begun, in MiB; its room is reserved beforehand."""
    max_files: Annotated[int, Field(ge=2, le=10_000)] = 10
    """How many files are kept; the oldest goes when there is one more."""
