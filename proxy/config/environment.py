"""The environment over the file.

    SIDEGATE_GATEWAY__PORT=3000                            overrides gateway.port
    SIDEGATE_UPSTREAM__HEADERS__AUTHORIZATION=…            a secret, taken as it is
    SIDEGATE_UPSTREAM__HEADERS__AUTHORIZATION_FILE=/run/…  the same from a file, by `secret_files`

Values are YAML scalars; lists and mappings belong in the file. In names of the operator's own, of
headers and tools, `_` stands for any character that a variable's name cannot hold. A variable with
the prefix that overrides nothing is an error, like an unknown key. The counterpart is
`interpolation`, for variables that the file itself asks for.
"""

import re
from collections.abc import Mapping

from proxy.config import keys, source
from proxy.config.deferred import refuse
from proxy.config.draft import Draft, KeyPath, Plain, Position, Scalar, at, children
from proxy.config.near import did_you_mean
from proxy.config.secret_files import SUFFIX, siblings

PREFIX = "SIDEGATE_"
RESERVED = frozenset(
    {
        *("SIDEGATE_CONFIG", "SIDEGATE_CASES"),
        *("SIDEGATE_MASTER_KEY", "SIDEGATE_MASTER_KEY_FILE"),
    }
)
"""Variables that are about no key: the configuration's place, the test cases, the master key."""


def override(draft: Draft, environ: Mapping[str, str]) -> None:
    """Put every SIDEGATE_ variable over what the file says."""
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in RESERVED:
            _override(draft, variable, environ[variable])


def _override(draft: Draft, variable: str, text: str) -> None:
    position = Position(f"env {variable}")
    key: KeyPath = ()
    try:
        key = _key(draft, variable)
        value = _value(key, text)
        _put(draft, key, value, position)
    except ValueError as error:
        draft.complain(key, str(error), position)


def _key(draft: Draft, variable: str) -> KeyPath:
    """The key that `variable` overrides; raises ValueError where there is none."""
    key: KeyPath = ()
    for segment in variable.removeprefix(PREFIX).split("__"):
        name = _entry(draft, key, segment) if keys.is_table(key) else _field(key, segment)
        if not name:
            known = [*map(_variable, keys.leaves()), *RESERVED]
            hint = did_you_mean(variable, known, likeness=0.8)  # all share the prefix
            raise ValueError(f"unknown variable{hint}")
        key = (*key, name)
    if keys.names(key) or keys.is_table(key):
        raise ValueError("this is a section; name one key in it")
    return key


def _variable(key: KeyPath) -> str:
    return PREFIX + "__".join(str(part).upper() for part in key)


def _field(key: KeyPath, segment: str) -> str | None:
    """The fixed key inside `key` that `segment` spells, or the file of one that is a secret."""
    spelled = {name.upper(): name for name in keys.names(key)}
    stem = segment.removesuffix(SUFFIX.upper())
    if stem != segment and keys.is_secret((*key, spelled.get(stem, ""))):
        return spelled[stem] + SUFFIX
    return spelled.get(segment)


def _entry(draft: Draft, key: KeyPath, segment: str) -> str | None:
    """The entry of a table that `segment` spells: one in the file, else a new one."""
    secret = keys.is_secret((*key, segment))
    stem = segment.removesuffix(SUFFIX.upper()) if secret else segment
    if not re.fullmatch(r"[A-Z0-9_]+", stem):
        return None
    names = [str(name) for name, _ in children(at(draft.data, key))]
    if secret:
        names = [name.removesuffix(SUFFIX) for name in names]
    same = {name for name in names if re.sub(r"[^A-Z0-9]", "_", name.upper()) == stem}
    if len(same) > 1:
        raise ValueError(f"stands for several entries: {', '.join(sorted(same))}")
    fresh = stem.replace("_", "-").title() if secret else stem.lower()
    return (same.pop() if same else fresh) + (SUFFIX if stem != segment else "")


def _value(key: KeyPath, text: str) -> Scalar:
    """What `text` says for `key`; a secret, and the path of one, is not parsed."""
    if keys.is_secret(key):
        # A `$` of the environment has no meaning, and this one was surely meant to have one.
        if "${secret:" in text:
            raise ValueError("${secret:NAME} has a meaning in the file only")
        return text
    refuse(text)
    value = source.scalar(text)
    if keys.is_list(key) and value is not None:
        raise ValueError("a list cannot be given in the environment")
    return value


def _put(draft: Draft, key: KeyPath, value: Scalar, position: Position) -> None:
    inside: Plain = draft.data
    for depth, part in enumerate(key[:-1], start=1):
        # Not a mapping: validation tells so, and there is nothing to override.
        if not isinstance(inside, dict):
            return
        if part not in inside:
            inside[str(part)] = {}
            draft.positions[key[:depth]] = position
        inside = inside[str(part)]
    if isinstance(inside, dict):
        _replace(draft, key, inside, value, position)


def _replace(
    draft: Draft, key: KeyPath, inside: dict[str, Plain], value: Scalar, position: Position
) -> None:
    """Set `key` to `value`, in place of what the file has in either form."""
    name = str(key[-1])
    for sibling in siblings(key, inside):
        other = draft.position((*key[:-1], sibling))
        if sibling != name and not other.line:
            raise ValueError(f"set together with {other.source.removeprefix('env ')}")
        del inside[sibling]
        draft.forget((*key[:-1], sibling))
    inside[name] = value
    draft.positions[key] = position
