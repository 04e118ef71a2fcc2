"""Commands in containers of a real engine, and what becomes of them without one."""

import asyncio
import json
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiodocker
import pytest
from conftest import IMAGE, containers, engine_host
from sandboxes import GID, UID, Make, command, granted, result, run, shell
from wire import until, until_done

from proxy.actions import Command
from proxy.decision import Allow, Decision, Denied, Deny, Facts
from proxy.exchange import Content, Document, Frame, OnceKey, Stream
from proxy.isolation.run import DRAIN_CAP, KILLED, STDERR, STDOUT, STREAM_CAP, Job, Runtime, Talk
from proxy.isolation.sandbox import Sandbox
from proxy.reasons import Reason

with_engine = [pytest.mark.docker, pytest.mark.usefixtures("engine")]
MIB = 1 << 20


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


class TestWhatItReads:
    pytestmark = with_engine

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            pytest.param("cat | wc -c", "5000000\n", id="all of it"),
            pytest.param("head -c 3", "xxx", id="a little of it"),
            pytest.param("echo out", "out\n", id="nothing of it"),
            pytest.param("exec <&-; sleep 0.3; echo out", "out\n", id="closed early"),
            pytest.param("cat >/dev/null; cat; echo end", "end\n", id="it ends"),
        ],
    )
    async def test_is_what_the_caller_sent(self, make: Make, line: str, expected: str) -> None:
        sandbox = make()

        done = await shell(sandbox, line, stdin=b"x" * 5_000_000)

        assert (done["stdout"], done["exit_code"]) == (expected, 0)
        assert done["duration_ms"] < 5_000
        await until_done(sandbox.empty)

    async def test_is_bytes(self, make: Make) -> None:
        done = await shell(make(), "od -An -tx1", stdin=b"\0\xff\r\n")

        assert done["stdout"].split() == ["00", "ff", "0d", "0a"]

    async def test_is_nothing_where_nothing_was_sent(self, make: Make) -> None:
        assert (await shell(make(), "cat; echo end", stdin=b""))["stdout"] == "end\n"

    async def test_is_not_waited_for_past_its_time(self, make: Make) -> None:
        sandbox = make()

        done = await result(sandbox, "sleep", "60", stdin=b"x" * 5_000_000, seconds=0.7)

        assert (done["timed_out"], done["exit_code"]) == (True, 137)
        await until_done(sandbox.empty)


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
            pytest.param("touch /dev/mqueue/x", "Too many", id="no message queue is made"),
            pytest.param("ulimit -c unlimited", "ermi", id="no core is left"),
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

        done = await shell(make(writes=False), "cat a; echo x > b")

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

    async def test_all_that_is_not_needed_is_swept_and_nobody_else(self, make: Make) -> None:
        """What an earlier boot left, and what could not be removed in its time."""
        sandbox = make()
        others = uuid.uuid4().hex
        call = asyncio.create_task(run(sandbox, command("sleep", "60")))
        await until_done(lambda: containers(sandbox.owner))
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
                assert await sandbox.sweep() == 3
                (left,) = await containers(sandbox.owner)
                assert left["sidegate.request"] == "request-1"
                assert not call.done()
                assert len(await containers(others)) == 1
                assert await sandbox.sweep() == 0
            finally:
                await made[3].delete(force=True)
        call.cancel()
        await asyncio.wait({call})
        await until_done(sandbox.empty)


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


class Told(Job):
    """A command that does what it is told, in a place that is `gone` once it is cleared away."""

    def __init__(
        self, *said: tuple[int, bytes] | OSError, code: int = 0, stays: bool = False
    ) -> None:
        self.begun = False
        self.gone = False
        self.more = asyncio.Event()
        self._said = said
        self._code = code
        self._stays = stays

    async def start(self) -> None:
        self.begun = True

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        for each in self._said:
            if isinstance(each, OSError):
                raise each
            yield each
        if self._stays:
            await self.more.wait()

    async def wait(self) -> int:
        return self._code

    async def out_of_memory(self) -> bool:
        return False

    async def discard(self) -> None:
        self.gone = True


class Places(Runtime):
    """A runtime of such jobs; of none, once they are used up."""

    name = "docker"

    def __init__(self, *jobs: Job) -> None:
        self._jobs = list(jobs)

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        raise AssertionError("nobody speaks with a command")

    def job(self, plan: Command, tool: str, request_id: str) -> Job:
        return self._jobs.pop(0)

    async def missing(self) -> str | None:
        return None

    async def sweep(self) -> int:
        return 0

    async def aclose(self) -> None:
        pass


async def streamed(sandbox: Sandbox, seconds: float = 30.0) -> tuple[Stream, Facts]:
    """The stream, and what becomes known late."""
    given = granted(command("x", seconds=seconds), stream=True)
    done = await sandbox.run(command("x", seconds=seconds), given)
    assert isinstance(done, Allow), done
    assert isinstance(done.value, Stream)
    assert done.facts == {}
    return done.value, given.late


async def texts(stream: Stream) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    async for frame in stream.frames:
        found[frame.channel] = found.get(frame.channel, b"") + frame.data
    return found


