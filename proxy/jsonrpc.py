"""Messages of JSON-RPC 2.0, as MCP carries them.

A message is exactly one of three things. What could be taken for two of them, or for none, is none:
the counterpart is `protocols.mcp.messages`, where they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.values import Json

Id = str | int
"""Never a float, a bool or null: some readers take those for a notification."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question, answered under its `id`."""

    id: Id
    method: str
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that is said, and not answered."""

    method: str
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request has no result. `code` as JSON-RPC and MCP number them."""

    code: int
    message: str
    data: Json = None


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to the request `id`; None where that could not be read."""

    id: Id | None
    result: Mapping[str, Json] | Failure


Message = Request | Notification | Response


def as_json(message: Message) -> dict[str, Json]:
    """The message as a JSON object; empty parameters are left out."""
    match message:
        case Response(id=id_, result=result):
            return {"jsonrpc": "2.0", "id": id_, **outcome(result)}
        case Request():
            identified: dict[str, Json] = {"jsonrpc": "2.0", "id": message.id}
        case Notification():
            identified = {"jsonrpc": "2.0"}
    params: dict[str, Json] = {"params": message.params} if message.params else {}
    return {**identified, "method": message.method, **params}


def outcome(result: Mapping[str, Json] | Failure) -> dict[str, Json]:
    """What a response holds beside its id: `result`, or `error`."""
    if not isinstance(result, Failure):
        return {"result": result}
    data: dict[str, Json] = {} if result.data is None else {"data": result.data}
    return {"error": {"code": result.code, "message": result.message, **data}}
