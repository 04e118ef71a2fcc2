"""Calls of sessions that are under way, for their clients to cancel.

A session's own requests at a legacy server are cancelled by that server, as ever.
"""

from collections.abc import Callable

from proxy.jsonrpc import Id

Key = tuple[str, Id]
"""A session, and the request in it."""


class Running:
    """All of them, with how each is given up."""

    def __init__(self) -> None:
        self._calls: dict[Key, list[Callable[[], None]]] = {}

    def begin(self, key: Key, release: Callable[[], None]) -> Callable[[], None]:
        """It is under way; what ends it, which may be called twice."""
        self._calls.setdefault(key, []).append(release)

        def end() -> None:
            release()
            calls = self._calls.get(key, [])
            if release in calls:
                calls.remove(release)
            if not calls:
                self._calls.pop(key, None)

        return end

    def cancel(self, key: Key) -> None:
        """Its client does not want it any more."""
        for release in self._calls.pop(key, []):
            release()
