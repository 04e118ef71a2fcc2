from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config.model import Config
from proxy.config.runtime import DockerConfig, RuntimeConfig


class Unconfined(RuntimeConfig):
    """A runtime that confines nothing."""

    @property
    def isolates(self) -> bool:
        return False


def test_a_container_isolates() -> None:
    assert RuntimeConfig().isolates


def test_no_line_is_left_unjudged_where_nothing_else_holds() -> None:
    tools = {"shell": {"commands": "any"}}

    assert Config.model_validate({"tools": tools}).tools["shell"].commands == "any"
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"tools": tools, "runtime": Unconfined()})
    assert [error["loc"] for error in caught.value.errors()] == [("tools", "shell", "commands")]
    listed = Config.model_validate({"tools": {"shell": {}}, "runtime": Unconfined()})
    assert listed.tools["shell"].commands is None


@pytest.mark.parametrize(
    "section",
    [
        {"shell": "zsh"},
        {"shell": "/bin/sh"},
        {"network": "host"},
        {"user": "0:0"},
        {"memory_limit_mb": 0},
        {"cpu_limit": 0},
        {"max_concurrent": 0},
    ],
    ids=str,
)
def test_a_container_has_the_bounds_that_it_can_have(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DockerConfig.model_validate(section)
