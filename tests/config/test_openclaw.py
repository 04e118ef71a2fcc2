"""What is said of an agent that is OpenClaw."""

import pytest
from pydantic import ValidationError

from proxy.config.upstream import UpstreamConfig


def section(**keys: object) -> UpstreamConfig:
    return UpstreamConfig.model_validate({"protocol": "openclaw", **keys})


def test_clients_may_read_and_write_unless_told_otherwise() -> None:
    assert section().scopes == ("operator.read", "operator.write")
    assert section().methods == ()


@pytest.mark.parametrize("scope", ["operator.approvals", "operator.talk.secrets", "*", ""])
def test_no_client_is_one_who_approves(scope: str) -> None:
    with pytest.raises(ValidationError):
        section(scopes=[scope])


@pytest.mark.parametrize(
    "method",
    ["exec.approval.resolve", "approval.resolve", "plugin.approvals.x", "connect", "tools.invoke"],
)
def test_no_method_is_opened_that_approves_or_goes_past_the_rules(method: str) -> None:
    with pytest.raises(ValidationError):
        section(methods=[method])


def test_other_methods_may_be_opened() -> None:
    assert section(methods=["tts.speak", "system-event"]).methods == ("tts.speak", "system-event")


@pytest.mark.parametrize("protocol", ["http", "zeroclaw"])
@pytest.mark.parametrize("said", [{"scopes": ["operator.read"]}, {"methods": ["tts.speak"]}])
def test_what_is_said_of_openclaw_means_nothing_elsewhere(
    protocol: str, said: dict[str, list[str]]
) -> None:
    with pytest.raises(ValidationError):
        section(protocol=protocol, **said)
