"""The tunnel: how the internet reaches a gateway that itself listens on loopback only.

The counterpart is `network.tunnel`, which starts the provider's program and stays beside it. What
the chosen provider and mode need is checked here; a section of another provider is no error, so
that changing `provider` is one line.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from proxy.config.address import LOOPBACK, BindHost, Host, Port
from proxy.config.deferred import Checked
from proxy.config.draft import KeyPath
from proxy.config.listening import Networks, Origin
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Line, VariableName

_FUNNEL_PORTS = (443, 8443, 10000)  # https://tailscale.com/kb/1223/funnel, "Limitations"


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("must be printable ASCII, not empty, without spaces")
    return value


def _variable(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("must hold no NUL character")
    return value


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("must be a command line whose quotes are closed") from None
    if not words or not words[0]:
        raise ValueError("must start with a program")
    return text


Token = Annotated[SecretStr, Checked(_token)]
EnvValue = Annotated[SecretStr, Checked(_variable)]
Command = Annotated[Line, AfterValidator(_command)]


class CloudflareConfig(Section):
    """Cloudflare Tunnel, by the program cloudflared."""

    token: Token | None = None
    """The token of a named tunnel, better in token_file; null: a quick tunnel, without account."""


class TailscaleConfig(Section):
    """Tailscale Serve or Funnel, by the program tailscale and a running tailscaled."""

    funnel: bool = False
    """Whether the whole internet may come in; false: machines of the tailnet only."""
    https_port: Annotated[int, Field(ge=1, le=65535)] = 443
    """The port that Tailscale listens on; with funnel 443, 8443 or 10000."""


class NgrokConfig(Section):
    """ngrok, by the program of that name."""

    auth_token: Token | None = None
    """The account's authtoken, better in auth_token_file; required with mode: managed."""
    domain: Host | None = None
    """The account's domain to be reached at; null: whatever ngrok gives."""


class CustomConfig(Section):
    """Any other program."""

    start_command: Command | None = None
    """The program and its arguments, for no shell; {host} and {port} are where it shall connect."""
    url_pattern: Line | None = None
    """Text in the line that tells the public URL; null: no line does, public_url is needed."""
    env: Mapping[VariableName, EnvValue] = Field(default={})
    """Its environment beside PATH and HOME: the place of tokens, since arguments can be seen."""


class TunnelConfig(Section):
    """A way from the internet to the gateway, with a listener of its own."""

    provider: Literal["none", "cloudflare", "tailscale", "ngrok", "custom"] = "none"
    """Whose tunnel it is; none: there is none."""
    mode: Literal["managed", "external"] = "managed"
    """managed: Sidegate starts and stops the program; external: somebody else does."""
    host: BindHost = "127.0.0.1"
    """The address that the tunnel's own listener takes; never the gateway's."""
    port: Port = 0
    """The port of the tunnel's own listener; 0: any free one."""
    allow_public_bind: bool = False
    """Whether host may be an address that other machines can reach."""
    allow_peers: Networks | None = LOOPBACK
    """Networks that the tunnel program connects from; null: any, []: none."""
    public_url: Origin | None = None
    """Where the tunnel is reached, such as https://agent.example; null: what the program says."""
    cloudflare: CloudflareConfig = CloudflareConfig()
    tailscale: TailscaleConfig = TailscaleConfig()
    ngrok: NgrokConfig = NgrokConfig()
    custom: CustomConfig = CustomConfig()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """A tunnel that cannot work is told at the start, not when the first client is lost."""
        rules = self._external if self.mode == "external" else self._managed
        raise_all(wrong(key, text) for key, text in rules())
        return self

    def _external(self) -> Iterator[tuple[KeyPath, str]]:
        if self.provider == "none":
            yield ("provider",), "must name the tunnel with mode: external; custom: any other"
            return
        if self.public_url is None:
            yield ("public_url",), "required with mode: external"
        if self.port == 0:
            yield ("port",), "must not be 0 with mode: external: the tunnel has to know it"

    def _managed(self) -> Iterator[tuple[KeyPath, str]]:
        match self.provider:
            case "cloudflare" if self.cloudflare.token and self.public_url is None:
                yield ("public_url",), "required with cloudflare.token: such a tunnel tells no URL"
            case "tailscale" if self.tailscale.funnel:
                if self.tailscale.https_port not in _FUNNEL_PORTS:
                    yield ("tailscale", "https_port"), "must be 443, 8443 or 10000 with funnel"
            case "ngrok" if self.ngrok.auth_token is None:
                yield ("ngrok", "auth_token"), "required with provider: ngrok"
            case "custom":
                yield from self._custom()
            case _:
                pass

    def _custom(self) -> Iterator[tuple[KeyPath, str]]:
        if self.custom.start_command is None:
            yield ("custom", "start_command"), "required with provider: custom"
        if self.custom.url_pattern is None and self.public_url is None:
            yield ("public_url",), "required without custom.url_pattern"
