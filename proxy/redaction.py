"""Layer 5 as it is configured: its rules, its styles, and what it must never let out."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from proxy.authorization.policy import Policy
from proxy.config.masked import secret_values
from proxy.config.model import Config
from proxy.decision import ConfigError
from proxy.pipeline import build_placeholders, build_requests
from proxy.protection.compiled import Rules
from proxy.protection.masks import Masks
from proxy.protection.placeholders import Mac
from proxy.protection.redactor import OWN_RULE, Redactor, shipped_rules
from proxy.protection.requests import Requests
from proxy.protection.rule import disabled_rules, load_rules, shipped
from proxy.state.opening import MASTER_KEY
from proxy.unsealing import Unsealed

log = structlog.get_logger()

_POLL_SECONDS = 2.0


def open_redactor(unsealed: Unsealed, folder: str, environ: Mapping[str, str]) -> Redactor:
    """The redactor; raises ConfigError for rules that are none.

    `folder`: what the path of a file of rules is relative to.
    """
    config = unsealed.loaded.config
    masks = Masks(config.protection.style, config.protection.styles)
    return Redactor(held_values(unsealed, environ), rules_of(config, folder), masks)


def rules_of(config: Config, folder: str) -> Rules:
    """The rules that are configured; raises ConfigError where they are none."""
    path = config.protection.rules_file
    return shipped_rules() if path is None else _rules_with(Path(folder, path))


def open_requests(config: Config, policy: Policy, redactor: Redactor, mac: Mac) -> Requests:
    """What is done to requests, with the placeholders that the redactor shows from now on."""
    placeholders = build_placeholders(config, policy, mac, time.time)
    requests = build_requests(config, policy, redactor, placeholders)
    redactor.serve(placeholders, requests.sent)
    return requests


def _rules_with(path: Path) -> Rules:
    """Our own rules but for those that a file disables, and after them its own."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8 text"
        raise ConfigError([f"protection.rules_file: {path}: {reason}"]) from None
    own, disabled = load_rules(text, str(path)), disabled_rules(text, str(path)) - {OWN_RULE}
    return Rules((*(rule for rule in shipped() if rule.id not in disabled), *own))


def held_values(unsealed: Unsealed, environ: Mapping[str, str]) -> list[str]:
    """Every secret of the configuration and of the store, and the key of both.

    Of a credential that a scheme precedes, as in `Bearer …`, what follows is one by itself, too.
    """
    return [
        form
        for value in _values(unsealed.loaded.config, unsealed, environ)
        for form in (value, value.rpartition(" ")[2])
    ]


def _values(config: Config, unsealed: Unsealed, environ: Mapping[str, str]) -> Iterator[str]:
    yield from secret_values(config)
    yield from unsealed.secrets.values().values()
    yield from filter(None, (environ.get(MASTER_KEY),))


async def keep_holding(
    redactor: Redactor,
    unsealed: Unsealed,
    environ: Mapping[str, str],
    seconds: float = _POLL_SECONDS,
) -> None:
    """Mask what the command line stores meanwhile; references take it at the next start."""
    told = ""
    while True:
        await asyncio.sleep(seconds)
        try:
            if unsealed.secrets.changed():
                redactor.hold(await asyncio.to_thread(held_values, unsealed, environ))
            told = ""
        except (OSError, ConfigError) as error:
            if str(error) != told:
                log.error("the secret store cannot be read; its values as last read stay masked")
            told = str(error)
