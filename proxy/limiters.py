"""The limiters that the configuration asks for; replicas on one store count together."""

from collections.abc import Callable, Mapping

from proxy.config.model import Config
from proxy.limits import Limiter, per_hour, per_minute
from proxy.state.opening import buckets_of
from proxy.state.store import Store


def limiters(config: Config, store: Store) -> Mapping[str, Limiter]:
    """A limiter for each rate that holds for everybody."""
    section = config.gateway
    rates = {
        "pair": section.pair_rate_limit_per_minute,
        "webhook": section.webhook_rate_limit_per_minute,
        "tools": section.tool_rate_limit_per_minute,
    }
    keys, buckets = section.rate_limit_max_keys, buckets_of(store)
    actions = config.autonomy.max_actions_per_hour
    each = {
        policy: per_minute(policy, rate, max_keys=keys, buckets=buckets)
        for policy, rate in rates.items()
    }
    return {**each, "actions": per_hour("actions", actions, max_keys=keys, buckets=buckets)}


def tool_limiter(config: Config, store: Store, rate: int) -> Limiter:
    """The limiter of all tools that have this rate of their own."""
    keys = config.gateway.rate_limit_max_keys
    return per_minute(f"tool-{rate}", rate, max_keys=keys, buckets=buckets_of(store))


def keys_of(each: Mapping[str, Limiter]) -> Callable[[], float]:
    """How many keys have a bucket of their own."""
    return lambda: sum(limiter.keys() for limiter in each.values())
