"""An MCP server of both eras, of the SDK's own parts: `python -m peers.reference_server [PORT]`.

It serves what the conformance kit asks servers for, and prints its port once it listens.
"""

import asyncio
import socket
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http import EventMessage
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from peers.reference_content import (
    DEFAULTS,
    ENUMS,
    FIXED,
    NOTHING,
    PROMPTS,
    RESOURCES,
    SCHEMAS,
    prompt,
    schema,
    text,
)
from peers.reference_rounds import ROUNDS, form, more

_BUS = InMemorySubscriptionBus()


class Events:
    """The events of all streams, so that a client can come back for those that it missed."""

    def __init__(self) -> None:
        self._all: list[tuple[str, Any]] = []

    async def store_event(self, stream: str, message: Any) -> str:
        self._all.append((stream, message))
        return str(len(self._all))

    async def replay_events_after(self, last: str, send: Any) -> str | None:
        number = int(last) if last.isdecimal() else 0
        if not 0 < number <= len(self._all):
            return None
        stream = self._all[number - 1][0]
        for place, (of, message) in enumerate(self._all[number:], number + 1):
            if of == stream and message is not None:
                await send(EventMessage(message, str(place)))
        return stream


async def _log(ctx: Any, *lines: str) -> None:
    for line in lines:
        await ctx.session.send_log_message("info", line, related_request_id=ctx.request_id)
        await asyncio.sleep(0.05)


async def _logging(ctx: Any, _: Mapping[str, Any]) -> str:
    await _log(ctx, "Tool execution started", "Tool processing data", "Tool execution completed")
    return "logged"


async def _progress(ctx: Any, _: Mapping[str, Any]) -> str:
    for step in (0, 50, 100):
        await ctx.session.report_progress(step, 100)
        await asyncio.sleep(0.05)
    return "progressed"


async def _sampling(ctx: Any, given: Mapping[str, Any]) -> str:
    message = types.SamplingMessage(
        role="user", content=types.TextContent(type="text", text=given["prompt"])
    )
    answer = await ctx.session.create_message(
        [message], max_tokens=100, related_request_id=ctx.request_id
    )
    return f"LLM response: {answer.content.text}"


async def _ask(ctx: Any, message: str, wanted: Mapping[str, Any]) -> str:
    asked = {"type": "object", "properties": wanted, "required": []}
    answer = await ctx.session.elicit_form(message, asked, related_request_id=ctx.request_id)
    return f"User response: action={answer.action}, content={answer.content}"


async def _elicitation(ctx: Any, given: Mapping[str, Any]) -> str:
    wanted = schema(username={"type": "string"}, email={"type": "string"})
    return await _ask(ctx, given["message"], wanted["properties"])


async def _defaults(ctx: Any, _: Mapping[str, Any]) -> str:
    return await _ask(ctx, "Please look at the defaults", DEFAULTS)


async def _enums(ctx: Any, _: Mapping[str, Any]) -> str:
    return await _ask(ctx, "Please choose", ENUMS)


async def _fail(_: Any, _given: Mapping[str, Any]) -> str:
    raise ValueError("This tool intentionally returns an error for testing")


async def _reconnect(ctx: Any, _: Mapping[str, Any]) -> str:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    return "reconnected"


async def _change(_: Any, _given: Mapping[str, Any]) -> str:
    await _BUS.publish(ToolsListChanged())
    return "changed"


async def _change_prompts(_: Any, _given: Mapping[str, Any]) -> str:
    await _BUS.publish(PromptsListChanged())
    return "changed"


async def _need(ctx: Any, _: Mapping[str, Any]) -> str:
    if "sampling" not in _capabilities(ctx):
        need: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(-32021, "this needs sampling", need)
    return "sampling is there"


CALLS = {
    "test_tool_with_logging": _logging,
    "test_logging_tool": _logging,
    "test_tool_with_progress": _progress,
    "test_sampling": _sampling,
    "test_elicitation": _elicitation,
    "test_elicitation_sep1034_defaults": _defaults,
    "test_elicitation_sep1330_enums": _enums,
    "test_error_handling": _fail,
    "test_reconnection": _reconnect,
    "test_trigger_tool_change": _change,
    "test_trigger_prompt_change": _change_prompts,
    "test_missing_capability": _need,
}
NAMES = (*FIXED, *CALLS, *ROUNDS)


