"""Where commands run: the isolation layer. The counterpart is `isolation/container.py`."""

from typing import Annotated, Literal

from pydantic import Field

from proxy.config.section import Section
from proxy.config.text import EngineRuntime, Folder, Image, UserAndGroup


class DockerConfig(Section):
    """The container that a command runs in."""

    image: Image = "alpine:3.20"
    """The image; it must be in the engine already, since Sidegate never pulls."""
    user: UserAndGroup | None = None
    """UID:GID; null: the workspace's owner, 65534 where that is root."""
    network: Literal["none"] = "none"
    """The container's network."""
    read_only_rootfs: bool = True
    """Whether the image's own files are read-only."""
    # Docker's own least values: below them a limit is refused, or rounded to "no limit".
    memory_limit_mb: Annotated[int, Field(ge=6, le=16_777_216)] = 512
    """Memory, with no swap beside it."""
    cpu_limit: Annotated[float, Field(ge=0.01, le=4096)] = 1.0
    """Processors, in parts of one."""
    mount_workspace: bool = True
    """Whether the container sees the workspace."""
    workspace_host_path: Folder | None = None
    """The workspace as the engine's host sees it, where Sidegate runs in a container."""
    shell: Literal["sh", "bash"] = "sh"
    """The image's shell, for lines that are more than one call; bash's own grammar needs bash."""
    engine_runtime: EngineRuntime | None = None
    """The engine's runtime, such as runsc or crun; null: its default."""
    max_concurrent: Annotated[int, Field(ge=1)] = 8
    """Containers at one time."""


class RuntimeConfig(Section):
    """Where commands run: the isolation layer."""

    kind: Literal["docker"] = "docker"
    """The kind of sandbox."""
    docker: DockerConfig = DockerConfig()

    @property
    def isolates(self) -> bool:
        """Whether what runs there is confined by more than the rules on its command line."""
        return self.kind == "docker"
