"""What clients of sessions were asked by Sidegate in place of a server, until they answer.

They answer in a request of its own, so whoever waits is found by the session and the id of the
question. It is memory: an answer that comes to another replica finds nobody.
"""

import asyncio

from proxy.jsonrpc import Id, Response

MAX_OPEN = 64
"""Of one session."""
MAX_ALL = 4096


class Questions:
    """All that are open."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, Id], asyncio.Future[Response]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def room(self, session: str, wanted: int) -> bool:
        """Whether `wanted` more can be open in this session."""
        owned = sum(key[0] == session for key in self._open)
        return owned + wanted <= MAX_OPEN and len(self._open) + wanted <= MAX_ALL

    def put(self, session: str, server: str, id_: Id) -> asyncio.Future[Response]:
        """A question that goes out now; its answer. There must be room."""
        answer = asyncio.get_running_loop().create_future()
        self._open[session, server, id_] = answer
        return answer

    def answer(self, session: str, server: str, response: Response) -> bool:
        """Bring an answer to who waits for it; whether anybody does."""
        if response.id is None:
            return False
        waiting = self._open.pop((session, server, response.id), None)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(response)
        return True

    def drop(self, session: str, server: str, id_: Id) -> None:
        """Nobody waits for it any more."""
        self._open.pop((session, server, id_), None)
