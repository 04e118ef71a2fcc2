"""Work that may take long, without others waiting for it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_HEAVY = 65_536  # characters or bytes: a thread costs what some kilobytes do


async def apart(size: int, work: Callable[..., T], *given: object) -> T:
    """What `work` answers, done in a thread where much is to be done: `size`, roughly."""
    return await asyncio.to_thread(work, *given) if size > _HEAVY else work(*given)
