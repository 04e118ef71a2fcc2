"""What must be looked after while nobody asks: tokens that end while a request of theirs runs.

A revocation here ends its requests at once; one by another replica, or an expiry, within seconds.
"""

import asyncio

import structlog

from proxy.authentication.tokens import TokenBook
from proxy.decision import told
from proxy.running import Running

log = structlog.get_logger()

_SECONDS = 2.0


async def look_after(tokens: TokenBook, running: Running, seconds: float = _SECONDS) -> None:
    """Look every so often until cancelled; a state that is away is waited for."""
    away = False
    while True:
        await asyncio.sleep(seconds)
        try:
            for principal in await tokens.gone(running.principals()):
                running.end_principal(principal)
            await tokens.flush()
            away = False
        except Exception as error:  # noqa: BLE001 - whatever it is, other tokens still end
            if not away:
                log.error("state unavailable", error=told(error))
            away = True
