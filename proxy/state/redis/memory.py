"""Idempotency keys and signatures seen, at a server that replicas share.

    once:KEY       what is known of a key
    shelf:SHELF    its keys, by when they expire
    done:SHELF     those of them that are done, oldest first
    number         counts the keys, which tells the older
    replays        signatures, by when they expire

A key is cleared away, at the latest, by the server itself, a day after it expired.
"""

from collections.abc import Collection

from proxy.state.redis.connection import DAY, Connection, reading, text
from proxy.state.store import MAX_REPLAYS, Begun, Claim, Once, Replays, Standing

_ONCE = f"""
local root, DAY = KEYS[1], {DAY}
local number = root .. 'number'
local function once(key) return root .. 'once:' .. key end
local function all(shelf) return root .. 'shelf:' .. shelf end
local function done(shelf) return root .. 'done:' .. shelf end

local function forget(key, shelf)
  redis.call('ZREM', all(shelf), key)
  redis.call('ZREM', done(shelf), key)
  redis.call('DEL', once(key))
end

local function last(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then
    redis.call('PEXPIRE', key, math.ceil(milliseconds))
  end
end
"""
_BEGIN = f"""{_ONCE}
local key, shelf, fingerprint, bound, lease, expires, now = unpack(ARGV)
now = tonumber(now)
local mine, begun, held, ends, answer, place = unpack(redis.call('HMGET', once(key), 'fingerprint',
  'begun', 'lease', 'expires', 'answer', 'shelf'))
if mine and not (tonumber(ends) <= now) then
  if mine ~= fingerprint then return {{'other'}} end
  if begun == 'running' and tonumber(held) <= now then return {{'unknown'}} end
  return {{begun, answer}}
end

if mine then forget(key, place) end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', all(shelf), '-inf', now)) do
  forget(over, shelf)
end
local excess = redis.call('ZCARD', all(shelf)) + 1 - tonumber(bound)
local spare = excess > 0 and redis.call('ZRANGE', done(shelf), 0, excess - 1) or {{}}
if excess > #spare then return {{'full'}} end
local count = redis.call('INCR', number)
for place = 1, excess do forget(spare[place], shelf) end
redis.call('HSET', once(key), 'fingerprint', fingerprint, 'shelf', shelf, 'begun', 'running',
           'lease', lease, 'expires', expires, 'number', count)
redis.call('ZADD', all(shelf), expires, key)
local left = math.max(0, tonumber(expires) - now) * 1000 + DAY
last(once(key), left)
last(all(shelf), left)
return {{'fresh'}}
"""
_RENEW = f"""{_ONCE}
local lease, now = ARGV[1], tonumber(ARGV[2])
for place = 3, #ARGV do
  local key = ARGV[place]
  local begun, ends, shelf = unpack(redis.call('HMGET', once(key), 'begun', 'expires', 'shelf'))
  if begun == 'running' and tonumber(ends) > now then
    redis.call('HSET', once(key), 'lease', lease)
    -- What still runs is not forgotten, however long it takes.
    if tonumber(lease) > tonumber(ends) then
      redis.call('HSET', once(key), 'expires', lease)
      redis.call('ZADD', all(shelf), lease, key)
      local left = math.max(0, tonumber(lease) - now) * 1000 + DAY
      last(once(key), left)
      last(all(shelf), left)
    end
  end
end
"""
_FINISH = f"""{_ONCE}
local key, kept, answer = unpack(ARGV)
local begun, shelf, count = unpack(redis.call('HMGET', once(key), 'begun', 'shelf', 'number'))
if not begun or begun == 'done' then return end
redis.call('ZADD', done(shelf), count, key)
last(done(shelf), redis.call('PTTL', all(shelf)))
redis.call('HSET', once(key), 'begun', 'done')
if kept == '1' then redis.call('HSET', once(key), 'answer', answer) end
"""
_RELEASE = f"""{_ONCE}
local begun, shelf = unpack(redis.call('HMGET', once(ARGV[1]), 'begun', 'shelf'))
if begun and begun ~= 'done' then forget(ARGV[1], shelf) end
"""
_ABANDON = f"""{_ONCE}
if redis.call('HGET', once(ARGV[1]), 'begun') == 'running' then
  redis.call('HSET', once(ARGV[1]), 'begun', 'unknown')
end
"""
_FIRST = f"""
local replays = KEYS[1] .. 'replays'
local seen, expires, now = unpack(ARGV)
local ends = redis.call('ZSCORE', replays, seen)
if ends and tonumber(ends) > tonumber(now) then return 0 end
local over = redis.call('ZCOUNT', replays, '-inf', now)
over = math.max(over, redis.call('ZCARD', replays) + 1 - {MAX_REPLAYS})
if over > 0 then redis.call('ZREMRANGEBYRANK', replays, 0, over - 1) end
redis.call('ZADD', replays, expires, seen)
return 1
"""


class RedisOnce:
    """`Once`. That a lease is over is seen when the key is asked for; nothing is written for it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, claim: Claim, now: float) -> Standing:
        """Take the key, or say what stands against it."""
        reply = await self._connection.run(
            _BEGIN,
            *(claim.key, claim.shelf, claim.fingerprint, claim.bound),
            *(claim.lease, claim.expires, now),
        )
        with reading():
            begun, *answer = reply
            return Standing(Begun(text(begun)), answer[0] if answer else None)

    async def renew(self, keys: Collection[str], lease: float, now: float) -> None:
        """Hold these running keys until `lease`."""
        await self._connection.run(_RENEW, lease, now, *keys)

    async def finish(self, key: str, answer: bytes | None) -> None:
        """It is done."""
        await self._connection.run(_FINISH, key, int(answer is not None), answer)

    async def release(self, key: str) -> None:
        """It was not done."""
        await self._connection.run(_RELEASE, key)

    async def abandon(self, key: str) -> None:
        """Whether it was done is not known."""
        await self._connection.run(_ABANDON, key)


class RedisReplays:
    """`Replays`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def first(self, seen: str, expires: float, now: float) -> bool:
        """Remember `seen`."""
        return bool(await self._connection.run(_FIRST, seen, expires, now))


_: tuple[type[Once], type[Replays]] = (RedisOnce, RedisReplays)
