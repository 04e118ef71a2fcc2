"""Which key of the configuration decided, down to the item of a list where one did."""

import os
import posixpath
from collections.abc import Iterable

from proxy.actions import ToolCall
from proxy.authorization.paths.ignored import Ignored
from proxy.authorization.programs.allowlist import look_up
from proxy.authorization.verdict import Asked, Permit, Verdict, tools_of
from proxy.config.patterns import covers
from proxy.decision import Allow, Deny
from proxy.exchange import Principal
from proxy.explain.ruleset import Ruleset
from proxy.reasons import Reason

# The key that decides where the verdict names none.
_USUAL = {
    Reason.TOOL_UNKNOWN: "tools",
    Reason.WRAPPER_UNKNOWN: "tools",
    Reason.TOOL_DENIED: "tools",
    Reason.AUTONOMY_READONLY: "autonomy.level",
    Reason.COMMAND_NOT_ALLOWED: "autonomy.allowed_commands",
    Reason.PATH_OUTSIDE_WORKSPACE: "autonomy.workspace_dir",
    Reason.PATH_FORBIDDEN: "autonomy.forbidden_paths",
    Reason.PATH_IGNORED: "autonomy.ignore",
    Reason.PATH_READ_ONLY: "autonomy.allowed_roots",
    Reason.WORKSPACE_MISSING: "autonomy.workspace_dir",
    Reason.URL_NOT_ALLOWED: "autonomy.allowed_domains",
}


def deciding_key(
    ruleset: Ruleset, call: ToolCall, principal: Principal, verdict: Verdict
) -> str | None:
    """The key, dotted, or None where no key can change the verdict."""
    if isinstance(verdict, Deny):
        return _denying(ruleset, call, principal, verdict)
    rule = verdict.facts.get("rule")
    if rule == "autonomy.always_ask":
        return _item(rule, _naming(ruleset.loaded.config.autonomy.always_ask, verdict))
    return rule


def _denying(ruleset: Ruleset, call: ToolCall, principal: Principal, denial: Deny) -> str | None:
    rule = denial.facts.get("rule") or _USUAL.get(denial.reason)
    match denial.reason, rule:
        case Reason.SCOPE_INSUFFICIENT, _:
            bound = "tools" if principal.scope.covers_route(f"/tools/{call.tool}") else "routes"
            return _own(principal, bound)
        case Reason.AUTONOMY_READONLY, _ if _lowered(ruleset, principal):
            return _own(principal, "level") or rule
        case (
            (
                Reason.COMMAND_OPTION_NOT_ALLOWED
                | Reason.COMMAND_UNKNOWABLE
                | Reason.COMMAND_VARIABLE_NOT_ALLOWED
            ),
            "autonomy.allowed_commands",
        ):
            return _item(rule, _running(ruleset, denial.facts.get("known", "")))
        case Reason.PATH_FORBIDDEN, "autonomy.forbidden_paths":
            return _item(rule, _covering(ruleset, denial.evidence))
        case Reason.PATH_IGNORED, "autonomy.ignore":
            return _item(rule, _ignoring(ruleset, denial.evidence))
        case _:
            return rule


def _own(principal: Principal, bound: str) -> str | None:
    """The key of a bound of a principal of the configuration."""
    kind, _, name = principal.id.partition(":")
    return f"principals.{name}.{bound}" if kind == "principal" else None


def _lowered(ruleset: Ruleset, principal: Principal) -> bool:
    level = ruleset.loaded.config.autonomy.level
    return level.at_most(principal.scope.level) is not level


def _item(key: str, hits: Iterable[bool]) -> str:
    """The first item that is a hit, or the list."""
    number = next((number for number, hit in enumerate(hits) if hit), None)
    return key if number is None else f"{key}[{number}]"


def _running(ruleset: Ruleset, known: str) -> Iterable[bool]:
    """Which of the programs `known` is about, where that is one; the table knows some by others."""
    hits = [
        any(known.startswith(f"{name}{end}") for name in (each, look_up(each)[0]) for end in " :")
        for each in ruleset.programs
    ]
    return hits if hits.count(True) == 1 else ()


def _naming(patterns: Iterable[str], verdict: Allow[Permit] | Asked) -> Iterable[bool]:
    """Which of the patterns the tool has that is asked about: it may be one of several called."""
    tools = [verdict.tool.name] if isinstance(verdict, Asked) else tools_of(verdict)
    return (any(covers(pattern, tool) for tool in tools) for pattern in patterns)


def _covering(ruleset: Ruleset, path: str) -> Iterable[bool]:
    """Which of the forbidden paths the spelling of `path` lies beneath."""
    place = f"{_absolute(ruleset, path)}/"
    entries = ruleset.loaded.config.autonomy.forbidden_paths
    return (place.startswith(f"{_absolute(ruleset, entry)}/") for entry in entries)


def _ignoring(ruleset: Ruleset, path: str) -> Iterable[bool]:
    """Which of the patterns the spelling of `path` matches."""
    section = ruleset.loaded.config.autonomy
    place = posixpath.relpath(_absolute(ruleset, path), section.workspace_dir)
    return (Ignored.build([pattern]).covers(place) for pattern in section.ignore)


def _absolute(ruleset: Ruleset, path: str) -> str:
    folder = ruleset.loaded.config.autonomy.workspace_dir
    return posixpath.normpath(posixpath.join(folder, os.path.expanduser(path)))
