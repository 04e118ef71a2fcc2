"""Run one command in one fresh container, and leave nothing of it behind.

A container is made and removed by tasks of their own: whatever becomes of the call (an answer, a
time-out, a client that left, a cancellation at any point), both end with the container gone. What
a killed Sidegate left is swept by its label at the next start.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus

import aiodocker
import aiohttp
import structlog
from aiodocker.containers import DockerContainer

from proxy.actions import Command
from proxy.config.model import DockerConfig
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Content, Document, Grant
from proxy.isolation.container import NOBODY, Owner, container
from proxy.isolation.executor import Backend
from proxy.isolation.run import ENGINE_SECONDS, NO_ANSWER, STDERR, STDOUT, Run
from proxy.reasons import Reason

OWNER_LABEL, BOOT_LABEL, REQUEST_LABEL = "sidegate.owner", "sidegate.boot", "sidegate.request"

log = structlog.get_logger()  # for removals, which outlive the request that could answer

_PROBE_SECONDS = 3.0
_LAST_SECONDS = 3.0  # whoever stops a service gives it ten, of which draining may take five
_RETRY_SECONDS = (1, 2, 4, 8, 15, 30, 60, 60)
_RUNTIME = "docker"
_UNREACHABLE = (aiodocker.DockerError, aiohttp.ClientError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Mount:
    """The workspace as the engine sees it, and whose it is. `source` None: nothing is mounted.

    The engine mounts by name: `intact` says whether that still means the folder that was judged.
    """

    source: str | None
    owner: Owner = NOBODY
    intact: Callable[[], bool] = lambda: True


class DockerSandbox:
    """`Backend` for commands. `active` counts the containers that exist now."""

    def __init__(
        self, section: DockerConfig, mount: Mount, *, host: str, owner: str, boot: str
    ) -> None:
        self._section = section
        self._mount = mount
        self._labels = {OWNER_LABEL: owner, BOOT_LABEL: boot}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            self._engine = aiodocker.Docker(url=host, timeout=timeout)
        except ValueError as error:
            raise OSError(f"DOCKER_HOST is not the address of an engine: {error}") from error
        self._slots = asyncio.Semaphore(section.max_concurrent)
        self._waiting = 0
        self._removals: set[asyncio.Task[None]] = set()
        self.active = 0

    async def run(self, plan: Command, grant: Grant) -> Decision[Content]:
        """Run the command. Whatever its end, it is an answer; Deny says that there is none."""
        if self._slots.locked() and self._waiting >= self._section.max_concurrent:
            return Deny(Reason.SANDBOX_BUSY, facts=Facts(retry_after=1.0))
        run = Run(plan.seconds)
        try:
            async with self._sandbox(plan, grant) as sandbox:
                ended = await run.follow(sandbox)
                self._check_mount()
        except _UNREACHABLE as error:
            evidence = str(error) or type(error).__name__
            if not run.started:
                return Deny(Reason.SANDBOX_UNAVAILABLE, evidence)
            return Deny(Reason.SANDBOX_LOST, evidence, Facts(runtime=_RUNTIME, result="lost"))
        document = Document(
            {
                "exit_code": ended.code,
                "stdout": run.text(STDOUT),
                "stderr": run.text(STDERR),
                "truncated": run.truncated,
                "timed_out": ended.result == "timeout",
                "duration_ms": round(ended.seconds * 1000),
            }
        )
        return Allow(document, Facts(runtime=_RUNTIME, result=ended.result))

    @contextlib.asynccontextmanager
    async def _sandbox(self, plan: Command, grant: Grant) -> AsyncIterator[DockerContainer]:
        """A container in a slot of its own; its removal is under way when the block is left."""
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self.active += 1
        name = f"sidegate-{uuid.uuid4().hex}"
        created = asyncio.create_task(self._create(name, plan, grant))
        try:
            sandbox = await asyncio.shield(created)
            self._check_mount()
            yield sandbox
        finally:
            removal = asyncio.create_task(self._remove(name, created))
            self._removals.add(removal)
            removal.add_done_callback(self._removed)

    def _check_mount(self) -> None:
        if not self._mount.intact():
            raise OSError("the workspace was replaced by another folder: restart Sidegate")

    async def _create(self, name: str, plan: Command, grant: Grant) -> DockerContainer:
        body = container(
            self._section,
            plan,
            owner=self._mount.owner,
            source=self._mount.source,
            labels={**self._labels, REQUEST_LABEL: grant.request_id},
        )
        async with asyncio.timeout(ENGINE_SECONDS):
            return await self._engine.containers.create(body, name=name)

    async def _remove(self, name: str, created: "asyncio.Task[DockerContainer]") -> None:
        """Kill and delete, in one call and until it is done, what was created or will have been.

        By its name, which is known even where the engine's answer never came.
        """
        await asyncio.wait({created})
        if _never_made(created.exception()):
            return
        for pause in _RETRY_SECONDS:
            try:
                await _delete(self._engine.containers.container(name))
            except _UNREACHABLE as error:
                if _is_absent(error):
                    return
                log.warning("a sandbox is not removed yet", container=name, error=str(error))
            else:
                return
            await asyncio.sleep(pause)
        log.error("a sandbox is left to the next start", container=name)

    def _removed(self, removal: "asyncio.Task[None]") -> None:
        self._removals.discard(removal)
        self.active -= 1
        self._slots.release()

    async def missing(self) -> str | None:
        """What a command would lack now: a sentence, or None when sandboxes can be started."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._engine.images.inspect(self._section.image)
        except _UNREACHABLE as error:
            if _is_absent(error):
                return f"the image {self._section.image} is not loaded in the engine"
            return f"the Docker engine does not answer: {str(error) or type(error).__name__}"
        return None

    async def sweep(self) -> int:
        """Remove what an earlier Sidegate with this state left behind; how many there were."""
        label = f"{OWNER_LABEL}={self._labels[OWNER_LABEL]}"
        boot = self._labels[BOOT_LABEL]
        try:
            async with asyncio.timeout(ENGINE_SECONDS):
                found = await self._engine.containers.list(
                    all=True, filters=json.dumps({"label": [label]})
                )
        except _UNREACHABLE:
            return 0
        left = [each for each in found if each["Labels"].get(BOOT_LABEL) != boot]
        with contextlib.suppress(*_UNREACHABLE):
            await asyncio.gather(*(_delete(each) for each in left))
        return len(left)

    async def aclose(self) -> None:
        """Wait for the removals under way, and let the engine go."""
        if self._removals:
            _, late = await asyncio.wait(set(self._removals), timeout=_LAST_SECONDS)
            for removal in late:
                removal.cancel()
        await self._engine.close()


def _is_absent(error: BaseException) -> bool:
    return isinstance(error, aiodocker.DockerError) and error.status == HTTPStatus.NOT_FOUND


def _never_made(error: BaseException | None) -> bool:
    """Whether a failed creation cannot have made anything: refused, or never heard."""
    if not isinstance(error, aiodocker.DockerError):
        return False
    return error.status != NO_ANSWER or isinstance(error.__context__, aiohttp.ClientConnectorError)


async def _delete(sandbox: DockerContainer) -> None:
    async with asyncio.timeout(ENGINE_SECONDS):
        await sandbox.delete(force=True, v=True)


_: type[Backend[Command]] = DockerSandbox
