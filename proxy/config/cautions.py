"""What is valid, and yet may not be what the operator means: told at each start and by `check`.

The counterpart is `model`, which refuses what cannot be meant at all.
"""

from collections.abc import Iterable, Iterator, Mapping

from proxy.config.messages import did_you_mean
from proxy.config.model import Config
from proxy.config.patterns import is_pattern, joined, meet
from proxy.config.presets import entries
from proxy.config.tools import BUILT_IN

_MADE_BY = {"effect", "backend"}


def cautions(config: Config) -> list[str]:
    """A sentence for each. Which time it is plays no part."""
    return [*_observed(config), *_idle_names(config)]


def _observed(config: Config) -> Iterator[str]:
    if config.autonomy.observed_until is not None:
        yield (
            "what the rules refuse of the upstream's tools is done, and only told, until"
            f" {config.autonomy.until}: autonomy.mode is observe"
        )


def _idle_names(config: Config) -> Iterator[str]:
    """Names in the lists of who is asked that are no tool's."""
    table = entries(config.tools, config.presets)
    names = [*BUILT_IN, *(key for key in table if not is_pattern(key))]
    for key in ("auto_approve", "always_ask"):
        for number, name in enumerate(getattr(config.autonomy, key)):
            if not _exists(name, names, table):
                near = did_you_mean(name, {*names, *table})
                yield f"autonomy.{key}[{number}]: there is no tool {name}{near}"


def _exists(name: str, names: Iterable[str], table: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a tool has this name; of a pattern, whether one may."""
    if not is_pattern(name):
        return name in BUILT_IN or joined(name, table).keys() >= _MADE_BY
    makers = (key for key, fields in table.items() if fields.keys() & _MADE_BY)
    return any(meet(name, key) for key in (*names, *makers))
