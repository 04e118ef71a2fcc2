"""Ask a human, and let what was approved happen once.

An ask is bound to the principal, the tool, the canonical arguments and the version of the rules.
Laws:

    Nothing is done that was not approved, and what was approved is done at most once: whoever does
    it takes the ask first, which one of all succeeds in, and which outlives a crash.
    An ask is decided by the operator and by nobody else. It ends when its time is over.
    Who waits holds its request open; who left finds the same ask again with the same call.

The counterparts are `proxy.operator.rulings`, where the operator decides, and `proxy.detached`,
which does what nobody waits for.
"""

import asyncio
import contextlib
import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from proxy.actions import ToolCall
from proxy.authorization.keys import canonical, who
from proxy.authorization.left import Left
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Clock, Inbound, OnceKey, Principal
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state.approvals import Ask, Asks, Standing, StandingGrants
from proxy.values import Json

DETACHED_SECONDS = 3600.0
"""How long a call that needs nobody's word may wait for its turn, and every answer is kept."""
_LOOK_SECONDS = 0.5  # another replica may have decided
_PURPOSE = "ask"


@dataclass(frozen=True, slots=True)
class Stored:
    """A call as it was asked about: enough to do it later, and to show it to the operator.

    `credential`: the SHA-256 of what the caller presented, in hex; `nonce`: what sets a call apart
    from an equal one, where it is not to be joined. `once`: key, fingerprint and shelf of the
    idempotency key that it is done under; `note`: what it means, where tables know.
    """

    tool: str
    arguments: Mapping[str, Json]
    path: str
    peer: str
    credential: str
    always: bool
    nonce: str = ""
    once: tuple[str, str, str] | None = None
    note: str = ""