def _capabilities(ctx: Any) -> Mapping[str, Any]:
    meta = (ctx.params or {}).get("_meta") or {}
    found = meta.get("io.modelcontextprotocol/clientCapabilities")
    return found if isinstance(found, dict) else {}


async def list_tools(_: Any, _params: Any) -> Any:
    return {
        "tools": [
            {"name": name, "description": f"{name}.", "inputSchema": SCHEMAS.get(name, NOTHING)}
            for name in NAMES
        ]
    }


async def call_tool(ctx: Any, params: Any) -> Any:
    given = params.arguments or {}
    if params.name in FIXED:
        return {"content": FIXED[params.name]}
    if params.name in ROUNDS:
        answers = params.input_responses or {}
        return ROUNDS[params.name](answers, params.request_state, _capabilities(ctx))
    if params.name not in CALLS:
        raise MCPError(-32602, "no such tool")
    try:
        return {"content": [text(await CALLS[params.name](ctx, given))]}
    except MCPError:
        raise
    except Exception as error:  # noqa: BLE001 - what a tool says of its failure is its answer
        return {"content": [text(str(error))], "isError": True}


async def list_resources(_: Any, _params: Any) -> Any:
    return {
        "resources": [
            {"uri": uri, "name": uri.removeprefix("test://"), "mimeType": content["mimeType"]}
            for uri, content in RESOURCES.items()
        ]
    }


async def list_templates(_: Any, _params: Any) -> Any:
    template = {"uriTemplate": "test://template/{id}/data", "name": "template"}
    return {"resourceTemplates": [template]}


async def read_resource(_: Any, params: Any) -> Any:
    uri = str(params.uri)
    name = uri.removeprefix("test://template/").removesuffix("/data")
    if uri in RESOURCES:
        content: Mapping[str, Any] = RESOURCES[uri]
    elif uri == f"test://template/{name}/data":
        content = {"mimeType": "application/json", "text": f'{{"id":"{name}"}}'}
    else:
        raise MCPError(-32602, "Resource not found", {"uri": uri})
    return {"contents": [{"uri": uri, **content}]}


async def list_prompts(_: Any, _params: Any) -> Any:
    return {
        "prompts": [
            {
                "name": name,
                "description": f"The prompt {name}.",
                "arguments": [{"name": each, "required": True} for each in arguments],
            }
            for name, arguments in PROMPTS.items()
        ]
    }


async def get_prompt(_: Any, params: Any) -> Any:
    if params.name not in PROMPTS:
        raise MCPError(-32602, "no such prompt")
    if params.name == "test_input_required_result_prompt" and not params.input_responses:
        return more({"user_context": form("What context should the prompt use?", "context")})
    contents = prompt(params.name, params.arguments or {})
    return {"messages": [{"role": "user", "content": content} for content in contents]}


async def complete(_: Any, _params: Any) -> Any:
    return {"completion": {"values": ["paris", "park"], "total": 2, "hasMore": False}}


async def nothing(_: Any, _params: Any) -> Any:
    return types.EmptyResult()


def typed(handler: Any, model: Any) -> Any:
    """The handler, whose ends are made whole for either era; what asks for more already is."""

    async def handle(ctx: Any, params: Any) -> Any:
        result = await handler(ctx, params)
        asks = "inputRequests" in result
        return result if asks else model.model_validate({**result, "resultType": "complete"})

    return handle


def build() -> Any:
    """The server's ASGI application."""
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    server = Server(
        "reference",
        version="1.0.0",
        on_list_tools=typed(list_tools, types.ListToolsResult),
        on_call_tool=typed(call_tool, types.CallToolResult),
        on_list_resources=typed(list_resources, types.ListResourcesResult),
        on_list_resource_templates=typed(list_templates, types.ListResourceTemplatesResult),
        on_read_resource=typed(read_resource, types.ReadResourceResult),
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_subscriptions_listen=ListenHandler(_BUS),
        on_list_prompts=typed(list_prompts, types.ListPromptsResult),
        on_get_prompt=typed(get_prompt, types.GetPromptResult),
        on_completion=typed(complete, types.CompleteResult),
        on_set_logging_level=nothing,
    )
    return server.streamable_http_app(event_store=Events(), retry_interval=100)


def main() -> None:
    """Serve on loopback, at the port given or at any."""
    # asyncio must see that it is TCP: else what is sent in two pieces waits between them.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", int((sys.argv[1:] or ["0"])[0])))
    listening.listen()
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(build(), log_level="error", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
