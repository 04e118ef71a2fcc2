"""What tools may reach beside the workspace, and what they may not see in it. A sibling of `text`.

The counterparts are `authorization/roots`, `authorization/ignored` and `authorization/urls`.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.config.address import host
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Folder, Line

_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


class RootConfig(Section):
    """A folder that file tools may reach beside the workspace."""

    path: Folder
    """The folder; opened once, at start."""
    access: Literal["ro", "rw"] = "ro"
    """Whether its files may be written too."""


def _distinct(roots: tuple[RootConfig, ...]) -> tuple[RootConfig, ...]:
    paths = [root.path.rstrip("/") for root in roots]
    raise_all(
        wrong((number, "path"), "an earlier entry has this path")
        for number, path in enumerate(paths)
        if path in paths[:number]
    )
    return roots


def _pattern(text: str) -> str:
    names = text.removeprefix("!").removeprefix("**/").removesuffix("/**")
    if text.startswith("#") or "\\" in text:
        raise ValueError("must not start with '#', and holds no backslash: quote by [ ]")
    if "**" in names:
        raise ValueError("must hold '**' only as '**/' at the start or '/**' at the end")
    if not names.strip("/") or {"", ".", ".."} & set(names.strip("/").split("/")):
        raise ValueError("must name files, without '.', '..' or '//'")
    return text


def _domain(text: str) -> str:
    name = text.lower()
    if name == "*":
        return name
    if not name.isascii():
        raise ValueError("must be written in ASCII: an international name in its xn-- form")
    try:
        listed = host(name.removeprefix("*."))
    except ValueError:
        listed = ""
    # An address has no sub-domains, and no host name holds an underscore.
    if not listed or "_" in listed or (name[:2] == "*." and _ADDRESS.fullmatch(listed)):
        raise ValueError("must be a host such as example.com, *.example.com, an address, or *")
    return name if name.startswith("*.") else listed


AllowedRoots = Annotated[tuple[RootConfig, ...], Field(strict=False), AfterValidator(_distinct)]
IgnorePattern = Annotated[Line, AfterValidator(_pattern)]
Domain = Annotated[str, AfterValidator(_domain), Field(json_schema_extra={"minLength": 1})]

IGNORED: tuple[IgnorePattern, ...] = (
    *(".env", ".env.*", "!.env.example", "!.env.sample", "!.env.template", "!.env.dist"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    *(".netrc", ".git-credentials", ".pgpass", ".htpasswd"),
)
"""Files that hold secrets by their name."""
