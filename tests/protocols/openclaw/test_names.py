"""OpenClaw's tools under one name each."""

import pytest

from proxy.protocols.openclaw.names import own_name, policy_name


@pytest.mark.parametrize(
    ("spellings", "name"),
    [
        (("exec", "bash", "Bash"), "openclaw.exec"),
        (("apply_patch", "apply-patch"), "openclaw.apply_patch"),
        (("cron", "automations", "AUTOMATIONS"), "openclaw.cron"),
        (("browser",), "openclaw.browser"),
    ],
)
def test_every_spelling_of_a_tool_has_its_one_name(spellings: tuple[str, ...], name: str) -> None:
    assert {policy_name(each) for each in spellings} == {name}


def test_what_is_no_tool_of_openclaws_has_no_name_there() -> None:
    assert own_name("openclaw.exec") == "exec"
    assert own_name("shell") is None
