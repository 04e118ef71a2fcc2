"""Commands in containers of a real engine that were started ahead."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiodocker
import pytest
from conftest import engine_host
from pooling import USER, Done, done, kill_all, names, open_engine, profile
from sandboxes import command
from wire import until, until_done

from proxy.isolation.docker.cold import ColdJob
from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.supervisor import frame
from proxy.isolation.docker.warm import WarmContainer, WarmJob
from proxy.isolation.run import STDOUT, Job

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]
MIB = 1 << 20


@pytest.fixture
async def docker() -> AsyncIterator[Engine]:
    async with open_engine() as opened:
        yield opened


async def warm(
    docker: Engine,
    *argv: str,
    env: Mapping[str, str] | None = None,
    kind: Profile | None = None,
    stdin: bytes = b"",
) -> WarmJob:
    """A job in a container that waits."""
    container = WarmContainer(docker, kind or profile())
    await container.start()
    nonce = secrets.token_hex(16)
    line = frame(argv, env or {}, nonce, stdin=bool(stdin))
    assert line is not None
    return WarmJob(container, line, nonce, stdin)


async def cold(docker: Engine, *argv: str, kind: Profile | None = None, **more: Any) -> ColdJob:
    plan = command(*argv, stdin=more.get("stdin", b""))
    return ColdJob(docker, kind or profile(), plan, more.get("env", {}), "")


async def shell(docker: Engine, line: str, seconds: float = 30.0, **more: Any) -> Done:
    return await done(await warm(docker, "sh", "-c", line, **more), seconds)


class TestACommand:
    async def test_is_its_arguments(self, docker: Engine) -> None:
        words = ("", "a b", "$HOME", "*", "'", '"', "\n", "-n", "--", "a\\", "\udcff", "x" * 10_000)

        made = await done(await warm(docker, "sh", "-c", 'printf "<%s>" "$@"', "sh", *words))

        expected = b"".join(b"<%b>" % os.fsencode(word) for word in words)
        assert made == Done(0, "ok", expected, b"", truncated=False)

    @pytest.mark.parametrize(
        ("line", "code", "out", "err"),
        [
            pytest.param("echo out; echo err >&2", 0, b"out\n", b"err\n", id="streams stay apart"),
            pytest.param("exit 3", 3, b"", b"", id="the exit code is the program's"),
            pytest.param("exit 255", 255, b"", b"", id="the last exit code"),
            pytest.param("kill -9 $$", 137, b"", b"", id="a signal counts from 128"),
            pytest.param("exec >&- 2>&-; exit 7", 7, b"", b"", id="closed streams"),
            pytest.param("cat", 0, b"", b"", id="nothing comes in"),
            pytest.param(
                "printf '\\000abc 0\\n'", 0, b"\0abc 0\n", b"", id="what is like a trailer"
            ),
            pytest.param("printf 'a\\000'", 0, b"a\0", b"", id="what begins like a trailer"),
        ],
    )
    async def test_answers_as_it_ends(
        self, docker: Engine, line: str, code: int, out: bytes, err: bytes
    ) -> None:
        result = "failed" if code else "ok"

        assert await shell(docker, line) == Done(code, result, out, err, truncated=False)

    @pytest.mark.parametrize(
        ("argv", "code"),
        [
            pytest.param(("no-such-program",), 127, id="not there"),
            pytest.param(("eval", "exit"), 127, id="a word of the shell's, and no program"),
            pytest.param(("/etc/hostname",), 126, id="no program"),
        ],
    )
    async def test_that_cannot_be_executed_is_an_exit_code(
        self, docker: Engine, argv: tuple[str, ...], code: int
    ) -> None:
        made = await done(await warm(docker, *argv))

        assert (made.code, made.out) == (code, b"")
        assert made.err

    async def test_reads_its_input_to_the_end(self, docker: Engine) -> None:
        data = os.urandom(MIB)

        assert (await done(await warm(docker, "cat", stdin=data))).out == data

    async def test_reads_more_input_than_fits_anywhere(self, docker: Engine) -> None:
        copy = ("dd", "of=/dev/null", "bs=1M", "iflag=fullblock")

        assert (
            b"5+0 records in" in (await done(await warm(docker, *copy, stdin=bytes(5 * MIB)))).err
        )

    async def test_need_not_read_its_input(self, docker: Engine) -> None:
        assert (await done(await warm(docker, "true", stdin=bytes(5 * MIB)))).code == 0

    async def test_may_be_killed_before_it_reads_its_input(self, docker: Engine) -> None:
        made = await shell(docker, "kill -9 $$", stdin=bytes(5 * MIB))

        assert (made.code, made.result) == (137, "failed")

    @pytest.mark.parametrize(("more", "truncated"), [(0, False), (1, True)])
    async def test_may_write_a_mebibyte(
        self, docker: Engine, more: int, *, truncated: bool
    ) -> None:
        made = await shell(docker, f"dd if=/dev/zero bs={MIB + more} count=1 2>/dev/null; exit 4")

        assert (made.code, len(made.out), made.truncated) == (4, MIB, truncated)

    async def test_that_floods_is_killed(self, docker: Engine) -> None:
        made = await shell(docker, "cat /dev/zero")

        assert (made.code, made.truncated) == (137, True)

    async def test_that_takes_too_long_is_killed(self, docker: Engine) -> None:
        made = await shell(docker, "echo before; sleep 60", seconds=1)

        assert (made.code, made.result, made.out) == (137, "timeout", b"before\n")

    @pytest.mark.parametrize(
        "line",
        [
            pytest.param("sleep 60 & echo done", id="holds the streams open"),
            pytest.param("(sleep 60; cat) <&0 & echo done", id="holds the input open"),
            pytest.param("(while :; do echo x; done) & sleep 1; kill -9 $$", id="floods"),
        ],
    )
    @pytest.mark.parametrize("stdin", [b"", b"input"])
    async def test_need_not_wait_for_its_children(
        self, docker: Engine, line: str, stdin: bytes
    ) -> None:
        async with asyncio.timeout(15):
            made = await shell(docker, line, stdin=stdin)

        assert made.result in ("ok", "failed")

    async def test_that_starts_too_many_processes_ends(self, docker: Engine) -> None:
        made = await shell(docker, "while :; do sleep 60 & done; echo never", seconds=10)

        assert made.code != 0
        assert b"never" not in made.out

    async def test_without_enough_memory_is_told_so(self, docker: Engine) -> None:
        small = profile(memory=16 << 20)

        made = await done(
            await warm(docker, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", kind=small)
        )

        assert (made.code, made.result) == (137, "oom")

    async def test_cannot_end_process_1(self, docker: Engine) -> None:
        signals = " ".join(map(str, range(1, 65)))
        line = f"for signal in {signals}; do kill -$signal 1; done 2>/dev/null; exit 5"

        assert (await shell(docker, line)).code == 5

    async def test_may_kill_all_but_process_1(self, docker: Engine) -> None:
        assert (await shell(docker, "kill -9 -1; exit 5")).code in (5, 137)


class TestItsSurroundings:
    @pytest.mark.parametrize(
        "argv",
        [
            pytest.param(("cat", "/proc/self/environ"), id="environment"),
            pytest.param(("cat", "/proc/self/limits"), id="limits"),
            pytest.param(("readlink", "/proc/self/cwd"), id="folder"),
            pytest.param(("readlink", "/proc/self/fd/0"), id="input"),
            pytest.param(("ls", "/proc/self/fd"), id="descriptors"),
            pytest.param(("cat", "/proc/self/oom_score_adj"), id="out-of-memory score"),
            pytest.param(("sh", "-c", "umask; id; env | sed 's/^_=.*//'"), id="in a shell"),
            pytest.param(("ls", "-la", "/tmp", "/workspace"), id="files"),
            pytest.param(("cat", "/proc/self/mountinfo"), id="mounts"),
        ],
    )
    async def test_are_those_of_a_cold_run(
        self, docker: Engine, tmp_path: Path, argv: tuple[str, ...]
    ) -> None:
        os.chown(tmp_path, USER.uid, USER.gid)
        kind = profile(mount=Mount(str(tmp_path), USER))
        env = {"TOKEN": "a'b\nc", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}

        here = await done(await warm(docker, *argv, kind=kind, env=env))
        there = await done(await cold(docker, *argv, kind=kind, env=env))

        assert here.code == there.code == 0, here
        assert sorted(_same(here.out)) == sorted(_same(there.out))

    async def test_are_as_confined_as_in_a_cold_run(self, docker: Engine) -> None:
        fields = (
            *("Uid", "Gid", "Groups", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"),
            *("Cap", "NoNewPrivs", "Seccomp", "Speculation", "Cpus_allowed", "Umask", "TracerPid"),
        )

        async def status(job: Job) -> list[bytes]:
            lines = (await done(job)).out.splitlines()
            wanted = tuple(map(str.encode, fields))
            return [each for each in lines if each.startswith(wanted)]

        here = await status(await warm(docker, "cat", "/proc/self/status"))

        assert b"NoNewPrivs:\t1" in here
        assert here == await status(await cold(docker, "cat", "/proc/self/status"))

    async def test_hold_no_secret_that_the_engine_knows(self, docker: Engine) -> None:
        job = await warm(
            docker, "sh", "-c", 'echo "$TOKEN"; sleep 60', env={"TOKEN": "s3cret-value"}
        )
        try:
            await job.start()
            assert await anext(aiter(job.output())) == (STDOUT, b"s3cret-value\n")
            async with aiodocker.Docker(url=engine_host()) as other:
                (name,) = await names(docker)
                shown = await other.containers.container(name.lstrip("/")).show()
        finally:
            await job.discard()

        assert "s3cret" not in str(shown)


def _same(text: bytes) -> list[bytes]:
    """Its parts, without what is another in every container, and without the engine's init."""
    parts = re.sub(rb"[0-9a-f]{64}", b"ID", text).replace(b"\0", b"\n").splitlines()
    mounts = [each.split()[3:] for each in parts if b" - " in each]
    own = [each for each in mounts if b"overlay" not in each and b"/sbin/docker-init" not in each]
    return [b" ".join(each) for each in own] or parts


