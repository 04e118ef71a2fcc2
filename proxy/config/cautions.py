"""What is valid, and yet may not be what the operator means: told at each start and by `check`.

The counterpart is `model`, which refuses what cannot be meant at all.
"""

from collections.abc import Iterable, Iterator, Mapping

from proxy.config.mcp import METHODS, McpServerConfig
from proxy.config.model import Config, DockerConfig
from proxy.config.near import did_you_mean
from proxy.config.patterns import is_pattern, joined, meet
from proxy.config.presets import entries
from proxy.config.tools import BUILT_IN

_MADE_BY = {"effect", "backend"}


def cautions(config: Config) -> list[str]:
    """A sentence for each. Which time it is plays no part."""
    return [*_observed(config), *_unencrypted(config), *_idle_names(config), *_idle_keys(config)]


def _observed(config: Config) -> Iterator[str]:
    if config.autonomy.observed_until is not None:
        yield (
            "what the rules refuse of the upstream's tools is done, and only told, until"
            f" {config.autonomy.until}: autonomy.mode is observe"
        )


def _unencrypted(config: Config) -> Iterator[str]:
    if not config.secrets.encrypt:
        yield "secrets are stored in plain text, for its owner to read: secrets.encrypt is false"


def _idle_keys(config: Config) -> Iterator[str]:
    """Keys that were set, and that nothing reads where others are as they are."""
    if config.runtime.kind == "native" and (keys := _of_containers(config.runtime.docker)):
        yield f"with runtime.kind: native nothing uses {', '.join(keys)}"
    if config.upstream.routes and config.upstream.url is None:
        yield "upstream.routes: they lead nowhere without upstream.url"


def _of_containers(section: DockerConfig) -> list[str]:
    """What is not as by default, but for the shell: that runs lines, whatever they run in."""
    defaults = dict(DockerConfig())
    changed = [name for name, value in section if value != defaults[name]]
    return [f"runtime.docker.{name}" for name in changed if name != "shell"]


def _idle_names(config: Config) -> Iterator[str]:
    """Names in the lists of who is asked that are no tool's."""
    table = entries(config.tools, config.presets, config.mcp_servers)
    names = [*BUILT_IN, *(key for key in table if not is_pattern(key))]
    for key in ("auto_approve", "always_ask"):
        for number, name in enumerate(getattr(config.autonomy, key)):
            if not _exists(name, names, table) and not _is_method(name, config.mcp_servers):
                near = did_you_mean(name, {*names, *table})
                yield f"autonomy.{key}[{number}]: there is no tool {name}{near}"


def _is_method(name: str, servers: Mapping[str, McpServerConfig]) -> bool:
    """Whether it is a method of a server's, or a pattern that meets one."""
    return any(meet(name, f"{server}.{method}") for server in servers for method in METHODS)


def _exists(name: str, names: Iterable[str], table: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a tool has this name; of a pattern, whether one may."""
    if not is_pattern(name):
        return name in BUILT_IN or joined(name, table).keys() >= _MADE_BY
    makers = (key for key, fields in table.items() if fields.keys() & _MADE_BY)
    return any(meet(name, key) for key in (*names, *makers))
