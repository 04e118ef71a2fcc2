"""Commands as processes of this machine, each beside a supervisor of its own."""

import asyncio
import os
from collections.abc import Callable, Mapping

from proxy.actions import Command
from proxy.isolation.native.job import NativeJob
from proxy.isolation.native.leftovers import kill_marked, remove_folders
from proxy.isolation.native.levels import Ground, Level, Request, build_order
from proxy.isolation.native.order import Order
from proxy.isolation.native.supervisor_process import SupervisorProcess
from proxy.isolation.native.supervisors import SupervisorPool
from proxy.isolation.run import Job, Runtime, Talk


class NativeRuntime:
    """`Runtime` of processes at one level, which a probe has found to hold.

    `instance`: whose they are, for the next Sidegate on the same state to know them. `envs`: those
    of tools, by name.
    """

    def __init__(
        self,
        level: Level,
        ground: Ground,
        instance: str,
        envs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.name = level.value
        self._level = level
        self._ground = ground
        self._prefix = f"sidegate-{instance}-"
        self._envs = envs or {}
        self._supervisors = SupervisorPool(self._prefix, ground.folder[1:] if ground.folder else ())

    def job(self, plan: Command, tool: str, request_id: str) -> Job:  # noqa: ARG002 - see Runtime
        """A job with the environment of the tool."""
        return NativeJob(self._supervisors, self._order(plan, tool), plan.stdin)

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:  # noqa: ARG002
        """The same, which is spoken with."""
        return NativeJob(self._supervisors, self._order(plan, tool), None)

    def _order(self, plan: Command, tool: str) -> Callable[[SupervisorProcess], Order]:
        env = self._envs.get(tool, {})

        def order(supervisor: SupervisorProcess) -> Order:
            request = Request(plan, env, supervisor.name)
            return build_order(self._level, self._ground, request, supervisor.control)

        return order

    async def missing(self) -> str | None:
        """What has vanished since the probe."""
        tools = self._ground.tools
        needed = (tools.prlimit, tools.bwrap if self._level is Level.BWRAP else None)
        for program in needed:
            if program is not None and not os.access(program, os.X_OK):
                return f"{program} is not there any more"
        return None

    async def sweep(self) -> int:
        """Kill and remove what no supervisor of ours sees to; how much there was."""
        serving = self._supervisors.serving
        killed = await asyncio.to_thread(kill_marked, self._prefix, serving)
        return killed + await remove_folders(self._prefix, serving)

    async def aclose(self) -> None:
        """End the supervisor that waits."""
        await self._supervisors.aclose()


_: type[Runtime] = NativeRuntime