class TestAContainer:
    async def test_waits_until_it_is_used(self, docker: Engine) -> None:
        job = await warm(docker, "true")
        ended: list[WarmContainer] = []
        container = job._warm
        container.watch(ended.append)

        assert container.waits
        assert (await done(job)).code == 0
        assert not container.waits

    async def test_that_ended_runs_nothing(self, docker: Engine) -> None:
        job = await warm(docker, "true")
        await kill_all(docker)
        await until(lambda: not job._warm.waits)

        with pytest.raises(OSError, match="while it waited"):
            await job.start()

        assert not job.begun
        await job.discard()

    async def test_that_is_lost_is_not_taken_for_ended(self, docker: Engine) -> None:
        job = await warm(docker, "sleep", "60")
        await job.start()
        await kill_all(docker)

        assert [piece async for piece in job.output() if piece[1]] == []
        with pytest.raises(OSError, match=r".+"):
            await job.wait()

        assert job.begun
        await job.discard()

    async def test_that_is_gone_at_the_time_out_is_lost(self, docker: Engine) -> None:
        """Whether its command had ended by then, nobody can tell."""
        job = await warm(docker, "sleep", "60")
        await job.start()
        async with aiodocker.Docker(url=engine_host()) as other:
            (name,) = await names(docker)
            await other.containers.container(name.lstrip("/")).delete(force=True)

        with pytest.raises(OSError, match=r"(?i)no such container"):
            await job.out_of_memory()

        await job.discard()

    async def test_that_does_not_take_the_command_up_is_not_waited_for(
        self, docker: Engine
    ) -> None:
        job = await warm(docker, "true")
        async with aiodocker.Docker(url=engine_host()) as other:
            (name,) = await names(docker)
            paused = other.containers.container(name.lstrip("/"))
            await paused.pause()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await job.start()
            await paused.unpause()

        assert job.begun  # it may have been: nobody knows
        await job.discard()

    async def test_is_of_the_folder_that_was_judged(self, docker: Engine, tmp_path: Path) -> None:
        intact = [True]
        kind = profile(mount=Mount(str(tmp_path), USER, lambda: intact[0]))
        before, after = [await warm(docker, "true", kind=kind) for _ in range(2)]
        await after.start()
        async for _ in after.output():
            pass
        intact[0] = False

        with pytest.raises(OSError, match="replaced"):
            await before.start()
        with pytest.raises(OSError, match="replaced"):
            await after.wait()
        with pytest.raises(OSError, match="replaced"):
            await WarmContainer(docker, kind).start()

        assert (before.begun, after.begun) == (False, True)
        await before.discard()
        await after.discard()

    @pytest.mark.parametrize("when", ["unmade", "waiting", "running"])
    async def test_is_gone_once_it_is_discarded(self, docker: Engine, when: str) -> None:
        container = WarmContainer(docker, profile())
        job = WarmJob(container, frame(("sleep", "9"), {}, "n", stdin=False) or b"", "n", b"")
        if when != "unmade":
            await container.start()
        if when == "running":
            await job.start()

        await job.discard()

        assert await names(docker) == set()

    @pytest.mark.parametrize("image", ["sidegate-test-absent:never"])
    async def test_of_no_image_does_not_start(self, docker: Engine, image: str) -> None:
        container = WarmContainer(docker, profile(image=image))

        with pytest.raises(OSError, match=r"(?i)no such image"):
            await container.start()

        await container.discard()

    async def test_ends_by_itself_when_nobody_holds_it(self, docker: Engine) -> None:
        """As where Sidegate is killed: what remains is swept, but it does not run."""
        job = await warm(docker, "true")
        await job._warm._attached.close()  # type: ignore[union-attr]

        async def stopped() -> bool:
            return not await names(docker, running=True)

        await until_done(stopped)
        await job.discard()
