"""The effective configuration as YAML, every secret masked: what `sidegate check` prints."""

import yaml

from proxy.config.model import Config

MASK = "***"


def effective(config: Config) -> str:
    """Every key with the value that counts, defaults included. Headers are the only secrets."""
    plain = config.model_dump(mode="json")
    plain["upstream"]["headers"] = dict.fromkeys(config.upstream.headers, MASK)
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
