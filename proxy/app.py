"""Put everything together, serve until told to stop, and take it apart in order."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version

import aiohttp.http_parser
import structlog

from proxy import logs
from proxy.audit import STRANGERS_EACH_MINUTE, AuditFile, AuditLog
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.authorization.commands import CommandParser, find_parser
from proxy.authorization.paths import Workspace
from proxy.config.loader import Loaded
from proxy.config.model import Config, DockerConfig
from proxy.exchange import Listener
from proxy.isolation.container import NOBODY, Owner
from proxy.isolation.docker import DockerSandbox, Mount
from proxy.isolation.upstream import Upstream
from proxy.isolation.workspace import WorkspaceFiles
from proxy.limits import Share, per_minute
from proxy.listeners import LOCAL, open_addresses, open_local
from proxy.metrics import Metrics
from proxy.network.bind import Binding
from proxy.operations import Operations
from proxy.pipeline import Services, build_pipeline
from proxy.protection.redactor import Redactor
from proxy.readiness import Readiness
from proxy.routes import Table, tables
from proxy.running import Running
from proxy.server import Door, Server
from proxy.state.owner import Ownership
from proxy.state.sqlite import SqliteStore

log = structlog.get_logger()

VERSION = version("sidegate")
SOCKET = "admin.sock"
_DRAIN_SECONDS = 5.0  # an engine waits ten before it kills


def state_folder(config: Config, environ: Mapping[str, str]) -> str:
    """Where the state lies: as configured, else where the service manager says, else here."""
    return os.path.abspath(config.state_dir or environ.get("STATE_DIRECTORY") or ".")


def database(config: Config, folder: str) -> str:
    """The file behind `state.url`, which is relative to the state folder."""
    return os.path.join(folder, config.state.path)


def own_files(loaded: Loaded, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Sidegate's own files by what they are, which no tool may reach, whatever else it may."""
    config = loaded.config
    folder = state_folder(config, environ)
    files = {
        "the state folder": folder,
        "the configuration": loaded.name,
        "the database": database(config, folder),
        "the audit log": os.path.join(folder, config.audit.path),
    }
    return {what: os.path.realpath(file) for what, file in files.items()}


def open_workspace(loaded: Loaded, environ: Mapping[str, str]) -> Workspace | None:
    """The workspace, or None where it does not exist: its tools are then denied."""
    section = loaded.config.autonomy
    forbidden = (*section.forbidden_paths, *own_files(loaded, environ).values())
    try:
        return Workspace.open(section.workspace_dir, forbidden, only=section.workspace_only)
    except OSError:
        return None


def exposed(loaded: Loaded, environ: Mapping[str, str]) -> list[str]:
    """Which of Sidegate's own files the agent could change: a sentence each."""
    workspace = os.path.realpath(loaded.config.autonomy.workspace_dir)
    return [
        f"{what} lies in the workspace, where the agent could change it: move one of the two"
        for what, file in own_files(loaded, environ).items()
        if os.path.commonpath((workspace, file)) == workspace
    ]


@dataclass
class App:
    """A Sidegate that is put together.

    `ready` is set once every listener takes connections, `ports` then says where; setting `stopped`
    ends `run`.
    """

    config: Config
    bindings: tuple[Binding, ...]
    tables: Mapping[str, Table]
    server: Server
    operations: Operations
    sandbox: DockerSandbox
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    ports: dict[str, int] = field(default_factory=dict)

    async def run(self, folder: str) -> None:
        """Serve every listener until stopped; raises OSError for an address that is taken."""
        async with AsyncExitStack() as stack:
            doors = [await self._open(stack, binding) for binding in self.bindings]
            path = os.path.join(folder, SOCKET)
            doors.append(await open_local(stack, self._door(LOCAL), path))
            await self._announce()
            survey = asyncio.create_task(self._survey())
            stack.callback(survey.cancel)
            self.ready.set()
            await self.stopped.wait()
            self.operations.stopping = True
            log.info("stopping", running=len(self.server.running))
        for door in doors:
            door.close_idle()
        await self.server.running.drain(_DRAIN_SECONDS)
        for door in doors:
            await door.aclose()

    async def _open(self, stack: AsyncExitStack, binding: Binding) -> Door:
        door = self._door(_listener(self.config, binding.name))
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

    async def _survey(self) -> None:
        """Clear away what an earlier run left, and say what is missing, while already serving."""
        swept = await self.sandbox.sweep()
        if swept:
            log.info("removed leftover sandboxes", count=swept)
        for sentence in await self.operations.missing():
            log.warning("not ready", missing=sentence)


