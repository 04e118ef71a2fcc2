"""What each tool's sandbox is made of: from the configuration to a `Profile`."""

import os
from collections.abc import Callable, Mapping

from proxy.authorization.paths.workspace import Workspace
from proxy.config.model import Config, DockerConfig
from proxy.config.sandboxes import sandboxes
from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.owner import NOBODY, Owner


def profiles(config: Config, workspace: Workspace | None) -> Mapping[str, Profile]:
    """The containers of the tools that run commands, by their names."""
    return {
        name: Profile.of(each.docker, mounted(each.docker, workspace), writes=each.writes)
        for name, each in sandboxes(config).items()
    }


def pool_sizes(config: Config) -> Mapping[str, int]:
    """How many containers of these tools' kinds are started ahead."""
    return {name: each.docker.pool_size for name, each in sandboxes(config).items()}


def environments(config: Config) -> Mapping[str, Mapping[str, str]]:
    """What the commands of these tools get in their environment, and nobody else."""
    return {
        name: {key: value.get_secret_value() for key, value in each.env.items()}
        for name, each in sandboxes(config).items()
    }


def mounted(section: DockerConfig, workspace: Workspace | None) -> Mount:
    """The mount of a sandbox; without a source it sees no workspace."""
    who = owner(section.user, workspace)
    if workspace is None or not section.mount_workspace:
        return Mount(None, who)
    if section.workspace_volume is not None:
        return Mount(section.workspace_volume, who, volume=True)
    source = section.workspace_host_path or workspace.folder
    return Mount(source, who, _intact(section, workspace))


def _intact(section: DockerConfig, workspace: Workspace) -> Callable[[], bool]:
    """How to tell that the mounted name still means the workspace, where we can see that name."""
    return workspace.intact if section.workspace_host_path is None else lambda: True


def owner(user: str | None, workspace: Workspace | None) -> Owner:
    """Who a sandbox runs as: as configured, else the workspace's owner, but never root."""
    if user is not None:
        return Owner.parse(user)
    if workspace is None:
        return NOBODY
    return Owner.of(os.fstat(workspace.descriptor))
