"""The command line's way to the running Sidegate: HTTP over its own unix socket.

Where no Sidegate runs, the state is opened under its lock and the same operation is done on it.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp

from proxy.actions import Json, Operate
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.config.listening import reachable
from proxy.config.model import Config
from proxy.decision import Allow, Malformed
from proxy.exchange import Clock, Document
from proxy.metrics import Metrics
from proxy.operations import About, Operations
from proxy.places import Places
from proxy.protocols.operator import Wish
from proxy.protocols.strict_json import dumps, loads
from proxy.routes import OPERATIONS
from proxy.running import Running
from proxy.state.opening import open_seal, open_store
from proxy.state.owner import Ownership

_SECONDS = 30.0


@dataclass(frozen=True)
class Admin:
    """What an operator may ask of the state, running or not."""

    config: Config
    places: Places
    clock: Clock

    async def do(
        self, verb: str, subject: str = "", wish: Mapping[str, Json] | None = None
    ) -> Json:
        """What the operation answers; raises OSError, LookupError, ConfigError."""
        answer = await self._ask(verb, subject, wish or {})
        if answer is not None:
            return answer
        if verb == "status":
            raise OSError(f"no sidegate is running on the state in {self.places.folder}")
        async with AsyncExitStack() as stack:
            operations = await self._operations(stack)
            minting = Wish.model_validate(wish or {}).minting
            done = await operations.do(Operate(verb, subject, minting))
            match done:
                case Allow(value=Document() as document):
                    return _with_credential(verb, document)
                case _:
                    raise LookupError(subject)

    async def _operations(self, stack: AsyncExitStack) -> Operations:
        """The operations on the state itself."""
        stack.callback(Ownership(self.places.folder).release)
        key = open_seal(self.places.key, self.places.database)
        store = await open_store(self.config.state, self.places.folder, key)
        stack.push_async_callback(store.aclose)
        gateway, admin = self.config.gateway, self.config.admin
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
                lambda: ("off", None),
                lambda: gateway.public_url or reachable(gateway.host, gateway.port),
                lambda: admin.public_url or reachable(admin.host, admin.port),
            ),
            lambda: None,
            _never,
        )

    async def _ask(self, verb: str, subject: str, wish: Mapping[str, Json]) -> Json:
        """The answer of the running Sidegate, None where there is none."""
        method, path = _where(verb, subject)
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
        if response.status == 404:
            raise LookupError(subject)
        if response.status != 200:
            raise OSError(f"the running sidegate refused: {_why(data)}")
        return loads(data)


def _why(data: bytes) -> str:
    """What a refusal says, and what to do about it."""
    try:
        problem = loads(data)
    except Malformed:
        problem = None
    if not isinstance(problem, Mapping):
        return data.decode("utf-8", "replace")
    return f"{problem.get('detail')} {problem.get('remedy')}"


def _where(verb: str, subject: str) -> tuple[str, str]:
    """The method and path of an operation on the operator's listeners."""
    methods, path = next(
        (methods, path) for methods, path, codec in OPERATIONS if codec.verb == verb
    )
    return next(iter(methods)), path.replace("{id}", quote(subject, safe=""))


def _with_credential(verb: str, document: Document) -> Json:
    # As it would have come over the socket.
    value = loads(dumps(document.value))
    assert isinstance(value, Mapping)
    if document.issued is None:
        return value
    name = "link" if verb == "links.create" else "token"
    return {**value, name: document.issued}


async def _never() -> None:
    """Nobody is counted where nobody serves."""


async def _nothing() -> list[str]:
    return []
