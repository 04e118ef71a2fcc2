"""The command line's way to the running Sidegate: HTTP over its own unix socket.

Where no Sidegate runs, the state is opened under its lock and the same operation is done on it.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import aiohttp

from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.approvals import Approvals
from proxy.authorization.stops import Stops
from proxy.config.listening import reachable
from proxy.config.loader import Loaded
from proxy.config.masked import secret_values
from proxy.decision import Allow, Denied, Deny, Malformed
from proxy.exchange import Clock, Document
from proxy.metrics import Metrics
from proxy.operator.desk import Desk
from proxy.operator.names import Names
from proxy.operator.operations import About, Operations
from proxy.places import Places
from proxy.protection.redactor import Redactor
from proxy.protocols.operator import OperationCodec
from proxy.protocols.strict_json import dumps, loads
from proxy.reasons import Layer, Reason
from proxy.routes import OPERATIONS
from proxy.running import Running
from proxy.state.opening import open_store
from proxy.state.owner import Ownership
from proxy.state.store import Store
from proxy.unsealing import Unsealed, unseal
from proxy.values import Json

_SECONDS = 30.0
_LONGEST_EVENT = 1 << 23  # a snapshot is one line
_OF_A_RUNNING_ONE = frozenset({"status", "approvals.events", "explain"})
_NOT_NOW = frozenset(
    {Reason.APPROVAL_STALE, Reason.STANDING_GRANT_REFUSED, Reason.STOPPED_BY_OPERATOR}
)


@dataclass(frozen=True)
class Admin:
    """What an operator may ask of the state, running or not."""

    loaded: Loaded
    places: Places
    clock: Clock

    async def do(
        self, verb: str, subject: str = "", wish: Mapping[str, Json] | None = None
    ) -> Json:
        """What the operation answers; raises OSError, LookupError, ConfigError."""
        answer = await self._ask(verb, subject, wish or {})
        if answer is not None:
            return answer
        if verb in _OF_A_RUNNING_ONE:
            raise OSError(f"no sidegate is running on the state in {self.places.folder}")
        codec = _codec(verb)
        async with AsyncExitStack() as stack:
            operations = await self._operations(stack)
            try:
                done = await operations.do(codec.operation(subject, wish or {}), _by())
            except Malformed as malformed:
                done = Deny(malformed.reason)
            match done:
                case Allow(value=Document() as document):
                    # As it would have come over the socket.
                    return codec.with_credential(loads(dumps(document.value)), document.issued)
                case Deny(reason=reason):
                    raise _refusal(reason, subject)
        raise OSError(f"{verb} has no answer that could be shown here")

    async def watch(self) -> AsyncGenerator[str, None]:
        """The lines of the running Sidegate's events, as they come; raises OSError."""
        connector = aiohttp.UnixConnector(self.places.socket)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_SECONDS)
        _, path = _where("approvals.events", "")
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=_LONGEST_EVENT
        ) as session:
            try:
                async with session.get(f"http://sidegate{path}") as response:
                    if response.status != 200:
                        raise _refused(await response.read(), "")
                    async for line in response.content:
                        yield line.decode().rstrip("\n")
            except aiohttp.ClientConnectorError as error:
                folder = self.places.folder
                raise OSError(f"no sidegate is running on the state in {folder}") from error
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise OSError("the running sidegate does not answer") from error

    async def _operations(self, stack: AsyncExitStack) -> Operations:
        """The operations on the state itself."""
        stack.callback(Ownership(self.places.folder).release)
        unsealed = unseal(self.loaded, os.environ, self.clock)
        config = unsealed.loaded.config
        store = await open_store(config.state, self.places.folder, unsealed.seal)
        stack.push_async_callback(store.aclose)
        gateway, admin = config.gateway, config.admin
        return Operations(
            store,
            TokenBook(store.tokens, self.clock),
            Pairing(store.codes, store.links, self.clock),
            Running(),
            Metrics("", ()),
            _nothing,
            self.clock,
            About(
                "",
                "",
                lambda: ("off", None),
                lambda: gateway.public_url or reachable(gateway.host, gateway.port),
                lambda: admin.public_url or reachable(admin.host, admin.port),
            ),
            lambda: None,
            _never,
            self._desk(store, unsealed),
            _no_answer,
        )

    def _desk(self, store: Store, unsealed: Unsealed) -> Desk:
        """Nobody waits here, and no session goes on."""
        approvals = Approvals(store.asks, store.grants, unsealed.seal, self.clock, "", "")
        stops = Stops(store.stops, self.clock, self.places.stop)
        config = unsealed.loaded.config
        redactor = Redactor([*secret_values(config), *unsealed.secrets.values().values()])
        names = Names.of(config, store.tokens, self.clock)
        return Desk.of(approvals, stops, Running(), redactor.find, names)

    async def _ask(self, verb: str, subject: str, wish: Mapping[str, Json]) -> Json:
        """The answer of the running Sidegate, None where there is none."""
        method, path = _where(verb, subject)
        if method == "GET" and wish:
            path, wish = f"{path}?{urlencode(wish)}", {}  # a GET has no body
        headers = {"Content-Type": "application/json"} if wish else {}
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        connector = aiohttp.UnixConnector(self.places.socket)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                async with session.request(
                    method,
                    f"http://sidegate{path}",
                    data=dumps(wish) if wish else None,
                    headers=headers,
                ) as response:
                    data = await response.read()
            except aiohttp.ClientConnectorError:
                return None
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OSError("the running sidegate does not answer") from error
        if response.status != 200:
            raise _refused(data, subject)
        return loads(data)


def _refused(data: bytes, subject: str) -> Exception:
    """What the running Sidegate's refusal is here."""
    try:
        problem = loads(data)
    except Malformed:
        problem = None
    if not isinstance(problem, Mapping):
        return OSError(f"the running sidegate refused: {data.decode('utf-8', 'replace')}")
    known = next((reason for reason in Reason if reason.code == problem.get("code")), None)
    if known is not None:
        return _refusal(known, subject)
    return OSError(f"the running sidegate refused: {problem.get('detail')}")


def _refusal(reason: Reason, subject: str) -> Exception:
    """A refusal as the commands tell it: there is no such thing, not now, or not at all."""
    if reason in (Reason.OPERATION_UNKNOWN, Reason.ROUTE_UNKNOWN):
        return LookupError(subject)
    if reason in _NOT_NOW:
        return Denied(Layer.ISOLATION, reason)
    return OSError(f"sidegate refused: {reason.detail} {reason.remedy}")


def _codec(verb: str) -> OperationCodec:
    return next(codec for _, _, codec in OPERATIONS if codec.verb == verb)


def _by() -> str:
    """Whoever runs the command, named as over the socket."""
    return f"uid-{os.getuid()}"


def _where(verb: str, subject: str) -> tuple[str, str]:
    """The method and path of an operation on the operator's listeners."""
    methods, path = next(
        (methods, path) for methods, path, codec in OPERATIONS if codec.verb == verb
    )
    return next(iter(methods)), path.replace("{id}", quote(subject, safe=""))


async def _never() -> None:
    """Nobody is counted where nobody serves."""


async def _no_answer(_: Json) -> Json:
    return None


async def _nothing() -> list[str]:
    return []
