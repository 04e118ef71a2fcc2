"""Make everything once, in the order in which it is needed, to be given back in reverse."""

import asyncio
import signal
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version

import aiohttp.http_parser
import structlog

from proxy import logs
from proxy.app import App, admin_url, gateway_url
from proxy.audit import STRANGERS_EACH_MINUTE, AuditLog
from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authorization.approvals import Approvals, boot_of
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.authorization.stops import Stops
from proxy.config.loader import Loaded
from proxy.config.model import Config
from proxy.delivery import Deliveries
from proxy.detached import Detached
from proxy.explain.explainer import Explainer
from proxy.explain.ruleset import in_force
from proxy.hints import Hints
from proxy.isolation.answers import Answers
from proxy.isolation.inbox import DurableInbox
from proxy.isolation.native.probe import Finding
from proxy.isolation.once import Once
from proxy.isolation.upstream import Upstream
from proxy.isolation.workspace import WorkspaceFiles
from proxy.limiters import keys_of, limiters, tool_limiter
from proxy.limits import Share
from proxy.listeners import raise_descriptors
from proxy.metrics import Metrics
from proxy.network.bind import Binding
from proxy.network.tunnel import Tunnel
from proxy.operator.desk import Desk
from proxy.operator.names import Names
from proxy.operator.operations import About, Operations
from proxy.pipeline import Services, build_pipeline, build_policy
from proxy.places import Places, open_workspace
from proxy.places import cautions as places_cautions
from proxy.protection.redactor import Redactor
from proxy.readiness import Readiness
from proxy.redaction import keep_holding, open_redactor, open_requests
from proxy.routes import Table, tables
from proxy.running import Running
from proxy.runtimes import Setting, open_sandbox, room_of, said_of
from proxy.runtimes import cautions as runtime_cautions
from proxy.seal import Seal
from proxy.server import Server
from proxy.servers import Wire, open_servers
from proxy.settings import (
    attest_of,
    audit_of,
    keeping_of,
    limits_of,
    token_book,
    upstream_headers,
    upstream_limits,
)
from proxy.state.opening import cautions, open_store
from proxy.state.owner import Ownership
from proxy.state.store import Store
from proxy.trace import Observer
from proxy.unsealing import Unsealed, unseal

log = structlog.get_logger()

VERSION = version("sidegate")
_DESCRIPTORS = 8192  # four listeners, each with its connections and what is done for them


async def serve(
    loaded: Loaded,
    bindings: tuple[Binding, ...],
    environ: Mapping[str, str],
    isolation: Finding | None = None,
) -> None:
    """Run Sidegate until SIGTERM or SIGINT; raises OSError where something it needs is missing.

    `bindings` are the addresses that were judged, and `isolation` is what was found to hold;
    nothing is resolved again.
    """
    if aiohttp.http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise OSError("aiohttp's C parser is missing: install aiohttp from a wheel")
    if raise_descriptors() < _DESCRIPTORS:
        log.warning("few descriptors", remedy="raise the limit of open files (ulimit -n)")
    async with AsyncExitStack() as stack:
        app = await build(stack, loaded, bindings, environ, isolation)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, app.stopped.set)
        await app.run()


