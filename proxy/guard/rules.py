"""What the configuration lets a container be. The counterpart is `create`, which holds it to that.

Each sandbox of the configuration is one kind, and a container is of one kind throughout: an image
that is meant for gVisor does not run without it because another one does.
"""

import os
from dataclasses import dataclass

from proxy.config.model import Config
from proxy.config.sandboxes import SandboxConfig, sandboxes
from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.owner import NOBODY, Owner

_SLACK = 16


@dataclass(frozen=True, slots=True)
class Rules:
    """All kinds, with the most that each may have, and how many containers there may be.

    `name` tells this guard's containers from those of others.
    """

    name: str
    kinds: tuple[Profile, ...]
    containers: int = 4 * 8 + _SLACK

    @classmethod
    def of(cls, config: Config, name: str) -> "Rules":
        """Those of this configuration."""
        found = sandboxes(config).values()
        section = config.runtime.docker
        folder = config.autonomy.workspace_dir
        owner = _owner(folder)
        at_once = section.max_concurrent + sum(each.docker.pool_size for each in found)
        return cls(
            name,
            tuple(dict.fromkeys(_kind(each, folder, owner) for each in found)),
            4 * at_once + _SLACK,  # those of runs that were killed may be there, too
        )

    @property
    def images(self) -> frozenset[str]:
        """The names of the images."""
        return frozenset(kind.image for kind in self.kinds)

    @property
    def connections(self) -> int:
        """Connections at one time: a container has one to its streams, and others now and then."""
        return 4 * self.containers


def _kind(sandbox: SandboxConfig, folder: str, owner: Owner) -> Profile:
    """That of one sandbox; `owner`: who it runs as where the configuration does not say."""
    section = sandbox.docker
    source = section.workspace_volume or section.workspace_host_path or os.path.realpath(folder)
    mount = Mount(
        source if section.mount_workspace else None,
        Owner.parse(section.user) if section.user else owner,
        volume=section.workspace_volume is not None,
    )
    return Profile.of(section, mount, writes=sandbox.writes)


def _owner(folder: str) -> Owner:
    """Who owns the workspace, never root, as Sidegate takes it; nobody where it is not seen.

    Not whoever a client names: a file in the workspace can bear the set-group-ID bit, and any user
    of the host who starts it then has the group of who wrote it, such as that of the engine's
    socket.
    """
    try:
        return Owner.of(os.stat(folder))
    except OSError:
        return NOBODY
