"""Rules that are only observed, for a time: what they would refuse is done, and told.

It holds for what the agent would do anyway without Sidegate, its own tools. What Sidegate itself
does, runs or opens is never done against the rules, and neither is what is no judgement: who may
call, what exists, what can be read at all, and what the operator has switched off. A credential
with a lower level of its own is bound by every rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from proxy.actions import Effect, Invoke
from proxy.authorization.tools.catalogue import Place, Tool
from proxy.authorization.verdict import Asked, Permit, Verdict
from proxy.decision import Allow, Facts
from proxy.reasons import Reason
from proxy.values import Json

OBSERVABLE = frozenset(
    {
        Reason.AUTONOMY_READONLY,
        Reason.APPROVAL_REQUIRED,
        Reason.ARGUMENT_NOT_ALLOWED,
        Reason.COMMAND_MALFORMED,
        Reason.COMMAND_UNPARSABLE,
        Reason.COMMAND_UNKNOWABLE,
        Reason.COMMAND_VARIABLE_NOT_ALLOWED,
        Reason.COMMAND_OPTION_NOT_ALLOWED,
        Reason.COMMAND_NOT_ALLOWED,
        Reason.COMMAND_TOO_COMPLEX,
        Reason.PATH_OUTSIDE_WORKSPACE,
        Reason.PATH_FORBIDDEN,
        Reason.PATH_IGNORED,
        Reason.PATH_READ_ONLY,
        Reason.PATH_UNUSABLE,
        Reason.PATH_NOT_FOUND,
        Reason.WORKSPACE_MISSING,
        Reason.URL_NOT_ALLOWED,
        Reason.URL_PRIVATE,
        Reason.URL_UNRESOLVED,
    }
)
"""The reasons that are judgements on a call."""


@dataclass(frozen=True)
class Observation:
    """`until`: from then on the rules are enforced."""

    until: datetime
    now: Callable[[], datetime]

    def softened(
        self, tools: Sequence[Tool], arguments: Mapping[str, Json], verdict: Verdict
    ) -> Verdict:
        """The verdict as it takes effect, on the first of `tools`, through which others are called.

        Each of them keeps its rate, and may be stopped.
        """
        tool = tools[0]
        if isinstance(verdict, Allow) or tool.place is not Place.UPSTREAM:
            return verdict
        reason = Reason.APPROVAL_REQUIRED if isinstance(verdict, Asked) else verdict.reason
        if reason not in OBSERVABLE or self.now() >= self.until:
            return verdict
        acting = any(each.effect is not Effect.READ for each in tools)
        plan = Invoke(tool.path, arguments, tool.seconds)
        facts = Facts(**{**verdict.facts, "observed": reason})
        return Allow(Permit(plan, acting, tuple(each.name for each in tools)), facts)
