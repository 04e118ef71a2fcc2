"""Engines that fail: one of a few lines, the real one behind a socket of ours, and one of our own.

Each is reached by its address, as any engine is.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import struct
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from aiohttp import web
from conftest import engine_host
from wire import until, until_done

ROOT = Path(__file__).parent.parent

INFO = {
    **dict.fromkeys(("MemoryLimit", "SwapLimit", "CpuCfsQuota", "PidsLimit"), True),
    "CgroupDriver": "cgroupfs",
}


class FakeEngine:
    """An engine whose containers are names. What it is asked to do may have another fate.

    `fates`: of create, attach, start, wait or delete: a status to refuse with, `hang` (nothing is
    done or said), `unheard` (done, and the connection breaks) or `late` (done when `go` is set,
    though nobody may listen by then). `ran`: the containers that were started; all write `output`.
    """

    def __init__(self, path: str, **fates: int | str) -> None:
        self.host = f"unix://{path}"
        self.fates = fates
        self.made: set[str] = set()
        self.ran: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.output = b"out"
        self.go = asyncio.Event()
        self._path = path
        self._ended = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle)
        self._runner = web.ServerRunner(server, shutdown_timeout=0)
        await self._runner.setup()
        await web.UnixSite(self._runner, self._path).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        for task in self._late:
            task.cancel()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        *_, name, verb = ["", *request.path.split("/")]
        match verb:
            case "version":
                return web.json_response({"ApiVersion": "1.41"})
            case "info":
                return web.json_response(INFO)
            case "json" if name == "containers":
                found = [{"Id": each, "Names": [f"/{each}"]} for each in self.made]
                return web.json_response(found)
            case "create":
                return await self._fated(request, verb, request.query["name"])
        if request.method == "DELETE":
            name, verb = verb, "delete"
        return await self._fated(request, verb, name)

    async def _fated(self, request: web.BaseRequest, verb: str, name: str) -> web.StreamResponse:
        self.asked[verb] += 1
        fate = self.fates.get(verb)
        if isinstance(fate, int):
            return web.json_response({"message": "no"}, status=fate)
        if fate == "late":
            self._late.add(asyncio.create_task(self._do_late(verb, name)))
        if fate in {"late", "hang"}:
            await self._ended.wait()
        if verb != "create" and name not in self.made:
            return web.json_response({"message": "No such container"}, status=404)
        self._do(verb, name)
        if fate == "unheard":
            assert request.transport is not None
            request.transport.abort()
        return await self._said(request, verb, name)

    async def _do_late(self, verb: str, name: str) -> None:
        await self.go.wait()
        self._do(verb, name)

    def _do(self, verb: str, name: str) -> None:
        if verb == "create":
            self.made.add(name)
        elif verb == "start":
            self.ran.add(name)
        elif verb == "delete":
            self.made.discard(name)

    async def _said(self, request: web.BaseRequest, verb: str, name: str) -> web.StreamResponse:
        match verb:
            case "attach":
                return await self._attached(request, name)
            case "create":
                return web.json_response({"Id": name}, status=201)
            case "json":
                return web.json_response({"Config": {"Tty": False}, "State": {"OOMKilled": False}})
        return web.json_response({"StatusCode": 0})

    async def _attached(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        """Both ways are the connection's own from now on."""
        head = {"Connection": "Upgrade", "Upgrade": "tcp"}
        response = web.StreamResponse(status=101, headers=head)
        await response.prepare(request)
        await until(lambda: name in self.ran or name not in self.made or self._ended.is_set(), 60)
        assert request.transport is not None
        request.transport.write(struct.pack(">BxxxL", 1, len(self.output)) + self.output)
        request.transport.close()
        return response


class Relay:
    """The real engine behind a socket of ours, until `cut`: from then on it is gone.

    A request that holds `unheard` reaches it, but its answer does not come back: the connection
    breaks, or, where it `hangs`, there is silence.
    """

    def __init__(self, path: str, unheard: bytes = b"", *, hangs: bool = False) -> None:
        self.host = f"unix://{path}"
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


class PrivateEngine:
    """A Docker engine of our own, which may be stopped, killed, frozen and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run = Path(f"/run/sg{os.getpid()}")  # paths of sockets must be short
        self.host = f"unix://{self._run}/e.sock"

    def start(self) -> None:
        self._run.mkdir(exist_ok=True)
        for left in (self._folder / "pid", self._run / "x/containerd/containerd.pid"):
            left.unlink(missing_ok=True)  # by one that was killed
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("dockerd", "--host", self.host, "--pidfile", str(self._folder / "pid")),
                    *("--data-root", str(self._folder / "data")),
                    *("--exec-root", str(self._run / "x")),
                    *("--bridge=none", "--iptables=false", "--ip6tables=false"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        await until_done(self._answers, 30)

    async def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        return await self.docker("version") == 0

    async def docker(self, *arguments: str) -> int:
        """The exit code of a `docker` command."""
        environ = {**os.environ, "DOCKER_HOST": self.host}
        process = await asyncio.create_subprocess_exec(
            "docker",
            *arguments,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return await process.wait()

    async def load(self) -> None:
        """The image of the tests."""
        environ = {**os.environ, "DOCKER_HOST": self.host}
        process = await asyncio.create_subprocess_exec(
            str(ROOT / "deploy" / "engine"), "image", env=environ, stderr=subprocess.DEVNULL
        )
        assert await process.wait() == 0

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> None:
        await asyncio.to_thread(self._process.wait, 30)

    async def aclose(self) -> None:
        """Stop it with all that it started."""
        if self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            await self.ended()
        await asyncio.to_thread(self._tidy)

    def _tidy(self) -> None:
        """It leaves mounts behind."""
        mounts = Path("/proc/mounts").read_text().splitlines()
        points = [line.split(" ")[1] for line in mounts]
        ours = [each for each in points if each.startswith((f"{self._run}/", f"{self._folder}/"))]
        for point in sorted(ours, reverse=True):
            subprocess.run(["umount", "-l", point], check=False)
        for folder in (self._run, self._folder):
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def private_engine(folder: Path) -> AsyncIterator[PrivateEngine]:
    """One that runs and has the image of the tests."""
    engine = PrivateEngine(folder)
    engine.start()
    try:
        await engine.ready()
        await engine.load()
        yield engine
    finally:
        await engine.aclose()
