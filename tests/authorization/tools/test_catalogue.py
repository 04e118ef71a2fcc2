"""Which tools there are, and what each does."""

from typing import Any

import pytest
from policies import declared
from pydantic import ValidationError

from proxy.actions import Effect
from proxy.authorization.tools.catalogue import BUILT_IN, Place, Tool, catalogue
from proxy.authorization.tools.dispatch import Dispatch
from proxy.config import tools
from proxy.config.model import ToolConfig

UPSTREAM = {"effect": "read", "backend": "upstream"}


def entry(**fields: Any) -> ToolConfig:
    return ToolConfig.model_validate(fields)


def test_without_configuration_there_are_the_four_built_in() -> None:
    assert catalogue({}).exact == BUILT_IN
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


def test_what_may_be_changed_of_a_built_in_tool_is_changed() -> None:
    shell = declared(
        {
            "shell": {
                "timeout_secs": 5,
                "description": "Mine.",
                "approval": "ask",
                "rate_per_minute": 3,
                "commands": "any",
                "rules": {"command": {"max_length": 10}},
            }
        }
    ).find("shell")

    assert shell is not None
    assert (shell.seconds, shell.description, shell.rate) == (5, "Mine.", 3)
    assert (shell.approval, shell.ruled_by, shell.unjudged) == ("ask", "shell", True)
    assert [rule.key for rule in shell.rules] == ["tools.shell.rules.command"]
    assert (shell.effect, shell.place, shell.command) == (Effect.EXECUTE, Place.SANDBOX, "command")


def test_an_empty_entry_changes_nothing() -> None:
    assert catalogue({name: ToolConfig() for name in BUILT_IN}).exact == BUILT_IN


@pytest.mark.parametrize("key", [*BUILT_IN, "*", "*l*"])
def test_a_built_in_tool_does_what_it_does_whatever_is_said(key: str) -> None:
    """The configuration refuses such an entry of its own; a pattern speaks about other tools."""
    said = entry(
        effect="read",
        backend="upstream",
        command="x",
        paths=["y"],
        urls=["z"],
        path="/elsewhere",
        dispatch={"tool": "a", "arguments": "b"},
    )

    assert catalogue({key: said}).exact == BUILT_IN


def test_a_configured_tool_has_what_its_entry_says() -> None:
    said = entry(
        effect="write",
        backend="upstream",
        command="line",
        paths=["from", "to?"],
        urls=["url"],
        timeout_secs=1.5,
        path="/v2/copy",
        description="Copy a file.",
    )

    assert catalogue({"ref.copy": said}).find("ref.copy") == Tool(
        "ref.copy",
        Effect.WRITE,
        Place.UPSTREAM,
        "line",
        ("from", "to?"),
        1.5,
        "/v2/copy",
        "Copy a file.",
        ("url",),
    )


def test_a_configured_tool_is_at_a_path_of_its_name_for_a_minute() -> None:
    found = catalogue({"ref.add": entry(**UPSTREAM)}).find("ref.add")

    assert found == Tool("ref.add", Effect.READ, Place.UPSTREAM, path="/tools/ref.add")
    assert found.seconds == 60


def test_a_configured_tool_may_run_in_the_sandbox() -> None:
    found = catalogue({"look": entry(effect="read", backend="sandbox", command="line")})

    assert found.exact["look"].place is Place.SANDBOX


@pytest.mark.parametrize("said", [{"effect": "read"}, {"backend": "upstream"}, {}])
def test_an_entry_without_effect_or_backend_is_no_tool(said: dict[str, str]) -> None:
    """The configuration refuses it; nothing here guesses what it might do."""
    known = catalogue({"ref.add": entry(**said)})

    assert known.find("ref.add") is None
    assert known.exact == BUILT_IN


# Patterns


def test_a_pattern_makes_every_tool_of_the_upstream_exist_that_it_covers() -> None:
    known = declared({"github.*": UPSTREAM})

    assert known.find("github.get_me") == Tool(
        "github.get_me", Effect.READ, Place.UPSTREAM, path="/tools/github.get_me"
    )
    assert known.find("gitlab.get_me") is None
    assert known.exact == BUILT_IN


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "github.", "github.a.b", "github.a/b", "github...", "github.a?b", "github.a b"),
        *("github.*", "github.\u0430", "github.a\n", "github.%2e", f"github.{'a' * 200}", "invoke"),
    ],
)
def test_a_pattern_makes_no_tool_exist_that_has_no_proper_name(name: str) -> None:
    assert declared({"*": UPSTREAM}).find(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("gh.Delete_Repo", "GH.delete_repo", "gh.DELETE_REPO", "gh.Get_Me", "FILE_READ", "Shell"),
        # as a pattern that switches off has it
        *("gh.Drop_table", "GH.drop_table", "Invoke"),
    ],
)
def test_a_name_in_another_case_is_no_way_past_its_entry(name: str) -> None:
    known = declared(
        {
            "*": {**UPSTREAM, "approval": "auto"},
            "gh.delete_repo": {"approval": "deny"},
            "gh.get_me": {"rules": {"a": {"max": 1}}},
            "gh.drop_*": {"approval": "deny"},
        }
    )

    assert known.find(name) is None


def test_a_name_in_capitals_is_one_like_any_other() -> None:
    known = declared(
        {
            "gh.*": UPSTREAM,
            "gh.Delete_*": {"approval": "deny"},
            "gh.Delete_Me": {},
            "gh.*user*": {"approval": "ask"},
        }
    )

    for name in ("gh.GetAll", "gh.getUser", "gh.Delete_Me", "gh.Delete_You"):
        assert known.find(name) is not None, name
    assert known.find("gh.delete_me") is None


