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
from proxy.audit import STRANGERS_EACH_MINUTE, AuditFile, AuditLog
from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import Machine, TokenBook, hash_token
from proxy.authorization.approvals import Approvals, boot_of
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.authorization.stops import Stops
from proxy.config.loader import Loaded
from proxy.config.masked import secret_values
from proxy.config.model import Config
from proxy.connection import Limits
from proxy.delivery import Deliveries
from proxy.detached import Detached
from proxy.exchange import Role
from proxy.explain.explainer import Explainer
from proxy.explain.ruleset import in_force
from proxy.hints import Hints
from proxy.isolation.answers import Answers
from proxy.isolation.inbox import DurableInbox
from proxy.isolation.native.probe import Finding
from proxy.isolation.once import Keeping, Once
from proxy.isolation.upstream import Upstream
from proxy.isolation.upstream.session import Limits as UpstreamLimits
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
from proxy.routes import Table, tables
from proxy.running import Running
from proxy.runtimes import Setting, open_sandbox, room_of, said_of
from proxy.runtimes import cautions as runtime_cautions
from proxy.scope import Scope
from proxy.server import Server
from proxy.state.opening import cautions, open_seal, open_store
from proxy.state.owner import Ownership
from proxy.state.store import Store

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
    config, places = loaded.config, Places.of(loaded.config, environ)
    stack.callback(Ownership(places.folder).release)
    redactor = Redactor(_held(config))
    logs.configure(redactor.text)
    seal = open_seal(places.key, places.database)
    store = await open_store(config.state, places.folder, seal)
    stack.push_async_callback(store.aclose)
    channels = Channels(
        config.channels_config.configured(),
        config.channels_config.webhook_secrets,
        store.replays,
        time.time,
    )
    table_of = tables(config, channels)
    metrics = Metrics(VERSION, _route_names(table_of))
    audit = AuditFile(places.audit, metrics.audit_failed)
    stack.push_async_callback(audit.aclose)
    observers = (
        AuditLog(audit, time.time, redactor.text),
        metrics,
        Hints(time.time),
    )
    workspace = open_workspace(loaded, environ)
    if workspace is not None:
        stack.callback(workspace.close)
    setting = Setting(config, workspace, store.instance, environ)
    room = room_of(setting)
    log.info("isolation", commands=said_of(isolation))
    sandbox = open_sandbox(setting, isolation, room, metrics)
    stack.push_async_callback(sandbox.aclose)
    upstream = Upstream(config.upstream.url, _upstream_headers(config), _upstream_limits(config))
    stack.push_async_callback(upstream.aclose)
    metrics.watch("upstream_up", "Whether the agent could be reached last.", lambda: upstream.up)
    rates = limiters(config, store)
    metrics.watch("ratelimit_keys", "Keys with a rate of their own.", keys_of(rates))
    tunnel = Tunnel(config.tunnel, environ, lambda sentence: log.info("tunnel", about=sentence))
    once = Once(store.once, seal, time.time, _keeping(config))
    stack.push_async_callback(once.aclose)
    pairing = Pairing(store.codes, store.links, time.time)
    tokens = _token_book(config, store)
    running, woken = Running(once), asyncio.Event()
    boot = boot_of(store.instance, uuid.uuid4().hex)
    approvals = Approvals(store.asks, store.grants, seal, time.time, store.instance, boot)
    stops = Stops(store.stops, time.time, places.stop)
    desk = Desk.of(
        approvals, stops, running, redactor.find, Names.of(config, store.tokens, time.time)
    )
    metrics.watch("approvals_pending", "Calls that wait.", lambda: desk.feed.pending)
    parser = CommandParser(find_parser())
    policy = build_policy(config, parser, workspace)
    explainer = Explainer(in_force(loaded, policy), stops.refusal)
    ports: dict[str, int] = {}
    readiness = Readiness((store, tunnel, sandbox, upstream), _absent(config, workspace), time.time)
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
        explainer.explain,
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
        approvals,
        stops,
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
        _limits(config),
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
    )


def _route_names(table_of: Mapping[str, Table]) -> tuple[str, ...]:
    rows = (route for table in table_of.values() for route in table)
    return (*sorted({route.name for route in rows}), "inbox", "none")


def _limits(config: Config) -> Limits:
    section = config.gateway
    return Limits(
        section.max_body_bytes,
        section.header_timeout_secs,
        section.request_timeout_secs,
        section.keepalive_timeout_secs,
        section.max_connections,
        section.max_connections_per_peer,
    )


def _keeping(config: Config) -> Keeping:
    section = config.gateway
    return Keeping(
        section.idempotency_max_keys,
        section.idempotency_ttl_secs,
        section.idempotency_style == "zeroclaw",
    )


def _token_book(config: Config, store: Store) -> TokenBook:
    machines = tuple(
        Machine(
            name,
            hash_token(section.token.get_secret_value()),
            Role(section.role),
            Scope(section.routes, section.tools, section.level),
        )
        for name, section in config.principals.items()
    )
    listed = tuple(bytes.fromhex(digest) for digest in config.gateway.paired_tokens)
    return TokenBook(store.tokens, time.time, listed, machines)


def _absent(config: Config, workspace: Workspace | None) -> str | None:
    folder = config.autonomy.workspace_dir
    return None if workspace else f"the workspace {folder} does not exist"


def _upstream_headers(config: Config) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in config.upstream.headers.items()}


def _upstream_limits(config: Config) -> UpstreamLimits:
    section = config.upstream
    return UpstreamLimits(
        section.connect_timeout_secs,
        section.answer_timeout_secs,
        section.idle_timeout_secs,
        section.total_timeout_secs,
        section.max_connections,
    )


def _held(config: Config) -> list[str]:
    """Every secret of the configuration, and the credential alone where a scheme precedes it."""
    values = secret_values(config)
    return [form for value in values for form in (value, value.rpartition(" ")[2])]
