"""Refusals of what a path, a URL or a missing workspace decides, with the rule that says so."""

from proxy.decision import Deny, Facts
from proxy.reasons import Reason

_RULES = {
    Reason.PATH_FORBIDDEN: "autonomy.forbidden_paths",
    Reason.PATH_IGNORED: "autonomy.ignore",
    Reason.PATH_READ_ONLY: "autonomy.allowed_roots",
    Reason.PATH_OUTSIDE_WORKSPACE: "autonomy.workspace_dir",
    Reason.WORKSPACE_MISSING: "autonomy.workspace_dir",
    Reason.URL_NOT_ALLOWED: "autonomy.allowed_domains",
}


def refuse(reason: Reason, evidence: str = "") -> Deny:
    """The denial for `reason`; it names the key that an operator may change, if there is one."""
    rule = _RULES.get(reason)
    return Deny(reason, evidence, Facts(rule=rule) if rule else Facts())
