"""How the tools of an agent that is OpenClaw are called."""

import pytest

from proxy.actions import Invoke
from proxy.authorization.tools.invoked import invoked
from proxy.decision import Allow, Deny, Facts
from proxy.reasons import Reason


def plan(name: str, path: str | None = None, **arguments: str) -> Invoke:
    return Invoke(path or f"/tools/{name}", {"path": "a", **arguments}, 5.0)


def test_a_tool_of_openclaws_is_called_at_its_one_path_by_its_own_name() -> None:
    found = invoked(plan("openclaw.read"), "openclaw.read", Facts())
    assert found == Allow(Invoke("/tools/invoke", {"path": "a"}, 5.0, openclaw="read"))


def test_a_tool_with_another_name_or_path_is_called_there() -> None:
    for name, path in (("add", "/tools/add"), ("openclaw.read", "/own")):
        asked = plan(name, path)
        assert invoked(asked, name, Facts()) == Allow(asked)


def test_what_stands_beside_the_arguments_is_known_by_whatever_door_it_came() -> None:
    asked = plan("openclaw.read", None, **{"$elevated": "x"})
    assert invoked(asked, "openclaw.read", Facts()) == Deny(Reason.ARGUMENTS_INVALID)


@pytest.mark.parametrize("other", ["bash", "Bash", "apply-patch", "automations", "Automations"])
def test_another_name_of_a_tool_is_none_by_any_door(other: str) -> None:
    name = f"openclaw.{other}"
    assert invoked(plan(name), name, Facts()) == Deny(Reason.TOOL_UNKNOWN, name)
