"""Take a message in: on the disk, sealed, before its sender is told that it was taken.

`proxy.delivery` brings it to the agent, and reads here what was written here.
"""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from proxy.actions import Enqueue, Relay
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Clock, Content, Document, Grant
from proxy.isolation.executor import Backend
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state.letters import Inbox, Letter, Put
from proxy.values import Headers, Json

QUEUED: Json = {"status": "queued"}
_PURPOSE = "letter"


@dataclass(frozen=True, slots=True)
class Posted:
    """A message as it was taken in: under which request, from whom, at which path and door."""

    request_id: str
    principal: str
    path: str
    door: str
    relay: Relay


class DurableInbox:
    """`Backend` for messages that are delivered later. `wake` tells that there is one."""

    def __init__(self, inbox: Inbox, seal: Seal, clock: Clock, wake: Callable[[], None]) -> None:
        self._inbox = inbox
        self._seal = seal
        self._clock = clock
        self._wake = wake

    async def run(self, plan: Enqueue, grant: Grant) -> Decision[Content]:
        """Store the message; one that is known is as good as stored."""
        posted = Posted(grant.request_id, grant.principal.id, plan.path, grant.door, plan.relay)
        letter_id = plan.key or secrets.token_hex(32)
        content = self._seal.seal(_PURPOSE, letter_id, _written(posted))
        now = self._clock()
        try:
            put = await self._inbox.put(Letter(letter_id, plan.channel, content, now, now))
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)
        if put is Put.FULL:
            return Deny(Reason.INBOX_FULL)
        self._wake()
        return Allow(Document(QUEUED))


def opened(letter: Letter, seal: Seal) -> Posted:
    """The message in a letter; raises ValueError where it is not ours."""
    written = json.loads(seal.unseal(_PURPOSE, letter.id, letter.content))
    headers = Headers(tuple((name, value) for name, value in written["headers"]))
    body = base64.b64decode(written["body"])
    relay = Relay(written["method"], written["target"], headers, body)
    return Posted(
        written["request_id"], written["principal"], written["path"], written["door"], relay
    )


def _written(posted: Posted) -> bytes:
    relay = posted.relay
    # In ASCII, which has a form for whatever a header held.
    return json.dumps(
        {
            "request_id": posted.request_id,
            "principal": posted.principal,
            "path": posted.path,
            "door": posted.door,
            "method": relay.method,
            "target": relay.target,
            "headers": tuple(relay.headers),
            "body": base64.b64encode(relay.body).decode(),
        },
        separators=(",", ":"),
    ).encode("ascii")


_: type[Backend[Enqueue]] = DurableInbox
