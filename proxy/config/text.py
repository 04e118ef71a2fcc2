"""Text that configuration keys hold: forms, lines, files, names of tools and programs.

The counterpart is `model`, which gives the types keys and defaults; `address` and `web` are this
file's siblings. An error says what is accepted and never repeats what was given (see `draft`). Text
is printable throughout: a control character in a path or a name is never an intention.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from proxy.config.address import host


@dataclass(frozen=True, slots=True)
class Form:
    """Text that matches `pattern` as a whole, here and in the JSON Schema alike.

    `accepted` completes the sentence "must be …".
    """

    pattern: str
    accepted: str

    def check(self, text: str) -> str:
        """`text` itself; raises ValueError where it has another form."""
        if not re.fullmatch(self.pattern, text, re.ASCII):
            raise ValueError(f"must be {self.accepted}")
        return text

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def _line(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    if not text.isprintable():
        raise ValueError("must hold no control characters")
    return text


def _prose(text: str) -> str:
    if not all(c.isprintable() or c in "\n\t" for c in text):
        raise ValueError("must hold no control characters")
    return text


def _file(text: str) -> str:
    # With links on the way `..` need not lead where it seems to; POSIX leaves a first `//` open.
    if ".." in PurePosixPath(text).parts or text.startswith("//"):
        raise ValueError("must hold no '..' and not start with '//'")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must be an absolute path")
    return text


def _folder(text: str) -> str:
    if not text.strip("/."):
        raise ValueError("must be a folder of its own, not the root of the file system")
    return text


def _guarded(text: str) -> str:
    if text.startswith("~") and not text.startswith("~/"):
        raise ValueError("must be absolute, relative to the workspace, or start with '~/'")
    # Nothing expands them, so such a line would protect nothing.
    if "*" in text or "?" in text:
        raise ValueError("must name a file or folder: wildcards are not accepted")
    return text


Line = Annotated[str, AfterValidator(_line), Field(json_schema_extra={"minLength": 1})]
Prose = Annotated[str, AfterValidator(_prose)]

FilePath = Annotated[Line, AfterValidator(_file)]
AbsolutePath = Annotated[FilePath, AfterValidator(_absolute)]
Folder = Annotated[AbsolutePath, AfterValidator(_folder)]
ForbiddenPath = Annotated[FilePath, AfterValidator(_guarded)]
SQLITE = "sqlite:///"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"


def _server(text: str) -> str:
    """The URL, where a server can be at its host and port."""
    if not text.startswith("redis"):
        return text
    try:
        parts = urlsplit(text)
        if parts.port != 0 and host(parts.hostname or ""):
            return text
    except ValueError:
        pass
    raise ValueError("must name a host, and a port from 1 to 65535")


StateUrl = Annotated[
    FilePath,
    Form(
        rf"sqlite:///(?!//|:memory:$)[^?#%]*[^?#%/]"
        rf"|rediss?://{_HOST}(?::[0-9]{{1,5}})?(?:/[0-9]{{1,4}})?|unix:///[^?#%@]*[^?#%/@]",
        "sqlite:///FILE, redis://HOST:PORT/NUMBER or unix:///SOCKET; a password goes to"
        " state.password",
    ),
    AfterValidator(_server),
]

ToolName = Annotated[
    str, Form(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_./-]+)?", "a tool name: NAME or SERVER.NAME")
]
ToolPattern = Annotated[
    str,
    Form(
        r"[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_*./-]+)?",
        "a tool name: NAME or SERVER.NAME, where * stands for any characters",
    ),
]
_ARGUMENT = r"[A-Za-z0-9_$-]+(?:\.[A-Za-z0-9_$-]+)*"
ArgumentName = Annotated[
    str, Form(_ARGUMENT, "the name of an argument; a dot reaches into an object: options.path")
]
ArgumentRole = Annotated[
    str,
    Form(rf"{_ARGUMENT}\??", "the name of an argument, with a ? at its end if it may be missing"),
]
Program = Annotated[
    str,
    Form(
        r"(?!.*/\.\.?/|\.\./|~)(?:\.?/)?(?:[A-Za-z0-9_.+@~-]+/)*[A-Za-z0-9_\[][A-Za-z0-9_.+@-]*",
        "a program's name, or its path as a call spells it, without arguments or wildcards",
    ),
]
TokenHash = Annotated[
    str, Form(r"[0-9a-f]{64}", "the SHA-256 of a token as 64 lower-case hex digits")
]

_ID = r"[1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}"
VariableName = Annotated[
    str,
    Form(
        r"(?!_file$)[A-Za-z_][A-Za-z0-9_]*",
        "the name of an environment variable; NAME_file is that of a file",
    ),
]
UserAndGroup = Annotated[
    str, Form(rf"(?:{_ID}):(?:{_ID})", "UID:GID in numbers and in quotes, neither of them 0 (root)")
]
# The reference grammar of github.com/distribution/reference: only a registry's host, a tag and a
# digest may have upper case. An engine refuses all else, but not before a command is to be run.
_LABEL = r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*"
_REGISTRY = rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*"
Image = Annotated[
    str,
    Form(
        rf"(?:{_REGISTRY})?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
        rf"(?:@{_ALGORITHM}:[0-9A-Fa-f]{{32,}})?",
        "an image reference such as alpine:3.20, its name in lower case",
    ),
]
EngineRuntime = Annotated[
    str, Form(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "the name of an engine runtime such as runsc")
]
