"""What the clients do, and what it comes to. Either SDK calls it with a client of its own."""

from collections.abc import Awaitable
from typing import Any


async def taken(client: Any, prefix: str) -> dict[str, object]:
    """What each step came to; of a failure, what a person or a model can read of it."""
    steps: list[float] = []

    async def progressed(done: float, _total: float | None, _message: str | None) -> None:
        steps.append(done)

    async def call(name: str, **arguments: object) -> str:
        return _said(await client.call_tool(f"{prefix}{name}", arguments))

    slow = client.call_tool(f"{prefix}slow", {}, progress_callback=progressed)
    return {
        "tools": await _or_why(_names(client)),
        "echo": await _or_why(call("echo", text="grüße")),
        "add": await _or_why(call("add", a=2, b=3)),
        "slow": await _or_why(_text(slow)),
        "steps": steps,
        "ask": await _or_why(call("ask")),
        "think": await _or_why(call("think", prompt="The capital of France?")),
        "secret": await _or_why(call("secret")),
        "unknown": await _or_why(call("unknown")),
        "resources": await _or_why(_resources(client)),
        "note": await _or_why(_note(client)),
        "prompts": await _or_why(_prompts(client)),
        "greet": await _or_why(_greet(client, prefix)),
    }


async def _or_why(step: Awaitable[object]) -> object:
    try:
        return await step
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the step came to
        return f"{type(error).__name__}: {error}"


def _said(result: Any) -> str:
    flawed = getattr(result, "isError", None) or getattr(result, "is_error", None)
    return ("error: " if flawed else "") + "".join(each.text for each in result.content)


async def _text(calling: Awaitable[Any]) -> str:
    return _said(await calling)


async def _names(client: Any) -> list[str]:
    return sorted(tool.name for tool in (await client.list_tools()).tools)


async def _resources(client: Any) -> list[str]:
    return sorted(str(each.uri) for each in (await client.list_resources()).resources)


async def _note(client: Any) -> str:
    uri = (await client.list_resources()).resources[0].uri
    return str((await client.read_resource(uri)).contents[0].text)


async def _prompts(client: Any) -> list[str]:
    return sorted(each.name for each in (await client.list_prompts()).prompts)


async def _greet(client: Any, prefix: str) -> str:
    got = await client.get_prompt(f"{prefix}greet", {"name": "Ada"})
    return str(got.messages[0].content.text)
