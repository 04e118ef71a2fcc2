"""Pairing codes and lockouts at a server that replicas share.

    code        what is pending: a MAC under the master key, which the server does not have
    lockouts    the peers that were wrong, by when they are forgotten
    failures    how often they were

A lockout is a peer with all its failures; it ends when the peer is forgotten.
"""

from proxy.scope import Minting
from proxy.seal import Seal
from proxy.state.redis.connection import Connection, Reply, reading
from proxy.state.redis.tokens import LUA, identity, parse
from proxy.state.scopes import scope_text
from proxy.state.store import (
    FORGET_SECONDS,
    LOCKOUT_SECONDS,
    MAX_FAILURES,
    MAX_LOCKOUTS,
    MAX_WRONG,
    Codes,
    Redeemed,
    Redemption,
    TokenRecord,
)

_CODES = f"""{LUA}
local code, lockouts, failures = root .. 'code', root .. 'lockouts', root .. 'failures'
"""
_PUT = f"""{_CODES}
local mac, label, scope, lifetime, expires = unpack(ARGV)
redis.call('DEL', code, lockouts, failures)
redis.call('HSET', code, 'mac', mac, 'label', label, 'scope', scope, 'lifetime', lifetime,
           'expires', expires, 'wrong', 0)
"""
_PENDING = f"""{_CODES}
return redis.call('HGET', code, 'expires')
"""
# MACs may be compared byte by byte: to learn from the time it takes, one would have to choose them.
_REDEEM = f"""{_CODES}
local mac, peer, now, locked, forget, id, of, role, created, used = unpack(ARGV)
now = tonumber(now)

local function wrong()
  if redis.call('ZSCORE', lockouts, peer) or redis.call('ZCARD', lockouts) < {MAX_LOCKOUTS} then
    local count = redis.call('HINCRBY', failures, peer, 1)
    redis.call('ZADD', lockouts, count >= {MAX_FAILURES} and locked or forget, peer)
  end
  if redis.call('EXISTS', code) == 1 and redis.call('HINCRBY', code, 'wrong', 1) >= {MAX_WRONG} then
    redis.call('DEL', code)
  end
  return {{'wrong'}}
end

for _, over in ipairs(redis.call('ZRANGEBYSCORE', lockouts, '-inf', now)) do
  redis.call('HDEL', failures, over)
  redis.call('ZREM', lockouts, over)
end
if not (tonumber(redis.call('HGET', failures, peer) or 0) < {MAX_FAILURES}) then
  return {{'locked', redis.call('ZSCORE', lockouts, peer)}}
end
local expected, label, scope, lifetime, expires =
  unpack(redis.call('HMGET', code, 'mac', 'label', 'scope', 'lifetime', 'expires'))
if expected ~= mac or not (tonumber(expires) > now) then return wrong() end
if not (label and scope and lifetime) then error('the code is not whole') end
check(id, of, created)
local ends = lifetime == '' and '' or string.format('%.17g', now + tonumber(lifetime))
redis.call('DEL', code)
redis.call('HDEL', failures, peer)
redis.call('ZREM', lockouts, peer)
return {{'paired', keep(id, of, role, label, created, scope, ends, used)}}
"""


class RedisCodes:
    """`Codes`."""

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._connection = connection
        self._seal = seal

    async def put(self, code: str, minting: Minting, expires: float) -> None:
        """Make `code` the pending one."""
        minted = (minting.label, scope_text(minting.scope), minting.lifetime)
        await self._connection.run(_PUT, self._mac(code), *minted, expires)

    async def pending(self, now: float) -> bool:
        """Whether a code waits."""
        reply = await self._connection.run(_PENDING)
        with reading():
            return reply is not None and float(reply) > now

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        """Exchange `code` for `token`."""
        times = (now, now + LOCKOUT_SECONDS, now + FORGET_SECONDS)
        minted = (*identity(token), token.created, token.used)
        reply = await self._connection.run(_REDEEM, self._mac(code), peer, *times, *minted)
        with reading():
            outcome, *rest = reply
            match Redeemed(outcome.decode()):
                case Redeemed.PAIRED:
                    return Redemption(Redeemed.PAIRED, token=_minted(rest[0], now))
                case Redeemed.LOCKED:
                    return Redemption(Redeemed.LOCKED, float(rest[0]) - now)
                case wrong:
                    return Redemption(wrong)

    def _mac(self, code: str) -> bytes:
        return self._seal.mac("pairing-code", code.encode("utf-8", "surrogatepass"))


def _minted(reply: Reply, now: float) -> TokenRecord:
    record = parse(reply, now)
    if record is None:
        raise ValueError("a code mints what is not understood")
    return record


_: type[Codes] = RedisCodes
