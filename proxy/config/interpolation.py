"""`${…}` in the values of the file.

    ${NAME}            the variable; an error where it is not set
    ${NAME:-default}   the variable, or `default` where it is not set or empty
    ${NAME:?message}   the variable, or an error that says `message` where it is not set or empty
    $$                 a dollar sign

A value that is one `${…}` and nothing else is read as a YAML scalar, so that `port: ${PORT}` is a
number; a secret stays the text it is. What comes from the environment is not looked through again.
The counterpart is `environment`, whose overrides are taken as they are.
"""

import re
from collections.abc import Mapping

from proxy.config import keys, source
from proxy.config.draft import Draft, KeyPath, Plain, Scalar

_DOLLAR = re.compile(r"\$(?:\$|\{([^{}]*)\})?")
_FORMS = "${NAME}, ${NAME:-default}, ${NAME:?message} and $$ (a dollar sign)"
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:[-?])([^$]*))?", re.ASCII)


def expand(draft: Draft, environ: Mapping[str, str]) -> None:
    """Replace every `${…}` in the values that the file gave."""
    for name, value in draft.data.items():
        draft.data[name] = _expanded(draft, (name,), value, environ)


def refuse_stored(text: str) -> None:
    """Raise ValueError where `text` names a stored secret: taken literally it would be sent on."""
    if text.startswith("enc2:") or "${secret:" in text:
        raise ValueError("the secret store is not part of this version; use ${ENV} or …_file")


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
        refuse_stored(text)
        whole = _DOLLAR.fullmatch(text)
        expanded = _DOLLAR.sub(lambda match: _replacement(match, environ), text)
        if whole and whole[1] is not None and not keys.is_secret(key):
            return source.scalar(expanded)
    except ValueError as error:
        draft.refuse(key, str(error))
        return None
    return expanded


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
