import pytest

from proxy.authorization.programs.allowlist import Allowlist, look_up
from proxy.authorization.programs.spec import RUNS
from proxy.authorization.programs.table import PROGRAMS, UNLISTED
from proxy.authorization.shell.script import Call
from proxy.config.commands import CommandRule
from proxy.decision import Allow, Deny
from proxy.reasons import Reason

NOT_ALLOWED = Deny(Reason.COMMAND_NOT_ALLOWED)
OPTION = Deny(Reason.COMMAND_OPTION_NOT_ALLOWED)


def judge(line: str, *entries: str | CommandRule) -> object:
    return Allowlist(entries).judge(Call(tuple(line.split())))


def rule(program: str, **more: object) -> CommandRule:
    return CommandRule.model_validate({"program": program, **more})


def test_empty_allowlist_admits_no_program() -> None:
    assert judge("ls") == NOT_ALLOWED


def test_more_words_than_are_read_are_too_complex() -> None:
    assert Allowlist(("ls",)).judge(Call(("ls",) * 4097)) == Deny(Reason.COMMAND_TOO_COMPLEX)
    assert isinstance(Allowlist(("ls",)).judge(Call(("ls",) * 4096)), Allow)


def test_a_call_without_words_is_malformed() -> None:
    assert Allowlist(("ls",)).judge(Call(())) == Deny(Reason.COMMAND_MALFORMED)


@pytest.mark.parametrize(
    "program", ["LS", "/bin/ls", "./ls", "ls.exe", "l", "lsx", "\uff4c\uff53", "l\u0455", "*", ""]
)
def test_program_matches_exactly(program: str) -> None:
    denied = Allowlist(("ls",)).judge(Call((program,)))

    assert denied == NOT_ALLOWED
    assert isinstance(denied, Deny)
    assert (denied.evidence, denied.facts) == (program, {"rule": "autonomy.allowed_commands"})


def test_program_with_its_path_runs_where_it_is_listed_so() -> None:
    assert isinstance(judge("/usr/bin/git status", "/usr/bin/git"), Allow)
    assert judge("/usr/bin/git -c x=y status", "/usr/bin/git") == OPTION
    assert judge("git status", "/usr/bin/git") == NOT_ALLOWED


def test_program_that_is_refused_tells_its_version() -> None:
    assert isinstance(judge("vim --version", "vim"), Allow)
    assert isinstance(judge("ffmpeg -version", "ffmpeg"), Allow)
    assert judge("vim", "vim") == OPTION
    assert judge("vim --version x", "vim") == OPTION
    assert judge("vim -V", "vim") == OPTION
    assert judge("vim --version", rule("vim", options={"deny": ["--version"]})) == OPTION
    assert judge("xargs vim --version", "xargs", "vim") == OPTION
    assert judge("sudo --version", "sudo") == OPTION


def test_program_that_a_pattern_would_name_is_not_knowable() -> None:
    found = Allowlist(("ls",)).judge(Call(("ls",), frozenset({0})))

    assert found == Deny(Reason.COMMAND_UNKNOWABLE)


def test_paths_are_handed_on_and_refusals_name_the_table() -> None:
    allowed = judge("grep -f x pattern src", "grep")
    denied = judge("git -c core.pager=id log", "git")

    assert isinstance(allowed, Allow)
    assert allowed.value.operands == ("x", "pattern", "src")
    assert isinstance(denied, Deny)
    assert denied.facts["known"] == f"git -c: {RUNS}"
    assert denied.evidence == "-c"


def test_what_the_project_runs_is_told() -> None:
    allowed = judge("timeout 5 npm test", "timeout", "npm")

    assert isinstance(allowed, Allow)
    assert allowed.value.note == "npm test: runs the project's own code"


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("env ls", ("env", "ls")),
        ("nice -n 5 timeout 3 ls -la", ("nice", "timeout", "ls")),
        ("find . -exec wc -l {} +", ("find", "wc")),
        ("busybox ls", ("busybox", "ls")),
        ("xargs echo", ("xargs", "echo")),
        ("xargs -I {} echo {}", ("xargs", "echo")),
        ("xargs", ("xargs",)),
        ("command -v id", ("command",)),
        ("python3 -m pytest -q", ("python3",)),
    ],
)
def test_program_inside_another_is_judged_as_listed(line: str, entries: tuple[str, ...]) -> None:
    assert isinstance(judge(line, *entries), Allow)


