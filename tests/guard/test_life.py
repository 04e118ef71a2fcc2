"""A sandbox's life through the guard, at a real engine."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import aiodocker
import pytest
from conftest import IMAGE, Start, engine_host
from guarding import KIND, SEEN, body
from wire import until_done

from proxy.actions import Command
from proxy.guard.engine import UNIX, Engine
from proxy.guard.intake import Intake
from proxy.guard.listener import listening
from proxy.guard.rules import Rules
from proxy.guard.server import Guard
from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.docker.engine import Engine as Sandboxes
from proxy.isolation.docker.runtime import DockerRuntime
from proxy.isolation.owner import Owner

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]


HOST = engine_host()  # as it is before a test says otherwise


def real(tmp_path: Path, name: str) -> Rules:
    mount = replace(SEEN, source=str(tmp_path / "workspace"))
    return Rules(name, (replace(KIND, image=IMAGE, mount=mount),), containers=32)


def wish(*argv: str, stdin: bool = False) -> dict[str, Any]:
    flags = dict.fromkeys(("AttachStdin", "OpenStdin", "StdinOnce"), stdin)
    return body(
        {"Mounts": []},
        Image=IMAGE,
        Entrypoint=[argv[0]],
        Cmd=list(argv[1:]),
        WorkingDir="/tmp",
        **flags,
    )


class Behind:
    """A guard in front of the tests' engine, and clients of both."""

    def __init__(self, stack: AsyncExitStack, rules: Rules, folder: Path) -> None:
        self._stack = stack
        self._rules = rules
        self.path = str(folder / f"{rules.name}.sock")

    async def start(self) -> Self:
        guard = Guard(Engine(HOST.removeprefix(UNIX)), self._rules, Intake())
        await self._stack.enter_async_context(listening(guard, self.path))
        enter = self._stack.enter_async_context
        self.docker = await enter(aiodocker.Docker(url=f"{UNIX}{self.path}"))
        self.engine = await enter(aiodocker.Docker(url=HOST))
        return self

    async def mine(self) -> list[str]:
        """The ids of what the guard's label is on, as the engine itself tells them."""
        label = json.dumps({"label": [f"sidegate.guard={self._rules.name}"]})
        return [each.id for each in await self.engine.containers.list(all=True, filters=label)]

    async def has(self, number: int) -> bool:
        """Whether there are so many containers."""
        return len(await self.mine()) == number

    async def create(self, *argv: str, stdin: bool = False) -> aiodocker.containers.DockerContainer:
        name = f"sidegate-{uuid.uuid4().hex}"
        return await self.docker.containers.create(wish(*argv, stdin=stdin), name=name)


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    async with AsyncExitStack() as stack:
        started = await Behind(
            stack, real(tmp_path, f"test-{uuid.uuid4().hex[:12]}"), tmp_path
        ).start()
        try:
            yield started
        finally:
            for left in await started.mine():
                await started.engine.containers.container(left).delete(force=True)


async def feed(stream: Any, data: bytes) -> None:
    """Write all of it, and then the end."""
    await stream.write_in(data)
    stream._resp.connection.transport.write_eof()


async def output(stream: Any) -> bytes:
    data = b""
    while (message := await stream.read_out()) is not None:
        data += message.data
    return data