def _listener(config: Config, name: str) -> Listener:
    peers = config.gateway.allow_peers if name == "gateway" else config.metrics.allow_peers
    return Listener(name, peers, frozenset(config.gateway.allowed_hosts))


async def serve(loaded: Loaded, bindings: tuple[Binding, ...], environ: Mapping[str, str]) -> None:
    """Run Sidegate until SIGTERM or SIGINT; raises OSError where something it needs is missing.

    `bindings` are the addresses that were judged; nothing is resolved again.
    """
    if aiohttp.http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise OSError("aiohttp's C parser is missing: install aiohttp from a wheel")
    async with AsyncExitStack() as stack:
        app = await build(stack, loaded, bindings, environ)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stopped.set)
        await app.run(state_folder(loaded.config, environ))


async def build(
    stack: AsyncExitStack,
    loaded: Loaded,
    bindings: tuple[Binding, ...],
    environ: Mapping[str, str],
) -> App:
    """Everything made once, each to be given back in reverse."""
    config = loaded.config
    folder = state_folder(config, environ)
    stack.callback(Ownership(folder).release)
    redactor = Redactor(_held(config))
    logs.configure(redactor.text)
    table_of = tables(config)
    metrics = Metrics(VERSION, _route_names(table_of))
    store = SqliteStore(database(config, folder))
    stack.push_async_callback(store.aclose)
    audit = AuditFile(os.path.join(folder, config.audit.path), metrics.audit_failed)
    stack.push_async_callback(audit.aclose)
    workspace = open_workspace(loaded, environ)
    if workspace is not None:
        stack.callback(workspace.close)
    sandbox = _sandbox(config, workspace, store.instance, environ)
    stack.push_async_callback(sandbox.aclose)
    metrics.watch("sandbox_active", "Sandboxes that exist now.", lambda: sandbox.active)
    upstream = Upstream(config.upstream.url, _upstream_headers(config))
    stack.push_async_callback(upstream.aclose)
    pairing = Pairing(store.codes, time.time)
    tokens = TokenBook(store.tokens, config.gateway.paired_tokens)
    running = Running()
    absent = f"the workspace {config.autonomy.workspace_dir} does not exist"
    readiness = Readiness((sandbox, upstream), None if workspace else absent, time.time)
    operations = Operations(
        store, tokens, pairing, running, metrics, readiness.missing, time.time, VERSION
    )
    services = Services(
        per_minute(config.gateway.pair_rate_limit_per_minute),
        pairing,
        tokens,
        CommandParser(find_parser()),
        workspace,
        redactor,
        sandbox,
        WorkspaceFiles(),
        upstream,
        operations,
    )
    server = Server(
        build_pipeline(config, services),
        (AuditLog(audit, time.time, redactor.text), metrics),
        running,
        metrics,
        config.gateway.max_body_bytes,
        redactor.text,
        Share(STRANGERS_EACH_MINUTE, time.time),
    )
    return App(config, bindings, table_of, server, operations, sandbox)


def _route_names(table_of: Mapping[str, Table]) -> tuple[str, ...]:
    rows = (route for table in table_of.values() for route in table)
    return (*sorted({route.name for route in rows}), "none")


def _upstream_headers(config: Config) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in config.upstream.headers.items()}


def _held(config: Config) -> list[str]:
    """Every secret of the configuration, and the credential alone where a scheme precedes it."""
    values = _upstream_headers(config).values()
    return [form for value in values for form in (value, value.rpartition(" ")[2])]


def _sandbox(
    config: Config, workspace: Workspace | None, instance: str, environ: Mapping[str, str]
) -> DockerSandbox:
    section = config.runtime.docker
    mounted = workspace is not None and section.mount_workspace
    source = (section.workspace_host_path or workspace.folder) if workspace and mounted else None
    return DockerSandbox(
        section,
        Mount(source, _owner(section.user, workspace), _intact(section, workspace)),
        host=environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock",
        owner=instance,
        boot=uuid.uuid4().hex,
    )


def _intact(section: DockerConfig, workspace: Workspace | None) -> Callable[[], bool]:
    """How to tell that the mounted name still means the workspace, where we can see that name."""
    if workspace is None or section.workspace_host_path is not None:
        return lambda: True
    return workspace.intact


def _owner(user: str | None, workspace: Workspace | None) -> Owner:
    """Who a sandbox runs as: as configured, else the workspace's owner, but never root."""
    if user is not None:
        uid, _, gid = user.partition(":")
        return Owner(int(uid), int(gid or uid))
    if workspace is None:
        return NOBODY
    status = os.fstat(workspace.descriptor)
    return Owner(status.st_uid, status.st_gid) if status.st_uid and status.st_gid else NOBODY
