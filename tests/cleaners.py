"""A real engine with two rules of its own, for tests of what is built on it."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from proxy.protection import cleaner
from proxy.protection.compiled import Rules
from proxy.protection.detector import Detector
from proxy.protection.held import Held
from proxy.protection.masks import Masks
from proxy.protection.rule import load_rules
from proxy.values import Json

M = "*[REDACTED]"
HELD = "held-value-1"
SECRET = "zz_12345678"
"""What the one rule finds. The other finds the first eight digits or letters after `password=`."""

Scrub = Callable[[AsyncIterator[bytes], "Double"], AsyncIterator[bytes]]

_RULES = """
[[rules]]
id = "zz"
description = "a made-up token"
regex = '''zz_[0-9A-Za-z]{8,64}'''
keywords = ["zz_"]

[[rules]]
id = "password"
description = "what is assigned to a password"
regex = '''(?i)password[ ]{0,2}=[ ]{0,2}(?P<secret>[0-9a-z]{8,64})'''
keywords = ["password"]
spans = true
"""
_COMPILED = Rules(load_rules(_RULES, "test", own=True))


class Double(cleaner.Cleaner):
    """A cleaner to which every value of six characters is a secret whose key has `password`."""

    def __init__(self) -> None:
        super().__init__(Detector(_COMPILED, Held([HELD])), Masks())

    def member(self, key: str, value: str) -> str | None:
        if "password" not in key or len(value) < 6:
            return None
        self.tally["password"] += 1
        return M


async def scrubbed(scrub: Scrub, data: bytes | Iterable[bytes]) -> bytes:
    """What comes out of a stream of these pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in [data] if isinstance(data, bytes) else data:
            yield piece

    return b"".join([piece async for piece in scrub(pieces(), Double())])


def event(value: Json, name: str = "") -> bytes:
    """A server-sent event with JSON as its data."""
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(value)}\n\n".encode()


def values(stream: bytes) -> list[Mapping[str, object]]:
    """The data of all events that are JSON objects."""
    lines = [line.removeprefix("data: ") for line in stream.decode().split("\n")]
    return [json.loads(line) for line in lines if line.startswith("{")]
