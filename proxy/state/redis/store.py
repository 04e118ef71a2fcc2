"""The state at a Redis or Valkey server: what several Sidegates, its replicas, remember together.

    meta       the format of all this, and the fingerprint of the master key it is under
    checked    the instance that last saw that the server may be written to

These are names of keys, as in the modules beside this one, where each has `{sidegate}:` before it.
"""

from proxy.config.model import StateConfig
from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state.approvals import Asks, StandingGrants, Stops
from proxy.state.letters import Inbox
from proxy.state.pins import Pins
from proxy.state.redis.asks import RedisAsks
from proxy.state.redis.codes import RedisCodes
from proxy.state.redis.connection import Connection, reading, text
from proxy.state.redis.inbox import RedisInbox
from proxy.state.redis.limits import RedisBuckets
from proxy.state.redis.memory import RedisOnce, RedisReplays
from proxy.state.redis.pins import RedisPins
from proxy.state.redis.rulings import RedisGrants, RedisStops
from proxy.state.redis.tokens import RedisLinks, RedisTokens
from proxy.state.store import Codes, Links, Once, Replays, Store, Tokens

FORMAT = 1
# The last line is what fails where nothing can be written: on a replica, or out of memory.
_CLAIM = """
local meta = KEYS[1] .. 'meta'
if redis.call('EXISTS', meta) == 0 then
  redis.call('HSET', meta, 'format', ARGV[1], 'fingerprint', ARGV[2])
end
redis.call('SET', KEYS[1] .. 'checked', ARGV[3])
return redis.call('HMGET', meta, 'format', 'fingerprint')
"""
_EVICTION = (
    "the state's server throws data away when its memory is full (maxmemory-policy {policy}):"
    " tokens go, and what was seen passes again; set it to noeviction"
)
_OPEN = (
    "the state's server asks for no password: whoever reaches it can make operators; give it one,"
    " and set state.password"
)
_SNAPSHOTS = (
    "the state's server keeps no log of its writes (appendonly no): when it dies, what came since"
    " its last snapshot is lost, revocations included; set appendonly yes"
)


class RedisStore:
    """`Store` for replicas, whose clocks must agree to about a second."""

    def __init__(self, connection: Connection, seal: Seal, instance: str) -> None:
        self._connection = connection
        self._fingerprint = seal.fingerprint
        self.instance = instance
        self.codes: Codes = RedisCodes(connection, seal)
        self.links: Links = RedisLinks(connection)
        self.tokens: Tokens = RedisTokens(connection)
        self.once: Once = RedisOnce(connection)
        self.replays: Replays = RedisReplays(connection)
        self.inbox: Inbox = RedisInbox(connection)
        self.asks: Asks = RedisAsks(connection)
        self.grants: StandingGrants = RedisGrants(connection)
        self.stops: Stops = RedisStops(connection)
        self.pins: Pins = RedisPins(connection)
        self.buckets = RedisBuckets(connection)

    @classmethod
    async def connect(cls, section: StateConfig, seal: Seal, instance: str) -> "RedisStore":
        """Take the state there, or make it; `instance` is this replica's own.

        Raises OSError, and ConfigError where it is under another key.
        """
        store = cls(Connection(section), seal, instance)
        try:
            await store.claim()
        except BaseException:
            await store.aclose()
            raise
        return store

    async def claim(self) -> None:
        """Make sure that what is there may be used; raises as `connect`."""
        reply = await self._connection.run(_CLAIM, FORMAT, self._fingerprint, self.instance)
        with reading():
            version, fingerprint = int(reply[0]), text(reply[1])
        if version != FORMAT:
            raise OSError(
                f"the state at {self._connection.url} has format {version}, and this sidegate reads"
                f" {FORMAT}: start the newer sidegate again, or set another database number"
            )
        if fingerprint != self._fingerprint:
            raise ConfigError([_another_key(self._connection.url, fingerprint, self._fingerprint)])

    async def missing(self) -> str | None:
        """What keeps the server from answering, or from being written to."""
        try:
            await self.claim()
        except (OSError, ConfigError) as error:
            return str(error)
        return None

    async def cautions(self) -> list[str]:
        """How the server might lose what was remembered, a sentence each."""
        try:
            memory = await self._connection.ask(lambda server: server.info("memory"))
            disk = await self._connection.ask(lambda server: server.info("persistence"))
        except OSError as error:
            return [f"how safely what is remembered is kept is not known: {error}"]
        policy = memory.get("maxmemory_policy", "noeviction")
        found = [] if policy == "noeviction" else [_EVICTION.format(policy=policy)]
        if self._connection.open:
            found.append(_OPEN)
        return found if disk.get("aof_enabled") else [*found, _SNAPSHOTS]

    async def aclose(self) -> None:
        """Close the connection, after what was begun."""
        await self._connection.aclose()


def _another_key(url: str, written: str, here: str) -> str:
    return (
        f"the state at {url} was written under the master key of fingerprint {written}, and the key"
        f" file at hand is another, of fingerprint {here}: every replica needs the same key file"
    )


_: type[Store] = RedisStore
