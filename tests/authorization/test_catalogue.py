"""Which tools there are, and what each does."""

import pytest

from proxy.actions import Effect
from proxy.authorization.catalogue import BUILT_IN, Place, Tool, catalogue
from proxy.config import tools
from proxy.config.model import ToolConfig


def test_without_configuration_there_are_the_four_built_in() -> None:
    assert catalogue({}) == BUILT_IN
    assert {
        name: (tool.effect, tool.place, tool.command, tool.paths) for name, tool in BUILT_IN.items()
    } == {
        "shell": (Effect.EXECUTE, Place.SANDBOX, "command", ()),
        "file_read": (Effect.READ, Place.WORKSPACE, None, ("path",)),
        "file_write": (Effect.WRITE, Place.WORKSPACE, None, ("path",)),
        "file_list": (Effect.READ, Place.WORKSPACE, None, ("path",)),
    }


def test_the_configuration_knows_the_same_built_in_tools() -> None:
    assert set(tools.BUILT_IN) == set(BUILT_IN)


def test_a_built_in_tool_s_time_and_description_may_be_changed() -> None:
    known = catalogue({"shell": ToolConfig(timeout_secs=5, description="Mine.")})
    shell = BUILT_IN["shell"]

    assert known["shell"] == Tool(
        "shell", shell.effect, shell.place, shell.command, seconds=5, description="Mine."
    )
    assert {**known, "shell": shell} == BUILT_IN


def test_an_empty_entry_changes_nothing() -> None:
    assert catalogue({name: ToolConfig() for name in BUILT_IN}) == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_tool_does_what_it_does_whatever_its_entry_says(name: str) -> None:
    """The configuration refuses such an entry; were it let pass, nothing would come of it."""
    entry = ToolConfig(
        effect=Effect.READ, backend="upstream", command="x", paths=("y",), path="/elsewhere"
    )

    assert catalogue({name: entry}) == BUILT_IN


def test_a_configured_tool_has_what_its_entry_says() -> None:
    entry = ToolConfig(
        effect=Effect.WRITE,
        backend="upstream",
        command="line",
        paths=("from", "to"),
        timeout_secs=1.5,
        path="/v2/copy",
        description="Copy a file.",
    )

    assert catalogue({"ref.copy": entry})["ref.copy"] == Tool(
        "ref.copy",
        Effect.WRITE,
        Place.UPSTREAM,
        "line",
        ("from", "to"),
        1.5,
        "/v2/copy",
        "Copy a file.",
    )


def test_a_configured_tool_is_at_a_path_of_its_name_for_a_minute() -> None:
    found = catalogue({"ref.add": ToolConfig(effect=Effect.READ, backend="upstream")})["ref.add"]

    assert (found.path, found.seconds) == ("/tools/ref.add", 60)
    assert (found.command, found.paths, found.description) == (None, (), "")


def test_a_configured_tool_may_run_in_the_sandbox() -> None:
    entry = ToolConfig(effect=Effect.READ, backend="sandbox", command="line")

    assert catalogue({"look": entry})["look"].place is Place.SANDBOX


@pytest.mark.parametrize("entry", [{"effect": Effect.READ}, {"backend": "upstream"}, {}])
def test_an_entry_without_effect_or_backend_is_no_tool(entry: dict[str, str]) -> None:
    """The configuration refuses it; nothing here guesses what it might do."""
    with pytest.raises(AssertionError):
        catalogue({"ref.add": ToolConfig.model_validate(entry)})
