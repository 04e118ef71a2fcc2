"""The inbox at a server that replicas share.

    letter:ID    each letter that is not delivered
    letters      their ids, by when they were stored
    bytes        how much content they hold
    due          those that wait for anybody, by when they are due
    leased       those that wait for whoever holds them, by when the lease ends
    sending      those that may have arrived, by when the lease ends
    delivered    ids that are known, by when they are forgotten

A claim is a lease on a letter that stays WAITING; the step to SENDING is the one that only one of
two holders makes. The end of the lease is what a holder proves itself by: a later claim ends later.
How durable a letter is, is the server's affair: see `RedisStore.cautions`.
"""

from proxy.state.letters import MAX_LETTER_BYTES, MAX_LETTERS, Condition, Inbox, Letter, Put
from proxy.state.redis.connection import Connection, Reply, reading, text

_AT_ONCE = 500
_INBOX = """
local root = KEYS[1]
local letters, bytes, due = root .. 'letters', root .. 'bytes', root .. 'due'
local leased, sending, delivered = root .. 'leased', root .. 'sending', root .. 'delivered'
local function letter(id) return root .. 'letter:' .. id end
local function condition(id) return redis.call('HGET', letter(id), 'condition') end

local function holds(id, held)
  return tonumber(redis.call('HGET', letter(id), 'lease')) == tonumber(held)
end

local function fields(id, content)
  local kept = redis.call('HMGET', letter(id), 'channel', 'stored', 'due', 'attempts', 'condition',
                          'why', 'lease')
  return {id, content and redis.call('HGET', letter(id), 'content') or '', unpack(kept)}
end

local function leave(id)
  for _, place in ipairs({due, leased, sending}) do redis.call('ZREM', place, id) end
end

local function forget(id)
  local held = tonumber(redis.call('GET', bytes) or 0)
  held = math.max(0, held - redis.call('HSTRLEN', letter(id), 'content'))
  leave(id)
  redis.call('ZREM', letters, id)
  redis.call('DEL', letter(id))
  redis.call('SET', bytes, held)
end

local function bury(id, why)
  leave(id)
  redis.call('HSET', letter(id), 'condition', 'dead', 'why', why)
end
"""
_PUT = f"""{_INBOX}
local id, channel, content, stored, ready, attempts, begins, why = unpack(ARGV)
if redis.call('ZCOUNT', delivered, '-inf', stored) > 0 then
  redis.call('ZREMRANGEBYSCORE', delivered, '-inf', stored)
end
if redis.call('ZSCORE', delivered, id) or condition(id) then return 'known' end
local held = tonumber(redis.call('GET', bytes) or 0)
if redis.call('ZCARD', letters) >= {MAX_LETTERS} or held + #content > {MAX_LETTER_BYTES} then
  return 'full'
end
redis.call('ZCARD', due)
redis.call('HSET', letter(id), 'channel', channel, 'content', content, 'stored', stored,
           'due', ready, 'attempts', attempts, 'condition', begins, 'why', why, 'lease', 0)
redis.call('ZADD', letters, stored, id)
redis.call('INCRBY', bytes, #content)
if begins == 'waiting' then redis.call('ZADD', due, ready, id) end
return 'stored'
"""
_CLAIM = f"""{_INBOX}
local now, lease = unpack(ARGV)
redis.call('ZCARD', due)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leased, '-inf', now)) do
  local ready = redis.call('HGET', letter(id), 'due')
  redis.call('ZREM', leased, id)
  if ready then redis.call('ZADD', due, tonumber(ready) and ready or 0, id) end
end
local id = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 1)[1]
if not id then return false end
redis.call('ZREM', due, id)
redis.call('ZADD', leased, lease, id)
redis.call('HSET', letter(id), 'lease', lease)
return fields(id, true)
"""
_SENDING = f"""{_INBOX}
local id, held, lease = unpack(ARGV)
if condition(id) ~= 'waiting' or not holds(id, held) then return 0 end
redis.call('ZCARD', sending)
if not tonumber(lease) then error('the letter is not whole') end
leave(id)
redis.call('ZADD', sending, lease, id)
redis.call('HSET', letter(id), 'condition', 'sending', 'lease', lease)
return 1
"""
_DELIVERED = f"""{_INBOX}
local id, ends = unpack(ARGV)
local known = redis.call('ZSCORE', delivered, id)
if condition(id) then forget(id) elseif not known then return end
redis.call('ZADD', delivered, ends, id)
"""
_POSTPONE = f"""{_INBOX}
local id, held, ready = unpack(ARGV)
local now = condition(id)
if (now == 'waiting' or now == 'sending') and holds(id, held) then
  local attempts = redis.call('HGET', letter(id), 'attempts') + 1
  leave(id)
  redis.call('HSET', letter(id), 'condition', 'waiting', 'due', ready, 'attempts', attempts,
             'lease', 0)
  redis.call('ZADD', due, ready, id)
end
"""
_BURY = f"""{_INBOX}
local id, held, why = unpack(ARGV)
local now = condition(id)
if (now == 'waiting' or now == 'sending') and holds(id, held) then bury(id, why) end
"""
_RECOVER = f"""{_INBOX}
local why, now = unpack(ARGV)
local lost = redis.call('ZRANGEBYSCORE', sending, '-inf', now)
for _, id in ipairs(lost) do bury(id, why) end
return #lost
"""
_IDS = f"""{_INBOX}
return redis.call('ZRANGE', letters, 0, -1)
"""
_SOME = f"""{_INBOX}
local found = {{}}
for _, id in ipairs(ARGV) do
  if condition(id) then table.insert(found, fields(id, false)) end
end
return found
"""
_RETRY = f"""{_INBOX}
local id, now = unpack(ARGV)
if condition(id) ~= 'dead' then return 0 end
redis.call('ZADD', due, now, id)
redis.call('HSET', letter(id), 'condition', 'waiting', 'due', now, 'attempts', 0, 'why', '',
           'lease', 0)
return 1
"""
_DROP = f"""{_INBOX}
local now = condition(ARGV[1])
if now ~= 'waiting' and now ~= 'dead' then return 0 end
forget(ARGV[1])
return 1
"""


