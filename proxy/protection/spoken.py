"""What a message of MCP says, apart from what it is: where secrets are looked for on its way up.

The counterpart is `requests`, which does so.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from proxy.jsonrpc import Failure, Message, Response, outcome
from proxy.values import Json

_JUDGED = ("name", "uri", "arguments", "_meta")
"""Of a call: what is judged with the call itself, and what names those who speak."""


def said_in(message: Message) -> Mapping[str, Json]:
    """The words of a message."""
    if isinstance(message, Response):
        return outcome(message.result)
    return message.params


def reworded(message: Message, said: Mapping[str, Json]) -> Message:
    """The message with other words, of the same shape."""
    if not isinstance(message, Response):
        return replace(message, params=said)
    if not isinstance(message.result, Failure):
        return replace(message, result=cast("Mapping[str, Json]", said["result"]))
    error = cast("Mapping[str, Json]", said["error"])
    failure = Failure(message.result.code, str(error["message"]), error.get("data"))
    return replace(message, result=failure)


def beside(params: Mapping[str, Json]) -> Mapping[str, Json]:
    """Of the parameters of a call, those that are not judged as its arguments."""
    return {name: value for name, value in params.items() if name not in _JUDGED}
