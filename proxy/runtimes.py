"""Where commands run: the runtime that the configuration asks for, and no other in its place."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.authorization.paths.workspace import Workspace
from proxy.config.loader import Loaded
from proxy.config.model import Config
from proxy.isolation.docker.address import address_caution
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.runtime import DockerRuntime
from proxy.isolation.native.levels import Ground, Level
from proxy.isolation.native.probe import Finding, probe
from proxy.isolation.native.runtime import NativeRuntime
from proxy.isolation.room import Room
from proxy.isolation.sandbox import Sandbox
from proxy.metrics import Metrics
from proxy.mounting import environments, owner, pool_sizes, profiles
from proxy.places import open_workspace, own_files

_DEFAULT_HOST = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a runtime stands on. `instance` tells what is this Sidegate's from what is another's."""

    config: Config
    workspace: Workspace | None
    instance: str
    environ: Mapping[str, str]

    @property
    def host(self) -> str:
        """Where the engine is."""
        return self.environ.get("DOCKER_HOST") or _DEFAULT_HOST


async def find_isolation(loaded: Loaded, environ: Mapping[str, str]) -> Finding | None:
    """What holds on this machine, where commands are processes of it; None where they are not.

    Raises OSError where nothing holds that `runtime` allows.
    """
    section = loaded.config.runtime
    if section.kind != "native":
        return None
    workspace = open_workspace(loaded, environ)
    try:
        hidden = tuple(own_files(loaded, environ).values())
        found = await probe(_ground(loaded.config, workspace), hidden)
    finally:
        if workspace is not None:
            workspace.close()
    if section.require == "bwrap" and found.level is not Level.BWRAP:
        raise OSError(f"runtime.require is bwrap, and commands would run as {said_of(found)}")
    return found


def room_of(setting: Setting) -> Room:
    """The disk that tools write to."""
    least, workspace = setting.config.runtime.min_free_mb, setting.workspace
    if least is None or workspace is None:
        return Room()
    return Room(workspace.descriptor, least * 1024 * 1024)


def open_sandbox(setting: Setting, found: Finding | None, room: Room, metrics: Metrics) -> Sandbox:
    """The sandbox of this configuration, in a running event loop; raises OSError."""
    if setting.config.runtime.kind == "native":
        sandbox = _native(setting, found, room)
    else:
        sandbox = _docker(setting, room, metrics)
    metrics.watch("sandbox_active", "Sandboxes in use.", lambda: sandbox.active)
    return sandbox


def said_of(found: Finding | None) -> str:
    """What commands are isolated by, and why by nothing more."""
    if found is None:
        return "docker"
    return f"{found.level} ({found.why})" if found.why else f"{found.level}"


def cautions(setting: Setting, found: Finding | None) -> list[str]:
    """What the operator should know of where commands run: a sentence each."""
    if found is None:
        caution = address_caution(setting.host, setting.environ)
        return [caution] if caution else []
    if found.level is Level.BWRAP:
        return []
    return [f"commands are not in namespaces of their own: they run as {said_of(found)}"]


def _native(setting: Setting, found: Finding | None, room: Room) -> Sandbox:
    if found is None:
        raise OSError("nobody looked for what isolates commands on this machine")
    ground = _ground(setting.config, setting.workspace)
    envs = environments(setting.config)
    runtime = NativeRuntime(found.level, ground, setting.instance, envs)
    return Sandbox(runtime, setting.config.runtime.native.max_concurrent, room)


def _ground(config: Config, workspace: Workspace | None) -> Ground:
    folder = None if workspace is None else (workspace.folder, workspace.descriptor)
    return Ground.here(config.runtime.native, folder, owner(None, workspace))


def _docker(setting: Setting, room: Room, metrics: Metrics) -> Sandbox:
    config = setting.config
    engine = Engine(host=setting.host, owner=setting.instance, boot=uuid.uuid4().hex)
    kinds, sizes = profiles(config, setting.workspace), pool_sizes(config)
    runtime = DockerRuntime(engine, kinds, environments(config), sizes)
    runtime.start()
    pools = runtime.pools
    metrics.watch("sandbox_pool_ready", "Sandboxes that wait for a command.", lambda: pools.ready)
    metrics.watch_total(
        "sandbox_pool_takes",
        "Commands by whether a sandbox waited for them.",
        "result",
        lambda: {"hit": pools.hits, "miss": pools.misses},
    )
    return Sandbox(runtime, config.runtime.docker.max_concurrent, room)
