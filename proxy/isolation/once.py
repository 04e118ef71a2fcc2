"""Do at most once what comes under an idempotency key, and answer again from memory.

It stands around the backends. A key is taken before anything is done and held, by a lease that is
renewed, for as long as it runs: whoever is killed meanwhile leaves a key of which everybody knows
that nobody knows. What the agent does itself goes on when the client leaves; a command or a file
does not, since the trace takes its container and its descriptor away.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TypeVar, assert_never

from proxy.actions import Action, FileList, FileRead, Invoke, Relay
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Clock, Content, Document, Grant, OnceKey, Principal, Raw
from proxy.isolation.errand import Errand
from proxy.isolation.fate import Fate, fate
from proxy.isolation.kept import packed, unpacked
from proxy.protocols.idempotency import with_key
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state import store
from proxy.state.store import Begun, Claim, Standing
from proxy.values import Json

T = TypeVar("T")
Call = Callable[[Grant], Awaitable[Decision[Content]]]

_MESSAGES = 100_000
_MESSAGE_SECONDS = 7 * 86400.0
_MESSAGE_ANSWER = 4096  # there are many, and a provider reads none
_MAX_LEFT = 256
_LAST_SECONDS = 1.0
_DUPLICATE: Json = {
    "status": "duplicate",
    "idempotent": True,
    "message": "Request already processed for this idempotency key",
}


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many keys of clients are kept, and how long; a running one by leases of `lease` seconds.

    `zeroclaw`: what was done before is answered by a word instead of its answer. The message ids of
    providers are another matter: few providers sign the time, so that to remember ids is all that
    stands against a replay.
    """

    keys: int = 10_000
    seconds: float = 3600.0
    zeroclaw: bool = False
    lease: float = 30.0


