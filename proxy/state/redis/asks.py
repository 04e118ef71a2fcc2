"""Calls that wait for the operator, at a server that replicas share.

    ask:ID    each ask
    asks      their ids, by when they are over, which is later than they expire while one is done

All that is asked of them is found by going through `asks`, of which there are few: there is no
second place that could say otherwise.
"""

from collections.abc import Mapping

from proxy.state.approvals import (
    MAX_ASK_BYTES,
    MAX_ASKS,
    MAX_ASKS_EACH,
    MAX_KEPT_EACH,
    TAKEN_SECONDS,
    Ask,
    Asks,
    Progress,
    Standing,
)
from proxy.state.redis.connection import Connection, Reply, reading, text

_AT_ONCE = 25
_ASKS = """
local root = KEYS[1]
local asks = root .. 'asks'
local function ask(id) return root .. 'ask:' .. id end

local function fields(id)
  return {id, unpack(redis.call('HMGET', ask(id), 'principal', 'tool', 'binding', 'content',
                                'detached', 'created', 'expires', 'standing', 'decided_by',
                                'answer'))}
end

local function stands(id, standing, now)
  local ends = redis.call('ZSCORE', asks, id)
  return ends and tonumber(ends) > tonumber(now)
    and redis.call('HGET', ask(id), 'standing') == standing
end

local function check(ends)
  if not (tonumber(ends) < math.huge) then error('an ask must end') end
end

local function change(id, ends, ...)
  redis.call('ZREM', asks, id)
  redis.call('HSET', ask(id), ...)
  redis.call('ZADD', asks, ends, id)
end

local function forget(id)
  redis.call('ZREM', asks, id)
  redis.call('DEL', ask(id))
end

local function sweep(now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', asks, '-inf', now, 'LIMIT', 0, 100)) do
    forget(id)
  end
end
"""
_ROOM = f"""{_ASKS}
local waits = {{pending = true, approved = true, taken = true}}
local over = {{refused = true, done = true, lost = true}}

local function rows(after)
  local found = {{}}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', asks, '(' .. after, '+inf')) do
    local principal, standing, size, binding, detached, holder = unpack(redis.call('HMGET',
      ask(id), 'principal', 'standing', 'size', 'binding', 'detached', 'holder'))
    table.insert(found, {{id = id, principal = principal, standing = standing, size = size,
                         binding = binding, detached = detached, holder = holder}})
  end
  return found
end

-- What has to go of a principal's that is over, beside so many more of it and so many bytes.
local function surplus(found, principal, more, bytes)
  local room, ended, gone = {MAX_ASK_BYTES} - bytes, {{}}, {{}}
  for _, each in ipairs(found) do
    if each.principal == principal then
      if waits[each.standing] then room = room - tonumber(each.size) end
      if over[each.standing] then table.insert(ended, each) end
    end
  end
  local places = {MAX_KEPT_EACH} - more
  for place = #ended, 1, -1 do
    places, room = places - 1, room - tonumber(ended[place].size)
    if not (places >= 0 and room >= 0) then table.insert(gone, ended[place].id) end
  end
  return gone
end

local function surplus_beside(found, ended)
  local counts, gone = {{}}, {{}}
  for _, each in ipairs(ended) do counts[each.principal] = (counts[each.principal] or 0) + 1 end
  for principal, count in pairs(counts) do
    for _, id in ipairs(surplus(found, principal, count, 0)) do table.insert(gone, id) end
  end
  return gone
end

local function forget_all(ids) for _, id in ipairs(ids) do forget(id) end end
"""
_PUT = f"""{_ROOM}
local id, principal, tool, binding, content, detached, created, expires, standing, by, now =
  unpack(ARGV)
sweep(now)
local ends = redis.call('ZSCORE', asks, id)
if ends and tonumber(ends) <= tonumber(now) then forget(id) end
check(expires)
local known = redis.call('HMGET', ask(id), 'standing', 'binding')
if known[1] then
  if known[2] == binding then return fields(id) end
  return false
end
local found = rows(now)
local all, mine, bytes = 0, 0, #content
for _, each in ipairs(found) do
  if each.binding == binding and each.detached == detached
     and (each.standing == 'pending' or each.standing == 'approved') then
    return fields(each.id)
  end
  if waits[each.standing] then
    all = all + 1
    if each.principal == principal then mine, bytes = mine + 1, bytes + tonumber(each.size) end
  end
end
if not (all < {MAX_ASKS} and mine < {MAX_ASKS_EACH} and bytes <= {MAX_ASK_BYTES}) then
  return false
end
forget_all(surplus(found, principal, 0, #content))
redis.call('HSET', ask(id), 'principal', principal, 'tool', tool, 'binding', binding,
           'content', content, 'detached', detached, 'created', created, 'expires', expires,
           'standing', standing, 'decided_by', by, 'holder', '', 'size', #content)
redis.call('ZADD', asks, expires, id)
return fields(id)
"""
_SOME = f"""{_ASKS}
local found = {{}}
for place = 2, #ARGV do
  local ends = redis.call('ZSCORE', asks, ARGV[place])
  if ends and tonumber(ends) > tonumber(ARGV[1]) then
    table.insert(found, fields(ARGV[place]))
  end
end
return found
"""
_PROGRESS = f"""{_ASKS}
local found = {{}}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', asks, '(' .. ARGV[1], '+inf')) do
  table.insert(found, {{id, unpack(redis.call('HMGET', ask(id), 'created', 'standing', 'detached',
                                             'expires'))}})
end
return found
"""
_DECIDE = f"""{_ROOM}
local standing, by, now = unpack(ARGV)
local ended, gone = {{}}, {{}}
for place = 4, #ARGV, 2 do
  check(ARGV[place + 1])
  if not stands(ARGV[place], 'pending', now) then return 0 end
  table.insert(ended, {{principal = redis.call('HGET', ask(ARGV[place]), 'principal')}})
end
if standing == 'refused' then gone = surplus_beside(rows('-inf'), ended) end
forget_all(gone)
for place = 4, #ARGV, 2 do
  local id, ends = ARGV[place], ARGV[place + 1]
  change(id, ends, 'standing', standing, 'decided_by', by, 'expires', ends)
end
return 1
"""
_TAKE = f"""{_ASKS}
local id, binding, holder, now = unpack(ARGV)
local of, detached = unpack(redis.call('HMGET', ask(id), 'binding', 'detached'))
if not stands(id, 'approved', now) or of ~= binding or (detached ~= '0' and detached ~= '1') then
  sweep(now)
  return 0
end
if detached == '0' then
  forget(id)
else
  local ends = redis.call('ZSCORE', asks, id) + {TAKEN_SECONDS}
  change(id, string.format('%.17g', ends), 'standing', 'taken', 'holder', holder)
end
sweep(now)
return 1
"""
_ANSWER = f"""{_ROOM}
local id, holder, after, answer, expires, before, other = unpack(ARGV)
check(expires)
local found = rows('-inf')
local principal, standing, size, whose = unpack(redis.call('HMGET', ask(id), 'principal',
  'standing', 'size', 'holder'))
if standing ~= before and standing ~= other then return end
if standing == 'taken' and whose ~= holder then return end
local gone = surplus(found, principal, 1, #answer)
local all = tonumber(size) + #answer
forget_all(gone)
change(id, expires, 'standing', after, 'answer', answer, 'expires', expires, 'size', all)
"""
_BURY = f"""{_ROOM}
local holder, expires = unpack(ARGV)
check(expires)
local found, left = rows('-inf'), {{}}
for _, each in ipairs(found) do
  if each.standing == 'taken' and each.holder == holder then table.insert(left, each) end
end
forget_all(surplus_beside(found, left))
for _, each in ipairs(left) do
  change(each.id, expires, 'standing', 'lost', 'expires', expires)
end
return #left
"""


