"""The section `protection`."""

import pytest
from pydantic import ValidationError

from proxy.config.model import Config
from proxy.config.protection import ProtectionConfig


def test_the_defaults() -> None:
    section = ProtectionConfig()

    assert (section.rules_file, section.scan_requests, section.style) == (None, "none", "prefix")
    assert not section.has_placeholders


@pytest.mark.parametrize(
    "section",
    [
        {"scan_requests": "warn"},
        {"style": "none"},
        {"styles": {"Github": "full"}},
        {"styles": {"github-pat": "hash"}},
        {"styles": {"": "full"}},
        {"rules_file": "../rules.toml"},
        {"unknown": 1},
    ],
)
def test_what_is_not_known_is_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProtectionConfig.model_validate(section)


def test_one_style_is_enough_for_placeholders() -> None:
    assert ProtectionConfig(style="placeholder").has_placeholders
    assert ProtectionConfig(styles={"github-pat": "placeholder"}).has_placeholders
    assert not ProtectionConfig(style="full", styles={"held": "full"}).has_placeholders


def test_no_tool_may_write_the_rules() -> None:
    inside = {"protection": {"rules_file": "/workspace/rules.toml"}}

    with pytest.raises(ValidationError, match="must not lie in"):
        Config.model_validate(inside)