class RedisInbox:
    """`Inbox`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, letter: Letter) -> Put:
        """Store a letter."""
        reply = await self._connection.run(
            _PUT,
            *(letter.id, letter.channel, letter.content, letter.stored, letter.due),
            *(letter.attempts, letter.condition.value, letter.why),
        )
        with reading():
            return Put(text(reply))

    async def claim(self, now: float, lease: float) -> Letter | None:
        """The letter that is due first."""
        reply = await self._connection.run(_CLAIM, now, lease)
        return None if reply is None else _letter(reply)

    async def sending(self, letter_id: str, held: float, lease: float) -> bool:
        """From now on it may have arrived."""
        return bool(await self._connection.run(_SENDING, letter_id, held, lease))

    async def delivered(self, letter_id: str, forget: float) -> None:
        """It has arrived."""
        await self._connection.run(_DELIVERED, letter_id, forget)

    async def postpone(self, letter_id: str, held: float, due: float) -> None:
        """It did not arrive."""
        await self._connection.run(_POSTPONE, letter_id, held, due)

    async def bury(self, letter_id: str, held: float, why: str) -> None:
        """It will not be tried again by itself."""
        await self._connection.run(_BURY, letter_id, held, why)

    async def recover(self, why: str, now: float) -> int:
        """Bury what was SENDING when its lease ended."""
        return int(await self._connection.run(_RECOVER, why, now))

    async def list(self, now: float) -> list[Letter]:  # noqa: ARG002
        """All that are not delivered; `now` is of no use here, where no letter goes by itself."""
        found = []
        ids = await self._connection.run(_IDS)
        for start in range(0, len(ids), _AT_ONCE):  # so that nobody waits for a full inbox
            some = await self._connection.run(_SOME, *ids[start : start + _AT_ONCE])
            found += [_letter(each) for each in some]
        return found

    async def retry(self, letter_id: str, now: float) -> bool:
        """Try a dead letter again."""
        return bool(await self._connection.run(_RETRY, letter_id, now))

    async def drop(self, letter_id: str) -> bool:
        """Forget a letter."""
        return bool(await self._connection.run(_DROP, letter_id))


def _letter(reply: Reply) -> Letter:
    with reading():
        letter_id, content, channel, stored, due, attempts, condition, why, lease = reply
        return Letter(
            *(text(letter_id), text(channel), bytes(content), float(stored), float(due)),
            *(int(attempts), Condition(text(condition)), text(why), float(lease)),
        )


_: type[Inbox] = RedisInbox
