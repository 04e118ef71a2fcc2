"""What the operator has ruled, at a server that replicas share.

    grants, grant    the ids of standing grants, by when they expire, and what is granted
    stops, stop      what the operator stopped
    calls, call      what the loop guard stopped: apart, for only these have a bound

Each is one text, and a listing another, for they are read for every call. What never expires stands
at infinity. What has no bound is the operator's own word, which is taken by a server without
memory, too.
"""

import json

from proxy.state.approvals import (
    MAX_STANDING,
    MAX_STOPS,
    StandingGrant,
    StandingGrants,
    Stop,
    StopKind,
    Stops,
)
from proxy.state.redis.connection import Connection, Reply, reading

_NEVER = float("inf")
_RULINGS = """
local root = KEYS[1]
local function ids(kind) return root .. kind .. 's' end
local function texts(kind) return root .. kind end
"""
_ADD = f"""{_RULINGS}
local kind, id, now, ends, bound, written = unpack(ARGV)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', ids(kind), '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', ids(kind), old)
  redis.call('HDEL', texts(kind), old)
end
if not (redis.call('ZCOUNT', ids(kind), '(' .. now, '+inf') < tonumber(bound)) then return 0 end
if redis.call('HEXISTS', texts(kind), id) == 1 then error('there is one of this id') end
if tonumber(ends) ~= tonumber(ends) then error('it must end, or never') end
if tonumber(bound) == math.huge then redis.call('ZREM', ids(kind), id) end
redis.call('HSET', texts(kind), id, written)
redis.call('ZADD', ids(kind), ends, id)
return 1
"""
_LIST = f"""{_RULINGS}
local found = {{}}
for place = 2, #ARGV do
  local kind = ARGV[place]
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ids(kind), '(' .. ARGV[1], '+inf')) do
    table.insert(found, redis.call('HGET', texts(kind), id) or '')
  end
end
return {{#found, '[' .. table.concat(found, ',') .. ']'}}
"""
_DROP = f"""{_RULINGS}
local dropped = 0
for place = 2, #ARGV do
  local kind = ARGV[place]
  dropped = dropped + redis.call('ZREM', ids(kind), ARGV[1])
  redis.call('HDEL', texts(kind), ARGV[1])
end
return dropped
"""


class RedisGrants:
    """`StandingGrants`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, grant: StandingGrant, now: float) -> bool:
        """Remember a grant."""
        written = _text(
            *(grant.id, grant.principal, grant.tool, grant.granted_by),
            *(grant.created, grant.expires, grant.boot),
        )
        place = ("grant", grant.id, now, grant.expires, MAX_STANDING)
        return bool(await self._connection.run(_ADD, *place, written))

    async def list(self, now: float) -> list[StandingGrant]:
        """All that have not expired."""
        reply = await self._connection.run(_LIST, now, "grant")
        with reading():
            found = [_grant(each) for each in _rows(reply)]
        return sorted(found, key=lambda grant: (grant.created, grant.id))

    async def revoke(self, grant_id: str) -> bool:
        """Forget a grant."""
        return bool(await self._connection.run(_DROP, grant_id, "grant"))


class RedisStops:
    """`Stops`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, stop: Stop, now: float) -> bool:
        """Remember a stop."""
        ends = _NEVER if stop.expires is None else stop.expires
        kind, bound = ("call", MAX_STOPS) if stop.kind is StopKind.CALL else ("stop", _NEVER)
        written = _text(
            *(stop.id, stop.kind.value, stop.target, stop.why),
            *(stop.stopped_by, stop.since, ends),
        )
        return bool(await self._connection.run(_ADD, kind, stop.id, now, ends, bound, written))

    async def list(self, now: float) -> list[Stop]:
        """All that stand."""
        reply = await self._connection.run(_LIST, now, "stop", "call")
        with reading():
            found = [_stop(each) for each in _rows(reply)]
        return sorted(found, key=lambda stop: (stop.since, stop.id))

    async def lift(self, stop_id: str) -> bool:
        """Forget a stop."""
        return bool(await self._connection.run(_DROP, stop_id, "stop", "call"))


def _text(*fields: str | float) -> str:
    return json.dumps([str(each) for each in fields])


def _rows(reply: Reply) -> list[list[str]]:
    """What was made texts, all of it; raises ValueError or TypeError for anything else."""
    count, listing = reply
    rows: list[list[str]] = json.loads(listing)
    if len(rows) != count:
        raise ValueError("some of it is no text")
    return rows


def _grant(fields: list[str]) -> StandingGrant:
    grant_id, principal, tool, granted_by, created, expires, boot = fields
    times = (float(created), float(expires))
    return StandingGrant(grant_id, principal, tool, granted_by, *times, boot)


def _stop(fields: list[str]) -> Stop:
    """A stop; raises ValueError where it is not understood: who may go on is not known."""
    stop_id, kind, target, why, stopped_by, since, ends = fields
    expires = None if float(ends) == _NEVER else float(ends)
    return Stop(stop_id, StopKind(kind), target, why, stopped_by, float(since), expires)


_: tuple[type[StandingGrants], type[Stops]] = (RedisGrants, RedisStops)