class TestAStream:
    async def test_shows_what_is_written_and_at_last_how_it_ended(self) -> None:
        job = Told((STDOUT, b"a"), (STDERR, b"b"), (STDOUT, b"c"), code=3)
        stream, late = await streamed(Sandbox(Places(job), 1))

        frames = [frame async for frame in stream.frames]

        *_, out, err, last = frames
        assert [out, err] == [Frame("stdout", b"", final=True), Frame("stderr", b"", final=True)]
        assert (last.channel, last.final) == ("result", True)
        ended = json.loads(last.data)
        assert ended.pop("duration_ms") < 1000
        assert ended == {"exit_code": 3, "truncated": False, "timed_out": False}
        assert b"".join(each.data for each in frames if each.channel == "stdout") == b"ac"
        assert late == {"runtime": "docker", "result": "failed"}

    async def test_comes_as_it_is_written(self) -> None:
        job = Told((STDOUT, b"a"), stays=True)
        stream, late = await streamed(Sandbox(Places(job), 1))
        shown = aiter(stream.frames)

        assert await anext(shown) == Frame("stdout", b"a")
        assert late == {"runtime": "docker", "result": "cancelled"}  # so far
        job.more.set()
        assert await anext(shown) == Frame("stdout", b"", final=True)

    async def test_that_is_lost_half_way_says_so_after_what_came(self) -> None:
        job = Told((STDOUT, b"a"), ConnectionResetError())
        stream, late = await streamed(Sandbox(Places(job), 1))
        shown = aiter(stream.frames)

        assert await anext(shown) == Frame("stdout", b"a")
        with pytest.raises(Denied) as denied:
            await anext(shown)
        assert denied.value.reason is Reason.SANDBOX_LOST
        assert late == {"runtime": "docker", "result": "lost"}
        await until(lambda: job.gone)

    async def test_that_is_left_ends_its_command(self) -> None:
        job = Told((STDOUT, b"a"), stays=True)
        sandbox = Sandbox(Places(job), 1)
        stream, late = await streamed(sandbox)
        await anext(aiter(stream.frames))

        stream.release()
        stream.release()

        await until(lambda: sandbox.active == 0)
        assert job.gone
        assert late == {"runtime": "docker", "result": "cancelled"}

    @pytest.mark.parametrize("read", [False, True])
    async def test_that_nobody_reads_has_a_deadline_and_makes_room(self, *, read: bool) -> None:
        sandbox = Sandbox(Places(Told((STDOUT, b"a"), stays=True), Told()), 1)
        stream, late = await streamed(sandbox, seconds=0.05)
        if read:
            await anext(aiter(stream.frames))

        await until(lambda: sandbox.active == 0)

        assert late == {"runtime": "docker", "result": "timeout"}
        assert (await result(sandbox, "x"))["exit_code"] == 0
        stream.release()

    async def test_that_floods_is_kept_up_to_its_cap(self) -> None:
        flood = [(STDOUT, bytes(MIB))] * (DRAIN_CAP // MIB + 2)
        sandbox = Sandbox(Places(Told(*flood)), 1)
        stream, _ = await streamed(sandbox)
        await until(lambda: sandbox.active == 0)

        found = await texts(stream)

        assert len(found["stdout"]) == STREAM_CAP
        ended = json.loads(found["result"])
        assert (ended["exit_code"], ended["truncated"]) == (KILLED, True)

    async def test_under_a_key_is_no_stream(self) -> None:
        """It is stored, and so must be known as a whole."""
        plan = command("x")
        once = replace(granted(plan, stream=True), once=OnceKey("key", "fingerprint"))

        done = await Sandbox(Places(Told((STDOUT, b"a"))), 1).run(plan, once)

        assert isinstance(done, Allow)
        assert isinstance(done.value, Document)

    async def test_that_cannot_begin_is_refused(self) -> None:
        class Broken(Told):
            async def start(self) -> None:
                raise ConnectionRefusedError

        done = await run(Sandbox(Places(Broken()), 1), command("x"), stream=True)

        assert done == Deny(Reason.SANDBOX_UNAVAILABLE)

    async def test_is_ended_with_the_sandbox(self) -> None:
        job = Told(stays=True)
        sandbox = Sandbox(Places(job), 1)
        await streamed(sandbox)

        await sandbox.aclose()

        assert job.gone

    @pytest.mark.docker
    @pytest.mark.usefixtures("engine")
    async def test_of_a_container_leaves_nothing(self, make: Make) -> None:
        sandbox = make()
        line = "echo one; echo two >&2; sleep 0.3; echo three"
        given = granted(command("sh", "-c", line), stream=True)
        done = await sandbox.run(command("sh", "-c", line), given)
        assert isinstance(done, Allow)
        assert isinstance(done.value, Stream)

        found = await texts(done.value)

        assert (found["stdout"], found["stderr"]) == (b"one\nthree\n", b"two\n")
        assert given.late == {"runtime": "docker", "result": "ok"}
        await until_done(sandbox.empty)


async def test_a_job_that_cannot_be_made_takes_no_place() -> None:
    sandbox = Sandbox(Places(), 1)

    for _ in range(3):
        with pytest.raises(IndexError):
            await run(sandbox, command("x"))
    assert sandbox.active == 0


@pytest.mark.slow
async def test_where_nothing_is_cleared_away_nobody_waits_for_long() -> None:
    class Stuck(Told):
        async def discard(self) -> None:
            await self.more.wait()

    stuck = Stuck()
    sandbox = Sandbox(Places(stuck, Told()), 1)
    await run(sandbox, command("x"))
    started = time.monotonic()

    assert await run(sandbox, command("x")) == Deny(Reason.SANDBOX_UNAVAILABLE)

    assert 19 < time.monotonic() - started < 22
    stuck.more.set()
    await until(lambda: sandbox.active == 0)
    assert (await result(sandbox, "x"))["exit_code"] == 0