class RedisAsks:
    """`Asks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, ask: Ask, now: float) -> Ask | None:
        """The ask of this id, else the live one of the same binding, else this one."""
        reply = await self._connection.run(
            _PUT,
            *(ask.id, ask.principal, ask.tool, ask.binding, ask.content, int(ask.detached)),
            *(ask.created, ask.expires, ask.standing.value, ask.decided_by, now),
        )
        return None if reply is None else _ask(reply)

    async def get(self, ask_id: str, now: float) -> Ask | None:
        """One ask."""
        found = await self._connection.run(_SOME, now, ask_id)
        return _ask(found[0]) if found else None

    async def list(self, now: float) -> list[Ask]:
        """All that have not expired."""
        found = []
        ids = [ask_id for ask_id, *_ in await self._connection.run(_PROGRESS, now)]
        for start in range(0, len(ids), _AT_ONCE):  # so that nobody waits for large ones
            some = await self._connection.run(_SOME, now, *ids[start : start + _AT_ONCE])
            found += [_ask(each) for each in some]
        return sorted(found, key=lambda ask: (ask.created, ask.id))

    async def progress(self, now: float) -> dict[str, Progress]:
        """How far each has come."""
        reply = await self._connection.run(_PROGRESS, now)
        with reading():
            found = [
                (float(created), text(ask_id), _progress(*rest)) for ask_id, created, *rest in reply
            ]
        return {ask_id: each for _, ask_id, each in sorted(found, key=lambda row: row[:2])}

    async def decide(
        self, lasting: Mapping[str, float], *, approve: bool, by: str, now: float
    ) -> bool:
        """Decide on all of these, or on none."""
        standing = Standing.APPROVED if approve else Standing.REFUSED
        each = (part for pair in lasting.items() for part in pair)
        return bool(await self._connection.run(_DECIDE, standing.value, by, now, *each))

    async def take(self, ask_id: str, binding: str, holder: str, now: float) -> bool:
        """Let `holder` do what was approved."""
        return bool(await self._connection.run(_TAKE, ask_id, binding, holder, now))

    async def finish(self, ask_id: str, holder: str, answer: bytes, expires: float) -> None:
        """What was taken by `holder` is done."""
        before = ("taken", "taken")
        await self._connection.run(_ANSWER, ask_id, holder, "done", answer, expires, *before)

    async def refuse(self, ask_id: str, answer: bytes, expires: float) -> None:
        """What waits or was approved will not be done."""
        before = ("pending", "approved")
        await self._connection.run(_ANSWER, ask_id, "", "refused", answer, expires, *before)

    async def bury(self, holder: str, expires: float) -> int:
        """What `holder` took and never finished is lost."""
        return int(await self._connection.run(_BURY, holder, expires))


def _ask(reply: Reply) -> Ask:
    """An ask of `fields`; raises OSError where it is not understood."""
    with reading():
        *identity, content, detached, created, expires, standing, decided_by, answer = reply
        ask_id, principal, tool, binding = (text(each) for each in identity)
        return Ask(
            *(ask_id, principal, tool, binding, bytes(content), bool(int(detached))),
            *(float(created), float(expires), Standing(text(standing)), text(decided_by)),
            answer,
        )


def _progress(standing: Reply, detached: Reply, expires: Reply) -> Progress:
    return Progress(Standing(text(standing)), bool(int(detached)), float(expires))


_: type[Asks] = RedisAsks
