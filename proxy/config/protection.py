"""What is hidden of answers, and of requests: the protection layer."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from proxy.config.section import Section
from proxy.config.text import FilePath, Form

Style = Literal["prefix", "full", "placeholder"]
RuleId = Annotated[str, Form(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", "the id of a rule")]


class ProtectionConfig(Section):
    """What is hidden of answers, and of requests: the protection layer."""

    rules_file: FilePath | None = None
    """More rules for secrets, in the TOML of gitleaks; relative to state_dir."""
    scan_requests: Literal["none", "redact", "deny"] = "none"
    """Secrets in what callers send: redact: they are masked; deny: such a request is refused."""
    style: Style = "prefix"
    """How a secret is shown: prefix: ghp_*[REDACTED]; full: [REDACTED:github-pat]; placeholder."""
    styles: Mapping[RuleId, Style] = Field(default={})
    """The style by the id of a rule, where it differs."""

    @property
    def has_placeholders(self) -> bool:
        """Whether any secret may be shown as a placeholder."""
        return "placeholder" in (self.style, *self.styles.values())
