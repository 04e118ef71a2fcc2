"""What Sidegate asks of the Docker engine, every failure an OSError.

A container is made and removed by tasks of their own, and by its name, which is known even where
the engine's answer never came. What a killed Sidegate left is swept by its label.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import aiodocker
import aiohttp
import structlog
from aiodocker.containers import DockerContainer

from proxy.decision import told
from proxy.isolation.docker.address import check_address
from proxy.isolation.docker.container import BOOT_LABEL, OWNER_LABEL, REQUEST_LABEL
from proxy.isolation.docker.info import EngineInfo
from proxy.values import Json

ENGINE_SECONDS = 20.0
REFUSED_SECONDS = 600.0  # where nobody calls whoever is not ready, nothing would end it
NO_ANSWER = 900  # the client library's own status

log = structlog.get_logger()  # for removals, which outlive the request that could answer

_PROBE_SECONDS = 3.0
_KNOWN_SECONDS = 60.0  # it may be started anew as another, or of another version
_RETRY_SECONDS = (1, 2, 4, *(5,) * 24)  # so soon it is seen that an engine is back
_LOOKS = 3
_AT_ONCE = 8
_UNREACHABLE = (aiodocker.DockerError, aiohttp.ClientError, OSError)


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """What the client library raises, as an OSError."""
    try:
        yield
    except (aiodocker.DockerError, aiohttp.ClientError) as error:
        raise OSError(told(error)) from error


class Engine:
    """One engine, and the containers in it that this Sidegate made.

    `refused_seconds`: how long `missing` tells of a refusal that no success has ended.
    """

    def __init__(
        self, *, host: str, owner: str, boot: str, refused_seconds: float = REFUSED_SECONDS
    ) -> None:
        self._labels = {OWNER_LABEL: owner, BOOT_LABEL: boot}
        self._mine: set[str] = set()
        self._known: EngineInfo | None = None
        self._known_at = 0.0
        self._refused_seconds = refused_seconds
        self._refusal: tuple[float, str] | None = None  # of the last creation: when, and why
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            self._docker = aiodocker.Docker(url=check_address(host), timeout=timeout)
        except (ValueError, aiodocker.DockerError) as error:
            raise OSError(f"DOCKER_HOST cannot be used: {error}") from error
        # Every container has connections that last; those that remove it must not wait for one.
        self._docker.connector._limit = 0  # noqa: SLF001 - the library takes no connector's limit

    def labels(self, request_id: str = "") -> Mapping[str, str]:
        """Those of a container for a request."""
        return {**self._labels, REQUEST_LABEL: request_id}

    def create(self, body: Mapping[str, Json]) -> "Creation":
        """Begin to make a container, which `Creation.remove` removes, made or not."""
        name = f"sidegate-{uuid.uuid4().hex}"
        self._mine.add(name)
        return Creation(self, name, asyncio.create_task(self._create(dict(body), name)))

    async def _create(self, body: dict[str, Json], name: str) -> DockerContainer:
        async with asyncio.timeout(ENGINE_SECONDS):
            info = await self._info()
            if info.lacking is not None:
                # As the engine itself would refuse: nothing was made.
                raise aiodocker.DockerError(HTTPStatus.SERVICE_UNAVAILABLE, info.lacking)
            try:
                made = await self._docker.containers.create(info.worded(body), name=name)
            except BaseException as error:
                self._known = None
                if _is_refusal(error):
                    self._refusal = (asyncio.get_running_loop().time(), told(error))
                raise
            self._refusal = None
            return made

    async def _info(self) -> EngineInfo:
        """What the engine is, as far as sandboxes depend on it."""
        now = asyncio.get_running_loop().time()
        if self._known is None or self._known.lacking or now > self._known_at + _KNOWN_SECONDS:
            self._docker.api_version = "auto"
            self._known = EngineInfo.of(await self._docker.system.info())
            self._known_at = now
        return self._known

    async def remove(self, name: str, *, awaited: bool = False) -> None:
        """Kill and delete, in one call and until it is done.

        `awaited`: the engine may make it yet, so that it is looked for again where it is not there.
        """
        for tries, pause in enumerate(_RETRY_SECONDS):
            try:
                await _delete(self._docker.containers.container(name))
            except _UNREACHABLE as error:
                if _is_absent(error) and (tries >= _LOOKS or not awaited):
                    return
                if tries == 0 and not _is_absent(error):
                    log.warning("a sandbox is not removed yet", container=name, error=told(error))
            else:
                return
            await asyncio.sleep(pause)
        log.error("a sandbox is left to the next sweep", container=name)

    def forget(self, name: str) -> None:
        """Leave what may be left of a container to the sweep."""
        self._mine.discard(name)

    async def missing(self, images: tuple[str, ...]) -> str | None:
        """What a command would lack now: a sentence, or None when sandboxes can be started."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                lacking = (await self._info()).lacking
            return lacking or await self._absent(images) or self._refused()
        except (*_UNREACHABLE, RuntimeError) as error:  # as when it has been let go meanwhile
            return f"the Docker engine does not answer: {told(error)}"

    async def _absent(self, images: tuple[str, ...]) -> str | None:
        for image in images:
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self._docker.images.inspect(image)
            except aiodocker.DockerError as error:
                if not _is_absent(error):
                    raise
                return f"the image {image} is not loaded in the engine"
        return None

    def _refused(self) -> str | None:
        """Why the engine, or a guard before it, made no container when it was last asked to."""
        if self._refusal is None:
            return None
        at, why = self._refusal
        if asyncio.get_running_loop().time() > at + self._refused_seconds:
            return None
        return f"the Docker engine refuses to make sandboxes: {why}"

    async def image_id(self, image: str) -> str:
        """Which image a name means now; raises OSError."""
        with telling():
            async with asyncio.timeout(_PROBE_SECONDS):
                return str((await self._docker.images.inspect(image))["Id"])

    async def sweep(self) -> int:
        """Remove what bears the label of this state and nobody needs; how many there were."""
        label = f"{OWNER_LABEL}={self._labels[OWNER_LABEL]}"
        try:
            async with asyncio.timeout(ENGINE_SECONDS):
                found = await self._docker.containers.list(
                    all=True, filters=json.dumps({"label": [label]})
                )
        except _UNREACHABLE:
            return 0
        room = asyncio.Semaphore(_AT_ONCE)
        left = [each for each in found if not self._needs(each)]
        return sum(await asyncio.gather(*(_swept(each, room) for each in left)))

    def _needs(self, found: DockerContainer) -> bool:
        """Whether a container is this very process's, and not removed yet."""
        return bool(self._mine & {name.lstrip("/") for name in found["Names"]})

    async def aclose(self) -> None:
        """Let the engine go."""
        await self._docker.close()


