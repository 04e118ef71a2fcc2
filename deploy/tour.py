"""A walk through Sidegate: starts it before a demo agent and prints each request and its answer.

`make run` calls it. With --only it ends after the last step, else it stays up until Ctrl-C, to be
tried by hand. Every step states what it expects; any difference makes the exit code 1.
"""

import argparse
import asyncio
import re
import signal
import sys

import aiohttp
from narrator import BOLD, LINES_MAX, RED, Narrator, curl, paint
from stage import Stage, StageError
from steps import Tour

TIMEOUT = aiohttp.ClientTimeout(total=90)
INTERRUPTED = 130


async def pair_again(stage: Stage, http: aiohttp.ClientSession) -> str:
    """Get a token for trying by hand: a new code, and what it buys."""
    _, printed = await stage.run_sidegate("pair")
    code = re.search(r"\b\d{6}\b", printed)
    headers = {"X-Pairing-Code": code[0] if code else ""}
    async with http.post(f"{stage.gateway}/pair", headers=headers) as answer:
        body = await answer.json(content_type=None)
    return str(body.get("token", ""))


async def stay(stage: Stage, http: aiohttp.ClientSession, narrator: Narrator) -> None:
    """Say how to go on by hand, and stay up until a signal comes."""
    authorization = {"Authorization": "Bearer $TOKEN"}
    narrator.say(paint("\nSidegate stays up until Ctrl-C. In another terminal:", BOLD))
    narrator.say(f"    TOKEN={await pair_again(stage, http)}")
    for path, body in [
        ("/tools", None),
        ("/tools/shell", {"arguments": {"command": "ls -l"}}),
        ("/webhook", {"message": "hello"}),
    ]:
        method = "GET" if body is None else "POST"
        narrator.say(f"    {curl(method, stage.gateway + path, authorization, body)}")
    narrator.say(f"    the agent      {stage.agent}")
    narrator.say(f"    the metrics    {stage.metrics}")
    narrator.say(f"    the workspace  {stage.workspace}")
    narrator.say(f"    the config     {stage.config}")
    await stage.fall()
    raise StageError("sidegate ended by itself")


async def tour(*, only: bool) -> int:
    """Set the stage, walk, and say how it went."""
    narrator = Narrator()
    toured = False
    try:
        async with Stage() as stage, aiohttp.ClientSession(timeout=TIMEOUT) as http:
            await Tour(stage, http, narrator).walk()
            toured = True
            summarize(narrator)
            if narrator.failures:
                narrator.say("What Sidegate logged last:")
                narrator.block("\n".join(list(stage.sidegate.lines)[-LINES_MAX:]))
            if not only:
                await stay(stage, http, narrator)
    except (StageError, TimeoutError) as error:
        cause = str(error) or "a program took too long to start"
        print(paint(f"The tour cannot go on: {cause}", RED), file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        narrator.say("\nstopped")
        if not toured:
            return INTERRUPTED
    return 1 if narrator.failures else 0


def summarize(narrator: Narrator) -> None:
    """Say whether all was as expected."""
    if not narrator.failures:
        narrator.say(paint(f"\nAll {narrator.steps} steps went as they should.", BOLD))
        return
    narrator.say(paint("\nNot as expected:", RED))
    for failure in narrator.failures:
        narrator.say(f"  {failure}")


async def main() -> int:
    """Run the tour as a task that the first signal cancels; what follows it does not hurry it."""
    parser = argparse.ArgumentParser(description="A walk through Sidegate.")
    parser.add_argument("--only", action="store_true", help="end after the tour")
    task = asyncio.create_task(tour(only=parser.parse_args().only))
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await task


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