async def build(
    stack: AsyncExitStack,
    loaded: Loaded,
    bindings: tuple[Binding, ...],
    environ: Mapping[str, str],
    isolation: Finding | None = None,
) -> App:
    """Everything made once, each to be given back in reverse."""
    places = Places.of(loaded.config, environ)
    unsealed, redactor = _unlocked(stack, places.folder, loaded, environ)
    loaded, seal, config = unsealed.loaded, unsealed.seal, unsealed.loaded.config
    store = await open_store(config.state, places.folder, seal)
    stack.push_async_callback(store.aclose)
    channels = Channels(
        config.channels_config.configured(),
        config.channels_config.webhook_secrets,
        store.replays,
        time.time,
    )
    ports: dict[str, int] = {}
    wire = Wire.of(config, seal)
    codec = wire.codec(lambda: f"{admin_url(config, ports)}/approvals")
    table_of = tables(config, channels, codec)
    metrics, observers = _observed(stack, config, places, seal, store, table_of, redactor)
    workspace = open_workspace(loaded, environ)
    if workspace is not None:
        stack.callback(workspace.close)
    setting = Setting(config, workspace, store.instance, environ)
    room = room_of(setting)
    log.info("isolation", commands=said_of(isolation))
    sandbox = open_sandbox(setting, isolation, room, metrics)
    stack.push_async_callback(sandbox.aclose)
    servers = open_servers(config, wire, sandbox, store.pins)
    stack.push_async_callback(servers.aclose)
    upstream = Upstream(
        config.upstream.url, upstream_headers(config), upstream_limits(config), attest_of(config)
    )
    stack.push_async_callback(upstream.aclose)
    metrics.watch("upstream_up", "Whether the agent could be reached last.", lambda: upstream.up)
    rates = limiters(config, store)
    metrics.watch("ratelimit_keys", "Keys with a rate of their own.", keys_of(rates))
    tunnel = Tunnel(config.tunnel, environ, lambda sentence: log.info("tunnel", about=sentence))
    once = Once(store.once, seal, time.time, keeping_of(config))
    stack.push_async_callback(once.aclose)
    pairing = Pairing(store.codes, store.links, time.time)
    tokens = token_book(config, store)
    running, woken = Running(once), asyncio.Event()
    boot = boot_of(store.instance, uuid.uuid4().hex)
    approvals = Approvals(store.asks, store.grants, seal, time.time, store.instance, boot)
    stops = Stops(store.stops, time.time, places.stop)
    policy = build_policy(
        config, CommandParser(find_parser()), workspace, definitions=servers.definitions
    )
    requests = open_requests(config, policy, redactor, seal.mac)
    names = Names.of(config, store.tokens, time.time)
    desk = Desk.of(approvals, stops, running, requests.hiding(redactor.find), names)
    metrics.watch("approvals_pending", "Calls that wait.", lambda: desk.feed.pending)
    readiness = Readiness(
        (store, tunnel, sandbox, upstream, servers), _absent(config, workspace), time.time
    )
    stack.push_async_callback(readiness.aclose)
    operations = Operations(
        store,
        tokens,
        pairing,
        running,
        metrics,
        readiness.missing,
        time.time,
        About(
            VERSION,
            said_of(isolation),
            lambda: (tunnel.state, tunnel.url),
            lambda: gateway_url(config, ports, tunnel),
            lambda: admin_url(config, ports),
        ),
        woken.set,
        rates["pair"].clear,
        desk,
        Explainer(in_force(loaded, policy), stops.refusal).explain,
    )
    services = Services(
        rates,
        partial(tool_limiter, config, store),
        pairing,
        tokens,
        channels,
        redactor,
        once,
        sandbox,
        WorkspaceFiles(room),
        upstream,
        DurableInbox(store.inbox, seal, time.time, woken.set),
        operations,
        Answers(store.asks, seal, time.time),
        servers.backend,
        approvals,
        stops,
        requests,
    )
    pipeline = build_pipeline(config, services, policy)
    deliveries = Deliveries(
        store.inbox, seal, time.time, woken, channels.recall, pipeline.resume, observers, running
    )
    detached = Detached(approvals, pipeline.recall, pipeline.resume, observers, running)
    server = Server(
        pipeline,
        observers,
        running,
        metrics,
        limits_of(config),
        redactor.text,
        Share(STRANGERS_EACH_MINUTE, time.time),
    )
    return App(
        config,
        places,
        bindings,
        table_of,
        server,
        operations,
        deliveries,
        detached,
        tunnel,
        sandbox,
        (
            *await cautions(store),
            *places_cautions(loaded, workspace),
            *runtime_cautions(setting, isolation),
        ),
        ports,
        partial(keep_holding, redactor, unsealed, environ),
        servers,
    )


def _unlocked(
    stack: AsyncExitStack, folder: str, loaded: Loaded, environ: Mapping[str, str]
) -> tuple[Unsealed, Redactor]:
    """The state folder as ours alone, with its secrets, and the log that tells none of them."""
    stack.callback(Ownership(folder).release)
    unsealed = unseal(loaded, environ, time.time)
    redactor = open_redactor(unsealed, folder, environ)
    logs.configure(redactor.text)
    return unsealed, redactor


def _observed(  # noqa: PLR0913, PLR0917 - what is recorded, and where
    stack: AsyncExitStack,
    config: Config,
    places: Places,
    seal: Seal,
    store: Store,
    table_of: Mapping[str, Table],
    redactor: Redactor,
) -> tuple[Metrics, tuple[Observer, ...]]:
    """The metrics, and all who keep a record."""
    metrics = Metrics(VERSION, _route_names(table_of), redactor.labels)
    audit_file = audit_of(config, places.audit, seal, store.instance, metrics)
    stack.push_async_callback(audit_file.aclose)
    audit = AuditLog(audit_file, time.time, redactor.text)
    stack.push_async_callback(audit.aclose)
    return metrics, (audit, metrics, Hints(time.time))


def _route_names(table_of: Mapping[str, Table]) -> tuple[str, ...]:
    rows = (route for table in table_of.values() for route in table)
    return (*sorted({route.name for route in rows}), "inbox", "none")


def _absent(config: Config, workspace: Workspace | None) -> str | None:
    folder = config.autonomy.workspace_dir
    return None if workspace else f"the workspace {folder} does not exist"
