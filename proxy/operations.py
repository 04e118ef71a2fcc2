"""What Sidegate itself does: say how it is, mint codes, list and revoke tokens.

The verbs stand in one table. Whether a principal may use one was decided in layer 3; here it is
done.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from proxy.actions import Headers, Json, Operate
from proxy.authentication.pairing import CODE_SECONDS, Pairing
from proxy.authentication.tokens import TokenBook
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Clock, Content, Document, Frame, Grant, Stream
from proxy.isolation.executor import Backend
from proxy.metrics import CONTENT_TYPE, Metrics
from proxy.reasons import Reason
from proxy.running import Running
from proxy.state.store import Store, TokenRecord

Missing = Callable[[], Awaitable[list[str]]]
"""What this Sidegate lacks to do all of its work, a sentence each."""


@dataclass
class Operations:
    """`Backend` for Sidegate's own verbs."""

    store: Store
    tokens: TokenBook
    pairing: Pairing
    running: Running
    metrics: Metrics
    missing: Missing
    clock: Clock
    version: str
    stopping: bool = False

    async def run(self, plan: Operate, grant: Grant) -> Decision[Content]:  # noqa: ARG002
        """Do `plan.verb`."""
        verbs: Mapping[str, Callable[[str], Awaitable[Decision[Content]]]] = {
            "health": self._health,
            "live": self._live,
            "ready": self._ready,
            "metrics": self._metrics,
            "pair": self._pair,
            "pairing-codes.create": self._create_code,
            "status": self._status,
            "tokens.list": self._list_tokens,
            "tokens.revoke": self._revoke_token,
        }
        return await verbs[plan.verb](plan.arguments.get("subject", ""))

    async def _health(self, _: str) -> Decision[Content]:
        return _document({"status": "ok", "paired": not await self.tokens.empty()})

    async def _live(self, _: str) -> Decision[Content]:
        return _document({"status": "ok"})

    async def _ready(self, _: str) -> Decision[Content]:
        """Only whether, never what: the route is public."""
        ready = not self.stopping and not await self.missing()
        return Allow(Document({"status": "ok" if ready else "unavailable"}, 200 if ready else 503))

    async def _metrics(self, _: str) -> Decision[Content]:
        async def frames() -> AsyncIterator[Frame]:
            yield Frame("body", self.metrics.render())

        headers = Headers((("Content-Type", CONTENT_TYPE),))
        return Allow(Stream(200, headers, frames()))

    async def _pair(self, _: str) -> Decision[Content]:
        """Layer 2 has redeemed the code; the codec shows the token that it issued."""
        return _document({})

    async def _create_code(self, label: str) -> Decision[Content]:
        code = await self.pairing.offer(label)
        return _document({"code": code, "expires_in": int(CODE_SECONDS)})

    async def _status(self, _: str) -> Decision[Content]:
        status: Json = {
            "version": self.version,
            "instance": self.store.instance,
            "running": len(self.running),
            "paired": len(await self.store.tokens.list()),
            "code_pending": await self.store.codes.pending(self.clock()),
            "missing": await self.missing(),
        }
        return _document(status)

    async def _list_tokens(self, _: str) -> Decision[Content]:
        return _document({"tokens": token_rows(await self.store.tokens.list())})

    async def _revoke_token(self, token_id: str) -> Decision[Content]:
        """Forget a token and end at once whatever runs for it."""
        if not await self.store.tokens.revoke(token_id):
            return Deny(Reason.OPERATION_UNKNOWN)
        self.running.end_principal(token_id)
        return _document({"revoked": token_id})


def token_rows(records: Iterable[TokenRecord]) -> list[Json]:
    """Tokens as they are listed: everything but what could be used."""
    return [
        {"id": each.id, "role": each.role, "label": each.label, "created": each.created}
        for each in records
    ]


def _document(value: Json) -> Decision[Content]:
    return Allow(Document(value))


_: type[Backend[Operate]] = Operations
