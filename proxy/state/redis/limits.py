"""Rates that replicas share: the buckets of `limits`, at a Redis or Valkey server.

    bucket:POLICY:KEY   the level, in the unit of `limits`, and when that was, in microseconds

Time is the server's own here: one clock for all replicas, where a second more or less would be so
many uses more or less. If it goes back, a bucket stands still meanwhile, and nobody waits for it to
catch up.
"""

from proxy.exchange import Clock
from proxy.limits import Buckets
from proxy.state.redis.connection import Connection, reading

# Levels and times are whole numbers below 2^53, which the server's floating point counts exactly.
_POUR = """
local key = KEYS[1] .. 'bucket:' .. ARGV[1] .. ':' .. ARGV[2]
local rate, use, now = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if not now then
  local clock = redis.call('TIME')
  now = clock[1] * 1000000 + clock[2]
end
local kept = redis.call('HMGET', key, 'level', 'at')
local level, at = tonumber(kept[1] or '0'), tonumber(kept[2] or now)
if not (level >= 0 and level < 2^53 and at >= 0 and at < 2^53) then error('no bucket') end
level = math.max(0, level - math.max(0, now - at) * rate)
local passed = level + use <= rate * use
if passed then level = level + use end
if passed or now < at then
  redis.call('HSET', key, 'level', level, 'at', now)
  redis.call('PEXPIRE', key, math.ceil(level / rate / 1000) + 1000)
end
return {passed and 1 or 0, level}
"""

_DRAIN = """
local key = KEYS[1] .. 'bucket:' .. ARGV[1] .. ':' .. ARGV[2]
local level = tonumber(redis.call('HGET', key, 'level'))
if level then redis.call('HSET', key, 'level', math.max(0, level - tonumber(ARGV[3]))) end
"""
_EMPTY = """
local cursor, pattern = '0', KEYS[1] .. 'bucket:' .. ARGV[1] .. ':*'
repeat
  local found = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
  cursor = found[1]
  for _, key in ipairs(found[2]) do redis.call('DEL', key) end
until cursor == '0'
"""


class RedisBuckets:
    """`Buckets`. With a clock of its own in tests."""

    def __init__(self, connection: Connection, clock: Clock | None = None) -> None:
        self._connection = connection
        self._clock = clock

    async def pour(self, policy: str, key: str, rate: int, use: int) -> tuple[bool, int]:
        """Pour one use in where it fits."""
        now = None if self._clock is None else round(self._clock() * 1e6)
        reply = await self._connection.run(_POUR, policy, key, rate, use, now)
        with reading():
            return bool(reply[0]), int(reply[1])

    async def drain(self, policy: str, key: str, use: int) -> None:
        """Take one use out."""
        await self._connection.run(_DRAIN, policy, key, use)

    async def empty(self, policy: str) -> None:
        """Empty every bucket."""
        await self._connection.run(_EMPTY, policy)


_: type[Buckets] = RedisBuckets
