"""What a secret looks like: rules in the shape of gitleaks, in TOML.

    [[rules]]
    id = "github-pat"
    regex = '''ghp_[0-9A-Za-z]{36,255}'''
    entropy = 3.0
    keywords = ["ghp_"]

`regex` is RE2's, over bytes; the secret is the group that `secretGroup` numbers or the name
`secret` marks, else the first that matched, else all of it. It has `entropy` bits a character at
least (Shannon). One of the `keywords` is in every match, in any case. What `[[rules.allowlists]]`
names is no secret after all. Four keys are ours:

    check     a function of `checks` that has the last word
    tail      what goes on after a bounded match, of any length, and belongs to the secret: units of
              TAIL_UNIT bytes at most, any number of them; only one of one byte is white space first
    spans     a match may hold white space; it then begins with one of its keywords
    public    the first four characters are published and may be shown
"""

import functools
import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxy.decision import ConfigError
from proxy.protection.expression import Expression

SHIPPED = ("providers", "structural", "keyed")
"""Our own files of rules, in the order in which they are tried."""

TAIL_UNIT = 4
"""Bytes of one unit of a tail: whether one more follows is known once so many are there."""


@dataclass(frozen=True, slots=True)
class Allow:
    """What is no secret: any of these, or with `every` all kinds that are given.

    `target`: what the expressions are looked for in: `secret`, `match` or `line`.
    """

    regexes: tuple[Expression, ...] = ()
    stopwords: tuple[bytes, ...] = ()
    target: str = "secret"
    every: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. The module's text says what each field means."""

    id: str
    regex: str
    group: int | None = None
    entropy: float = 0.0
    keywords: tuple[str, ...] = ()
    allow: tuple[Allow, ...] = ()
    check: str | None = None
    tail: str | None = None
    spans: bool = False
    public: bool = False
    own: bool = field(default=True, compare=False)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _AllowTable(_Table):
    id: str = ""
    description: str = ""
    condition: str = Field("OR", pattern="(?i)^(or|and)$")
    commits: list[str] = []
    paths: list[str] = []
    regex_target: str = Field("secret", alias="regexTarget")
    regexes: list[str] = []
    stopwords: list[str] = []
    target_rules: list[str] = Field([], alias="targetRules")


class _RuleTable(_Table):
    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    description: str = ""
    regex: str | None = None
    path: str | None = None
    secret_group: int | None = Field(None, alias="secretGroup", ge=0)
    entropy: float = 0.0
    keywords: list[str] = []
    tags: list[str] = []
    skip_report: bool = Field(default=False, alias="skipReport")
    required: list[Mapping[str, Any]] = []
    allowlist: _AllowTable | None = None
    allowlists: list[_AllowTable] = []
    check: str | None = None
    tail: str | None = None
    spans: bool | None = None
    public: bool = False


class _ExtendTable(_Table):
    use_default: bool = Field(default=True, alias="useDefault")
    disabled_rules: list[str] = Field(default=[], alias="disabledRules")


class _File(_Table):
    title: str = ""
    description: str = ""
    min_version: str = Field("", alias="minVersion")
    extend: _ExtendTable = Field(default_factory=lambda: _ExtendTable.model_validate({}))
    allowlist: _AllowTable | None = None
    allowlists: list[_AllowTable] = []
    rules: list[_RuleTable] = []


def shipped(names: Iterable[str] = SHIPPED) -> tuple[Rule, ...]:
    """Our own rules in the files of these names, in the order in which they are tried."""
    return tuple(itertools.chain.from_iterable(map(_shipped, names)))


@functools.cache
def _shipped(name: str) -> tuple[Rule, ...]:
    text = (files("proxy.protection") / "rules" / f"{name}.toml").read_text("utf-8")
    return load_rules(text, f"{name}.toml", own=True)


def load_rules(text: str, name: str, *, own: bool = False) -> tuple[Rule, ...]:
    """The rules of a file that is called `name` in messages; raises ConfigError with all faults.

    `own`: one of ours. Of anybody else's it is not known which hold white space: all may.
    """
    file = _parsed(text, name)
    problems: list[str] = []
    shared = _allowances(file, name, problems)
    rules = [
        _rule(table, shared, f"{name}: rule {table.id}", problems, own=own)
        for table in file.rules
        if table.regex is not None  # one that names files only says nothing of a text
    ]
    ids = [rule.id for rule in rules]
    problems += [f"{name}: rule {each}: given twice" for each in {*ids} if ids.count(each) > 1]
    if problems:
        raise ConfigError(problems)
    return tuple(rules)


def disabled_rules(text: str, name: str) -> frozenset[str]:
    """The ids of ours that a file wants left out; raises ConfigError as `load_rules` does."""
    return frozenset(_parsed(text, name).extend.disabled_rules)


def _parsed(text: str, name: str) -> _File:
    try:
        return _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: is not TOML: {error}"]) from None
    except ValidationError as error:
        raise ConfigError([f"{name}: {_place(each)}" for each in error.errors()]) from None


def _place(error: Mapping[str, Any]) -> str:
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def _allowances(file: _File, name: str, problems: list[str]) -> tuple[tuple[Allow, list[str]], ...]:
    """What the file allows in general: for all rules, or for those that are named."""
    tables = [*([file.allowlist] if file.allowlist else ()), *file.allowlists]
    return tuple((_allow(each, name, problems), each.target_rules) for each in tables)


def _rule(
    table: _RuleTable,
    shared: Sequence[tuple[Allow, list[str]]],
    name: str,
    problems: list[str],
    *,
    own: bool,
) -> Rule:
    if not own:
        _check_expressions(table, name, problems)
    tables = [*([table.allowlist] if table.allowlist else ()), *table.allowlists]
    allowed = [_allow(each, name, problems) for each in tables]
    allowed += [allow for allow, ids in shared if not ids or table.id in ids]
    return Rule(
        table.id,
        table.regex or "",
        table.secret_group or None,
        table.entropy,
        tuple(word.lower() for word in table.keywords),
        tuple(allow for allow in allowed if allow.regexes or allow.stopwords),
        table.check,
        table.tail,
        (not own) if table.spans is None else table.spans,
        table.public,
        own,
    )


def _check_expressions(table: _RuleTable, name: str, problems: list[str]) -> None:
    expression = _expression(table.regex or "", name, problems)
    if table.tail is not None:
        _expression(table.tail, name, problems)
    if expression is not None and (table.secret_group or 0) > expression.groups:
        problems.append(f"{name}: secretGroup: its regex has {expression.groups} groups only")


def _allow(table: _AllowTable, name: str, problems: list[str]) -> Allow:
    expressions = [_expression(pattern, name, problems) for pattern in table.regexes]
    return Allow(
        tuple(each for each in expressions if each is not None),
        tuple(word.lower().encode() for word in table.stopwords),
        table.regex_target,
        table.condition.upper() == "AND",
    )


def _expression(pattern: str, name: str, problems: list[str]) -> Expression | None:
    try:
        return Expression(pattern)
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return None
