"""Sessions that clients have ended, though their ids would still be valid.

It is memory: another replica learns of the end from the servers, which know the session no more.
"""

import hashlib
from collections import OrderedDict

MAX = 65536


class Ended:
    """The last of them."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def add(self, session: str) -> None:
        """It has ended."""
        self._digests[_digest(session)] = None
        if len(self._digests) > MAX:
            self._digests.popitem(last=False)

    def __contains__(self, session: object) -> bool:
        return isinstance(session, str) and _digest(session) in self._digests


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()
