"""Our rules for names and forms, without those of providers: what they take out of a text."""

import functools
from collections import Counter
from importlib.resources import files

from proxy.protection.compiled import Rules
from proxy.protection.detector import Detector
from proxy.protection.held import Held
from proxy.protection.masks import MARK, Masks
from proxy.protection.rule import Rule, load_rules
from proxy.protection.scrubber import Scrubber


def rules(*names: str) -> tuple[Rule, ...]:
    folder = files("proxy.protection") / "rules"
    texts = ((folder / f"{name}.toml").read_text("utf-8") for name in names)
    return tuple(rule for text in texts for rule in load_rules(text, "rules", own=True))


@functools.cache
def detector() -> Detector:
    return Detector(Rules(rules("structural", "keyed")), Held(()))


def scrubbed(text: str, step: int = 0) -> tuple[str, Counter[str]]:
    """What is left of a text that comes whole, or in steps of so many bytes; and the tally."""
    tally: Counter[str] = Counter()
    scrubber = Scrubber(detector(), Masks(), tally, whole=not step)
    data = text.encode()
    pieces = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
    shown = [scrubber.scrub(piece, final=False) for piece in pieces if step]
    shown.append(scrubber.scrub(b"" if step else data, final=True))
    return b"".join(shown).decode("utf-8", "replace"), tally


def gone(secret: str, text: str) -> bool:
    """Whether no half of a secret is left, nor any eight characters of it."""
    window = min(len(secret), max(8, len(secret) // 2))
    parts = {secret[at : at + window] for at in range(len(secret) - window + 1)}
    return not any(part in text for part in parts)


__all__ = ["MARK", "detector", "gone", "rules", "scrubbed"]
