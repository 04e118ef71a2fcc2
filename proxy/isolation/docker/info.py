"""What an engine says of itself (GET /info), as far as a sandbox depends on it.

Limits: an engine that has no control group to put a container into (rootless on cgroup v1, or a
controller that the kernel or systemd keeps from it) takes a limit, warns of nothing, shows it when
asked about the container, and runs without it. Only here does it say so.

Podman: it answers as Docker does, but wants other words for the same sandbox, see `_podman`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.isolation.docker.container import TMP
from proxy.values import Json

_KEPT = {
    "MemoryLimit": "memory",
    "SwapLimit": "swap",
    "CpuCfsQuota": "processors",
    "PidsLimit": "processes",
}
_PODMAN = "BuildahVersion"  # a field that only Podman has

FIELDS = (*_KEPT, _PODMAN, "CgroupDriver", "CgroupVersion", "Rootless")
"""All that is looked at."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One engine. `unlimited`: what its containers may use without limit, whatever they ask for."""

    podman: bool
    unlimited: tuple[str, ...]

    @classmethod
    def of(cls, said: Mapping[str, Json]) -> "EngineInfo":
        """From its own words; a field that is not there keeps nothing."""
        podman = _PODMAN in said
        # Podman says what the kernel has, and not that it leaves limits out in just this case.
        ungrouped = said.get("CgroupDriver") == "none" or (
            podman and said.get("Rootless") is True and said.get("CgroupVersion") == "1"
        )
        missing = (what for key, what in _KEPT.items() if ungrouped or said.get(key) is not True)
        return cls(podman, tuple(missing))

    @property
    def lacking(self) -> str | None:
        """What a sandbox would lack there: a sentence, or None."""
        if not self.unlimited:
            return None
        return (
            f"the engine does not keep limits of {', '.join(self.unlimited)}: see docs/sandbox.md"
        )

    def worded(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """The create body in this engine's words."""
        return _podman(body) if self.podman else dict(body)


def _podman(body: Mapping[str, Any]) -> dict[str, Json]:
    """The same sandbox for Podman, whose tmpfs can have no owner.

    A read-only container gets two more there that anyone may fill and run programs from, unless
    they are named.
    """
    host = body["HostConfig"]
    own, common = host["Tmpfs"][TMP].partition(",uid=")[0], "nosuid,nodev,noexec,notmpcopyup"
    tmpfs = {TMP: f"{own},mode=1777,notmpcopyup"}
    if host["ReadonlyRootfs"]:
        tmpfs["/run"] = f"rw,{common},size=64k,mode=0755"  # Podman puts its init there
        tmpfs["/var/tmp"] = f"ro,{common},size=64k,mode=0755"  # noqa: S108 - inside the container
    return {**body, "HostConfig": {**host, "Tmpfs": tmpfs}}
