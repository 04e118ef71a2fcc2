"""Bearer tokens and operator links at a server that replicas share.

    tokens, token:ID    the ids, oldest first, and each token
    digest:DIGEST       the id of the token with this digest
    links, link:DIGEST  the links that wait, oldest first, and each link

A token that cannot be understood is no token: it is refused, never widened.
"""

from collections.abc import Collection, Mapping

from proxy.exchange import Role
from proxy.state.redis.connection import DAY, Argument, Connection, Reply, reading, text, time
from proxy.state.scopes import parse_scope, scope_text
from proxy.state.store import MAX_LINKS, Links, TokenRecord, Tokens

LUA = f"""
local root, DAY = KEYS[1], {DAY}
local tokens = root .. 'tokens'
local function token(id) return root .. 'token:' .. id end
local function digest(of) return root .. 'digest:' .. of end

local function fields(id)
  local kept = redis.call('HMGET', token(id), 'digest', 'role', 'label', 'created', 'scope',
                          'expires', 'used')
  table.insert(kept, 1, id)
  return kept
end

local function forget(id)
  local of = redis.call('HGET', token(id), 'digest')
  redis.call('ZREM', tokens, id)
  if of then redis.call('DEL', digest(of)) end
  return redis.call('DEL', token(id))
end

local function check(id, of, now)
  for _, known in ipairs({{id, redis.call('GET', digest(of)) or id}}) do
    local expires = redis.call('HGET', token(known), 'expires')
    if expires and (expires == '' or tonumber(expires) > tonumber(now)) then
      error('there is a token of this id or digest')
    end
    if expires then forget(known) end
  end
  redis.call('ZCARD', tokens)
end

local function last(key, milliseconds)
  redis.call('PEXPIRE', key, math.ceil(math.max(0, milliseconds)) + DAY)
end

local function keep(id, of, role, label, created, scope, expires, used)
  redis.call('HSET', token(id), 'digest', of, 'role', role, 'label', label, 'created', created,
             'scope', scope, 'expires', expires, 'used', used)
  redis.call('SET', digest(of), id)
  redis.call('ZADD', tokens, created, id)
  if expires ~= '' then
    local left = (tonumber(expires) - tonumber(created)) * 1000
    last(token(id), left)
    last(digest(of), left)
  end
  return fields(id)
end
"""
"""What every script on tokens begins with. Who calls `keep` has called `check` before writing."""

_ADD = f"""{LUA}
check(ARGV[1], ARGV[2], ARGV[5])
keep(unpack(ARGV))
"""
_FIND = f"""{LUA}
local id = redis.call('GET', digest(ARGV[1]))
return id and fields(id)
"""
# What the server has cleared away still stands in the list.
_LIST = f"""{LUA}
local found = {{}}
for _, id in ipairs(redis.call('ZRANGE', tokens, 0, -1)) do
  if redis.call('EXISTS', token(id)) == 1 then
    table.insert(found, fields(id))
  else
    redis.call('ZREM', tokens, id)
  end
end
return found
"""
_SOME = f"""{LUA}
local found = {{}}
for _, id in ipairs(ARGV) do
  if redis.call('EXISTS', token(id)) == 1 then table.insert(found, fields(id)) end
end
return found
"""
_REVOKE = f"""{LUA}
return forget(ARGV[1])
"""
_ROTATE = f"""{LUA}
local id, new, now = unpack(ARGV)
local old, expires = unpack(redis.call('HMGET', token(id), 'digest', 'expires'))
if not old or not (expires == '' or tonumber(expires) > tonumber(now)) then return false end
if (redis.call('GET', digest(new)) or id) ~= id then error('there is a token of this digest') end
redis.call('DEL', digest(old))
redis.call('HSET', token(id), 'digest', new)
redis.call('SET', digest(new), id)
local left = redis.call('PTTL', token(id))
if left > 0 then redis.call('PEXPIRE', digest(new), left) end
return fields(id)
"""
_TOUCH = f"""{LUA}
for place = 1, #ARGV, 2 do
  local id, used = ARGV[place], ARGV[place + 1]
  local before = redis.call('HGET', token(id), 'used')
  if before and (before == '' or tonumber(before) < tonumber(used)) then
    redis.call('HSET', token(id), 'used', used)
  end
end
"""
_LINKS = f"""{LUA}
local links, MAX_LINKS = root .. 'links', {MAX_LINKS}
local function link(of) return root .. 'link:' .. of end
"""
_PUT_LINK = f"""{_LINKS}
local of, label, expires = unpack(ARGV)
local newest = redis.call('ZREVRANGE', links, 0, 0, 'WITHSCORES')
redis.call('HEXISTS', link(of), 'label')
redis.call('HSET', link(of), 'label', label, 'expires', expires)
redis.call('ZADD', links, (newest[2] or 0) + 1, of)
while redis.call('ZCARD', links) > MAX_LINKS do
  redis.call('DEL', link(redis.call('ZPOPMIN', links)[1]))
end
"""
_REDEEM_LINK = f"""{_LINKS}
local guess, now, id, of, role, created, scope, expires, used = unpack(ARGV)
local label, ends = unpack(redis.call('HMGET', link(guess), 'label', 'expires'))
if not label then return false end
local good = tonumber(ends) > tonumber(now)
if good then check(id, of, created) end
redis.call('ZREM', links, guess)
redis.call('DEL', link(guess))
return good and keep(id, of, role, label, created, scope, expires, used)
"""


