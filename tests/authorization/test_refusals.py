"""What a refusal says of the rule behind it."""

import pytest

from proxy.authorization.refusals import refuse
from proxy.config.model import AutonomyConfig
from proxy.decision import Facts
from proxy.reasons import Reason


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        (Reason.PATH_FORBIDDEN, "forbidden_paths"),
        (Reason.PATH_IGNORED, "ignore"),
        (Reason.PATH_READ_ONLY, "allowed_roots"),
        (Reason.PATH_OUTSIDE_WORKSPACE, "workspace_dir"),
        (Reason.WORKSPACE_MISSING, "workspace_dir"),
        (Reason.URL_NOT_ALLOWED, "allowed_domains"),
    ],
)
def test_a_refusal_names_a_key_that_there_is(reason: Reason, key: str) -> None:
    denied = refuse(reason, "evidence")

    assert (denied.reason, denied.evidence) == (reason, "evidence")
    assert denied.facts == {"rule": f"autonomy.{key}"}
    assert key in AutonomyConfig.model_fields


def test_what_no_rule_decides_names_none() -> None:
    assert refuse(Reason.PATH_UNUSABLE).facts == Facts()
