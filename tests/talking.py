"""A program that is spoken with, as a double: what is said to it is handed to a function."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from proxy.isolation.run import STDERR, STDOUT

Said = dict[str, Any]


class Program:
    """`Talk` that answers each line by what `answer` says to it: objects, or bytes as they are."""

    def __init__(
        self, answer: Callable[[Said], list[Said | bytes]], *, fails: bool = False
    ) -> None:
        self.begun = False
        self.discarded = False
        self.said: list[Said] = []
        self._answer = answer
        self._fails = fails
        self._pieces: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()

    async def start(self) -> None:
        if self._fails:
            raise OSError("no such image")
        self.begun = True

    async def say(self, data: bytes) -> None:
        if self.discarded:
            raise OSError("gone")
        for line in data.splitlines():
            message = json.loads(line)
            self.said.append(message)
            for answer in self._answer(message):
                self.write(answer)

    def write(self, answer: Said | bytes) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"
        self._pieces.put_nowait((STDOUT, data))

    def complain(self, text: str) -> None:
        self._pieces.put_nowait((STDERR, text.encode()))

    def end(self) -> None:
        self._pieces.put_nowait(None)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while piece := await self._pieces.get():
            yield piece

    async def wait(self) -> int:
        return 0

    async def out_of_memory(self) -> bool:
        return False

    async def discard(self) -> None:
        self.discarded = True


def result(message: Said, **value: Any) -> Said:
    return {"jsonrpc": "2.0", "id": message["id"], "result": value}


def notification(method: str, **params: Any) -> Said:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def plain(message: Said) -> list[Said | bytes]:
    """Answers every request at once."""
    return [result(message, of=message["method"])] if "id" in message else []
