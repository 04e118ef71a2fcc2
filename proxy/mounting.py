"""What a sandbox sees of the workspace, and as whom: from the configuration to a `Mount`."""

import os
from collections.abc import Callable

from proxy.authorization.paths.workspace import Workspace
from proxy.config.model import DockerConfig
from proxy.isolation.container import NOBODY, Owner
from proxy.isolation.docker import Mount


def mounted(section: DockerConfig, workspace: Workspace | None) -> Mount:
    """The mount of every sandbox; without a source it sees no workspace."""
    source = None
    if workspace is not None and section.mount_workspace:
        source = section.workspace_host_path or workspace.folder
    return Mount(source, owner(section.user, workspace), _intact(section, workspace))


def _intact(section: DockerConfig, workspace: Workspace | None) -> Callable[[], bool]:
    """How to tell that the mounted name still means the workspace, where we can see that name."""
    if workspace is None or section.workspace_host_path is not None:
        return lambda: True
    return workspace.intact


def owner(user: str | None, workspace: Workspace | None) -> Owner:
    """Who a sandbox runs as: as configured, else the workspace's owner, but never root."""
    if user is not None:
        uid, _, gid = user.partition(":")
        return Owner(int(uid), int(gid or uid))
    if workspace is None:
        return NOBODY
    status = os.fstat(workspace.descriptor)
    return Owner(status.st_uid, status.st_gid) if status.st_uid and status.st_gid else NOBODY