def test_a_pattern_makes_no_tool_of_sidegate_exist() -> None:
    sandbox = {"effect": "execute", "backend": "sandbox", "command": "line"}
    known = declared({"run_*": sandbox, "run_one": {}})

    assert known.find("run_tests") is None
    assert "run_one" in known.exact


def test_the_closest_entry_counts_field_by_field() -> None:
    known = declared(
        {
            "*": {**UPSTREAM, "timeout_secs": 1, "description": "Any."},
            "github.*": {"effect": "execute", "timeout_secs": 2},
            "*.get_me": {"effect": "write", "timeout_secs": 3},
            "github.get_*": {"effect": "read"},
            "github.get_me": {"description": "Me."},
        }
    )
    me, other, issue = map(known.find, ("github.get_me", "github.get_you", "github.issue"))

    assert me is not None
    assert other is not None
    assert issue is not None
    assert (me.effect, me.seconds, me.description) == (Effect.READ, 2, "Me.")
    assert (other.effect, other.seconds, other.description) == (Effect.READ, 2, "Any.")
    assert (issue.effect, issue.seconds) == (Effect.EXECUTE, 2)


@pytest.mark.parametrize(
    ("far", "near", "word", "entry_of_it"),
    [
        (None, None, None, ""),
        ("auto", None, "auto", "a.*"),
        ("auto", "ask", "ask", "a.b"),
        ("ask", "auto", "ask", "a.*"),
        ("deny", "auto", "deny", "a.*"),
        ("deny", "ask", "deny", "a.*"),
        ("auto", "deny", "deny", "a.b"),
        ("ask", "ask", "ask", "a.b"),
    ],
)
def test_deny_beats_ask_beats_auto_over_all_entries(
    far: str | None, near: str | None, word: str | None, entry_of_it: str
) -> None:
    known = declared({"a.*": {**UPSTREAM, "approval": far}, "a.b": {"approval": near}})
    tool = known.find("a.b")

    assert tool is not None
    assert (tool.approval, tool.ruled_by) == (word, entry_of_it)


def test_rules_of_all_entries_hold_together() -> None:
    known = declared(
        {
            "*": {"rules": {"a": {"max": 1}}},
            "a.*": {**UPSTREAM, "rules": {"a": {"min": 0}, "b": {}}},
            "a.b": {"rules": {"c": {}}},
        }
    )
    tool, other = known.find("a.b"), known.find("a.c")

    assert tool is not None
    assert other is not None
    assert [rule.key for rule in tool.rules] == [
        *("tools.*.rules.a", "tools.a.*.rules.a", "tools.a.*.rules.b", "tools.a.b.rules.c"),
    ]
    assert len(other.rules) == 3


# Tools that call others


def test_a_dispatcher_says_where_the_call_is_and_what_else_may_be_there() -> None:
    known = declared(
        {
            "tool_call": {
                **UPSTREAM,
                "dispatch": {"tool": "name", "arguments": "args", "prefix": "a."},
                "paths": ["folder?"],
                "rules": {"limit.seconds": {"max": 5, "optional": True}},
            }
        }
    )
    tool = known.find("tool_call")

    assert tool is not None
    assert not tool.opaque
    assert tool.dispatch == Dispatch(
        "name", "args", prefix="a.", others=frozenset({"folder", "limit.seconds"})
    )


@pytest.mark.parametrize("name", ["mcp.call_tool", "mcp.callTool", "mcp.execute-code", "mcp.Batch"])
def test_a_wrapper_that_only_a_pattern_knows_is_opaque(name: str) -> None:
    tool = declared({"mcp.*": UPSTREAM}).find(name)

    assert tool is not None
    assert tool.opaque


def test_a_wrapper_that_is_said_to_be_none_is_none() -> None:
    tool = declared({"mcp.batch": {**UPSTREAM, "dispatch": "none"}}).find("mcp.batch")

    assert tool is not None
    assert (tool.opaque, tool.dispatch) == (False, None)


# Presets


def test_an_entry_overrides_a_preset_field_by_field() -> None:
    known = declared(
        {"filesystem.write_file": {"approval": "auto", "timeout_secs": 5}}, ["mcp-filesystem"]
    )
    written, moved = known.find("filesystem.write_file"), known.find("filesystem.move_file")

    assert written is not None
    assert moved is not None
    assert (written.approval, written.seconds, written.paths) == ("auto", 5, ("path",))
    assert (moved.approval, moved.seconds) == ("ask", 60)


def test_a_pattern_of_one_s_own_is_as_strict_as_any_other() -> None:
    known = declared({"filesystem.*": {"approval": "deny"}}, ["mcp-filesystem"])

    assert {tool.approval for name, tool in known.exact.items() if "." in name} == {"deny"}


def test_without_its_preset_there_is_no_tool() -> None:
    with pytest.raises(ValidationError):
        declared({"filesystem.write_file": {"approval": "auto"}})


def test_what_patterns_make_of_a_name_is_worked_out_once_and_kept_of_few_names() -> None:
    """Callers choose the names: to ask for ever more of them must not fill the memory."""
    tools = catalogue({"a.*": entry(**UPSTREAM)})

    first = tools.find("a.tool")
    assert first is not None
    assert tools.find("a.tool") is first

    for number in range(2000):
        tools.find(f"a.tool{number}")
    assert tools.find("a.tool") == first
    assert tools.find("a.tool") is not first
