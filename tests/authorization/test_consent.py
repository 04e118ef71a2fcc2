"""A verdict becomes a permit by the rules, by a human's word, or not at all."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from consenting import approvals
from doubles import CLIENT, inbound
from policies import ADD, policy

from proxy.actions import Effect, FileList, Invoke, OpenPath, ToolCall
from proxy.authorization.approvals import Wish
from proxy.authorization.consent import Consent, held
from proxy.authorization.verdict import Asked, Permit, acts, tools_of
from proxy.decision import Allow, Deny, Facts
from proxy.reasons import Reason
from proxy.scope import Autonomy

PERMIT = Allow(Permit(Invoke("/x", {}, 1.0), tools=("ref.add",)))
ASKED = Asked(ADD, always=False, facts=Facts(rule="autonomy.auto_approve"), tools=(ADD.name,))
WISH = Wish(ToolCall(ADD.name, {}), inbound(), CLIENT)


def consent(seconds: float = 0.0, level: Autonomy = Autonomy.SUPERVISED) -> Consent:
    return Consent(approvals(), policy(None, level=level), seconds)


async def test_what_the_rules_allow_needs_nobody() -> None:
    assert await consent(300).settle(WISH, PERMIT) == PERMIT


async def test_without_time_to_wait_what_needs_a_human_is_denied_by_its_rule() -> None:
    denied = await consent(0).settle(WISH, ASKED)

    assert denied == Deny(Reason.APPROVAL_REQUIRED)
    assert denied.facts["rule"] == "autonomy.auto_approve"


async def test_what_is_resumed_under_no_approval_is_denied_though_the_rules_allow_it() -> None:
    resumed = replace(WISH, call=ToolCall(ADD.name, {}, ask="r_gone"))

    assert await consent(level=Autonomy.FULL).settle(resumed, PERMIT) == Deny(Reason.APPROVAL_VOID)


async def test_a_file_that_was_opened_for_nothing_is_given_back(tmp_path: Path) -> None:
    """The call is kept for later, or taken by another: the descriptor is not."""
    descriptor = os.open(tmp_path, os.O_PATH)
    permit = Allow(Permit(FileList(OpenPath(descriptor))))
    resumed = replace(WISH, call=ToolCall("file_list", {}, ask="r_gone"))
    with held(permit):
        await consent().settle(resumed, permit)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_verdict_tells_what_is_called_and_whether_it_acts() -> None:
    asked = replace(ASKED, tool=replace(ADD, effect=Effect.WRITE))

    assert (tools_of(PERMIT), acts(PERMIT)) == (("ref.add",), False)
    assert (tools_of(asked), acts(asked)) == (("ref.add",), True)
