"""`${…}` in the values of the file.

    ${NAME}            the variable; an error where it is not set
    ${NAME:-default}   the variable, or `default` where it is not set or empty
    ${NAME:?message}   the variable, or an error that says `message` where it is not set or empty
    ${secret:NAME}     a secret of the secret store, in the value of a secret key; see `deferred`
    $$                 a dollar sign

A value that is one `${…}` and nothing else is read as a YAML scalar, so that `port: ${PORT}` is a
number; a secret stays the text it is. What comes from the environment is not looked through again.
The counterpart is `environment`, whose overrides are taken as they are.
"""

import re
from collections.abc import Mapping

from proxy.config import keys, source
from proxy.config.deferred import NAME, Deferred, Reference, refuse
from proxy.config.draft import Draft, KeyPath, Plain, Scalar

_DOLLAR = re.compile(r"\$(?:\$|\{([^{}]*)\})?")
_FORMS = "${NAME}, ${NAME:-default}, ${NAME:?message}, ${secret:NAME} and $$ (a dollar sign)"
_STORED = re.compile(rf"\$\{{secret:({NAME})\}}")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:[-?])([^$]*))?", re.ASCII)


def expand(draft: Draft, environ: Mapping[str, str]) -> None:
    """Replace every `${…}` in the values that the file gave."""
    for name, value in draft.data.items():
        draft.data[name] = _expanded(draft, (name,), value, environ)


def _expanded(draft: Draft, key: KeyPath, value: Plain, environ: Mapping[str, str]) -> Plain:
    match value:
        case dict():
            return {k: _expanded(draft, (*key, k), v, environ) for k, v in value.items()}
        case list():
            return [_expanded(draft, (*key, i), v, environ) for i, v in enumerate(value)]
        case str() if not draft.literal(key):
            return _text(draft, key, value, environ)
        case _:
            return value


def _text(draft: Draft, key: KeyPath, text: str, environ: Mapping[str, str]) -> Scalar:
    try:
        if keys.is_secret(key):
            return _secret(text, environ)
        refuse(text)
        whole = _DOLLAR.fullmatch(text)
        expanded = _DOLLAR.sub(lambda match: _replacement(match, environ), text)
        return source.scalar(expanded) if whole and whole[1] is not None else expanded
    except ValueError as error:
        draft.refuse(key, str(error))
        return None


def _secret(text: str, environ: Mapping[str, str]) -> str | Deferred:
    parts: list[str | Reference] = []
    end = 0
    for match in _DOLLAR.finditer(text):
        stored = _STORED.fullmatch(match[0])
        parts.append(text[end : match.start()])
        parts.append(Reference(stored[1]) if stored else _replacement(match, environ))
        end = match.end()
    parts.append(text[end:])
    if any(isinstance(part, Reference) for part in parts):
        return Deferred([part for part in parts if part])
    return "".join(map(str, parts))


def _replacement(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    form = _INSIDE.fullmatch(match[1] or "")
    if not form:
        raise ValueError(f"holds a '$' that begins none of {_FORMS}")
    name, operator, word = form.groups()
    value = environ.get(name)
    if operator is None and value is None:
        raise ValueError(f"the variable {name} is not set")
    if operator == ":?" and not value:
        raise ValueError(f"the variable {name} is not set: {word}")
    return (value or word) if operator else (value or "")
