"""The state in one SQLite file: what a single Sidegate remembers."""

from proxy.seal import Seal
from proxy.state.approvals import Asks, StandingGrants, Stops
from proxy.state.letters import Inbox
from proxy.state.pins import Pins
from proxy.state.sqlite.asks import SqliteAsks
from proxy.state.sqlite.codes import SqliteCodes
from proxy.state.sqlite.file import Connection, StateFile, inspect
from proxy.state.sqlite.inbox import SqliteInbox
from proxy.state.sqlite.memory import SqliteOnce, SqliteReplays
from proxy.state.sqlite.pins import SqlitePins
from proxy.state.sqlite.rulings import SqliteGrants, SqliteStops
from proxy.state.sqlite.tokens import SqliteLinks, SqliteTokens
from proxy.state.store import Codes, Links, Once, Replays, Store, Tokens


def fingerprint_of(path: str) -> str | None:
    """The fingerprint of the key that the state at `path` was written under.

    None where there is no state yet, or one of before there were keys; nothing is made. Raises
    OSError for what is no state of ours. To be asked before the state is opened.
    """
    return inspect(path).fingerprint


class SqliteStore:
    """`Store` in a file of mode 0600."""

    def __init__(self, path: str, seal: Seal) -> None:
        """Open or make it; raises OSError, and ConfigError where it is under another key."""
        self._file = StateFile(path, seal.fingerprint)
        self.codes: Codes = SqliteCodes(self._file, seal)
        self.links: Links = SqliteLinks(self._file)
        self.tokens: Tokens = SqliteTokens(self._file)
        self.once: Once = SqliteOnce(self._file)
        self.replays: Replays = SqliteReplays(self._file)
        self.inbox: Inbox = SqliteInbox(self._file)
        self.asks: Asks = SqliteAsks(self._file)
        self.grants: StandingGrants = SqliteGrants(self._file)
        self.stops: Stops = SqliteStops(self._file)
        self.pins: Pins = SqlitePins(self._file)

    @property
    def instance(self) -> str:
        """The id that the state was given when it was made."""
        return self._file.instance

    async def missing(self) -> str | None:
        """What keeps the file from being read."""
        try:
            await self._file.read(_look)
        except OSError as error:
            return str(error)
        return None

    async def aclose(self) -> None:
        """Close the file, after what was begun."""
        await self._file.aclose()


def _look(connection: Connection) -> None:
    """Read something. A cursor that left the state's thread would disturb it as it dies."""
    connection.execute("SELECT 1 FROM identity").fetchone()


_: type[Store] = SqliteStore
