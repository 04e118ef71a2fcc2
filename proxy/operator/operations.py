"""What Sidegate itself does: say how it is, make and take back credentials, tend the inbox.

The verbs stand in one table, those about the calls of others in that of `desk`. Whether a principal
may use one was decided in layer 3; here it is done.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from proxy.actions import Operate, Question
from proxy.authentication.pairing import CODE_SECONDS, Pairing
from proxy.authentication.tokens import TokenBook
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Clock, Content, Document, Frame, Grant, Role, Stream
from proxy.isolation.executor import Backend
from proxy.metrics import CONTENT_TYPE, Metrics
from proxy.operator.desk import Desk
from proxy.operator.pinned import Pinned
from proxy.reasons import Reason
from proxy.running import Running
from proxy.scope import Minting
from proxy.state.letters import Letter
from proxy.state.store import Store, TokenRecord
from proxy.values import Headers, Json

Missing = Callable[[], Awaitable[list[str]]]
"""What this Sidegate lacks to do all of its work, a sentence each."""

Explain = Callable[[Json], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class About:
    """What is told of this Sidegate: its version, and where clients and operators reach it.

    `isolation`: what commands really run in.
    """

    version: str
    isolation: str
    tunnel: Callable[[], tuple[str, str | None]]
    """Its state, and its address where it has one."""
    gateway_url: Callable[[], str]
    admin_url: Callable[[], str]


@dataclass
class Operations:
    """`Backend` for Sidegate's own verbs. `wake` tells the inbox that there is work.

    `forgive` gives pairing attempts back: the operator is at hand. `explain` answers what would be
    decided on a call, for any JSON value.
    """

    store: Store
    tokens: TokenBook
    pairing: Pairing
    running: Running
    metrics: Metrics
    missing: Missing
    clock: Clock
    about: About
    wake: Callable[[], None]
    forgive: Callable[[], Awaitable[None]]
    desk: Desk
    explain: Explain
    stopping: bool = False

    async def run(self, plan: Operate, grant: Grant) -> Decision[Content]:
        """Do `plan.verb`."""
        try:
            return await self.do(plan, grant.principal.id)
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)

    async def do(self, plan: Operate, by: str = "") -> Decision[Content]:
        """Do `plan.verb` for `by`, who was found to be allowed to; raises OSError."""
        at_desk = {**self.desk.verbs, **self._pinned.verbs}.get(plan.verb)
        if at_desk is not None:
            return await at_desk(plan, by)
        verbs: Mapping[str, Callable[[Operate], Awaitable[Decision[Content]]]] = {
            "health": self._health,
            "live": self._live,
            "ready": self._ready,
            "metrics": self._metrics,
            "pair": self._pair,
            "pair-operator": self._pair,
            "pairing-codes.create": self._create_code,
            "links.create": self._create_link,
            "status": self._status,
            "tokens.list": self._list_tokens,
            "tokens.create": self._create_token,
            "tokens.rotate": self._rotate_token,
            "tokens.revoke": self._revoke_token,
            "inbox.list": self._list_inbox,
            "inbox.retry": self._retry_letter,
            "inbox.drop": self._drop_letter,
            "explain": self._explain,
            "resource-metadata": self._metadata,
        }
        return await verbs[plan.verb](plan)

    @property
    def _pinned(self) -> Pinned:
        return Pinned(self.store.pins, self.desk.rulings.views.find, self.clock)

    async def _health(self, _: Operate) -> Decision[Content]:
        try:
            return _document({"status": "ok", "paired": not await self.tokens.empty()})
        except OSError:
            return Allow(Document({"status": "unavailable"}, 503))

    async def _live(self, _: Operate) -> Decision[Content]:
        return _document({"status": "ok"})

    async def _ready(self, _: Operate) -> Decision[Content]:
        """Only whether, never what: the route is public."""
        ready = not self.stopping and not await self.missing()
        return Allow(Document({"status": "ok" if ready else "unavailable"}, 200 if ready else 503))

    async def _metadata(self, _: Operate) -> Decision[Content]:
        """What MCP clients are told of the credentials taken here (RFC 9728 section 2)."""
        resource = f"{self.about.gateway_url()}/mcp"
        return _document({"resource": resource, "bearer_methods_supported": ["header"]})

    async def _metrics(self, _: Operate) -> Decision[Content]:
        async def frames() -> AsyncIterator[Frame]:
            yield Frame("body", self.metrics.render())

        headers = Headers((("Content-Type", CONTENT_TYPE),))
        return Allow(Stream(200, headers, frames()))

    async def _pair(self, _: Operate) -> Decision[Content]:
        """Layer 2 has redeemed the code or link; the codec shows the token that it issued."""
        return _document({})

    async def _create_code(self, plan: Operate) -> Decision[Content]:
        code = await self.pairing.offer(_minting(plan))
        await self.forgive()
        url = self.about.gateway_url()
        return _document({"code": code, "expires_in": int(CODE_SECONDS), "url": url})

    async def _create_link(self, plan: Operate) -> Decision[Content]:
        link = await self.pairing.offer_link(_minting(plan).label)
        value: Json = {"expires_in": int(CODE_SECONDS), "url": self.about.admin_url()}
        return Allow(Document(value, issued=link))

    async def _status(self, _: Operate) -> Decision[Content]:
        state, url = self.about.tunnel()
        tokens = await self.store.tokens.list(self.clock())
        status: Json = {
            "version": self.about.version,
            "instance": self.store.instance,
            "isolation": self.about.isolation,
            "running": len(self.running),
            "paired": sum(each.role is Role.CLIENT for each in tokens),
            "code_pending": await self.store.codes.pending(self.clock()),
            "inbox": len(await self.store.inbox.list(self.clock())),
            **await self.desk.summary(),
            "tunnel": {"state": state, "url": url},
            "missing": await self.missing(),
        }
        return _document(status)

    async def _list_tokens(self, _: Operate) -> Decision[Content]:
        await self.tokens.flush()
        return _document({"tokens": token_rows(await self.store.tokens.list(self.clock()))})

    async def _create_token(self, plan: Operate) -> Decision[Content]:
        token, record = await self.tokens.create(Role.CLIENT, _minting(plan))
        return Allow(Document({"id": record.id}, issued=token))

    async def _rotate_token(self, plan: Operate) -> Decision[Content]:
        """A new token for an old one, and the end of what runs under that."""
        token = await self.tokens.rotate(plan.subject)
        if token is None:
            return Deny(Reason.OPERATION_UNKNOWN)
        self.running.end_principal(plan.subject)
        return Allow(Document({"id": plan.subject}, issued=token))

    async def _revoke_token(self, plan: Operate) -> Decision[Content]:
        """Forget a token and end at once whatever runs for it."""
        if not await self.store.tokens.revoke(plan.subject):
            return Deny(Reason.OPERATION_UNKNOWN)
        self.running.end_principal(plan.subject)
        return _document({"revoked": plan.subject})

    async def _list_inbox(self, _: Operate) -> Decision[Content]:
        return _document({"letters": letter_rows(await self.store.inbox.list(self.clock()))})

    async def _retry_letter(self, plan: Operate) -> Decision[Content]:
        if not await self.store.inbox.retry(plan.subject, self.clock()):
            return Deny(Reason.OPERATION_UNKNOWN)
        self.wake()
        return _document({"retried": plan.subject})

    async def _drop_letter(self, plan: Operate) -> Decision[Content]:
        if not await self.store.inbox.drop(plan.subject):
            return Deny(Reason.OPERATION_UNKNOWN)
        return _document({"dropped": plan.subject})

    async def _explain(self, plan: Operate) -> Decision[Content]:
        question = plan.detail.body if isinstance(plan.detail, Question) else None
        return _document(await self.explain(question))


def token_rows(records: Iterable[TokenRecord]) -> list[Json]:
    """Tokens as they are listed: everything but what could be used."""
    return [
        {
            "id": each.id,
            "role": each.role,
            "label": each.label,
            "created": each.created,
            "expires": each.expires,
            "used": each.used,
            "routes": each.scope.routes,
            "tools": each.scope.tools,
            "level": each.scope.level,
        }
        for each in records
    ]


def letter_rows(letters: Iterable[Letter]) -> list[Json]:
    """Letters as they are listed: everything but what they say."""
    return [
        {
            "id": each.id,
            "channel": each.channel,
            "condition": each.condition.value,
            "stored": each.stored,
            "due": each.due,
            "attempts": each.attempts,
            "why": each.why,
        }
        for each in letters
    ]


def _minting(plan: Operate) -> Minting:
    return plan.detail if isinstance(plan.detail, Minting) else Minting()


def _document(value: Json) -> Decision[Content]:
    return Allow(Document(value))


_: type[Backend[Operate]] = Operations
