"""Commands in containers of a real engine, and what becomes of them without one."""

import asyncio
import contextlib
import json
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiodocker
import pytest
from conftest import IMAGE, containers, engine_host
from doubles import grant
from wire import until, until_done

from proxy.actions import Command
from proxy.config.model import DockerConfig
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.isolation.container import Owner
from proxy.isolation.docker import DockerSandbox, Mount
from proxy.reasons import Reason

with_engine = [pytest.mark.docker, pytest.mark.usefixtures("engine")]
MIB = 1 << 20
UID, GID = (1000, 1001) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


class Sandbox(DockerSandbox):
    """One that knows the label of its containers, and whether any is left."""

    def __init__(
        self, section: DockerConfig, mount: Mount, host: str, owner: str, boot: str = "this-boot"
    ) -> None:
        super().__init__(section, mount, host=host, owner=owner, boot=boot)
        self.owner = owner

    async def empty(self) -> bool:
        return not await containers(self.owner)


Make = Callable[..., Sandbox]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Make backends over a workspace that belongs to a user of its own."""
    workspace = tmp_path / "workspace"
    workspace.mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(workspace, UID, GID)
    async with AsyncExitStack() as stack:

        def run(
            host: str = "",
            source: str | None = str(workspace),
            intact: Callable[[], bool] = lambda: True,
            **section: Any,
        ) -> Sandbox:
            config = DockerConfig(**{"image": IMAGE, **section})
            mount = Mount(source, Owner(UID, GID), intact)
            made = Sandbox(config, mount, host or engine_host(), uuid.uuid4().hex)
            stack.push_async_callback(forget, made.owner)
            stack.push_async_callback(made.aclose)
            return made

        yield run


async def forget(owner: str) -> None:
    """Remove what a test that failed left behind, where there is an engine."""
    async with aiodocker.Docker(url=engine_host()) as docker:
        label = json.dumps({"label": [f"sidegate.owner={owner}"]})
        with contextlib.suppress(aiodocker.DockerError):
            for left in await docker.containers.list(all=True, filters=label):
                await left.delete(force=True)


def command(*argv: str, seconds: float = 30.0, writes: bool = True) -> Command:
    return Command(argv, seconds, writes=writes)


async def run(sandbox: Sandbox, plan: Command) -> Decision[Content]:
    return await sandbox.run(plan, grant(plan, acting=True))


async def result(sandbox: Sandbox, *argv: str, **plan: Any) -> dict[str, Any]:
    """What the tool answers, and `result` as the metrics see it."""
    done = await run(sandbox, command(*argv, **plan))
    assert isinstance(done, Allow), done
    assert isinstance(done.value, Document)
    assert isinstance(done.value.value, dict)
    return {**done.value.value, **done.facts}


async def shell(sandbox: Sandbox, line: str, **plan: Any) -> dict[str, Any]:
    return await result(sandbox, "sh", "-c", line, **plan)


class TestACommand:
    pytestmark = with_engine

    @pytest.mark.parametrize(
        ("line", "code", "stdout", "stderr"),
        [
            pytest.param("echo out; echo err >&2", 0, "out\n", "err\n", id="streams stay apart"),
            pytest.param("exit 3", 3, "", "", id="the exit code is the program's"),
            pytest.param("kill -9 $$", 137, "", "", id="a signal counts from 128"),
            pytest.param("printf 'grüße\\377'", 0, "grüße\ufffd", "", id="bytes become text"),
            pytest.param("cat", 0, "", "", id="nothing comes in"),
        ],
    )
    async def test_answers_as_it_ends(
        self, make: Make, line: str, code: int, stdout: str, stderr: str
    ) -> None:
        done = await shell(make(), line)

        assert 0 <= done.pop("duration_ms") < 30_000
        assert done == {
            "exit_code": code,
            "stdout": stdout,
            "stderr": stderr,
            "truncated": False,
            "timed_out": False,
            "runtime": "docker",
            "result": "failed" if code else "ok",
        }

    async def test_is_its_arguments_and_nothing_of_the_images(self, make: Make) -> None:
        """The image has a command of its own, which a program without arguments must not get."""
        assert (await result(make(), "echo"))["stdout"] == "\n"
        assert (await result(make(), "echo", "a b", "", "$HOME", "*"))["stdout"] == "a b  $HOME *\n"

    async def test_that_does_not_exist_is_an_exit_code(self, make: Make) -> None:
        done = await result(make(), "no-such-program")

        assert done["exit_code"] == 127
        assert done["result"] == "failed"
        assert "no-such-program" in done["stderr"]

    async def test_is_answered_up_to_a_megabyte_of_each_stream(self, make: Make) -> None:
        done = await shell(make(), "head -c 1500000 /dev/zero | tr '\\0' a; echo b >&2")

        assert done["stdout"] == "a" * MIB
        assert done["stderr"] == "b\n"
        assert done["truncated"] is True
        assert done["exit_code"] == 0

    async def test_of_exactly_a_megabyte_is_whole(self, make: Make) -> None:
        done = await shell(make(), f"head -c {MIB} /dev/zero | tr '\\0' a")

        assert (len(done["stdout"]), done["truncated"]) == (MIB, False)

    async def test_that_floods_is_ended(self, make: Make) -> None:
        sandbox = make()

        done = await result(sandbox, "yes")

        assert len(done["stdout"]) == MIB
        assert (done["truncated"], done["exit_code"], done["timed_out"]) == (True, 137, False)
        await until_done(sandbox.empty)

    @pytest.mark.parametrize("line", ["sleep 60", "trap '' TERM INT; while :; do sleep 1; done"])
    async def test_that_takes_too_long_is_killed(self, make: Make, line: str) -> None:
        sandbox = make()

        done = await shell(sandbox, f"echo begun; {line}", seconds=0.7)

        assert (done["exit_code"], done["timed_out"], done["result"]) == (137, True, "timeout")
        assert done["stdout"] == "begun\n"
        assert 600 < done["duration_ms"] < 5_000
        await until_done(sandbox.empty)

    async def test_that_takes_too_much_memory_is_killed(self, make: Make) -> None:
        done = await result(make(memory_limit_mb=16), "tail", "/dev/zero")

        assert (done["exit_code"], done["timed_out"], done["result"]) == (137, False, "oom")


class TestTheSandbox:
    pytestmark = with_engine

    async def test_has_no_privilege(self, make: Make) -> None:
        done = await result(make(), "cat", "/proc/self/status")

        fields = dict(line.split(":\t", 1) for line in done["stdout"].splitlines() if ":\t" in line)
        assert fields["Uid"].split() == [str(UID)] * 4
        assert fields["Gid"].split() == [str(GID)] * 4
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[kind], 16) == 0, kind
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            pytest.param("id -u; id -g", f"{UID}\n{GID}\n", id="it is the workspace's owner"),
            pytest.param("ls /sys/class/net", "lo\n", id="its only network is its own"),
            pytest.param("pwd; echo $HOME", "/workspace\n/tmp\n", id="it begins in the workspace"),
            pytest.param("hostname", "sandbox\n", id="it does not tell where it runs"),
            pytest.param("df -k /tmp | awk 'END{print $2}'", "16384\n", id="16 MB may be kept"),
            pytest.param("ulimit -n", "1024\n", id="files may be open"),
            pytest.param("ls -d /dev/shm 2>&- || echo none", "none\n", id="no memory is shared"),
            pytest.param(
                "env | cut -d= -f1 | sort | xargs",
                "GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0"
                " HOME HOSTNAME PATH PWD SHLVL\n",
                id="the environment holds nothing of ours",
            ),
        ],
    )
    async def test_looks_so_from_inside(self, make: Make, line: str, expected: str) -> None:
        assert (await shell(make(), line))["stdout"] == expected

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            pytest.param("echo x > /etc/x", "Read-only file system", id="the system is read-only"),
            pytest.param(
                "cp /bin/busybox /tmp/b; /tmp/b true",
                "Permission denied",
                id="what is put in /tmp does not run",
            ),
            pytest.param(
                "dd if=/dev/zero of=/tmp/x bs=1M count=17",
                "No space left",
                id="/tmp is small",
            ),
            pytest.param("mount -t tmpfs x /tmp", "ermi", id="nothing is mounted"),
            pytest.param("nc 1.1.1.1 80", "unreachable", id="nothing is reached"),
            pytest.param(
                "i=0; while [ $i -lt 200 ]; do sleep 9 & i=$((i+1)); done",
                "fork",
                id="processes are few",
            ),
        ],
    )
    async def test_does_not_let_it(self, make: Make, line: str, says: str) -> None:
        done = await shell(make(), line)

        assert done["exit_code"] != 0
        assert says in done["stderr"]

    async def test_writes_to_the_workspace_as_its_owner(self, make: Make, tmp_path: Path) -> None:
        await shell(make(), "echo made > here")

        status = (tmp_path / "workspace" / "here").stat()
        assert (status.st_uid, status.st_gid) == (UID, GID)
        assert (tmp_path / "workspace" / "here").read_text() == "made\n"

    async def test_of_a_tool_that_reads_sees_the_workspace_and_cannot_change_it(
        self, make: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "workspace" / "a").write_text("seen")

        done = await shell(make(), "cat a; echo x > b", writes=False)

        assert done["stdout"] == "seen"
        assert "Read-only file system" in done["stderr"]
        assert os.listdir(tmp_path / "workspace") == ["a"]

    async def test_without_a_workspace_has_a_place_all_the_same(self, make: Make) -> None:
        assert (await shell(make(source=None), "pwd"))["stdout"] == "/tmp\n"

    async def test_carries_the_labels_by_which_it_is_found(self, make: Make) -> None:
        sandbox = make()
        call = asyncio.create_task(run(sandbox, command("sleep", "60")))
        await until_done(lambda: containers(sandbox.owner))

        (labels,) = await containers(sandbox.owner)

        assert labels == {
            "sidegate.owner": sandbox.owner,
            "sidegate.boot": "this-boot",
            "sidegate.request": "request-1",
        }
        assert sandbox.active == 1
        call.cancel()
        await until_done(sandbox.empty)
        await until(lambda: sandbox.active == 0)


class TestAWorkspaceThatWasReplaced:
    """The engine mounts by name, and a name may have come to mean another folder."""

    pytestmark = with_engine

    async def test_is_not_run_in(self, make: Make, tmp_path: Path) -> None:
        sandbox = make(intact=lambda: False)

        done = await run(sandbox, command("touch", "here"))

        assert done == Deny(Reason.SANDBOX_UNAVAILABLE)
        assert "restart Sidegate" in done.evidence
        assert os.listdir(tmp_path / "workspace") == []
        await until_done(sandbox.empty)

    async def test_meanwhile_shows_nothing_of_the_other(self, make: Make, tmp_path: Path) -> None:
        """It is asked again at the end, since the engine looked the name up in between."""
        sandbox = make(intact=lambda: not (tmp_path / "workspace" / "here").exists())

        done = await run(sandbox, command("touch", "here"))

        assert done == Deny(Reason.SANDBOX_LOST)
        await until_done(sandbox.empty)


class TestWhatIsLeftBehind:
    pytestmark = with_engine

    @pytest.mark.slow
    async def test_a_call_that_is_cancelled_at_any_moment_leaves_no_container(
        self, make: Make
    ) -> None:
        """A start takes some 150 ms: these moments fall before, in and after each of its steps."""
        sandbox = make(max_concurrent=4)
        moments = random.Random(1)  # the same every time

        async def one(moment: float) -> None:
            call = asyncio.create_task(run(sandbox, command("sleep", "60")))
            await asyncio.sleep(moment)
            call.cancel()
            await asyncio.wait({call}, timeout=10)
            assert call.cancelled()

        for _ in range(8):
            await asyncio.gather(*(one(moments.uniform(0, 0.5)) for _ in range(4)))

        await until(lambda: sandbox.active == 0, 20)
        assert await sandbox.empty()

    async def test_closing_waits_for_the_last_container(self, make: Make) -> None:
        sandbox = make()
        call = asyncio.create_task(run(sandbox, command("sleep", "60")))
        await until_done(lambda: containers(sandbox.owner))

        call.cancel()
        await asyncio.wait({call})
        await sandbox.aclose()

        assert await sandbox.empty()

    async def test_an_earlier_boot_is_swept_and_nobody_else(self, make: Make) -> None:
        sandbox = make()
        others = uuid.uuid4().hex
        async with aiodocker.Docker(url=engine_host()) as docker:
            made = [
                await docker.containers.create(
                    {
                        "Image": IMAGE,
                        "Cmd": ["sleep", "60"],
                        "Labels": {"sidegate.owner": owner, "sidegate.boot": boot},
                    }
                )
                for owner, boot in (
                    (sandbox.owner, "earlier"),
                    (sandbox.owner, "before-that"),
                    (sandbox.owner, "this-boot"),
                    (others, "earlier"),
                )
            ]
            await made[0].start()
            try:
                assert await sandbox.sweep() == 2
                (left,) = await containers(sandbox.owner)
                assert left["sidegate.boot"] == "this-boot"
                assert len(await containers(others)) == 1
                assert await sandbox.sweep() == 0
            finally:
                for each in made[2:]:
                    await each.delete(force=True)


class TestTooMany:
    pytestmark = with_engine

    async def test_some_wait_and_the_rest_are_told_when_to_come_again(self, make: Make) -> None:
        sandbox = make(max_concurrent=1)
        first = asyncio.create_task(run(sandbox, command("sleep", "60")))
        await until_done(lambda: containers(sandbox.owner))
        second = asyncio.create_task(run(sandbox, command("echo", "second")))
        await asyncio.sleep(0)

        third = await run(sandbox, command("echo", "third"))

        assert third == Deny(Reason.SANDBOX_BUSY)
        assert third.facts == {"retry_after": 1.0}
        first.cancel()
        done = await second
        assert isinstance(done, Allow)
        assert isinstance(done.value, Document)
        assert isinstance(done.value.value, dict)
        assert done.value.value["stdout"] == "second\n"

    async def test_who_leaves_the_queue_gives_up_its_place(self, make: Make) -> None:
        sandbox = make(max_concurrent=1)
        first = asyncio.create_task(run(sandbox, command("sleep", "60")))
        await until_done(lambda: containers(sandbox.owner))
        second = asyncio.create_task(run(sandbox, command("sleep", "60")))
        await asyncio.sleep(0)

        second.cancel()
        await asyncio.wait({second})
        third = asyncio.create_task(run(sandbox, command("true")))
        await asyncio.sleep(0)
        first.cancel()

        assert isinstance(await third, Allow)

    async def test_never_more_at_one_time_than_configured(self, make: Make) -> None:
        sandbox = make(max_concurrent=2)
        most = 0

        async def count(calls: "list[asyncio.Task[Decision[Content]]]") -> None:
            nonlocal most
            while not all(call.done() for call in calls):
                most = max(most, len(await containers(sandbox.owner)))

        calls = [asyncio.create_task(run(sandbox, command("sleep", "0.2"))) for _ in range(4)]
        await count(calls)

        assert [isinstance(call.result(), Allow) for call in calls] == [True] * 4
        assert most == 2


@pytest.fixture
async def hung(tmp_path: Path) -> AsyncIterator[Callable[[], int]]:
    """An engine that takes connections and never says a word; how many it took."""
    held: list[asyncio.StreamWriter] = []
    path = str(tmp_path / "hung.sock")
    server = await asyncio.start_unix_server(lambda _, writer: held.append(writer), path)
    yield lambda: len(held)
    for writer in held:
        writer.close()
    server.close()


class TestWithoutAnEngine:
    async def test_a_command_is_refused_at_once(self, make: Make, tmp_path: Path) -> None:
        sandbox = make(host=f"unix://{tmp_path}/nobody.sock")
        started = time.monotonic()

        assert await run(sandbox, command("id")) == Deny(Reason.SANDBOX_UNAVAILABLE)

        assert time.monotonic() - started < 2
        assert f"{tmp_path}/nobody.sock" in str(await sandbox.missing())
        assert await sandbox.sweep() == 0
        await until(lambda: sandbox.active == 0)

    async def test_one_that_left_its_socket_behind_is_none(
        self, make: Make, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "dead.sock")
        server = await asyncio.start_unix_server(lambda *_: None, path)
        server.close()
        await server.wait_closed()

        assert await run(make(host=f"unix://{path}"), command("id")) == Deny(
            Reason.SANDBOX_UNAVAILABLE
        )

    @pytest.mark.parametrize("host", ["nonsense", "ftp://engine", "unix", "/var/run/docker.sock"])
    async def test_an_address_that_is_none_is_said_to_be_so(self, make: Make, host: str) -> None:
        with pytest.raises(OSError, match="DOCKER_HOST is not the address of an engine"):
            make(host=host)

    @pytest.mark.slow
    async def test_one_that_hangs_is_not_waited_for_long(
        self, make: Make, hung: Callable[[], int], tmp_path: Path
    ) -> None:
        sandbox = make(host=f"unix://{tmp_path}/hung.sock")
        started = time.monotonic()

        done, missing, swept = await asyncio.gather(
            run(sandbox, command("id")), sandbox.missing(), sandbox.sweep()
        )

        assert done == Deny(Reason.SANDBOX_UNAVAILABLE)
        assert missing == "the Docker engine does not answer: TimeoutError"
        assert swept == 0
        assert time.monotonic() - started < 25
        assert hung() > 0

    @pytest.mark.slow
    async def test_one_that_hangs_does_not_hold_up_the_end(
        self, make: Make, hung: Callable[[], int], tmp_path: Path
    ) -> None:
        """Who stops a service gives it ten seconds, of which draining may take five."""
        sandbox = make(host=f"unix://{tmp_path}/hung.sock")
        call = asyncio.create_task(run(sandbox, command("id")))
        await until(hung)
        call.cancel()
        await asyncio.wait({call})
        started = time.monotonic()

        await sandbox.aclose()

        assert time.monotonic() - started < 5

    async def test_what_it_answers_is_not_shown_to_the_caller(
        self, make: Make, tmp_path: Path
    ) -> None:
        """Only the evidence, which goes to the audit log, tells what an engine said."""
        path = str(tmp_path / "odd.sock")

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"message": "no permission, says the guard"}).encode()
            head = (
                f"HTTP/1.1 403 No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(refuse, path)

        done = await run(make(host=f"unix://{path}"), command("id"))

        assert done == Deny(Reason.SANDBOX_UNAVAILABLE)
        assert "guard" in done.evidence or "403" in done.evidence
        server.close()


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_an_absent_image_is_named_and_never_pulled(make: Make) -> None:
    sandbox = make(image="sidegate-absent:test")

    done = await run(sandbox, command("id"))

    assert done == Deny(Reason.SANDBOX_UNAVAILABLE)
    assert "sidegate-absent" in done.evidence
    sentence = "the image sidegate-absent:test is not loaded in the engine"
    assert await sandbox.missing() == sentence
    assert await sandbox.empty()


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_with_engine_and_image_nothing_is_missing(make: Make) -> None:
    assert await make().missing() is None


class Relay:
    """The real engine behind a socket of ours, until `cut`: from then on it is gone.

    A request that holds `unheard` reaches it, but its answer does not come back: the connection
    breaks, or, where it `hangs`, there is silence.
    """

    def __init__(self, path: str, unheard: bytes, *, hangs: bool = False) -> None:
        self._path = path
        self._unheard = unheard
        self._hangs = hangs
        self._ends: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await asyncio.gather(*self._pumps)

    def cut(self) -> None:
        self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def _accept(self, client: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        engine, into = await asyncio.open_unix_connection(engine_host().removeprefix("unix://"))
        self._ends |= {out, into}
        asked = asyncio.Event()
        for reader, writer in ((client, into), (engine, out)):
            pump = asyncio.create_task(self._pump(reader, writer, asked, answers=writer is out))
            self._pumps.add(pump)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: asyncio.Event,
        *,
        answers: bool,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if self._unheard and self._unheard in data:
                    asked.set()
                if answers and asked.is_set():
                    if self._hangs:
                        continue
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("engine")
async def test_a_command_whose_engine_goes_away_is_lost_and_later_swept(
    make: Make, tmp_path: Path
) -> None:
    path = str(tmp_path / "engine.sock")
    async with Relay(path, b"") as relay:
        sandbox = make(host=f"unix://{path}")
        call = asyncio.create_task(
            run(sandbox, command("sh", "-c", "sleep 1; touch begun; sleep 60"))
        )
        await until((tmp_path / "workspace" / "begun").exists)

        relay.cut()

        assert await call == Deny(Reason.SANDBOX_LOST)
    assert await swept_later(sandbox) == 1


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_a_container_that_was_made_unheard_is_removed_all_the_same(
    make: Make, tmp_path: Path
) -> None:
    """The engine made it, and the connection broke before it could say so."""
    path = str(tmp_path / "engine.sock")
    async with Relay(path, unheard=b"/containers/create"):
        sandbox = make(host=f"unix://{path}")

        assert await run(sandbox, command("true")) == Deny(Reason.SANDBOX_UNAVAILABLE)

        await until(lambda: sandbox.active == 0)
    assert await swept_later(sandbox) == 0


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_a_command_that_was_started_unheard_is_not_said_not_to_have_run(
    make: Make, tmp_path: Path
) -> None:
    """Who is told that nothing was run may run it again."""
    path = str(tmp_path / "engine.sock")
    async with Relay(path, unheard=b"/start HTTP"):
        sandbox = make(host=f"unix://{path}")

        done = await run(sandbox, command("touch", "ran"))

        await until((tmp_path / "workspace" / "ran").exists)
        assert done == Deny(Reason.SANDBOX_LOST)
        await until(lambda: sandbox.active == 0)
    assert await swept_later(sandbox) == 0


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("engine")
async def test_a_command_whose_start_is_never_answered_is_lost_and_not_late(
    make: Make, tmp_path: Path
) -> None:
    """It was the engine that took too long, and nobody knows how the command ended."""
    path = str(tmp_path / "engine.sock")
    async with Relay(path, unheard=b"/start HTTP", hangs=True):
        sandbox = make(host=f"unix://{path}")

        assert await run(sandbox, command("touch", "ran")) == Deny(Reason.SANDBOX_LOST)

        await until(lambda: sandbox.active == 0)
    assert await swept_later(sandbox) == 0


async def swept_later(sandbox: Sandbox) -> int:
    """How many containers the next start finds."""
    section = DockerConfig(image=IMAGE)
    after = Sandbox(section, Mount(None), engine_host(), sandbox.owner, boot="next-boot")
    try:
        count = await after.sweep()
        assert await after.empty()
    finally:
        await after.aclose()
    return count
