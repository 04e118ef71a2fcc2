"""Each provider's own program: how it is started, and how it says where its tunnel leads.

The counterpart is `tunnel`, which starts it and believes one line of it. Two rules hold for all:

    1  Tokens go by the environment: every user of the machine can read a program's arguments.
    2  What is believed is a plain origin, in the one form in which this provider tells its URL.
       Links to documentation have other forms, and so do requests of strangers that are logged.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from proxy.config.address import host
from proxy.config.listening import origin
from proxy.config.tunnel import CustomConfig, NgrokConfig, TailscaleConfig, TunnelConfig
from proxy.process import find, run

CLIENT_HEADER: Mapping[str, str | None] = {
    "cloudflare": "cf-connecting-ip",
    "tailscale": "x-forwarded-for",
    "ngrok": "x-forwarded-for",
    "custom": None,
}
"""The header in which a provider states the client's address: the right-most value of it."""

_OWN_CONFIG = ("--config", "/dev/null", "--metrics", "127.0.0.1:0")
_LOGGING = ("--log", "stdout", "--log-format", "logfmt")
_STATUS_BYTES, _STATUS_SECONDS = 1_048_576, 10.0

_URL = re.compile(r"(?<![\w.+/-])https?://[^\s\x00-\x1f\x7f\"'`<>|\\^{}]+", re.IGNORECASE)
# api.trycloudflare.com is where cloudflared asks for a tunnel, and stands in its errors.
_QUICK = re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com")
_NAMED = re.compile(r"\b(?:Visit it at|Route at):? +(https://\S+)")
_NO_TUNNEL = re.compile(r"https://(?:.+\.)?(?:cloudflare|github)\.com")
_CONNECTED = re.compile(r"\b(?:Registered tunnel connection|Connection \S+ registered)\b")
_LOGFMT = re.compile(r'(?:^|\s)([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start, with `env` beside PATH and HOME.

    `read` gives the URL by which the tunnel is up, where a line says that it is. `url` is the one
    of a program that says nothing: its tunnel is up as soon as it runs.
    """

    argv: tuple[str, ...]
    read: Callable[[str], str | None]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = None


async def launch(
    section: TunnelConfig, address: str, port: int, environ: Mapping[str, str]
) -> Launch:
    """What to start for a listener at `address` and `port`; raises OSError."""
    target = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
    match section.provider:
        case "cloudflare":
            return _cloudflare(section, target)
        case "tailscale":
            return _tailscale(section.tailscale, target, await _own_name(environ))
        case "ngrok":
            return _ngrok(section.ngrok, target)
        case "custom":
            return _custom(section.custom, address, port, section.public_url)
        case "none":
            raise OSError("there is no tunnel to start")


def _cloudflare(section: TunnelConfig, target: str) -> Launch:
    """Its own file of rules could publish other services, and its metrics be on all interfaces."""
    argv = ("cloudflared", "tunnel", "--no-autoupdate", *_OWN_CONFIG)
    token = section.cloudflare.token
    if token is None:
        return Launch((*argv, "--url", target), _quick_url)

    def connected(line: str) -> str | None:
        return section.public_url if _CONNECTED.search(line) else None

    return Launch((*argv, "run", "--url", target), connected, {"TUNNEL_TOKEN": _shown(token)})


def _quick_url(line: str) -> str | None:
    named = _NAMED.search(line)
    found = _public(named[1]) if named else None
    if found and not _NO_TUNNEL.fullmatch(found):
        return found
    return next((url for url in _origins(line) if _QUICK.fullmatch(url)), None)


def _tailscale(section: TailscaleConfig, target: str, name: str) -> Launch:
    """In the foreground, so that its end takes back its own rule and no other."""
    port = section.https_port
    url = origin(f"https://{name}:{port}")

    def served(line: str) -> str | None:
        return url if url in _origins(line) else None

    verb = "funnel" if section.funnel else "serve"
    return Launch(("tailscale", verb, f"--https={port}", target), served)


async def _own_name(environ: Mapping[str, str]) -> str:
    """The name of this machine in its tailnet; raises OSError."""
    argv = (find("tailscale", environ), "status", "--json", "--peers=false")
    done = await run(argv, b"", limit=_STATUS_BYTES, seconds=_STATUS_SECONDS)
    try:
        return host(json.loads(done.output)["Self"]["DNSName"].removesuffix("."))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise OSError("tailscale does not tell this machine's name: is it logged in?") from None


def _ngrok(section: NgrokConfig, target: str) -> Launch:
    """Its inspector would keep every request, bearer tokens included, for all on this machine."""
    expected = f"https://{section.domain}" if section.domain else None
    domain = ("--url", expected) if expected else ()
    argv = ("ngrok", "http", target, "--inspect=false", *_LOGGING, *domain)

    def started(line: str) -> str | None:
        fields = {name: text.strip('"') for name, text in _LOGFMT.findall(line)}
        if fields.get("msg") != "started tunnel":
            return None
        found = _public(fields.get("url", ""))
        return found if expected in (None, found) else None

    token = section.auth_token
    return Launch(argv, started, {"NGROK_AUTHTOKEN": _shown(token)} if token else {})


def _custom(section: CustomConfig, address: str, port: int, declared: str | None) -> Launch:
    words = shlex.split(section.start_command or "")
    argv = (word.replace("{port}", str(port)).replace("{host}", address) for word in words)
    env = {name: _shown(value) for name, value in section.env.items()}
    pattern = section.url_pattern

    def told(line: str) -> str | None:
        if pattern is None or pattern not in line:
            return None
        return declared or next(_origins(line, "https", "http"), None)

    return Launch(tuple(argv), told, env, declared if pattern is None else None)


def _origins(line: str, *schemes: str) -> Iterator[str]:
    """The public origins in a line."""
    for text in _URL.findall(line):
        if found := _public(text, *schemes):
            yield found


def _public(text: str, *schemes: str) -> str | None:
    """The origin that `text` is, where it has a name that the internet could know."""
    try:
        found = origin(text.rstrip(".,;:!?)]"))
    except ValueError:
        return None
    scheme, _, authority = found.partition("://")
    _, dot, last = authority.partition(":")[0].rpartition(".")
    named = dot and not last.isdigit() and last not in ("local", "localhost", "internal")
    return found if named and scheme in (schemes or ("https",)) else None


def _shown(secret: SecretStr) -> str:
    return secret.get_secret_value()