@pytest.mark.parametrize(
    ("line", "entries", "denied"),
    [
        ("env ls", ("env",), NOT_ALLOWED),
        ("env ls", ("ls",), NOT_ALLOWED),
        ("env PATH=. ls", ("env", "ls"), Deny(Reason.COMMAND_VARIABLE_NOT_ALLOWED)),
        ("nice timeout 3 git -c a=b log", ("nice", "timeout", "git"), OPTION),
        ("find . -exec rm {} ;", ("find",), NOT_ALLOWED),
        ("find . -exec sed {} ;", ("find", "sed"), Deny(Reason.COMMAND_UNKNOWABLE)),
        ("xargs cat", ("xargs", "cat"), Deny(Reason.COMMAND_UNKNOWABLE)),
        ("xargs env", ("xargs", "env"), Deny(Reason.COMMAND_UNKNOWABLE)),
        ("xargs -I ls ls", ("xargs", "ls"), Deny(Reason.COMMAND_UNKNOWABLE)),
        ("command id", ("command",), NOT_ALLOWED),
        ("python3 -m pytest -p evil", ("python3",), OPTION),
        ("nice " * 9 + "ls", ("nice", "ls"), Deny(Reason.COMMAND_TOO_COMPLEX)),
        ("sudo ls", ("sudo", "ls"), OPTION),
    ],
)
def test_program_inside_another_gets_no_further_than_alone(
    line: str, entries: tuple[str, ...], denied: Deny
) -> None:
    assert judge(line, *entries) == denied


def test_rule_leaves_its_subcommands_and_refuses_its_options() -> None:
    git = rule("git", subcommands=["status", "log"], options={"deny": ["--all", "-p"]})

    assert isinstance(judge("git log --oneline", git), Allow)
    assert isinstance(judge("git -C src status", git), Allow)
    assert judge("git push", git) == OPTION
    assert judge("git", git) == OPTION
    assert judge("git log --all", git) == OPTION
    assert judge("git log --al", git) == OPTION
    assert judge("git log -sp", git) == OPTION
    assert judge("git log --output=x", git) == OPTION


def test_rule_for_a_program_that_is_not_in_the_table_holds_for_its_first_word() -> None:
    tool = rule("some-tool", subcommands=["status"])

    assert isinstance(judge("some-tool status --json x", tool), Allow)
    assert judge("some-tool run x", tool) == OPTION
    assert judge("some-tool --profile status run", tool) == OPTION
    assert judge("some-tool", tool) == OPTION


def test_rule_opens_what_it_names_of_a_refused_program() -> None:
    build = rule("docker", subcommands=["build"])

    assert judge("docker build .", "docker") == OPTION
    assert isinstance(judge("docker build .", build), Allow)
    assert judge("docker run x", build) == OPTION
    assert isinstance(judge("sudo status", rule("sudo", subcommands=["status"])), Allow)
    assert judge("sudo id", rule("sudo", options={"deny": ["-u"]})) == OPTION


@pytest.mark.parametrize(
    ("program", "title"),
    [
        ("git", "git"),
        ("/usr/bin/git", "git"),
        ("python3.11", "python"),
        ("gcc-12", "gcc"),
        ("gawk", "awk"),
        ("sha256sum", "sha256sum"),
        ("7z", "7z"),
    ],
)
def test_table_knows_a_program_by_its_base_name(program: str, title: str) -> None:
    assert look_up(program) == (title, PROGRAMS[title])


def test_program_that_is_not_in_the_table_is_judged_by_its_words() -> None:
    assert look_up("some-tool") == ("a program that is not in the table", UNLISTED)

    allowed = judge("some-tool --verbose -f/x ../y", "some-tool")
    assert isinstance(allowed, Allow)
    assert {"-f/x", "../y"} <= set(allowed.value.operands)
    for words in ("--exec=id", "-c id", "sh -x", "--plugin x", "x|sh", "-command=id", "exec x"):
        assert judge(f"some-tool {words}", "some-tool") == OPTION, words
