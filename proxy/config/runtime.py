"""Where commands run: the isolation layer. The counterparts are `isolation/docker` and `native`.

A tool may have a container of its own kind: what its entry says goes before what stands here.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from proxy.config.deferred import Checked
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import EngineRuntime, Folder, Form, Image, UserAndGroup, VariableName

# Docker's own least values: below them a limit is refused, or rounded to "no limit".
Megabytes = Annotated[int, Field(ge=6, le=16_777_216)]
Processors = Annotated[float, Field(ge=0.01, le=4096)]
PoolSize = Annotated[int, Field(ge=0, le=64)]
Volume = Annotated[str, Form(r"[A-Za-z0-9][A-Za-z0-9_.-]+", "the name of a volume")]
Network = Literal["none"]
# NAME_file gives NAME from a file, and is read before: what is left of it is `_file`, which has no
# NAME, and would be a variable that holds a path.


def _text(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("must hold no NUL")
    return value


Variables = Mapping[VariableName, Annotated[SecretStr, Checked(_text)]]


class ToolDockerConfig(Section):
    """The container of one tool, where it differs; null: as runtime.docker says."""

    image: Image | None = None
    """The image."""
    user: UserAndGroup | None = None
    """UID:GID."""
    network: Network | None = None
    """The container's network."""
    read_only_rootfs: bool | None = None
    """Whether the image's own files are read-only."""
    memory_limit_mb: Megabytes | None = None
    """Memory, with no swap beside it."""
    cpu_limit: Processors | None = None
    """Processors, in parts of one."""
    mount_workspace: bool | None = None
    """Whether the container sees the workspace."""
    engine_runtime: EngineRuntime | None = None
    """The engine's runtime, such as runsc or crun."""
    pool_size: PoolSize | None = None
    """Containers that are started ahead."""


class DockerConfig(Section):
    """The container that a command runs in."""

    image: Image = "alpine:3.20"
    """The image; it must be in the engine already, since Sidegate never pulls."""
    user: UserAndGroup | None = None
    """UID:GID, neither of them 0; null: the workspace's owner, 65534 where that is root."""
    network: Network = "none"
    """The container's network."""
    read_only_rootfs: bool = True
    """Whether the image's own files are read-only."""
    memory_limit_mb: Megabytes = 512
    """Memory, with no swap beside it."""
    cpu_limit: Processors = 1.0
    """Processors, in parts of one."""
    mount_workspace: bool = True
    """Whether the container sees the workspace."""
    workspace_host_path: Folder | None = None
    """The workspace as the engine's host sees it, where Sidegate runs in a container."""
    workspace_volume: Volume | None = None
    """The engine's volume that holds the workspace, in the place of a path of its host."""
    shell: Literal["sh", "bash"] = "sh"
    """The image's shell, for lines that are more than one call; bash's own grammar needs bash."""
    engine_runtime: EngineRuntime | None = None
    """The engine's runtime, such as runsc or crun; null: its default."""
    pool_size: PoolSize = 0
    """Containers of each kind that are started ahead, used once and replaced; 0: none."""
    max_concurrent: Annotated[int, Field(ge=1)] = 8
    """Commands at one time; as many more wait, and what comes beside them is refused."""

    @model_validator(mode="after")
    def _one_workspace(self) -> Self:
        if self.workspace_host_path is not None and self.workspace_volume is not None:
            raise_all([wrong(("workspace_volume",), "given together with workspace_host_path")])
        return self

    def with_changes(self, changes: ToolDockerConfig) -> "DockerConfig":
        """The container of a tool that has these of its own."""
        said = {name: value for name, value in changes if value is not None}
        return self.model_copy(update=said)


class NativeConfig(Section):
    """Commands as processes of this machine, where there is no engine."""

    allow_unconfined: bool = False
    """Whether they may run where neither bubblewrap works nor another user is to be had."""
    memory_limit_mb: Annotated[int, Field(ge=16, le=16_777_216)] = 512
    """Memory of each process (RLIMIT_AS)."""
    max_processes: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Processes of its user at one time (RLIMIT_NPROC)."""
    max_file_mb: Annotated[int, Field(ge=1, le=16_777_216)] = 256
    """The largest file that a command may write (RLIMIT_FSIZE)."""
    max_concurrent: Annotated[int, Field(ge=1)] = 8
    """Commands at one time; as many more wait, and what comes beside them is refused."""


class RuntimeConfig(Section):
    """Where commands run: the isolation layer."""

    kind: Literal["docker", "native"] = "docker"
    """docker: in containers of an engine; native: as processes of this machine."""
    require: Literal["docker", "bwrap"] | None = None
    """Refuse to start (exit 77) where commands would be isolated by less; null: do not look."""
    min_free_mb: Annotated[int, Field(ge=1, le=16_777_216)] | None = 256
    """What tools leave free of the disk that the workspace lies on; null: nobody looks."""
    docker: DockerConfig = DockerConfig()
    native: NativeConfig = NativeConfig()

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.kind == "native" and self.require == "docker":
            raise_all([wrong(("require",), "docker isolates no command with runtime.kind: native")])
        return self

    @property
    def isolates(self) -> bool:
        """Whether what runs there is confined by more than the rules on its command line."""
        return self.kind == "docker" or self.require == "bwrap"
