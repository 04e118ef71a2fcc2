"""From a tool and its arguments to exactly what would be done."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from policies import ADD, RUN, SAVE, planner

from proxy.actions import Command, Effect, FileList, FilePlan, FileRead, FileWrite, Invoke
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.tools.catalogue import FILE_LIST, FILE_READ, FILE_WRITE, SHELL, Place, Tool
from proxy.beneath import open_beneath
from proxy.decision import Allow, Deny
from proxy.reasons import Reason
from proxy.values import Json

LOOK = Tool("look", Effect.READ, Place.SANDBOX, command="line", seconds=5)
INVALID = Deny(Reason.ARGUMENTS_INVALID)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    (folder / "src").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    opened = Workspace.open(str(folder), ("secret",), only=True)
    yield opened
    opened.close()


def opened(plan: object) -> str:
    """The path that a plan has open; closes it."""
    assert isinstance(plan, FilePlan)
    path = os.readlink(f"/proc/self/fd/{plan.file.descriptor}")
    plan.file.close()
    return os.path.join(path, plan.file.leaf)


# Commands


@pytest.mark.parametrize(
    ("tool", "arguments", "plan"),
    [
        (SHELL, {"command": "ls"}, Command(("ls",), 60, writes=True)),
        (SHELL, {"command": "cat a.txt 'b c'"}, Command(("cat", "a.txt", "b c"), 60, writes=True)),
        (SHELL, {"command": "ls /workspace"}, Command(("ls", "/workspace"), 60, writes=True)),
        (SHELL, {"command": "ls | cat"}, Command(("sh", "-c", "ls | cat"), 60, writes=True)),
        (LOOK, {"line": "ls"}, Command(("ls",), 5, writes=False)),
        (
            replace(LOOK, effect=Effect.WRITE),
            {"line": "ls"},
            Command(("ls",), 5, writes=True),
        ),
    ],
)
async def test_a_command_is_its_vector(
    workspace: Workspace, tool: Tool, arguments: Mapping[str, Json], plan: Command
) -> None:
    assert await planner(workspace).plan(tool, arguments) == Allow(plan)


@pytest.mark.parametrize(
    ("text", "data"), [("a\nb", b"a\nb"), ("", b""), ("ü\0", "ü\0".encode()), ("$(id)", b"$(id)")]
)
async def test_a_command_reads_what_the_caller_sends(
    workspace: Workspace, text: str, data: bytes
) -> None:
    planned = await planner(workspace).plan(SHELL, {"command": "cat", "stdin": text})

    assert planned == Allow(Command(("cat",), 60, writes=True, stdin=data))


@pytest.mark.parametrize("stdin", [None, 1, ["a"], {"a": 1}, True, "\ud800"], ids=repr)
async def test_what_is_no_text_is_nothing_to_read(workspace: Workspace, stdin: Json) -> None:
    planned = await planner(workspace).plan(SHELL, {"command": "cat", "stdin": stdin})

    assert planned == INVALID


async def test_where_commands_run_on_this_machine_paths_are_its_own(workspace: Workspace) -> None:
    here = replace(planner(workspace), mounted=False)
    inside = await here.plan(SHELL, {"command": f"ls {workspace.folder}"})
    elsewhere = await here.plan(SHELL, {"command": "ls /workspace"})

    assert inside == Allow(Command(("ls", workspace.folder), 60, writes=True))
    assert isinstance(elsewhere, Deny)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(1, 1), (0.25, 0.25), (60, 60), (61, 60), (10**9, 60), (1e308, 60), (float("inf"), 60)],
)
async def test_a_caller_may_have_less_time_and_never_more(
    workspace: Workspace, asked: float, seconds: float
) -> None:
    planned = await planner(workspace).plan(SHELL, {"command": "ls", "timeout_secs": asked})

    assert planned == Allow(Command(("ls",), seconds, writes=True))


@pytest.mark.parametrize(
    "asked",
    [0, -1, -0.0, float("nan"), float("-inf"), True, False, None, "5", [5], {"a": 5}],
    ids=str,
)
async def test_a_time_that_is_none_is_refused(workspace: Workspace, asked: Json) -> None:
    planned = await planner(workspace).plan(SHELL, {"command": "ls", "timeout_secs": asked})

    assert planned == INVALID


async def test_a_time_beyond_all_numbers_is_the_ceiling_or_refused(workspace: Workspace) -> None:
    """JSON has whole numbers of any length."""
    asked = json.loads("1" + "0" * 400)
    planned = await planner(workspace).plan(SHELL, {"command": "ls", "timeout_secs": asked})

    assert planned in (INVALID, Allow(Command(("ls",), 60, writes=True)))


@pytest.mark.parametrize(
    "arguments",
    [
        # missing
        *({}, {"timeout_secs": 5}, {"cmd": "ls"}, {"line": "ls"}, {"Command": "ls"}),
        # of another type
        *({"command": None}, {"command": ["ls"]}, {"command": 1}, {"command": {"a": "ls"}}),
        # more than there are
        *({"command": "ls", "cwd": "/"}, {"command": "ls", "env": {}}, {"command": "ls", "": ""}),
        *({"command": "ls", "image": "evil"}, {"command": "ls", "user": "root"}),
        {"command": "ls", "approved": True},
    ],
    ids=str,
)
async def test_a_command_takes_its_arguments_and_no_others(
    workspace: Workspace, arguments: Mapping[str, Json]
) -> None:
    assert await planner(workspace).plan(SHELL, arguments) == INVALID


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rm a.txt", Reason.COMMAND_NOT_ALLOWED),
        ("/bin/ls", Reason.COMMAND_NOT_ALLOWED),
        ("ls | rm", Reason.COMMAND_NOT_ALLOWED),
        ("ls $(cat a.txt)", Reason.COMMAND_UNKNOWABLE),
        ("ls\0", Reason.COMMAND_MALFORMED),
        ("ls " * 30000, Reason.COMMAND_TOO_COMPLEX),
        ("ls ..", Reason.PATH_OUTSIDE_WORKSPACE),
        ("ls -la a.txt /etc", Reason.PATH_OUTSIDE_WORKSPACE),
        ("ls secret", Reason.PATH_FORBIDDEN),
        # the program is judged before its arguments
        ("rm ..", Reason.COMMAND_NOT_ALLOWED),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_command_that_is_refused_says_why(
    workspace: Workspace, line: str, reason: Reason
) -> None:
    assert await planner(workspace).plan(SHELL, {"command": line}) == Deny(reason)
    assert await planner(workspace).plan(RUN, {"line": line}) == Deny(reason)


async def test_a_program_s_own_name_is_no_path(workspace: Workspace) -> None:
    """Where the sandbox finds a program is no matter of the workspace."""
    planned = await planner(workspace, ["/usr/bin/env"]).plan(SHELL, {"command": "/usr/bin/env"})

    assert isinstance(planned, Allow)


async def test_a_refusal_names_the_rule_and_what_broke_it(workspace: Workspace) -> None:
    rules = planner(workspace)

    for line, rule, evidence in (
        ("rm x", "autonomy.allowed_commands", "rm"),
        ("ls ..", "autonomy.workspace_dir", ".."),
        ("ls secret", "autonomy.forbidden_paths", "secret"),
    ):
        denied = await rules.plan(SHELL, {"command": line})
        assert isinstance(denied, Deny)
        assert (denied.facts, denied.evidence) == ({"rule": rule}, evidence)


# Files


async def test_a_file_tool_s_plan_holds_the_open_file(workspace: Workspace) -> None:
    rules = planner(workspace)
    folder = workspace.folder

    read = await rules.plan(FILE_READ, {"path": "a.txt"})
    listed = await rules.plan(FILE_LIST, {"path": "src"})
    placed = await rules.plan(FILE_WRITE, {"path": "src/new", "content": "text"})

    assert isinstance(read, Allow)
    assert isinstance(read.value, FileRead)
    assert opened(read.value) == f"{folder}/a.txt/"
    assert isinstance(listed, Allow)
    assert isinstance(listed.value, FileList)
    assert opened(listed.value) == f"{folder}/src/"
    assert isinstance(placed, Allow)
    assert isinstance(placed.value, FileWrite)
    assert placed.value.content == "text"
    assert opened(placed.value) == f"{folder}/src/new"


@pytest.mark.parametrize("tool", [FILE_READ, FILE_LIST], ids=lambda tool: tool.name)
@pytest.mark.parametrize(
    "arguments",
    [
        *({}, {"path": None}, {"path": 1}, {"path": ["a.txt"]}, {"path": {}}, {"file": "a.txt"}),
        *({"path": "a.txt", "content": "x"}, {"path": "a.txt", "offset": 1}, {"content": "x"}),
    ],
    ids=str,
)
async def test_reading_takes_a_path_and_nothing_else(
    workspace: Workspace, tool: Tool, arguments: Mapping[str, Json]
) -> None:
    assert await planner(workspace).plan(tool, arguments) == INVALID


@pytest.mark.parametrize(
    "arguments",
    [
        *({}, {"path": "new"}, {"content": "x"}, {"path": "new", "content": None}),
        *(
            {"path": "new", "content": 1},
            {"path": "new", "content": ["x"]},
            {"path": 1, "content": ""},
        ),
        *({"path": "new", "content": "x", "mode": 511}, {"path": "new", "text": "x"}),
    ],
    ids=str,
)
async def test_writing_takes_a_path_and_a_text_and_nothing_else(
    workspace: Workspace, arguments: Mapping[str, Json]
) -> None:
    assert await planner(workspace).plan(FILE_WRITE, arguments) == INVALID


@pytest.mark.parametrize(
    ("path", "reason", "rule"),
    [
        ("..", Reason.PATH_OUTSIDE_WORKSPACE, "autonomy.workspace_dir"),
        ("secret", Reason.PATH_FORBIDDEN, "autonomy.forbidden_paths"),
        ("none/none", Reason.PATH_NOT_FOUND, None),
        ("\0", Reason.PATH_UNUSABLE, None),
    ],
)
async def test_a_path_that_is_refused_says_why(
    workspace: Workspace, path: str, reason: Reason, rule: str | None
) -> None:
    for tool, more in ((FILE_READ, {}), (FILE_LIST, {}), (FILE_WRITE, {"content": ""})):
        denied = await planner(workspace).plan(tool, {"path": path, **more})
        assert denied == Deny(reason)
        assert isinstance(denied, Deny)
        assert (denied.facts.get("rule"), denied.evidence) == (rule, path)


# Tools of the agent


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (ADD, {}),
        (ADD, {"a": 1, "b": [True, None, {"c": "../x"}]}),
        (ADD, {"command": "rm -rf /", "path": "/etc/passwd"}),
        (RUN, {"line": "ls -la", "anything": "else"}),
        (SAVE, {"file": "src/new", "content": "text", "path": "/etc/passwd"}),
    ],
    ids=str,
)
async def test_an_agent_s_tool_gets_the_arguments_as_they_came(
    workspace: Workspace, tool: Tool, arguments: Mapping[str, Json]
) -> None:
    planned = await planner(workspace).plan(tool, arguments)

    assert planned == Allow(Invoke(tool.path, arguments, tool.seconds))


async def test_an_agent_s_tool_gets_the_command_that_was_judged_and_no_other_spelling(
    workspace: Workspace,
) -> None:
    planned = await planner(workspace).plan(RUN, {"line": "ls  \\-l 'a b'\"c\" # a comment"})

    assert planned == Allow(Invoke(RUN.path, {"line": "ls -l 'a bc'"}, RUN.seconds))


@pytest.mark.parametrize(
    ("tool", "arguments", "verdict"),
    [
        (RUN, {}, INVALID),
        (RUN, {"line": ["ls"]}, INVALID),
        (RUN, {"command": "ls"}, INVALID),
        (RUN, {"line": "rm"}, Deny(Reason.COMMAND_NOT_ALLOWED)),
        (SAVE, {}, INVALID),
        (SAVE, {"file": None}, INVALID),
        (SAVE, {"file": [["a.txt"]]}, INVALID),
        (SAVE, {"file": "../x"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (SAVE, {"file": "/etc/passwd"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (SAVE, {"file": "/workspace/new"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (RUN, {"line": "ls /workspace"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (SAVE, {"file": "secret/x"}, Deny(Reason.PATH_FORBIDDEN)),
        (SAVE, {"file": "a\0"}, Deny(Reason.PATH_UNUSABLE)),
    ],
    ids=str,
)
async def test_the_marked_arguments_of_an_agent_s_tool_are_judged(
    workspace: Workspace, tool: Tool, arguments: Mapping[str, Json], verdict: Deny
) -> None:
    assert await planner(workspace).plan(tool, arguments) == verdict


async def test_every_marked_argument_is_judged(workspace: Workspace) -> None:
    copy = replace(SAVE, command="line", paths=("from", "to"))
    rules = planner(workspace)
    good = {"line": "ls", "from": "a.txt", "to": "new"}

    assert isinstance(await rules.plan(copy, good), Allow)
    for name, bad in (("line", "rm"), ("from", ".."), ("to", "..")):
        assert isinstance(await rules.plan(copy, {**good, name: bad}), Deny)


async def test_a_line_of_several_commands_goes_to_an_agent_as_it_came(workspace: Workspace) -> None:
    planned = await planner(workspace).plan(RUN, {"line": "ls  src | cat"})

    assert planned == Allow(Invoke(RUN.path, {"line": "ls  src | cat"}, RUN.seconds))


COPY = replace(SAVE, paths=("options.from", "to", "more?"))


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ({"options": {"from": "a.txt"}, "to": "b"}, None),
        ({"options": {"from": ["a.txt", "src"]}, "to": []}, None),
        ({"options": {"from": "a.txt"}, "to": "b", "more": "c"}, None),
        ({"options": {"from": "a.txt"}, "to": "b", "more": None}, None),
        # missing, or of another type
        ({"to": "b"}, INVALID),
        ({"options": {}, "to": "b"}, INVALID),
        ({"options": "a.txt", "to": "b"}, INVALID),
        ({"options": [{"from": "a.txt"}], "to": "b"}, INVALID),
        ({"options.from": "a.txt", "to": "b"}, INVALID),
        ({"options": {"from": None}, "to": "b"}, INVALID),
        ({"options": {"from": ["a.txt", 1]}, "to": "b"}, INVALID),
        ({"options": {"from": [["a.txt"]]}, "to": "b"}, INVALID),
        ({"options": {"from": {"path": "a.txt"}}, "to": "b"}, INVALID),
        ({"options": {"from": "a.txt"}, "to": "b", "more": False}, INVALID),
        ({"options": {"from": ["a"] * 101}, "to": "b"}, INVALID),
        ({"options": {"from": "a.txt"}, "to": "b", "more?": "../x", "more": 1}, INVALID),
        # each of them is judged
        ({"options": {"from": "../x"}, "to": "b"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (
            {"options": {"from": ["a.txt", "secret"]}, "to": "b"},
            Deny(Reason.PATH_FORBIDDEN),
        ),
        (
            {"options": {"from": "a.txt"}, "to": "b", "more": ["c", "/etc/passwd"]},
            Deny(Reason.PATH_OUTSIDE_WORKSPACE),
        ),
    ],
    ids=str,
)
async def test_paths_are_found_in_lists_and_inside_objects(
    workspace: Workspace, arguments: Mapping[str, Json], verdict: Deny | None
) -> None:
    planned = await planner(workspace).plan(COPY, arguments)

    assert planned == (verdict or Allow(Invoke(COPY.path, arguments, COPY.seconds)))


@pytest.mark.parametrize(
    "file",
    [[{"path": "/etc/shadow"}], '{"path": "/etc/shadow"}', ["/etc/shadow"], "/etc/shadow", [], ""],
    ids=str,
)
async def test_an_optional_path_that_cannot_be_looked_at_is_refused(
    workspace: Workspace, file: Json
) -> None:
    tool = replace(SAVE, paths=("file.path?",))

    assert await planner(workspace).plan(tool, {"file": file}) == INVALID
    empty: list[dict[str, Json]] = [{}, {"file": None}, {"file": {}}, {"file": {"path": None}}]
    for nothing in empty:
        assert isinstance(await planner(workspace).plan(tool, nothing), Allow)


@pytest.mark.parametrize("count", [1, 8, 9, 100])
async def test_many_paths_are_judged_like_one(workspace: Workspace, count: int) -> None:
    rules, good = planner(workspace), ["a.txt"] * (count - 1)
    last: list[Json] = [*good, "../x"]

    assert isinstance(await rules.plan(SAVE, {"file": [*good, "new"]}), Allow)
    assert await rules.plan(SAVE, {"file": last}) == Deny(Reason.PATH_OUTSIDE_WORKSPACE)


async def test_many_paths_keep_nobody_waiting(tmp_path: Path) -> None:
    """They are looked at by another thread than the one that serves."""
    seen: set[int] = set()

    def opening(folder: int, path: str, flags: int) -> int:
        seen.add(threading.get_ident())
        return open_beneath(folder, path, flags)

    opened = Workspace.open(str(tmp_path), (), only=True, opening=opening)
    seen.clear()
    await planner(opened).plan(SAVE, {"file": ["a/b"] * 100})

    assert seen
    assert threading.get_ident() not in seen
    opened.close()


FETCH = replace(ADD, urls=("url", "then?"))


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ({"url": "https://example.com/a"}, None),
        ({"url": ["https://example.com/a"], "then": "https://example.com/b"}, None),
        ({}, INVALID),
        ({"url": 1}, INVALID),
        ({"url": ["https://example.com/"] * 20}, None),
        ({"url": ["https://example.com/"] * 21}, INVALID),
        ({"url": "https://other.example/"}, Deny(Reason.URL_NOT_ALLOWED)),
        ({"url": "file:///etc/passwd"}, Deny(Reason.URL_NOT_ALLOWED)),
        ({"url": ["https://example.com/", "https://e.vil/"]}, Deny(Reason.URL_NOT_ALLOWED)),
        (
            {"url": "https://example.com/", "then": "http://169.254.169.254/"},
            Deny(Reason.URL_PRIVATE),
        ),
    ],
    ids=str,
)
async def test_urls_of_an_agent_s_tool_are_judged(
    arguments: Mapping[str, Json], verdict: Deny | None
) -> None:
    planned = await planner(None).plan(FETCH, arguments)

    assert planned == (verdict or Allow(Invoke(FETCH.path, arguments, FETCH.seconds)))


# Lines that nobody judges

ANY = replace(SHELL, unjudged=True)


@pytest.mark.parametrize(
    "line", ["rm -rf .", "ls | sh", "cat /etc/passwd", "x=$(id)", " ls", "a\nb", "\u202e"]
)
async def test_any_line_goes_to_the_sandbox_where_the_operator_says_so(
    workspace: Workspace, line: str
) -> None:
    planned = await planner(workspace, ()).plan(ANY, {"command": line})

    assert planned == Allow(Command(("sh", "-c", line), 60, writes=True))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"command": ""}, Reason.ARGUMENTS_INVALID),
        ({"command": " \n"}, Reason.ARGUMENTS_INVALID),
        ({"command": "ls\0"}, Reason.ARGUMENTS_INVALID),
        ({"command": ["ls"]}, Reason.ARGUMENTS_INVALID),
        ({"command": "ls", "cwd": "/"}, Reason.ARGUMENTS_INVALID),
        ({"command": "ls", "timeout_secs": 0}, Reason.ARGUMENTS_INVALID),
        ({"command": "l" * 65_537}, Reason.COMMAND_TOO_COMPLEX),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_any_line_is_still_a_line(
    workspace: Workspace, arguments: Mapping[str, Json], reason: Reason
) -> None:
    assert await planner(workspace).plan(ANY, arguments) == Deny(reason)


async def test_any_line_needs_a_workspace() -> None:
    planned = await planner(None).plan(ANY, {"command": "ls"})

    assert planned == Deny(Reason.WORKSPACE_MISSING)


async def test_any_line_runs_in_the_sandbox_s_own_shell(workspace: Workspace) -> None:
    rules = replace(planner(workspace), shell="bash")

    planned = await rules.plan(ANY, {"command": "ls"})

    assert planned == Allow(Command(("bash", "-c", "ls"), 60, writes=True))


# By way of another tool


@pytest.mark.parametrize(
    ("tool", "arguments", "verdict"),
    [
        (RUN, {"line": "ls -la src"}, None),
        (RUN, {"line": "ls 'a b' | cat"}, None),
        (RUN, {"line": "rm x"}, Deny(Reason.COMMAND_NOT_ALLOWED)),
        (SAVE, {"file": "new"}, None),
        (SAVE, {"file": "../x"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (ADD, {"a": 1}, None),
        # what Sidegate has of this name is not what runs
        (SHELL, {"command": "ls"}, None),
        (SHELL, {"command": "ls /workspace"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (ANY, {"command": "rm x"}, Deny(Reason.COMMAND_NOT_ALLOWED)),
        (FILE_READ, {"path": "a.txt"}, None),
        (FILE_READ, {"path": "/etc/passwd"}, Deny(Reason.PATH_OUTSIDE_WORKSPACE)),
        (FILE_WRITE, {"path": "secret", "content": ""}, Deny(Reason.PATH_FORBIDDEN)),
        # a pattern is replaced before it is judged, and here nobody can put the names in
        (RUN, {"line": "cat *.txt"}, Deny(Reason.COMMAND_UNKNOWABLE)),
        (RUN, {"line": "cat \\*.txt"}, None),
    ],
    ids=str,
)
async def test_what_another_tool_calls_is_judged_as_the_agent_s(
    workspace: Workspace, tool: Tool, arguments: Mapping[str, Json], verdict: Deny | None
) -> None:
    before = len(os.listdir("/proc/self/fd"))

    assert await planner(workspace).check(tool, arguments) == verdict
    assert len(os.listdir("/proc/self/fd")) == before


# Without a workspace


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (SHELL, {"command": "ls"}),
        (FILE_READ, {"path": "a.txt"}),
        (FILE_LIST, {"path": "."}),
        (FILE_WRITE, {"path": "new", "content": ""}),
        (RUN, {"line": "ls"}),
        (SAVE, {"file": "new"}),
    ],
    ids=lambda value: value.name if isinstance(value, Tool) else "",
)
async def test_without_a_workspace_nothing_is_done_in_it(
    tool: Tool, arguments: Mapping[str, Json]
) -> None:
    denied = await planner(None).plan(tool, arguments)

    assert denied == Deny(Reason.WORKSPACE_MISSING)
    assert denied.facts == {"rule": "autonomy.workspace_dir"}


async def test_without_a_workspace_other_tools_work() -> None:
    assert await planner(None).plan(ADD, {"a": 1}) == Allow(Invoke(ADD.path, {"a": 1}, ADD.seconds))