class TestALife:
    async def test_five_megabytes_go_in_and_are_counted(self, behind: Behind) -> None:
        container = await behind.create("wc", "-c", stdin=True)
        async with container.attach(stdin=True, stdout=True, stderr=True, logs=False) as stream:
            await container.start()
            feeding = asyncio.create_task(feed(stream, b"x" * 5_000_000))
            assert (await output(stream)).strip() == b"5000000"
            await feeding
        assert (await container.wait())["StatusCode"] == 0
        assert (await container.show())["Config"]["Labels"]["sidegate.guard"] == behind._rules.name
        await container.delete(force=True, v=True)
        assert await behind.mine() == []

    async def test_a_megabyte_comes_out(self, behind: Behind) -> None:
        container = await behind.create("head", "-c", str(1 << 20), "/dev/zero")
        async with container.attach(stdout=True, stderr=True, logs=False) as stream:
            await container.start()
            assert await output(stream) == bytes(1 << 20)
        await container.delete(force=True, v=True)

    async def test_it_is_killed_and_waited_for(self, behind: Behind) -> None:
        container = await behind.create("sleep", "600")
        await container.start()
        waiting = asyncio.create_task(container.wait(condition="not-running"))
        await asyncio.sleep(0)
        await container.kill()
        assert (await waiting)["StatusCode"] == 137
        await container.delete(force=True, v=True)

    async def test_it_is_removed_by_its_name_and_then_absent(self, behind: Behind) -> None:
        name = f"sidegate-{uuid.uuid4().hex}"
        await behind.docker.containers.create(wish("true"), name=name)
        named = behind.docker.containers.container(name)
        await named.delete(force=True, v=True)
        with pytest.raises(aiodocker.DockerError) as gone:
            await named.delete(force=True, v=True)
        assert gone.value.status == 404
        never = behind.docker.containers.container(f"sidegate-{uuid.uuid4().hex}")
        with pytest.raises(aiodocker.DockerError) as absent:
            await never.delete(force=True, v=True)
        assert absent.value.status == 404

    async def test_after_a_restart_it_knows_its_own(self, behind: Behind, tmp_path: Path) -> None:
        container = await behind.create("sleep", "600")
        folder = tmp_path / "again"
        folder.mkdir()
        async with AsyncExitStack() as stack:
            again = await Behind(stack, behind._rules, folder).start()
            owner = json.dumps({"label": ["sidegate.owner=instance"]})
            [found] = await again.docker.containers.list(all=True, filters=owner)
            assert found.id == container.id
            await found.delete(force=True, v=True)
        assert await behind.mine() == []

    async def test_other_peoples_containers_are_out_of_reach(self, behind: Behind) -> None:
        others = wish("sleep", "600") | {"Labels": {"sidegate.owner": "instance"}}
        name = f"sidegate-{uuid.uuid4().hex}"
        foreign = await behind.engine.containers.create(others, name=name)
        try:
            await foreign.start()
            listed = await behind.docker.containers.list(all=True)
            assert foreign.id not in {each.id for each in listed}
            for subject in (foreign.id, name):
                seen = behind.docker.containers.container(subject)
                for attempt in (seen.show, seen.kill, seen.start, seen.wait, seen.delete):
                    with pytest.raises(aiodocker.DockerError) as refused:
                        await attempt()
                    assert refused.value.status == 404
            with pytest.raises(aiodocker.DockerError) as conflict:
                await behind.docker.containers.create(wish("true"), name=name)
            assert conflict.value.status == 409
            with pytest.raises(aiodocker.DockerError):
                await behind.docker.containers.container(name).delete(force=True)
            assert (await foreign.show())["State"]["Running"]
        finally:
            await foreign.delete(force=True)

    async def test_a_refusal_is_an_error_as_the_engines_are(self, behind: Behind) -> None:
        with pytest.raises(aiodocker.DockerError) as refused:
            await behind.docker.containers.create(
                wish("true") | {"User": "0:0"}, name=f"sidegate-{uuid.uuid4().hex}"
            )
        assert refused.value.status == 403
        assert refused.value.message.startswith("docker-guard: User must be")
        with pytest.raises(aiodocker.DockerError):
            await behind.docker.images.list()
        assert await behind.mine() == []

    async def test_the_image_is_seen(self, behind: Behind) -> None:
        assert IMAGE in (await behind.docker.images.inspect(IMAGE))["RepoTags"]


async def test_a_sidegate_whose_engine_is_the_guard_lacks_nothing(
    start: Start, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"{UNIX}{behind.path}")
    sidegate = await start(owner=(1000, 1001))
    token = await sidegate.pair()
    for line, code in (("echo x > made; ls", 0), ("cat made", 0), ("cat none", 1)):
        status, answer = await sidegate.call("shell", {"command": line}, token)
        assert (status, _result(answer)["exit_code"]) == (200, code)
    late = {"command": "sleep 60", "timeout_secs": 1}
    assert _result((await sidegate.call("shell", late, token))[1])["timed_out"]
    await until_done(lambda: behind.has(0))


async def test_containers_that_wait_are_used_through_the_guard(behind: Behind) -> None:
    sandboxes = Sandboxes(host=f"{UNIX}{behind.path}", owner="instance", boot="boot")
    profile = Profile(IMAGE, Mount(None, Owner(1000, 1001)), True, 64 << 20, 0.5)  # noqa: FBT003
    runtime = DockerRuntime(sandboxes, {"shell": profile}, sizes={"shell": 2})
    runtime.start()
    plan = Command(("sh", "-c", "cat; exit 3"), 30.0, writes=True, stdin=b"in")
    try:
        await until_done(lambda: behind.has(2))
        for _ in range(4):
            job = runtime.job(plan, "shell", "r-1")
            await job.start()
            assert b"".join([data async for _, data in job.output()]) == b"in"
            assert await job.wait() == 3
            await job.discard()
    finally:
        await runtime.aclose()
    await until_done(lambda: behind.has(0))


def _result(answer: dict[str, object]) -> dict[str, object]:
    result = answer.get("result")
    assert isinstance(result, dict), answer
    return result
