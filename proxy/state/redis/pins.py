"""Definitions of tools at a server that replicas share.

    pins                  the bytes that are kept of each MCP server
    pins:SERVER           its tools
    pin:SERVER:TOOL       by digest: the number, when it was accepted and seen, its size and note
    pinned:SERVER:TOOL    by digest: the content

The name of a server has no colon. A number counts up, and so tells which one is older.
"""

from collections.abc import Iterable, Sequence

from proxy.state.pins import (
    MAX_ACCEPTED,
    MAX_DIGESTS,
    MAX_PINNED,
    MAX_SERVER_BYTES,
    Pin,
    Pins,
    Seen,
    fitting,
)
from proxy.state.redis.connection import Connection, Reply, reading, text, time

_PINS = """
local root = KEYS[1]
local pins = root .. 'pins'
local function tools(server) return root .. 'pins:' .. server end
local function pin(server, tool) return root .. 'pin:' .. server .. ':' .. tool end
local function content(server, tool) return root .. 'pinned:' .. server .. ':' .. tool end

local function parts(row)
  local number, accepted, seen, size, note =
    string.match(row, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  if not (note and tonumber(number) and tonumber(seen) and tonumber(size)
          and (accepted == '' or tonumber(accepted))) then
    error('a pin is not understood')
  end
  return tonumber(number), accepted, seen, tonumber(size), note
end

-- Those of a tool, oldest first.
local function rows(server, tool)
  local found, reply = {}, redis.call('HGETALL', pin(server, tool))
  for place = 1, #reply, 2 do
    local number, accepted, seen, size, note = parts(reply[place + 1])
    table.insert(found, {digest = reply[place], number = number, accepted = accepted,
                         seen = seen, size = size, note = note})
  end
  table.sort(found, function(one, other) return one.number < other.number end)
  return found
end

local function keep(server, tool, row)
  redis.call('HSET', pin(server, tool), row.digest, table.concat(
    {string.format('%d', row.number), row.accepted, row.seen, string.format('%d', row.size),
     row.note}, '|'))
end

local function drop(server, tool, row)
  redis.call('HDEL', pin(server, tool), row.digest)
  redis.call('HDEL', content(server, tool), row.digest)
  redis.call('HINCRBY', pins, server, -row.size)
end
"""
_KNOWN = f"""{_PINS}
local found = {{}}
for place = 2, #ARGV, 2 do
  local row = redis.call('HGET', pin(ARGV[1], ARGV[place]), ARGV[place + 1])
  if row then
    local _, accepted = parts(row)
    table.insert(found, accepted ~= '' and 'accepted' or 'pending')
  else
    table.insert(found, '')
  end
end
return found
"""
# First all is read, and then all is written.
_SEE = f"""{_PINS}
local server, now = ARGV[1], ARGV[2]
local used = tonumber(redis.call('HGET', pins, server) or 0)
local many = redis.call('SCARD', tools(server))
local plans, trusted = {{}}, {{}}
for place = 3, #ARGV, 4 do
  local tool, digest, note = ARGV[place], ARGV[place + 1], ARGV[place + 2]
  local size = #ARGV[place + 3]
  local found, known, oldest, number = rows(server, tool), nil, nil, 0
  redis.call('HLEN', content(server, tool))
  for _, row in ipairs(found) do
    if row.digest == digest then known = row end
    if row.accepted == '' and not oldest then oldest = row end
    number = row.number
  end
  if known then
    if known.accepted ~= '' then table.insert(trusted, tool) end
  else
    local gone = #found >= {MAX_DIGESTS} and oldest or nil
    local room = used - (gone and gone.size or 0) + size <= {MAX_SERVER_BYTES}
    if room and (#found > 0 or many < {MAX_PINNED}) then
      used = used - (gone and gone.size or 0) + size
      if #found == 0 then many = many + 1 end
      local accepted = (#found == 0 and note == '') and now or ''
      if accepted ~= '' then table.insert(trusted, tool) end
      table.insert(plans, {{tool = tool, gone = gone, at = place + 3, row = {{
        digest = digest, number = number + 1, accepted = accepted, seen = now, size = size,
        note = note}}}})
    end
  end
end
for _, plan in ipairs(plans) do
  if plan.gone then drop(server, plan.tool, plan.gone) end
  redis.call('SADD', tools(server), plan.tool)
  redis.call('HINCRBY', pins, server, plan.row.size)
  redis.call('HSET', content(server, plan.tool), plan.row.digest, ARGV[plan.at])
  keep(server, plan.tool, plan.row)
end
return trusted
"""
_SERVERS = f"""{_PINS}
return redis.call('HKEYS', pins)
"""
_LIST = f"""{_PINS}
local server, found = ARGV[1], {{}}
for _, tool in ipairs(redis.call('SMEMBERS', tools(server))) do
  for _, row in ipairs(rows(server, tool)) do
    table.insert(found, {{tool, row.digest, row.note, row.seen, row.accepted, row.number}})
  end
end
return found
"""
_GET = f"""{_PINS}
local server, tool, found = ARGV[1], ARGV[2], {{}}
for _, row in ipairs(rows(server, tool)) do
  table.insert(found, {{row.digest, row.note, row.seen, row.accepted,
                       redis.call('HGET', content(server, tool), row.digest)}})
end
return found
"""
_ACCEPT = f"""{_PINS}
local server, tool, digest, now = unpack(ARGV)
local chosen, accepted = nil, {{}}
redis.call('HLEN', content(server, tool))
redis.call('HGET', pins, server)
for _, row in ipairs(rows(server, tool)) do
  if row.digest == digest then
    chosen = row
  elseif row.accepted ~= '' then
    table.insert(accepted, row)
  end
end
if not chosen then return 0 end
table.sort(accepted, function(one, other)
  local first, second = tonumber(one.accepted), tonumber(other.accepted)
  return first < second or (first == second and one.number < other.number)
end)
for place = 1, #accepted - {MAX_ACCEPTED - 1} do drop(server, tool, accepted[place]) end
if chosen.accepted == '' then
  chosen.accepted = now
  keep(server, tool, chosen)
end
return 1
"""
_FORGET = f"""{_PINS}
local server, tool = unpack(ARGV)
local found, size = rows(server, tool), 0
redis.call('SCARD', tools(server))
for _, row in ipairs(found) do size = size + row.size end
redis.call('HGET', pins, server)
redis.call('DEL', pin(server, tool), content(server, tool))
redis.call('SREM', tools(server), tool)
if #found > 0 and redis.call('HINCRBY', pins, server, -size) <= 0 then
  redis.call('HDEL', pins, server)
end
return #found
"""


