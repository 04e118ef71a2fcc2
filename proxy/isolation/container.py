"""The sandbox, literally: the create body of every container that Sidegate starts.

Nothing in it comes from a request but the argument vector. What a container may not do is said here
once, field by field, so that it can be audited in a minute.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.actions import MOUNT, Command, Json
from proxy.config.model import DockerConfig

_TMP = "/tmp"  # noqa: S108 - inside the container


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files the sandbox works on, as numeric ids."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


NOBODY = Owner(65534, 65534)


# A folder that looks like a repository tells git which programs to run, and an agent may make one
# file by file: only a repository's own .git counts, which tools do not write.
_GIT = (
    "GIT_CONFIG_COUNT=1",
    "GIT_CONFIG_KEY_0=safe.bareRepository",
    "GIT_CONFIG_VALUE_0=explicit",
)


def container(
    section: DockerConfig,
    plan: Command,
    *,
    owner: Owner,
    source: str | None,
    labels: Mapping[str, str],
) -> dict[str, Json]:
    """The create body (Docker Engine API v1.41 and later); `source` is the workspace to mount."""
    return {
        "Image": section.image,
        "Entrypoint": [plan.argv[0]],
        "Cmd": list(plan.argv[1:]),
        "User": str(owner),
        "WorkingDir": MOUNT if source else _TMP,
        "Env": ["HOME=/tmp", *_GIT],
        "Hostname": "sandbox",
        "Labels": dict(labels),
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": False,
        "Tty": False,
        "NetworkDisabled": True,
        "HostConfig": _host_config(section, plan, owner, source),
    }


def _host_config(
    section: DockerConfig, plan: Command, owner: Owner, source: str | None
) -> dict[str, Json]:
    memory = section.memory_limit_mb * 1024 * 1024
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": section.read_only_rootfs,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": 128,
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(section.cpu_limit * 1_000_000_000),
        "IpcMode": "none",
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}],
        # The ids, since runc gives a tmpfs the mode of the image's own folder where there is one.
        "Tmpfs": {_TMP: f"rw,nosuid,nodev,noexec,size=16m,uid={owner.uid},gid={owner.gid}"},
        "LogConfig": {"Type": "none"},
        "Init": True,
        "Mounts": [_mount(source, plan)] if source else [],
        **({"Runtime": section.engine_runtime} if section.engine_runtime else {}),
    }


def _mount(source: str, plan: Command) -> dict[str, Json]:
    return {
        "Type": "bind",
        "Source": source,
        "Target": MOUNT,
        "ReadOnly": not plan.writes,
        "BindOptions": {"Propagation": "rprivate"},
    }
