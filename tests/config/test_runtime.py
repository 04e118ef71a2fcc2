from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.model import Config
from proxy.config.runtime import DockerConfig, ToolDockerConfig, Variables


@pytest.mark.parametrize(
    ("section", "isolates"),
    [
        ({}, True),
        ({"require": "docker"}, True),
        ({"kind": "native"}, False),
        ({"kind": "native", "native": {"allow_unconfined": True}}, False),
        ({"kind": "native", "require": "bwrap"}, True),
    ],
    ids=str,
)
def test_no_line_is_left_unjudged_where_nothing_else_holds(
    section: dict[str, Any], *, isolates: bool
) -> None:
    def config(**tool: object) -> Config:
        return Config.model_validate({"tools": {"shell": tool}, "runtime": section})

    assert config().runtime.isolates is isolates
    if isolates:
        assert config(commands="any").tools["shell"].commands == "any"
        return
    with pytest.raises(ValidationError) as caught:
        config(commands="any")
    assert [error["loc"] for error in caught.value.errors()] == [("tools", "shell", "commands")]


def test_a_tool_changes_of_its_container_what_it_names_and_nothing_else() -> None:
    own = ToolDockerConfig.model_validate({"memory_limit_mb": 64, "mount_workspace": False})
    changed = DockerConfig(image="busybox", memory_limit_mb=32).with_changes(own)

    assert changed == DockerConfig(image="busybox", memory_limit_mb=64, mount_workspace=False)
    assert DockerConfig().with_changes(ToolDockerConfig()) == DockerConfig()


def test_what_a_tool_may_change_is_no_way_around_the_bounds() -> None:
    shared = ToolDockerConfig.model_fields.keys()

    assert shared <= DockerConfig.model_fields.keys()
    for section in ({"user": "0:0"}, {"network": "host"}, {"memory_limit_mb": 1}, {"shell": "sh"}):
        with pytest.raises(ValidationError):
            ToolDockerConfig.model_validate(section)


def test_a_variable_of_a_tool_is_a_secret_and_holds_no_nul() -> None:
    variables = TypeAdapter(Variables)

    assert "hidden" not in str(variables.validate_python({"TOKEN": "hidden"}))
    for wrong in (
        {"A-B": "x"},
        {"1A": "x"},
        {"A=B": "x"},
        {"": "x"},
        {"_file": "x"},
        {"A": "x\0y"},
        {"A": 5},
    ):
        with pytest.raises(ValidationError):
            variables.validate_python(wrong)


@pytest.mark.parametrize(
    "section",
    [
        {"shell": "zsh"},
        {"shell": "/bin/sh"},
        {"network": "host"},
        {"user": "0:0"},
        {"user": "1000:0"},
        {"image": "Alpine"},
        {"memory_limit_mb": 0},
        {"cpu_limit": 0},
        {"max_concurrent": 0},
    ],
    ids=str,
)
def test_a_container_has_the_bounds_that_it_can_have(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DockerConfig.model_validate(section)
