"""Who may send messages through a channel. The counterpart is `config.channels`, with the entries.

Empty is nobody, "*" is everybody, and all else is equal or it is not: no part of a name, no pattern
and no alias.
"""

from collections.abc import Iterable

from proxy.protocols.channels.event import Sender

# What other gateways call everyone who has no name: an entry for it would let all of them in.
_NO_NAME = "unknown"
# GitHub's logins compare without case: another spelling is the same account.
_CASELESS = frozenset({"github"})


class Allowlist:
    """The senders that `channel` admits."""

    def __init__(self, channel: str, entries: Iterable[str]) -> None:
        given = frozenset(entries)
        self._caseless = channel in _CASELESS
        self._everybody = "*" in given
        self._known = self._spelled(e for e in given if e != "*" and e.lower() != _NO_NAME)

    def admits(self, sender: Sender) -> bool:
        """Whether a message of `sender` may pass; one of nobody known needs "*"."""
        return self._everybody or not self._known.isdisjoint(self._spelled(sender.ids))

    def _spelled(self, ids: Iterable[str]) -> frozenset[str]:
        return frozenset(id_.lower() if self._caseless else id_ for id_ in ids)
