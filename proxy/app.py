"""A Sidegate that is put together: its listeners, from their opening to their end.

The counterpart is `assembly`, which makes all the parts.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network

import structlog

from proxy.config.listening import hosts_of, reachable
from proxy.config.model import Config
from proxy.delivery import Deliveries
from proxy.detached import Detached
from proxy.exchange import Listener
from proxy.isolation.sandbox import Sandbox
from proxy.listeners import LOCAL, open_addresses, open_local
from proxy.network.bind import Binding
from proxy.network.providers import CLIENT_HEADER
from proxy.network.tunnel import Tunnel
from proxy.operator.operations import Operations
from proxy.places import Places
from proxy.routes import Table
from proxy.server import Door, Server
from proxy.servers import Servers
from proxy.upkeep import look_after

log = structlog.get_logger()

_SWEEP_SECONDS = 60.0
_DRAIN_SECONDS = 5.0  # an engine waits ten before it kills


@dataclass
class App:
    """`ready` is set once every listener takes connections, `ports` then says where.

    Setting `stopped` ends `run`.
    """

    config: Config
    places: Places
    bindings: tuple[Binding, ...]
    tables: Mapping[str, Table]
    server: Server
    operations: Operations
    deliveries: Deliveries
    detached: Detached
    tunnel: Tunnel
    sandbox: Sandbox
    cautions: tuple[str, ...]
    ports: dict[str, int]
    keep_holding: Callable[[], Coroutine[None, None, None]]
    servers: Servers
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Serve every listener until stopped; raises OSError for an address that is taken."""
        async with AsyncExitStack() as stack:
            doors = [await self._open(stack, binding) for binding in self.bindings]
            doors.append(await open_local(stack, self._door(LOCAL), self.places.socket))
            await self._announce()
            self.begin(stack, self._survey())
            self.begin(stack, look_after(self.operations.tokens, self.server.running))
            self.begin(stack, self.keep_holding())
            self.begin(stack, self.servers.tidy())
            self.begin(stack, self.deliveries.run())
            self.begin(stack, self.detached.run())
            self.begin(stack, self.operations.desk.halts.enforce())
            self.begin(stack, self.operations.desk.feed.count())
            if "tunnel" in self.ports:
                self.begin(stack, self.tunnel.run(self._tunnel_host(), self.ports["tunnel"]))
            self.ready.set()
            await self.stopped.wait()
            self.operations.stopping = True
            log.info("stopping", running=len(self.server.running))
        for door in doors:
            door.close_idle()
        await self.server.running.drain(_DRAIN_SECONDS)
        for door in doors:
            await door.aclose()

    def _tunnel_host(self) -> str:
        """Where the tunnel's program finds its listener, as a URL writes it."""
        address = next(b.addresses[0] for b in self.bindings if b.name == "tunnel")
        if address.is_unspecified:
            return "127.0.0.1"
        return f"[{address}]" if address.version == 6 else str(address)

    def begin(self, stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
        """Do `work` beside the listeners, and end it with them."""
        task = asyncio.create_task(work)
        task.add_done_callback(_told)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)

    async def _open(self, stack: AsyncExitStack, binding: Binding) -> Door:
        if binding.note:
            log.warning("bound elsewhere", listener=binding.name, why=binding.note)
        door = self._door(_LISTENERS[binding.name](self.config, self.tunnel))
        self.ports[binding.name] = await open_addresses(stack, door, binding)
        return door

    def _door(self, listener: Listener) -> Door:
        return self.server.door(listener, self.tables[listener.name])

    async def _announce(self) -> None:
        """The one line that shows a code. It bypasses the log, which is kept."""
        if self.config.gateway.require_pairing and await self.operations.tokens.empty():
            code = await self.operations.pairing.offer()
            line = f"pairing code: {code} (valid 10 min; another: sidegate pair)\n"
            sys.stderr.write(line)
            sys.stderr.flush()

    async def _sweep(self) -> None:
        swept = await self.sandbox.sweep()
        if swept:
            log.info("removed leftover sandboxes", count=swept)

    async def _survey(self) -> None:
        """Clear away what an earlier run left, and say what is missing, while already serving."""
        await self._sweep()
        for sentence in self.cautions:
            log.warning("caution", about=sentence)
        for sentence in await self.operations.missing():
            log.warning("not ready", missing=sentence)
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self._sweep()


def _told(task: "asyncio.Task[None]") -> None:
    """What ends by a fault of ours does not end without a word."""
    if not task.cancelled() and (error := task.exception()):
        log.error("stopped working", exc_info=error)


def gateway_url(config: Config, ports: Mapping[str, int], tunnel: Tunnel) -> str:
    """Where clients reach the gateway, as far as it is known."""
    section = config.gateway
    port = ports.get("gateway", section.port)
    return section.public_url or tunnel.url or reachable(section.host, port)


def admin_url(config: Config, ports: Mapping[str, int]) -> str:
    """Where the operator reaches the operator's listener."""
    section = config.admin
    return section.public_url or reachable(section.host, ports.get("admin", section.port))


def _gateway(config: Config, _: Tunnel) -> Listener:
    section = config.gateway
    return Listener(
        "gateway",
        section.allow_peers,
        frozenset((*section.allowed_hosts, *hosts_of(section.public_url))),
        origins=frozenset(filter(None, (*section.allowed_origins, section.public_url))),
        proxies=section.trusted_proxies if section.trust_forwarded_headers else (),
    )


def _admin(config: Config, _: Tunnel) -> Listener:
    section = config.admin
    hosts = (*config.gateway.allowed_hosts, *hosts_of(section.public_url))
    origins = frozenset(filter(None, (section.public_url,)))
    return Listener("admin", section.allow_peers, frozenset(hosts), origins=origins)


def _metrics(config: Config, _: Tunnel) -> Listener:
    hosts = frozenset(config.gateway.allowed_hosts)
    return Listener("metrics", config.metrics.allow_peers, hosts)


def _tunnel(config: Config, tunnel: Tunnel) -> Listener:
    """Nothing that comes by the tunnel is local, whatever address its program has."""
    section = config.tunnel
    header = CLIENT_HEADER.get(section.provider)
    networks = section.allow_peers
    return Listener(
        "tunnel",
        networks,
        tunnel,
        own_names=False,
        origins=frozenset(config.gateway.allowed_origins),
        proxies=(networks or _EVERY) if header else (),
        client_header=header,
    )


_EVERY = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LISTENERS: Mapping[str, Callable[[Config, Tunnel], Listener]] = {
    "gateway": _gateway,
    "admin": _admin,
    "metrics": _metrics,
    "tunnel": _tunnel,
}
