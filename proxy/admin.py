"""The command line's way to the running Sidegate: HTTP over its own unix socket.

Where no Sidegate runs, the state is opened under its lock and the verb is done on it directly.
"""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from proxy.actions import Json
from proxy.app import SOCKET, database, state_folder
from proxy.authentication.pairing import CODE_SECONDS, Pairing
from proxy.config.model import Config
from proxy.exchange import Clock
from proxy.operations import token_rows
from proxy.protocols.strict_json import loads
from proxy.state.owner import Ownership
from proxy.state.sqlite import SqliteStore

_SECONDS = 30.0


@dataclass(frozen=True)
class Admin:
    """What an operator may ask of the state, running or not. Raises OSError, LookupError."""

    folder: str
    database: str
    clock: Clock

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str], clock: Clock) -> "Admin":
        """The one for this configuration."""
        folder = state_folder(config, environ)
        return cls(folder, database(config, folder), clock)

    async def status(self) -> Json:
        """How the running Sidegate is."""
        answer = await self._ask("GET", "/status")
        if answer is None:
            raise OSError(f"no sidegate is running on the state in {self.folder}")
        return answer

    async def create_code(self, label: str = "") -> Json:
        """A new pairing code, whose token will have this label."""
        answer = await self._ask("POST", f"/pairing-codes/{label}".rstrip("/"))
        if answer is not None:
            return answer
        async with AsyncExitStack() as stack:
            store = self._store(stack)
            code = await Pairing(store.codes, self.clock).offer(label)
            return {"code": code, "expires_in": int(CODE_SECONDS)}

    async def tokens(self) -> Json:
        """The tokens that exist."""
        answer = await self._ask("GET", "/tokens")
        if answer is not None:
            return answer
        async with AsyncExitStack() as stack:
            return {"tokens": token_rows(await self._store(stack).tokens.list())}

    async def revoke(self, token_id: str) -> Json:
        """Forget a token; raises LookupError where there is none."""
        answer = await self._ask("DELETE", f"/tokens/{token_id}")
        if answer is not None:
            return answer
        async with AsyncExitStack() as stack:
            if not await self._store(stack).tokens.revoke(token_id):
                raise LookupError(token_id)
            return {"revoked": token_id}

    def _store(self, stack: AsyncExitStack) -> SqliteStore:
        stack.callback(Ownership(self.folder).release)
        store = SqliteStore(self.database)
        stack.push_async_callback(store.aclose)
        return store

    async def _ask(self, method: str, path: str) -> Json:
        """The answer of the running Sidegate, None where there is none."""
        connector = aiohttp.UnixConnector(os.path.join(self.folder, SOCKET))
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                async with session.request(method, f"http://sidegate{path}") as response:
                    data = await response.read()
            except aiohttp.ClientConnectorError:
                return None
            except (aiohttp.ClientError, TimeoutError) as error:
                raise OSError("the running sidegate does not answer") from error
        if response.status == 404:
            raise LookupError(path.rpartition("/")[2])
        if response.status != 200:
            raise OSError(f"the running sidegate refused: {data.decode('utf-8', 'replace')}")
        return loads(data)