class RedisPins:
    """`Pins`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def see(self, server: str, tools: Sequence[Seen], now: float) -> frozenset[str]:
        """Remember what is shown."""
        shown = fitting(tools)
        asked = (part for each in shown for part in (each.tool, each.digest))
        known = [text(each) for each in await self._connection.run(_KNOWN, server, *asked)]
        trusted = {each.tool for each, how in zip(shown, known, strict=True) if how == "accepted"}
        new = [each for each, how in zip(shown, known, strict=True) if not how]
        if new:  # what is known already is not sent again
            parts = (
                part for each in new for part in (each.tool, each.digest, each.note, each.content)
            )
            reply = await self._connection.run(_SEE, server, now, *parts)
            trusted.update(text(each) for each in reply)
        return frozenset(trusted)

    async def get(self, server: str, tool: str) -> list[Pin]:
        """Those of one tool."""
        with reading():
            return [
                _pin(server, tool, fields, bytes(content))
                for *fields, content in await self._connection.run(_GET, server, tool)
            ]

    async def list(self, most: int) -> list[Pin]:
        """Those that are remembered."""
        found: list[tuple[int, Pin]] = []
        for server in await self._connection.run(_SERVERS):
            with reading():
                found += _listed(text(server), await self._connection.run(_LIST, server))
        found.sort(
            key=lambda row: (row[1].accepted is not None, row[1].server, row[1].tool, row[0])
        )
        return [pin for _, pin in found[:most]]

    async def accept(self, server: str, tool: str, digest: str, now: float) -> bool:
        """Trust exactly this one."""
        return bool(await self._connection.run(_ACCEPT, server, tool, digest, now))

    async def forget(self, server: str, tool: str) -> int:
        """Forget a tool."""
        return int(await self._connection.run(_FORGET, server, tool))


def _listed(server: str, reply: Reply) -> Iterable[tuple[int, Pin]]:
    """The pins of a server, each with its number; raises ValueError or TypeError."""
    for tool, *fields, number in reply:
        yield int(number), _pin(server, text(tool), fields)


def _pin(server: str, tool: str, fields: Sequence[Reply], content: bytes = b"") -> Pin:
    digest, note, seen, accepted = fields
    known = (server, tool, text(digest), text(note))
    return Pin(*known, float(seen), time(accepted), content)


_: type[Pins] = RedisPins