class RedisTokens:
    """`Tokens`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, record: TokenRecord) -> None:
        """Remember a token."""
        label = (record.label, record.created)
        await self._connection.run(_ADD, *identity(record), *label, *bounds(record))

    async def find(self, digest: bytes, now: float) -> TokenRecord | None:
        """The token with this digest."""
        record = parse(await self._connection.run(_FIND, digest.hex()), now)
        return record if record and record.digest == digest else None

    async def list(self, now: float) -> list[TokenRecord]:
        """All tokens."""
        reply = await self._connection.run(_LIST)
        return [record for each in reply if (record := parse(each, now))]

    async def revoke(self, token_id: str) -> bool:
        """Forget a token."""
        return bool(await self._connection.run(_REVOKE, token_id))

    async def rotate(self, token_id: str, digest: bytes, now: float) -> TokenRecord | None:
        """Replace a token's digest."""
        return parse(await self._connection.run(_ROTATE, token_id, digest.hex(), now), now)

    async def touch(self, used: Mapping[str, float]) -> None:
        """Remember when tokens were last used."""
        await self._connection.run(_TOUCH, *(each for pair in used.items() for each in pair))

    async def alive(self, token_ids: Collection[str], now: float) -> Mapping[str, bytes]:
        """The digests of those that still are tokens."""
        reply = await self._connection.run(_SOME, *frozenset(token_ids))
        found = (parse(each, now) for each in reply)
        return {record.id: record.digest for record in found if record is not None}


class RedisLinks:
    """`Links`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, digest: bytes, label: str, expires: float) -> None:
        """Remember a link."""
        await self._connection.run(_PUT_LINK, digest.hex(), label, expires)

    async def redeem(self, digest: bytes, token: TokenRecord, now: float) -> TokenRecord | None:
        """Exchange a link for `token`."""
        minted = (*identity(token), token.created, *bounds(token))
        return parse(await self._connection.run(_REDEEM_LINK, digest.hex(), now, *minted), now)


def identity(record: TokenRecord) -> tuple[Argument, ...]:
    """What a script calls id, of and role."""
    return record.id, record.digest.hex(), record.role.value


def bounds(record: TokenRecord) -> tuple[Argument, ...]:
    """What a script calls scope, expires and used."""
    return scope_text(record.scope), record.expires, record.used


def parse(reply: Reply, now: float) -> TokenRecord | None:
    """The token of `fields`; None for one that is over or not understood, raises OSError."""
    if reply is None:
        return None
    token_id, digest, role, label, created, scope, expires, used = reply
    try:
        kind, within = Role(text(role)), parse_scope(text(scope))
    except (TypeError, ValueError):
        return None
    with reading():
        record = TokenRecord(
            *(text(token_id), bytes.fromhex(text(digest)), kind, text(label), float(created)),
            *(within, time(expires), time(used)),
        )
    return record if record.expires is None or record.expires > now else None


_: tuple[type[Tokens], type[Links]] = (RedisTokens, RedisLinks)
