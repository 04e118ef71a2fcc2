"""A hint at a word that was meant, where another was written."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at the nearest of `known`, with a space before it, or nothing."""
    spelled = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), spelled, n=1, cutoff=likeness)
    return f" (did you mean '{spelled[near[0]]}'?)" if near else ""
