"""The sandbox, literally: the create body of every container that Sidegate starts.

Nothing in it comes from a request but the argument vector. What a container may not do is said here
once, field by field, so that it can be audited in a minute.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from proxy.actions import MOUNT
from proxy.config.model import DockerConfig
from proxy.isolation.environment import GIT
from proxy.isolation.owner import NOBODY, Owner
from proxy.values import Json

OWNER_LABEL, BOOT_LABEL, REQUEST_LABEL = "sidegate.owner", "sidegate.boot", "sidegate.request"
TMP = "/tmp"  # noqa: S108 - inside the container


@dataclass(frozen=True, slots=True)
class Mount:
    """The workspace as the engine sees it, and whose it is. `source` None: nothing is mounted.

    With `volume` it is the name of a volume, else a path. The engine mounts by name: `intact` says
    whether that still means the folder that was judged.
    """

    source: str | None
    owner: Owner = NOBODY
    intact: Callable[[], bool] = field(default=lambda: True, compare=False)
    volume: bool = False

    def check(self) -> None:
        """Raises OSError where the engine would mount, or has mounted, another folder."""
        if not self.intact():
            raise OSError("the workspace was replaced by another folder: restart Sidegate")


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of container: what one is made of, whatever runs in it. Those of one are alike.

    `memory` in bytes, `processors` in parts of one.
    """

    image: str
    mount: Mount
    writes: bool
    memory: int
    processors: float
    read_only_rootfs: bool = True
    engine_runtime: str | None = None

    @classmethod
    def of(cls, section: DockerConfig, mount: Mount, *, writes: bool) -> "Profile":
        """That of a section of the configuration."""
        return cls(
            section.image,
            mount,
            writes,
            section.memory_limit_mb * 1024 * 1024,
            section.cpu_limit,
            section.read_only_rootfs,
            section.engine_runtime,
        )


_ENVIRONMENT = {"HOME": TMP, **GIT}


def container(  # noqa: PLR0913 - all that differs between two of one profile
    profile: Profile,
    argv: tuple[str, ...],
    labels: Mapping[str, str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bool = False,
    init: bool = True,
) -> dict[str, Json]:
    """The create body (Docker Engine API v1.41 and later).

    `init`: a program of the engine's is process 1 and reaps; without it, `argv` is.
    """
    return {
        "Image": profile.image,
        "Entrypoint": [argv[0]],
        "Cmd": list(argv[1:]),
        "User": str(profile.mount.owner),
        "WorkingDir": MOUNT if profile.mount.source else TMP,
        "Env": [*_variables(_ENVIRONMENT), *_variables(env or {})],
        "Hostname": "sandbox",
        "Labels": dict(labels),
        "AttachStdin": stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": stdin,
        "StdinOnce": stdin,
        "Tty": False,
        "NetworkDisabled": True,
        "HostConfig": {**_host_config(profile), "Init": init},
    }


def _host_config(profile: Profile) -> dict[str, Json]:
    owner, runtime = profile.mount.owner, profile.engine_runtime
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": profile.read_only_rootfs,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": 128,
        "Memory": profile.memory,
        "MemorySwap": profile.memory,
        "NanoCpus": int(profile.processors * 1_000_000_000),
        "IpcMode": "none",
        # Message queues are memory of the kernel's that all processes of one uid share, and a core
        # goes to the machine's own handler, or into the workspace.
        "Ulimits": [_at_most("nofile", 1024), _at_most("msgqueue", 0), _at_most("core", 0)],
        # The ids, since runc gives a tmpfs the mode of the image's own folder where there is one.
        "Tmpfs": {TMP: f"rw,nosuid,nodev,noexec,size=16m,uid={owner.uid},gid={owner.gid}"},
        "LogConfig": {"Type": "none"},
        "Mounts": list(_mounts(profile)),
        **({"Runtime": runtime} if runtime else {}),
    }


def _variables(env: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in env.items())


def _at_most(name: str, most: int) -> dict[str, Json]:
    return {"Name": name, "Soft": most, "Hard": most}


def _mounts(profile: Profile) -> Iterator[dict[str, Json]]:
    mount = profile.mount
    if mount.source is None:
        return
    common: dict[str, Json] = {
        "Source": mount.source,
        "Target": MOUNT,
        "ReadOnly": not profile.writes,
    }
    if mount.volume:
        # Nothing of the image's goes into the agent's files.
        yield {"Type": "volume", **common, "VolumeOptions": {"NoCopy": True}}
    else:
        yield {"Type": "bind", **common, "BindOptions": {"Propagation": "rprivate"}}
