"""Real programs under the names of the real ones, which say what those say."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from wire import until

from proxy.config.tunnel import TunnelConfig
from proxy.network.tunnel import Pace, Tunnel

TOKEN = "eyJhIjoi-secret"
URL = "https://four-dashed-word-url.trycloudflare.com"
HOST = "four-dashed-word-url.trycloudflare.com"
BOX = f"echo '2026-11-01T19:57:58Z INF |  {URL}  |' >&2"
STATUS = '[ "$1" = status ] && exec echo \'{"Self": {"DNSName": "box.tail1.ts.net."}}\''
WAIT = "while :; do sleep 0.05; done"

CLOUDFLARE = {"provider": "cloudflare"}
NAMED = {**CLOUDFLARE, "cloudflare": {"token": TOKEN}, "public_url": "https://agent.example"}
NGROK = {"provider": "ngrok", "ngrok": {"auth_token": TOKEN}}
CUSTOM = {
    "provider": "custom",
    "custom": {"start_command": "bore {host} {port}", "url_pattern": "at"},
}
EXTERNAL = {"provider": "custom", "mode": "external", "public_url": "https://agent.example:8443"}


@dataclass
class Kept:
    """A tunnel that is kept up by a task, and what it told."""

    folder: Path
    tunnel: Tunnel
    told: list[str] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    def begin(self) -> None:
        self.task = asyncio.create_task(self.tunnel.run("127.0.0.1", 3005))

    async def up(self) -> None:
        await until(lambda: self.tunnel.state == "up", seconds=5)

    async def end(self) -> None:
        assert self.task
        self.task.cancel()
        await asyncio.wait({self.task})
        assert self.task.cancelled()

    @property
    def pids(self) -> list[int]:
        """Of the program, each time that it was started, as `program` below notes it."""
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []


Keep = Callable[..., Kept]


@pytest.fixture
async def keep(tmp_path: Path) -> AsyncIterator[Keep]:
    kept: list[Kept] = []

    def keeping(section: Mapping[str, object], *, begin: bool = True, **pace: float) -> Kept:
        told: list[str] = []
        environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "OTHER": "x"}
        quick = Pace(**({"first": 0.05, "longest": 0.2, "steady": 60, "stop": 1} | pace))
        config = TunnelConfig.model_validate({**section, "port": 3005})
        tunnel = Tunnel(config, environ, told.append, pace=quick)
        kept.append(Kept(tmp_path, tunnel, told))
        if begin:
            kept[-1].begin()
        return kept[-1]

    yield keeping
    for each in kept:
        if each.task and not each.task.done():
            await each.end()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], None]:
    """Puts a program of this name where the tunnel looks for it."""

    def put(name: str, script: str) -> None:
        new = tmp_path / f".{name}"
        new.write_text(f"#!/bin/sh\necho $$ >>{tmp_path}/pids\n{script}\n")
        new.chmod(0o755)
        new.rename(tmp_path / name)

    return put


Put = Callable[[str, str], None]


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("section", "name", "script", "url"),
    [
        (CLOUDFLARE, "cloudflared", BOX, URL),
        (
            NAMED,
            "cloudflared",
            "echo INF Registered tunnel connection connIndex=0",
            "https://agent.example",
        ),
        (
            NGROK,
            "ngrok",
            "echo 'lvl=info msg=\"started tunnel\" url=https://a1b2.ngrok.app'",
            "https://a1b2.ngrok.app",
        ),
        (
            {"provider": "tailscale"},
            "tailscale",
            f"{STATUS}; echo 'Available within your tailnet:'; echo; echo https://box.tail1.ts.net/",
            "https://box.tail1.ts.net",
        ),
        (CUSTOM, "bore", 'echo "at http://bore.pub:4$2"', "http://bore.pub:43005"),
        ({**CUSTOM, "public_url": "https://a.example"}, "bore", "echo at", "https://a.example"),
        (
            {**CLOUDFLARE, "public_url": "https://a.example"},
            "cloudflared",
            BOX,
            "https://a.example",
        ),
        (
            {**CUSTOM, "public_url": "https://a.example", "custom": {"start_command": "bore"}},
            "bore",
            ":",
            "https://a.example",
        ),
    ],
    ids=["quick", "named", "ngrok", "tailscale", "custom", "ready", "declared", "silent"],
)
async def test_a_tunnel_is_up_once_its_program_says_where(
    section: Mapping[str, object], name: str, script: str, url: str, *, keep: Keep, program: Put
) -> None:
    program(name, f"{script}\n{WAIT}")
    kept = keep(section, begin=False)
    assert (kept.tunnel.url, kept.tunnel.state) == (None, "off")

    kept.begin()
    await kept.up()

    assert kept.tunnel.url == url
    assert await kept.tunnel.missing() is None
    assert kept.told == ["the tunnel is up"]


async def test_a_tunnel_answers_to_the_host_name_of_its_url_alone(keep: Keep, program: Put) -> None:
    program("cloudflared", f"sleep 0.1; {BOX}; {WAIT}")
    kept = keep(CLOUDFLARE)
    assert HOST not in kept.tunnel

    await kept.up()

    assert HOST in kept.tunnel
    for other in ("localhost", "127.0.0.1", f"{HOST}:443", HOST.upper(), f"a.{HOST}", "", None):
        assert other not in kept.tunnel


async def test_until_its_program_has_said_where_a_tunnel_is_starting(
    keep: Keep, program: Put
) -> None:
    program("cloudflared", f"echo INF See https://github.com for details; {WAIT}")
    kept = keep(CLOUDFLARE)
    await until(lambda: kept.pids)
    await asyncio.sleep(0.1)

    assert (kept.tunnel.url, kept.tunnel.state, kept.told) == (None, "starting", [])
    assert "the tunnel is not up" in (await kept.tunnel.missing() or "")


async def test_the_token_is_neither_an_argument_nor_told(keep: Keep, program: Put) -> None:
    program("cloudflared", 'echo "$TUNNEL_TOKEN" | tee $HOME/token; sleep 0.2')
    seen: set[bytes] = set()
    kept = keep(NAMED)
    for _ in range(100):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.add(path.read_bytes())
        await asyncio.sleep(0.005)
    await until(lambda: kept.told)

    assert any(b"cloudflared" in line and b"--url" in line for line in seen)
    assert not [line for line in seen if TOKEN.encode() in line]
    assert (kept.folder / "token").read_text() == f"{TOKEN}\n"
    assert TOKEN not in "".join([*kept.told, await kept.tunnel.missing() or ""])


async def test_the_environment_is_what_the_program_needs(keep: Keep, program: Put) -> None:
    program("ngrok", f"env >$HOME/env; {WAIT}")
    kept = keep(NGROK)
    await until((kept.folder / "env").exists)
    await until(lambda: len((kept.folder / "env").read_text().splitlines()) >= 4)

    names = {line.partition("=")[0] for line in (kept.folder / "env").read_text().splitlines()}
    assert names == {"PATH", "HOME", "NGROK_AUTHTOKEN", "PWD"}  # the last is the shell's own


async def test_a_failed_tunnel_has_no_url(keep: Keep, program: Put) -> None:
    program("cloudflared", f"{BOX}; sleep 0.1; exit 9")
    kept = keep(CLOUDFLARE, first=30)
    await kept.up()

    await until(lambda: kept.tunnel.state == "failed", seconds=2)

    assert kept.tunnel.url is None
    assert HOST not in kept.tunnel
    assert await kept.tunnel.missing() == (
        "the tunnel is not up: cloudflared ended with code 9; to see why, run it by hand"
    )
    await until(lambda: len(kept.told) == 2)
    assert kept.told[1].startswith("the tunnel is down: cloudflared ended with code 9")


async def test_the_url_is_gone_where_something_of_the_program_goes_on(
    keep: Keep, program: Put
) -> None:
    fled = "setsid sh -c 'echo $$ >$HOME/fled; exec sleep 60' &"
    program("cloudflared", f"{fled} until [ -s $HOME/fled ]; do sleep 0.01; done; {BOX}; sleep 0.1")
    kept = keep(CLOUDFLARE, first=30)
    await kept.up()
    await until(lambda: not runs(kept.pids[0]))

    await until(lambda: kept.tunnel.url is None, seconds=2)
    os.kill(int((kept.folder / "fled").read_text()), signal.SIGKILL)


async def test_a_program_that_ended_is_started_again_after_longer_and_longer_pauses(
    keep: Keep, program: Put
) -> None:
    program("cloudflared", "exit 1")
    kept = keep(CLOUDFLARE, first=0.01, longest=0.04)

    await until(lambda: len(kept.told) == 5)

    pauses = [line.rpartition("; next start in ")[2] for line in kept.told]
    assert pauses == ["0.01 s", "0.02 s", "0.04 s", "0.04 s", "0.04 s"]


async def test_after_a_steady_time_the_pauses_begin_anew(keep: Keep, program: Put) -> None:
    program("cloudflared", f"{BOX}; sleep 0.05")
    kept = keep(CLOUDFLARE, first=0.01, steady=0.04)

    await until(lambda: len(kept.told) == 6)

    assert {line[-6:] for line in kept.told if "down" in line} == {"0.01 s"}


async def test_a_tunnel_comes_back_with_its_new_url(keep: Keep, program: Put) -> None:
    program("cloudflared", f"{BOX}; until [ -e $HOME/end ]; do sleep 0.02; done; rm $HOME/end")
    kept = keep(CLOUDFLARE)
    await kept.up()

    program("cloudflared", f"echo https://other.trycloudflare.com; {WAIT}")
    (kept.folder / "end").touch()

    await until(lambda: kept.tunnel.url == "https://other.trycloudflare.com")
    assert HOST not in kept.tunnel
    assert "other.trycloudflare.com" in kept.tunnel


async def test_only_the_first_url_counts(keep: Keep, program: Put) -> None:
    """What is logged of requests holds whatever strangers ask for."""
    evil = "https://evil.trycloudflare.com"
    program("cloudflared", f"{BOX}; echo {evil}; echo 'INF Visit it at {evil}'; {WAIT}")
    kept = keep(CLOUDFLARE)
    await kept.up()
    await asyncio.sleep(0.1)

    assert kept.tunnel.url == URL


async def test_missing_program_is_named_and_tried_again(keep: Keep, program: Put) -> None:
    kept = keep(CLOUDFLARE)
    await until(lambda: kept.told)
    why = "cloudflared is not installed or not in PATH"

    assert (kept.tunnel.url, kept.tunnel.state) == (None, "failed")
    assert await kept.tunnel.missing() == f"the tunnel is not up: {why}"
    assert kept.told[0] == f"the tunnel is down: {why}; next start in 0.05 s"

    program("cloudflared", f"{BOX}; {WAIT}")
    await kept.up()


async def test_tailscale_that_is_not_logged_in_is_told(keep: Keep, program: Put) -> None:
    program("tailscale", "echo Logged out.; exit 1")
    kept = keep({"provider": "tailscale"})
    await until(lambda: kept.told)

    assert "is it logged in" in kept.told[0]
    assert "Logged out" not in kept.told[0]


async def test_a_program_that_never_says_where_is_stopped(keep: Keep, program: Put) -> None:
    """Its tunnel may be open to the world, under a name that nobody here knows."""
    program("cloudflared", WAIT)
    kept = keep(CLOUDFLARE, start=0.2, first=30)
    await until(lambda: kept.told)

    assert kept.told[0].startswith("the tunnel is down: cloudflared did not say where it leads")
    assert kept.tunnel.state == "failed"
    assert not runs(kept.pids[0])


async def test_a_tunnel_that_is_up_may_be_silent_for_long(keep: Keep, program: Put) -> None:
    program("cloudflared", f"{BOX}; exec >&- 2>&-; {WAIT}")
    kept = keep(CLOUDFLARE, start=0.2)
    await kept.up()
    await asyncio.sleep(0.4)

    assert (kept.tunnel.url, kept.told) == (URL, ["the tunnel is up"])


async def test_a_program_that_closes_its_output_before_it_said_where_is_stopped(
    keep: Keep, program: Put
) -> None:
    program("cloudflared", f"exec >&- 2>&-; {WAIT}")
    kept = keep(CLOUDFLARE, start=0.2, first=30)

    await until(lambda: kept.told)
    assert not runs(kept.pids[0])


@pytest.mark.parametrize("flood", ["cat /dev/zero", "yes", f"yes '{URL}/path'"])
async def test_a_flood_of_output_is_no_url_and_does_not_keep_it_from_being_stopped(
    flood: str, keep: Keep, program: Put
) -> None:
    program("cloudflared", f"exec {flood}")
    kept = keep(CLOUDFLARE)
    await until(lambda: kept.pids)
    await asyncio.sleep(0.1)
    assert kept.tunnel.url is None

    async with asyncio.timeout(2):
        await kept.end()


@pytest.mark.parametrize("trap", ["", "trap '' TERM INT HUP;"])
async def test_the_end_of_the_tunnel_waits_for_that_of_its_program_and_its_children(
    trap: str, keep: Keep, program: Put
) -> None:
    child = f'sh -c "{trap} echo \\$\\$ >>$HOME/pids; {WAIT}" &'
    program(
        "cloudflared",
        f"{trap} {child} until [ $(wc -l <$HOME/pids) = 2 ]; do :; done; {BOX}; {WAIT}",
    )
    kept = keep(CLOUDFLARE, stop=0.1)
    await kept.up()
    pids = kept.pids
    assert len(pids) == 2

    await kept.end()

    assert (kept.tunnel.url, kept.tunnel.state) == (None, "off")
    assert await kept.tunnel.missing() is None
    assert not os.path.exists(f"/proc/{pids[0]}")
    await until(lambda: not runs(pids[1]), seconds=1)


async def test_the_end_of_the_tunnel_does_not_wait_for_the_next_start(keep: Keep) -> None:
    kept = keep(CLOUDFLARE, first=60)
    await until(lambda: kept.told)

    async with asyncio.timeout(1):
        await kept.end()
    assert kept.tunnel.state == "off"


async def test_what_is_told_is_already_so(tmp_path: Path, program: Put) -> None:
    program("cloudflared", f"{BOX}; sleep 0.05")
    seen: list[tuple[str, str, str | None]] = []

    def tell(sentence: str) -> None:
        seen.append((sentence.partition(":")[0], tunnel.state, tunnel.url))

    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    tunnel = Tunnel(TunnelConfig.model_validate(CLOUDFLARE), environ, tell)
    task = asyncio.create_task(tunnel.run("127.0.0.1", 3005))
    await until(lambda: len(seen) == 2)
    task.cancel()
    await asyncio.wait({task})

    assert seen == [("the tunnel is up", "up", URL), ("the tunnel is down", "failed", None)]


async def test_an_external_tunnel_is_what_is_declared(keep: Keep) -> None:
    kept = keep(EXTERNAL)
    await asyncio.wait({kept.task} if kept.task else ())

    assert (kept.tunnel.url, kept.tunnel.state) == (EXTERNAL["public_url"], "up")
    assert "agent.example" in kept.tunnel
    assert "agent.example:8443" not in kept.tunnel
    assert await kept.tunnel.missing() is None
    assert kept.told == []


async def test_no_provider_is_no_tunnel(keep: Keep) -> None:
    kept = keep({"provider": "none", "public_url": "https://agent.example"})
    await asyncio.wait({kept.task} if kept.task else ())

    assert (kept.tunnel.url, kept.tunnel.state) == (None, "off")
    assert "agent.example" not in kept.tunnel
    assert await kept.tunnel.missing() is None