@dataclass
class Approvals:
    """The queue. `holder` names this Sidegate and `boot` this run of it, from `boot_of`."""

    asks: Asks
    grants: StandingGrants
    seal: Seal
    clock: Clock
    holder: str
    boot: str

    def __post_init__(self) -> None:
        self._ruled = asyncio.Event()
        self._ready = asyncio.Event()
        self._left = Left()

    def wake(self) -> None:
        """The operator has decided on something."""
        self._ruled.set()
        self._ruled = asyncio.Event()
        self._ready.set()

    async def ready(self, seconds: float) -> None:
        """Return when something may be ready to be done, after `seconds` at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        self._ready.clear()

    async def granted(self, principal: Principal, tool: str) -> bool:
        """Whether the operator granted this principal the tool for a time that is not over."""
        return any(
            grant.principal == who(principal)
            and grant.tool == tool
            and grant.boot in ("", self.boot)
            for grant in await self.grants.list(self.clock())
        )

    async def void(self) -> int:
        """Revoke what was granted for an earlier run of this Sidegate; how many there were."""
        own = boot_of(self.holder, "")
        earlier = [
            grant.id
            for grant in await self.grants.list(self.clock())
            if grant.boot.startswith(own) and grant.boot != self.boot
        ]
        return sum([await self.grants.revoke(grant_id) for grant_id in earlier])

    async def hold(self, wish: "Wish", asking: "Asking") -> Decision[Ask]:
        """Wait until the operator has decided: the ask that was approved, still to be taken.

        Who has less patience than the operator leaves the ask open, and comes back with the call:
        one that was refused or not decided meanwhile is told so once, and then asked about anew.
        """
        stored, began = _stored(wish, asking), self.clock()
        told = await self._told(self.binding(stored, wish.principal, asking.version))
        if told is not None:
            return told
        ask = await self._put(stored, wish.principal, asking)
        if ask is None:
            return Deny(Reason.APPROVALS_FULL)
        ask = await self._decided(ask, wish.call.patience)
        facts = Facts(waited=max(0.0, self.clock() - began), approval=ask.id)
        match ask.standing:
            case Standing.APPROVED:
                return Allow(ask, facts)
            case Standing.REFUSED:
                return Deny(Reason.APPROVAL_REFUSED, facts=facts)
            case Standing.PENDING if self.clock() < ask.expires:
                self._left.keep(ask, self.clock())
                return Deny(Reason.APPROVAL_PENDING, facts=facts)
            case Standing.PENDING:
                return Deny(Reason.APPROVAL_TIMED_OUT, facts=facts)
            case _:  # the same call, sent twice, was approved once
                return Deny(Reason.APPROVAL_VOID, facts=facts)

    async def _told(self, binding: str) -> Deny | None:
        """What became of an ask that was left open, where nothing more can come of it."""
        now = self.clock()
        left = self._left.pop(binding, now)
        if left is None:
            return None
        facts = Facts(waited=0.0, approval=left.id)
        found = await self.asks.get(left.id, now)
        if found is None:  # taken by a twin, unless its time is over
            over = now >= left.expires
            return Deny(Reason.APPROVAL_TIMED_OUT, facts=facts) if over else None
        refused = found.standing is Standing.REFUSED
        return Deny(Reason.APPROVAL_REFUSED, facts=facts) if refused else None

    async def park(self, wish: "Wish", asking: "Asking") -> Decision[Ask]:
        """Keep a call that is done apart from its request, now or once it is approved.

        Under an idempotency key it is the same as before, whatever has become of it.
        """
        ask_id = f"r_{wish.once.key[:32]}" if wish.once is not None else ""
        nonce = ask_id or ("" if asking.needed else secrets.token_hex(16))
        stored = replace(_stored(wish, asking), nonce=nonce)
        ask = await self._put(stored, wish.principal, asking, parked_as=ask_id or "r_")
        if ask is None:
            other = await self.asks.get(ask_id, self.clock()) if ask_id else None
            return Deny(Reason.IDEMPOTENCY_MISMATCH if other else Reason.APPROVALS_FULL)
        self._ready.set()
        return Allow(ask, Facts(approval=ask.id))

    async def take(self, ask: Ask, principal: Principal, version: str) -> bool:
        """Take what was approved, to do it now; False where it may not be done, or not again."""
        try:
            stored = self.opened(ask)
        except ValueError:
            return False
        binding = self.binding(stored, principal, version)
        return await self.asks.take(ask.id, binding, self.holder, self.clock())

    def opened(self, ask: Ask) -> Stored:
        """The call in an ask; raises ValueError where it is not ours."""
        content: dict[str, Any] = json.loads(self.seal.unseal(_PURPOSE, ask.id, ask.content))
        try:
            once = content.pop("once", None)
            return Stored(**content, once=None if once is None else (once[0], once[1], once[2]))
        except TypeError as error:
            raise ValueError("written by another version") from error

    def binding(self, stored: Stored, principal: Principal, version: str) -> str:
        """What ties an ask to exactly this call, of exactly this principal, under these rules."""
        arguments = hashlib.sha256(canonical(stored.arguments)).hexdigest()
        caller = [who(principal), stored.credential]
        parts: Json = [*caller, stored.tool, arguments, version, stored.nonce]
        return self.seal.mac("binding of an ask", canonical(parts)).hex()

    async def _put(
        self, stored: Stored, principal: Principal, asking: "Asking", parked_as: str = ""
    ) -> Ask | None:
        """The ask for this call: the one that is there, or a new one; None: no room, or no id.

        `parked_as`: the id that it is to have, or the beginning of one.
        """
        now, ask_id = self.clock(), parked_as or "a_"
        ask_id += "" if len(ask_id) > 2 else secrets.token_hex(8)
        seconds = asking.seconds if asking.needed else DETACHED_SECONDS
        ask = Ask(
            ask_id,
            who(principal),
            stored.tool,
            self.binding(stored, principal, asking.version),
            self.seal.seal(_PURPOSE, ask_id, _written(stored)),
            bool(parked_as),
            now,
            now + seconds,
            Standing.PENDING if asking.needed else Standing.APPROVED,
        )
        return await self.asks.put(ask, now)

    async def _decided(self, ask: Ask, patience: float | None) -> Ask:
        """The ask as soon as it is no longer pending, or its time is over, or `patience` is.

        One that is gone before that was taken by another who waited for it.
        """
        loop = asyncio.get_running_loop()
        until = math.inf if patience is None else loop.time() + patience
        while ask.standing is Standing.PENDING and (now := self.clock()) < ask.expires:
            ruled = self._ruled
            found = await self.asks.get(ask.id, now)
            if found is None:
                return replace(ask, standing=Standing.TAKEN)
            ask, left = found, until - loop.time()
            if left <= 0:
                break
            if ask.standing is Standing.PENDING:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(_LOOK_SECONDS, left)):
                        await ruled.wait()
        return ask


@dataclass(frozen=True, slots=True)
class Wish:
    """A call, who makes it with which request, and the key that it is to be done once under."""

    call: ToolCall
    inbound: Inbound
    principal: Principal
    once: OnceKey | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """What an ask is made under: whether a human is `needed`, and then for how many `seconds`.

    `always`: the operator cannot grant it for a time. `note`: what it means, where tables know.
    """

    version: str
    needed: bool
    seconds: float
    always: bool = False
    note: str = ""


def boot_of(holder: str, run: str) -> str:
    """The name of one run of one Sidegate; those of its other runs begin alike."""
    return f"{holder}.{run}"


def _stored(wish: Wish, asking: Asking) -> Stored:
    call, principal, once = wish.call, wish.principal, wish.once
    presented = (principal.presented or "").encode("utf-8", "surrogateescape")
    return Stored(
        call.tool,
        call.arguments,
        wish.inbound.path,
        principal.peer.key if principal.peer else "",
        hashlib.sha256(presented).hexdigest() if presented else "",
        asking.always,
        once=None if once is None else (once.key, once.fingerprint, once.shelf),
        note=asking.note,
    )


def _written(stored: Stored) -> bytes:
    return json.dumps(
        {
            "tool": stored.tool,
            "arguments": stored.arguments,
            "path": stored.path,
            "peer": stored.peer,
            "credential": stored.credential,
            "always": stored.always,
            "nonce": stored.nonce,
            "once": stored.once,
            "note": stored.note,
        }
    ).encode("ascii")
