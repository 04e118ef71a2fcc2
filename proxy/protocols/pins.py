"""What an operator does about the definitions of tools, as requests.

A tool is named as policy names it, such as `github.get_me`. A path can hold no slash within a
segment, so one that is in a name is written as a colon, which no name has.
"""

from collections.abc import Mapping
from typing import Annotated

from proxy.actions import Acceptance, Operate
from proxy.config.section import Section
from proxy.config.text import Form
from proxy.protocols.operator import BodyCodec, OperationCodec, accepted
from proxy.values import Json

Digest = Annotated[str, Form(r"[0-9a-f]{64}", "64 hexadecimal digits, as mcp show tells them")]


class Accept(Section):
    """What is accepted: `{"digest"}`."""

    digest: Digest


class PinCodec(OperationCodec):
    """Something about one tool."""

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:  # noqa: ARG002
        """The operation on it."""
        return Operate(self.verb, named(subject))


class AcceptCodec(BodyCodec):
    """`POST /mcp/tools/{id}`."""

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The definition that is accepted."""
        return Operate(self.verb, named(subject), Acceptance(accepted(Accept, body).digest))


def named(segment: str) -> str:
    """The tool that a segment of a path names."""
    return segment.replace(":", "/")


def segment_of(tool: str) -> str:
    """How a tool is named in a path."""
    return tool.replace("/", ":")
