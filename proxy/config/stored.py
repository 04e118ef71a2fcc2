"""Values from the secret store in a draft: first kept open, then replaced by the secrets.

The counterpart is `deferred`, the value meanwhile. All that is wrong is told at once, each with its
place, and no secret with it.
"""

import re
from collections.abc import Callable, Iterator

from proxy import enc2
from proxy.config import keys
from proxy.config.deferred import Deferred, Lookup, Reference
from proxy.config.draft import Draft, KeyPath, Plain, children

Change = Callable[[KeyPath, Plain], Plain]
"""What becomes of a single value; raises ValueError."""

_WITHIN = re.compile(rf"{enc2.PREFIX}[0-9A-Fa-f]{{56}}")
_LEGACY = re.compile(rf"{enc2.LEGACY}(?:[0-9A-Fa-f]{{2}})+")


def defer(draft: Draft) -> None:
    """Keep every `enc2:` value of a secret key open, wherever it came from."""
    _replace(draft, _kept)


def resolve(draft: Draft, lookup: Lookup) -> None:
    """Put in what was kept open; what is not to be had becomes a problem of the draft."""
    _replace(draft, lambda _, value: _looked_up(value, lookup))


def references(value: Plain, key: KeyPath = ()) -> Iterator[tuple[KeyPath, Reference]]:
    """All that the data at `key` of a draft asks the secret store for, and which key does."""
    if isinstance(value, Deferred):
        yield from ((key, reference) for reference in value.references)
    for part, inside in children(value):
        yield from references(inside, (*key, part))


def _kept(key: KeyPath, value: Plain) -> Plain:
    if not isinstance(value, str) or not keys.is_secret(key):
        return value
    if value.startswith(enc2.PREFIX):
        enc2.check(value)
        return Deferred([Reference(value)])
    if _WITHIN.search(value):
        raise ValueError("holds an enc2: value amid text; ${secret:NAME} may stand there")
    if _LEGACY.fullmatch(value):
        raise ValueError("is an enc: value, which anybody could have changed: import it")
    return value


def _looked_up(value: Plain, lookup: Lookup) -> Plain:
    if not isinstance(value, Deferred):
        return value
    try:
        return value.opened(lookup)
    except LookupError as error:
        name = error.args[0]
        message = f"there is no secret {name}: sidegate secrets set {name}"
        raise ValueError(message) from None


def _replace(draft: Draft, change: Change) -> None:
    def changed(key: KeyPath, value: Plain) -> Plain:
        match value:
            case dict():
                return {name: changed((*key, name), inside) for name, inside in value.items()}
            case list():
                return [changed((*key, number), inside) for number, inside in enumerate(value)]
        try:
            return change(key, value)
        except ValueError as error:
            draft.refuse(key, str(error))
            return None

    draft.data = {name: changed((name,), inside) for name, inside in draft.data.items()}
