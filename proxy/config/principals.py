"""Machines that have a credential from the start, by name: the agent's own, a script's.

No operator is made here: what the configuration holds may be read by whoever holds its files, and
operators come only from the operator's own socket.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from proxy.config.deferred import Checked
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Form
from proxy.config.web import ScopePath
from proxy.scope import Autonomy

MIN_TOKEN = 32


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(rf"[!-~]{{{MIN_TOKEN},512}}", value.get_secret_value()):
        raise ValueError(f"must be {MIN_TOKEN} to 512 printable ASCII characters, without spaces")
    return value


PrincipalName = Annotated[
    str, Form(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", "a name of letters, digits, '_' and '-'")
]
ToolPattern = Annotated[
    str,
    Form(
        r"\*|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_./-]+)?\*?|[A-Za-z0-9_-]+\.\*",
        "a tool's name; a last '*' stands for any ending",
    ),
]


class PrincipalConfig(Section):
    """One machine principal."""

    role: Literal["client", "agent"] = "client"
    """client: tools, webhook and routes; agent: tools alone."""
    token: Annotated[SecretStr, Checked(_token)]
    """The bearer token; better in a file of its own: token_file."""
    routes: Annotated[tuple[ScopePath, ...], Field(strict=False)] | None = None
    """Paths that it may use, a last /* for all that lies beneath; null: all of its role."""
    tools: Annotated[tuple[ToolPattern, ...], Field(strict=False)] | None = None
    """Tools that it may call; null: all."""
    level: Annotated[Autonomy, Field(strict=False)] | None = None
    """The highest autonomy of its calls, where autonomy.level is higher."""


def _distinct(principals: Mapping[str, PrincipalConfig]) -> Mapping[str, PrincipalConfig]:
    seen: dict[SecretStr, str] = {}
    problems = []
    for name, section in principals.items():
        if section.token in seen:
            other = seen[section.token]
            problems.append(wrong((name, "token"), f"is the token of {other}, too"))
        seen[section.token] = name
    raise_all(problems)
    return principals


Principals = Annotated[Mapping[PrincipalName, PrincipalConfig], AfterValidator(_distinct)]
