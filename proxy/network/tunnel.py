"""Keep a tunnel up: start the provider's program, learn the public URL, start it again.

The counterpart is `providers`, which knows the programs. While the tunnel is not up there is no
URL, and so no Host name that its listener accepts: a failed tunnel leaves nothing public. Nothing
that the program prints is passed on, since it may hold the token or the words of strangers.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from proxy.config.listening import hosts_of
from proxy.config.tunnel import TunnelConfig
from proxy.network.providers import Launch, launch
from proxy.process import Program, start

State = Literal["off", "starting", "up", "failed"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. The pause before a new start doubles from `first` to `longest`.

    It is `first` again once a program ran for `steady`. A program has `start` to say its URL (a
    tunnel that is open but unknown would be worse than none), and `stop` to end when asked.
    """

    first: float = 1.0
    longest: float = 60.0
    steady: float = 300.0
    start: float = 60.0
    stop: float = 3.0


_PACE = Pace()


class Tunnel:
    """The tunnel. As a container it holds the one Host name that its listener may be called by.

    `tell` receives a sentence at every change, when it has happened.
    """

    def __init__(
        self,
        section: TunnelConfig,
        environ: Mapping[str, str],
        tell: Callable[[str], None],
        *,
        pace: Pace = _PACE,
    ) -> None:
        self._section = section
        self._env = {"PATH": os.defpath} | {
            name: environ[name] for name in ("PATH", "HOME") if name in environ
        }
        self._tell = tell
        self._pace = pace
        self._why = "its program is being started"
        self._url: str | None = None
        self.state: State = "off"
        if section.provider != "none" and section.mode == "external":
            self._url, self.state = section.public_url, "up"

    @property
    def url(self) -> str | None:
        """Where the gateway is reached through the tunnel; None while it is not."""
        return self._url

    def __contains__(self, host: object) -> bool:
        return host in tuple(hosts_of(self._url))

    async def missing(self) -> str | None:
        """What keeps the tunnel from being up: a sentence, or None."""
        return None if self.state in ("off", "up") else f"the tunnel is not up: {self._why}"

    async def run(self, address: str, port: int) -> None:
        """Keep a tunnel to the listener at `address` and `port` up, until cancelled.

        Returns at once where there is none to keep.
        """
        if self._section.provider == "none" or self._section.mode == "external":
            return
        pause, clock = self._pace.first, asyncio.get_running_loop().time
        try:
            while True:
                started = clock()
                self._why = await self._once(address, port)
                if clock() - started >= self._pace.steady:
                    pause = self._pace.first
                self._tell(f"the tunnel is down: {self._why}; next start in {pause:g} s")
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._pace.longest)
        except asyncio.CancelledError:
            self.state = "off"
            raise
        except BaseException:
            self.state = "failed"
            raise

    async def _once(self, address: str, port: int) -> str:
        """Start the program and stay beside it; why it is over."""
        self.state = "starting"
        try:
            launched = await launch(self._section, address, port, self._env)
            program = await start(launched.argv, {**self._env, **launched.env})
        except OSError as error:
            self.state = "failed"
            return _why(error)
        try:
            return await self._stay(program, launched)
        finally:
            self._url, self.state = None, "failed"  # first, so that nobody is led there any more
            await program.stop(self._pace.stop)

    async def _stay(self, program: Program, launched: Launch) -> str:
        name = launched.argv[0]
        self._found(launched.url)
        try:
            async with asyncio.timeout(None if self._url else self._pace.start) as limit:
                async for line in program.lines():
                    # The first one counts: whatever is logged once it is up may quote a request.
                    if self._url is None and self._found(launched.read(line)):
                        limit.reschedule(None)
                code = await program.wait()
        except TimeoutError:
            return f"{name} did not say where it leads; to see why, run it by hand"
        return f"{name} ended with code {code}; to see why, run it by hand"

    def _found(self, url: str | None) -> bool:
        if url is None:
            return False
        self._url, self.state = self._section.public_url or url, "up"
        self._tell("the tunnel is up")
        return True


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} is not installed or not in PATH"
    if error.strerror:
        return f"its program cannot be started: {error.strerror}"
    return str(error)