class Creation:
    """A container that is, or will have been, made."""

    def __init__(self, engine: Engine, name: str, task: "asyncio.Task[DockerContainer]") -> None:
        self._engine = engine
        self._name = name
        self._task = task
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen by now

    async def made(self) -> DockerContainer:
        """The container; raises OSError. Whoever stops waiting for it does not stop it."""
        with telling():
            return await asyncio.shield(self._task)

    async def remove(self) -> None:
        """Remove it as soon as it is there."""
        try:
            await asyncio.wait({self._task})
            error = self._task.exception()
            if not refused(error):
                await self._engine.remove(self._name, awaited=error is not None)
        finally:
            self._engine.forget(self._name)


def _is_absent(error: BaseException) -> bool:
    return isinstance(error, aiodocker.DockerError) and error.status == HTTPStatus.NOT_FOUND


def _is_refusal(error: BaseException) -> bool:
    """Whether the engine answered, and refused for another reason than `missing` sees itself.

    Those are an image that is absent and, of a guard (502), an engine that does not answer.
    """
    seen = (NO_ANSWER, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY)
    return isinstance(error, aiodocker.DockerError) and error.status not in seen


def refused(error: BaseException | None) -> bool:
    """Whether what failed was certainly not done: the engine said so, or never heard of it."""
    if not isinstance(error, aiodocker.DockerError):
        return False
    return error.status != NO_ANSWER or isinstance(error.__context__, aiohttp.ClientConnectorError)


async def _delete(sandbox: DockerContainer) -> None:
    async with asyncio.timeout(ENGINE_SECONDS):
        await sandbox.delete(force=True, v=True)


async def _swept(sandbox: DockerContainer, room: asyncio.Semaphore) -> bool:
    """Whether it is gone by our doing. What others remove at this moment is theirs."""
    async with room:
        try:
            await _delete(sandbox)
        except _UNREACHABLE:
            return False
    return True
