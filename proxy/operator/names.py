"""What principals and tools go by: the labels that operators gave, and which names mean anything.

A name that is not known may still come, as a sender or a token of tomorrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.authorization.tools.catalogue import BUILT_IN
from proxy.config.model import Config
from proxy.config.patterns import meet
from proxy.config.presets import entries
from proxy.exchange import Clock
from proxy.state.store import Tokens

_ANYBODY = "anonymous"


@dataclass(frozen=True)
class Names:
    """`tools`: the keys of the table of tools; `principals`: the ids of the configuration's.

    `channels`: those whose senders become principals.
    """

    tokens: Tokens
    clock: Clock
    tools: frozenset[str] = frozenset(BUILT_IN)
    principals: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: Config, tokens: Tokens, clock: Clock) -> "Names":
        """The names under this configuration."""
        machines = (f"principal:{name}" for name in config.principals)
        listed = (f"listed-{digest[:8].lower()}" for digest in config.gateway.paired_tokens)
        return cls(
            tokens,
            clock,
            frozenset({*BUILT_IN, *entries(config.tools, config.presets)}),
            frozenset({*machines, *listed}),
            frozenset(channel.name for channel in config.channels_config.configured()),
        )

    async def labels(self) -> Mapping[str, str]:
        """The labels of tokens by their ids; raises OSError."""
        return {each.id: each.label for each in await self.tokens.list(self.clock())}

    def tool(self, pattern: str) -> bool:
        """Whether an entry of the table speaks about a tool that `pattern` covers."""
        return any(meet(pattern, key) for key in self.tools)

    async def principal(self, principal_id: str) -> bool:
        """Whether a principal can have this id now; raises OSError."""
        machine = {principal_id, f"principal:{principal_id}"} & self.principals
        if machine or principal_id.partition(" ")[0] == _ANYBODY:
            return True
        channel, colon, _ = principal_id.partition(":")
        return bool(colon and channel in self.channels) or principal_id in await self.labels()