class Once:
    """The memory of layer 4. `aclose` gives up what still runs."""

    def __init__(self, keys: store.Once, seal: Seal, clock: Clock, keeping: Keeping) -> None:
        self._keys = keys
        self._seal = seal
        self._clock = clock
        self._keeping = keeping
        self._held: set[str] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._errands: dict[asyncio.Task[None], Errand] = {}
        self._apart: set[asyncio.Task[object]] = set()

    @property
    def running(self) -> int:
        """How many calls run in tasks of their own, with or without their callers."""
        return len(self._errands)

    async def run(self, grant: Grant, once: OnceKey, call: Call) -> Decision[Raw]:
        """Do what was granted, unless it was."""
        try:
            standing = await self._begin(once)
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)
        if standing.begun is not Begun.FRESH:
            return self._known(grant, once, standing)
        self._hold(once.key)
        if isinstance(grant.plan, Relay | Invoke):
            done = await self._heard(grant, self._send(grant, once, grant.plan, call))
        else:
            done = await self._here(grant, once, call)
        return done if isinstance(done, Deny) else Allow(Raw(grant, done.value), done.facts)

    def _known(self, grant: Grant, once: OnceKey, standing: Standing) -> Decision[Raw]:
        """What is answered without doing anything."""
        word = Allow(Raw(grant, Document(_DUPLICATE)))
        brief = self._keeping.zeroclaw and not once.channel
        match standing.begun:
            case Begun.DONE | Begun.RUNNING if brief:
                return word
            case Begun.DONE if standing.answer is not None:
                return self._replay(grant, once, standing.answer)
            case Begun.DONE:  # a provider asks only whether it was received
                return word if once.channel else Deny(Reason.IDEMPOTENCY_ANSWER_LOST)
            case Begun.RUNNING:
                return Deny(Reason.IDEMPOTENCY_IN_FLIGHT, facts=Facts(retry_after=1.0))
            case Begun.OTHER:
                return Deny(Reason.IDEMPOTENCY_MISMATCH)
            case Begun.UNKNOWN | Begun.FRESH:
                return Deny(Reason.IDEMPOTENCY_UNKNOWN)
            case Begun.FULL:
                return Deny(Reason.IDEMPOTENCY_FULL)
        assert_never(standing.begun)

    def _replay(self, grant: Grant, once: OnceKey, answer: bytes) -> Decision[Raw]:
        try:
            content = unpacked(self._seal.unseal("answer", once.key, answer))
        except ValueError as error:
            return Deny(Reason.IDEMPOTENCY_UNKNOWN, str(error))
        return Allow(Raw(grant, content, replayed=True))

    async def _begin(self, once: OnceKey) -> Standing:
        now = self._clock()
        shelf, bound, seconds = f"of {once.shelf}", self._keeping.keys, self._keeping.seconds
        if once.channel:
            shelf, bound, seconds = "channel", _MESSAGES, _MESSAGE_SECONDS
        # Under the key, or a stolen state would tell whoever guesses a body that it is right.
        body = self._seal.mac("fingerprint of a body", once.fingerprint.encode()).hex()
        lease = now + self._keeping.lease
        claim = Claim(once.key, shelf, body, bound, lease, max(now + seconds, lease))
        begun = self._detach(self._keys.begin(claim, now))
        try:
            return await asyncio.shield(begun)
        except asyncio.CancelledError:
            self._detach(self._give_back(once.key, begun))
            raise

    async def _give_back(self, key: str, begun: "asyncio.Task[Standing]") -> None:
        """Free a key that was taken for somebody who left before anything was done."""
        with contextlib.suppress(OSError):
            if (await begun).begun is Begun.FRESH:
                await self._keys.release(key)

    def _send(self, grant: Grant, once: OnceKey, plan: Relay | Invoke, call: Call) -> Errand:
        """Let the agent do it, in a task of its own."""

        async def settle(known: Fate, answer: bytes | None) -> None:
            await self._settle(once, known, answer)

        errand = Errand(grant.principal, grant.action, settle)
        marked = replace(plan, before=errand.mark_sent)
        if isinstance(marked, Relay) and once.channel:
            marked = replace(marked, headers=with_key(marked.headers, once.key))
        given = replace(grant, plan=marked)
        self._make_room()
        task = errand.start(lambda: call(given))
        self._errands[task] = errand
        task.add_done_callback(self._errands.pop)
        return errand

    async def _heard(self, grant: Grant, errand: Errand) -> Decision[Content]:
        """What came of it. Where the caller leaves, it is on record that the agent was asked."""
        try:
            return await errand.answer()
        except asyncio.CancelledError:
            grant.late["upstream_status"] = 0  # of what comes nobody hears
            raise

    def _make_room(self) -> None:
        """Calls whose callers have left must not use up all connections to the agent."""
        left = {task: errand.principal.id for task, errand in self._errands.items() if errand.left}
        if len(left) >= _MAX_LEFT:
            most, _ = Counter(left.values()).most_common(1)[0]  # whose they are bears it
            next(task for task, principal in left.items() if principal == most).cancel()

    async def _here(self, grant: Grant, once: OnceKey, call: Call) -> Decision[Content]:
        """Do it in the caller's own time. To look at a file twice harms nobody."""
        looks = isinstance(grant.plan, FileRead | FileList)
        try:
            decision = await call(grant)
        except BaseException:
            await self._settle(once, Fate.UNDONE if looks else Fate.UNKNOWN, None)
            raise
        await self._settle(once, fate(decision, sent=False), packed(decision))
        return decision

    async def _settle(self, once: OnceKey, known: Fate, answer: bytes | None) -> None:
        """Let a key go. Where the state fails, what was done is answered all the same.

        The key's lease then ends, and nobody knows what became of it: that is never wrong.
        """
        self._held.discard(once.key)
        with contextlib.suppress(OSError):
            await asyncio.shield(self._detach(self._record(once, known, answer)))

    async def _record(self, once: OnceKey, known: Fate, answer: bytes | None) -> None:
        match known:
            case Fate.DONE:
                await self._keys.finish(once.key, self._sealed(once, answer))
            case Fate.UNDONE:
                await self._keys.release(once.key)
            case Fate.UNKNOWN:
                await self._keys.abandon(once.key)

    def _sealed(self, once: OnceKey, answer: bytes | None) -> bytes | None:
        if answer is None or (once.channel and len(answer) > _MESSAGE_ANSWER):
            return None
        return self._seal.seal("answer", once.key, answer)

    def _detach(self, work: Coroutine[None, None, T]) -> "asyncio.Task[T]":
        """Work that must end although whoever began it is cancelled."""
        task = asyncio.create_task(work)
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)
        return task

    def _hold(self, key: str) -> None:
        self._held.add(key)
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """Renew every lease three times before it ends."""
        while self._held:
            await asyncio.sleep(self._keeping.lease / 3)
            if held := frozenset(self._held):
                with contextlib.suppress(OSError):  # there are two more times
                    now = self._clock()
                    await self._keys.renew(held, now + self._keeping.lease, now)

    def principals(self) -> frozenset[str]:
        """For whom something runs, whether or not they wait for it."""
        return frozenset(errand.principal.id for errand in self._errands.values())

    def end(self, wanted: Callable[[Principal, Action], bool]) -> None:
        """Give up what runs and is wanted: its credential is gone, or it was stopped."""
        for task, errand in self._errands.items():
            if wanted(errand.principal, errand.action):
                task.cancel()

    async def aclose(self) -> None:
        """Give up what still runs, and wait a little until all that is on record."""
        for task in self._errands:
            task.cancel()
        if self._renewal is not None:
            self._renewal.cancel()
        if unfinished := {*self._errands, *self._apart}:
            await asyncio.wait(unfinished, timeout=_LAST_SECONDS)
