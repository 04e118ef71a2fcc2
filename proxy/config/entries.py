"""What is said about one tool: the fields of an entry of the table of tools."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from proxy.actions import Effect
from proxy.config.rules import Rules
from proxy.config.runtime import ToolDockerConfig, Variables
from proxy.config.section import Section
from proxy.config.text import ArgumentName, ArgumentRole, Form, Line, Prose
from proxy.config.web import UpstreamPath

Prefix = Annotated[str, Form(r"[A-Za-z0-9_-]+\.", "the name of a server and a dot")]
Approval = Literal["auto", "ask", "deny"]
MCP = "mcp:"
"""What stands before a server's name where that is the backend."""
Backend = Annotated[
    str,
    Form(
        r"sandbox|upstream|mcp:[A-Za-z][A-Za-z0-9_-]{0,31}",
        "sandbox, upstream or mcp: and the name of a server",
    ),
]


class DispatchConfig(Section):
    """Where the arguments of a tool that calls others say which, and with what.

    The calls are judged as if they were made. The word none in the place of all this says that the
    tool is judged by its own name and arguments alone.
    """

    tool: ArgumentName
    """The argument that holds the name of the tool."""
    arguments: ArgumentName
    """The argument that holds its arguments: an object, or the text of one in JSON."""
    server: ArgumentName | None = None
    """The argument that holds the name of its server, which is then named SERVER.TOOL."""
    prefix: Prefix | None = None
    """What stands before the name of the tool in the policy, where it is not told: github."""
    calls: ArgumentName | None = None
    """The argument that holds a list of calls, in each of which the others are looked for."""


class _OrNone:
    """A mapping, the word none, or null; as a union it would tell of each what is wrong."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._read,
            handler.generate_schema(DispatchConfig),
            serialization=core_schema.wrap_serializer_function_ser_schema(self._write),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"const": "none"}, {"type": "null"}]}

    @staticmethod
    def _read(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        return value if value is None or value == "none" else inner(value)

    @staticmethod
    def _write(value: object, inner: SerializerFunctionWrapHandler) -> object:
        return inner(value) if isinstance(value, DispatchConfig) else value


Dispatching = Annotated[DispatchConfig | Literal["none"] | None, _OrNone()]


class ToolConfig(Section):
    """One tool, or with a * all whose names match; what is left out the next closest entry says."""

    effect: Annotated[Effect, Field(strict=False)] | None = None
    """What a call does to the world; required for a tool that is not built in."""
    backend: Backend | None = None
    """sandbox, upstream or mcp:SERVER; required if not built in or named after an MCP server."""
    command: Line | None = None
    """The argument that holds a command line, judged by autonomy.allowed_commands."""
    commands: Literal["listed", "any"] | None = None
    """any: the sandbox alone is the boundary, and the line is not judged; null: listed."""
    paths: Annotated[tuple[ArgumentRole, ...], Field(strict=False)] = ()
    """The arguments that hold a path, or a list of paths, judged like those of the file tools."""
    urls: Annotated[tuple[ArgumentRole, ...], Field(strict=False)] = ()
    """The arguments that hold a URL, or a list of URLs, judged by autonomy.allowed_domains."""
    rules: Rules = Field(default={})
    """What must hold of arguments, by name; the rules of all entries about a tool hold together."""
    approval: Approval | None = None
    """Whether a human is asked at level supervised; deny: it is switched off; null: as autonomy."""
    rate_per_minute: Annotated[int, Field(ge=0)] | None = None
    """How often one principal may call it; null: no limit of its own."""
    timeout_secs: Annotated[float, Field(gt=0, le=3600)] | None = None
    """The longest that a call may take; a caller may ask for less."""
    docker: ToolDockerConfig | None = None
    """What its container has that differs from runtime.docker; only with backend: sandbox."""
    env: Variables = Field(default={})
    """Variables that its command gets, and nobody else; the value of NAME may be in NAME_file."""
    path: UpstreamPath | None = None
    """The path of this tool at the upstream; null: /tools/NAME."""
    dispatch: Dispatching = None
    """How it calls other tools, which are judged as if called; none: it is judged by name alone."""
    description: Prose = ""
    """What the tool does, for those who may call it."""

    def given(self) -> Mapping[str, object]:
        """The fields that the entry has: null is as if left out, but for a rate."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: value
            for name, value in fields.items()
            if value is not None or name == "rate_per_minute"
        }
