"""What an attacker writes into the grammar of a line, and why nothing runs that is not listed.

Every program that a line should be able to reach is listed here, so that its form alone is judged;
`id` and `rm` are what the attacker wants.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from labelled import rows
from reading import PARSER

from proxy.authorization.lines import LineJudge
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.programs.allowlist import Allowlist
from proxy.decision import Allow

ALLOWED = (
    "ls",
    "cat",
    "echo",
    "grep",
    "wc",
    "sort",
    "head",
    "printf",
    "test",
    "[",
    "git",
    "rm -rf",
)
OURS = frozenset({"shell-syntax", "env-prefix", "encoding", "benign-compound"})


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    (folder / "src").mkdir(parents=True)
    for name in ("README.md", "file.txt", "src/app.py"):
        (folder / name).write_text("text")
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


@pytest.mark.parametrize("bash", [False, True], ids=["sh", "bash"])
@pytest.mark.parametrize(
    "line",
    [
        # a second program
        pytest.param("ls; id", id="after a semicolon"),
        pytest.param("ls;id;", id="without a blank"),
        pytest.param("ls\nid", id="on a line of its own"),
        pytest.param("ls\n\n \t id", id="after empty lines"),
        pytest.param("ls # x\nid", id="after a comment"),
        pytest.param("ls '\n# '\nid", id="after what looks like a comment"),
        pytest.param("ls \\\n\nid", id="after a line that goes on in nothing"),
        pytest.param("ls \\\\\nid", id="after a line that ends in an escaped backslash"),
        pytest.param("ls & id", id="beside"),
        pytest.param("ls&id", id="beside, without a blank"),
        pytest.param("ls && id", id="on success"),
        pytest.param("ls || id", id="on failure"),
        pytest.param("ls | id", id="in a pipe"),
        pytest.param("ls |& id", id="in a pipe of errors"),
        pytest.param("ls |\n id", id="in a pipe over lines"),
        pytest.param("! id", id="negated"),
        pytest.param("ls;;id", id="after the end of a case"),
        pytest.param("ls &&& id", id="after three signs"),
        pytest.param("(id)", id="in a subshell"),
        pytest.param("{ id; }", id="in a block"),
        pytest.param("{ id\n}", id="in a block over lines"),
        pytest.param("if id; then ls; fi", id="as a condition"),
        pytest.param("if ls; then ls; else id; fi", id="otherwise"),
        pytest.param("if ls; then ls; elif id; then ls; fi", id="as a second condition"),
        pytest.param("while id; do ls; done", id="as long as"),
        pytest.param("until ls; do id; done", id="until"),
        pytest.param("for x in a; do id; done", id="in a loop"),
        pytest.param("for x in a\ndo\nid\ndone", id="in a loop over lines"),
        pytest.param("for ((;;)); do id; done", id="in a loop over numbers"),
        pytest.param("select x in a; do id; done", id="in a menu"),
        pytest.param("case a in a) id;; esac", id="in a case"),
        pytest.param("case a in a) ls;; (*) id; esac", id="in the last case"),
        pytest.param("f() { id; }; f", id="in a function"),
        pytest.param("f() ( id )", id="in a function that is not called"),
        pytest.param("function f { id; }; f", id="in a function by its keyword"),
        pytest.param("ls() { id; }; ls", id="in a function in the place of a program"),
        pytest.param("ls() if ls; then id; fi; ls", id="in a function without a block"),
        pytest.param("coproc id", id="as a process beside"),
        pytest.param("time id", id="timed"),
        pytest.param("time -p id", id="timed in another form"),
        pytest.param("! time ! id", id="timed and negated"),
        pytest.param("[[ -n a ]] && id", id="after a test"),
        pytest.param("((1)) && id", id="after arithmetic"),
        pytest.param("exec id", id="in the place of the shell"),
        pytest.param("command id", id="past functions"),
        pytest.param("builtin eval id", id="by a builtin"),
        pytest.param("eval id", id="from a word"),
        pytest.param("ls; eval 'i''d'", id="from quoted words"),
        pytest.param("ls; . ./x", id="from a file"),
        pytest.param("trap id EXIT", id="at the end"),
        pytest.param("ls; trap 'id' 0", id="at the end of a list"),
        pytest.param("alias ls=id\nls", id="by an alias"),
        pytest.param("hash -p /usr/bin/id ls; ls", id="by a remembered path"),
        pytest.param("enable -f ./x.so ls; ls", id="from a library"),
        pytest.param("complete -C id ls", id="for a completion"),
        pytest.param("PROMPT_COMMAND=id; ls", id="before a prompt"),
        # a program inside of a word
        pytest.param("ls $(id)", id="substitution"),
        pytest.param('ls "$(id)"', id="substitution in double quotes"),
        pytest.param("ls \"a'$(id)'\"", id="substitution in quotes in quotes"),
        pytest.param("ls `id`", id="backticks"),
        pytest.param('ls "`id`"', id="backticks in double quotes"),
        pytest.param("ls `echo \\`id\\``", id="backticks in backticks"),
        pytest.param("ls $(echo $(id))", id="substitution in substitution"),
        pytest.param("ls $(ls; id)", id="a list in a substitution"),
        pytest.param("ls ${ id;}", id="substitution without a subshell"),
        pytest.param("ls ${x:-$(id)}", id="in a default"),
        pytest.param('ls "${x:=`id`}"', id="in an assigned default"),
        pytest.param("ls ${x/$(id)/}", id="in a replacement"),
        pytest.param("ls ${a[$(id)]}", id="in a subscript"),
        pytest.param("ls $((a[$(id)]))", id="in arithmetic"),
        pytest.param("ls $[a[`id`]]", id="in arithmetic of old"),
        pytest.param("x=1; ls ${x:$(id)}", id="in an offset"),
        pytest.param("ls <(id)", id="as a file"),
        pytest.param("ls >(id)", id="as a file to write to"),
        pytest.param("ls > >(id)", id="as the output"),
        pytest.param("cat < <(id)", id="as the input"),
        pytest.param("ls >$(id)", id="in the name of the output"),
        pytest.param("x=$(id)", id="in an assignment"),
        pytest.param("x=a y=$(id) ls", id="in a second assignment"),
        pytest.param("LANG=$(id) ls", id="in a harmless variable"),
        pytest.param("true $(id)", id="for what does nothing"),
        pytest.param(": ${x:=$(id)}", id="in the usual place for defaults"),
        pytest.param("exit $(id)", id="in an exit code"),
        pytest.param("for x in $(id); do ls; done", id="as the words of a loop"),
        pytest.param("case $(id) in *) ls;; esac", id="as the word of a case"),
        pytest.param("case a in $(id)) ls;; esac", id="as the pattern of a case"),
        pytest.param("cat <<E\n$(id)\nE", id="in a document"),
        pytest.param("cat <<E\n`id`\nE", id="in backticks in a document"),
        pytest.param("cat <<E\n${x:-$(id)}\nE", id="in a default in a document"),
        pytest.param("cat <<-E\n\t$(id)\n\tE", id="in an indented document"),
        pytest.param("cat <<'A' <<B\n$x\nA\n$(id)\nB", id="in the second document"),
        pytest.param("cat <<E\nx\nE\nid", id="after a document"),
        pytest.param("cat <<E; id\nx\nE", id="beside a document"),
        pytest.param(
            "cat <<'E'\nx\n E\nE\nid", id="after the end of a document that looks like none"
        ),
        pytest.param("cat <<< $(id)", id="in a string as a document"),
        pytest.param('cat <<< "`id`"', id="in a quoted string as a document"),
        pytest.param("[[ $(id) ]]", id="in a test"),
        pytest.param("[[ 'a[$(id)]' -eq 0 ]]", id="in a number of a test"),
        pytest.param("[[ -v 'a[$(id)]' ]]", id="in a name of a test"),
        pytest.param("test -v 'a[$(id)]'", id="in a name of the program test"),
        pytest.param("[ -v 'a[$(id)]' ]", id="in a name between brackets"),
        pytest.param("printf -v 'a[$(id)]' x", id="in the name of a printed variable"),
        pytest.param("ls; printf -v'a[`id`]' x", id="in the name, without a blank"),
        pytest.param("read 'a[$(id)]' <<< x", id="in the name of a read variable"),
        pytest.param("unset 'a[$(id)]'", id="in the name of a lost variable"),
        pytest.param("let 'a[$(id)]=1'", id="in an expression"),
        pytest.param("declare -i 'x=a[$(id)]'", id="in a declared number"),
        pytest.param("export 'x'=\"$(id)\"", id="in an exported variable"),
        pytest.param("x='a[$(id)]'; ((x))", id="in a variable that is evaluated"),
        pytest.param("x='a[$(id)]'; [[ $x -eq 0 ]]", id="in a variable that is compared"),
        # a name that is not written out
        pytest.param("$x", id="a variable"),
        pytest.param("x=id; $x", id="a variable of the line"),
        pytest.param("x=i y=d; $x$y", id="two variables of the line"),
        pytest.param("i$@d", id="a variable that is empty"),
        pytest.param("i${x}d", id="an empty variable in braces"),
        pytest.param("${x:-id}", id="a default"),
        pytest.param("i?", id="a pattern"),
        pytest.param("/usr/bin/i[d]", id="a pattern in a path"),
        pytest.param("/???/b??/i?", id="a path of patterns"),
        pytest.param("{id,-u}", id="braces"),
        pytest.param("{l,i}d", id="braces inside the name"),
        pytest.param("$'id'", id="a C string"),
        pytest.param("$'\\x69\\x64'", id="a C string of codes"),
        pytest.param("i$''d", id="an empty C string"),
        pytest.param('$"id"', id="a translated string"),
        pytest.param("~/id", id="a home"),
        pytest.param("`echo id`", id="backticks as the name"),
        pytest.param("$(printf id)", id="substitution as the name"),
        pytest.param("i\\d", id="an escaped letter"),
        pytest.param("'i'd", id="a quoted letter"),
        pytest.param("i''d", id="empty quotes"),
        pytest.param('"id"', id="a quoted name"),
        pytest.param("ls$IFS-la", id="the separator in the name"),
        pytest.param("IFS=l; x=ils; $x", id="another separator"),
        # redirections
        pytest.param("echo x >/etc/passwd", id="to a file outside"),
        pytest.param("echo x >../../etc/passwd", id="to a file above"),
        pytest.param("echo x >/dev/null/../../etc/passwd", id="past the harmless file"),
        pytest.param("echo x >~/.ssh/authorized_keys", id="to a home"),
        pytest.param("echo x >$HOME/x", id="to a variable"),
        pytest.param("echo x >/dev/tcp/10.0.0.1/80", id="to the network"),
        pytest.param("cat </dev/udp/10.0.0.1/53", id="from the network"),
        pytest.param("cat </etc/passwd", id="from a file outside"),
        pytest.param("cat 0</etc/passwd", id="from a file, with its number"),
        pytest.param("cat <>/etc/passwd", id="from and to a file"),
        pytest.param("echo x >|/etc/passwd", id="in spite of a protection"),
        pytest.param("echo x >>/etc/passwd", id="to the end of a file"),
        pytest.param("echo x &>/etc/passwd", id="everything to a file"),
        pytest.param("echo x >&/etc/passwd", id="everything to a file, as of old"),
        pytest.param("{ echo x; } >/etc/passwd", id="of a block"),
        pytest.param("for x in a; do echo x; done >/etc/passwd", id="of a loop"),
        pytest.param("(echo x) 2>/etc/passwd", id="of a subshell"),
        pytest.param(">/etc/passwd", id="alone"),
        pytest.param("exec 3<>/etc/passwd", id="of the shell itself"),
        pytest.param("cat /proc/self/environ <file.txt", id="with a path beside"),
        # the folder
        pytest.param("cd /etc && cat passwd", id="another folder"),
        pytest.param("cd ..; cat x", id="the folder above"),
        pytest.param("cd src/nope; cat ../../x", id="a folder that may not be there"),
        pytest.param("cd; cat .bashrc", id="the home"),
        pytest.param("cd -; cat x", id="the folder before"),
        pytest.param("CDPATH=/ cd etc && cat passwd", id="a folder elsewhere"),
        pytest.param("pushd /etc; cat passwd", id="a pushed folder"),
        pytest.param("while ls; do cd ..; cat x; done", id="up and up"),
        # variables that programs or shells read
        pytest.param("LD_PRELOAD=./x.so ls", id="a library"),
        pytest.param("PATH=.:$PATH ls", id="another path, with the old one"),
        pytest.param("PATH=. ls", id="another path"),
        pytest.param("PATH=.; ls", id="another path from now on"),
        pytest.param("export PATH=.; ls", id="another exported path"),
        pytest.param("BASH_ENV=./x ls", id="a script"),
        pytest.param("ENV=./x ls", id="a script for other shells"),
        pytest.param("GIT_SSH_COMMAND=id git fetch", id="a program of git"),
        pytest.param("PAGER=id git log", id="a pager"),
        pytest.param("GIT_EXTERNAL_DIFF=id git diff", id="a program that compares"),
        pytest.param("LESSOPEN='|id %s' cat x", id="a filter"),
        pytest.param("A=1 B=2 LD_PRELOAD=x ls", id="a library behind others"),
        pytest.param("SHELLOPTS=xtrace PS4='$(id)' ls", id="a prompt that is run"),
        pytest.param("BASH_FUNC_ls%%='() { id; }' ls", id="a function"),
        pytest.param("for PATH in .; do ls; done", id="another path by a loop"),
        pytest.param("set -a; ls", id="all variables exported"),
        # characters
        pytest.param("ls\rid", id="a carriage return"),
        pytest.param("ls\x0bid", id="a vertical tab"),
        pytest.param("ls\0id", id="an end of a string"),
        pytest.param("ls\u2028id", id="a line separator"),
        pytest.param("ls\x85id", id="a next line"),
        pytest.param("ls \u202eid", id="a turned line"),
        pytest.param("\uff4c\uff53", id="wide letters"),
        pytest.param("l\u200bs", id="an invisible space"),
        pytest.param("ls\xa0-la", id="a wide space"),
        pytest.param("\u0456d", id="a letter of another alphabet"),
        # what is no line
        pytest.param("ls 'x", id="an open quote"),
        pytest.param('ls "x', id="an open double quote"),
        pytest.param("ls $(", id="an open substitution"),
        pytest.param("ls `", id="an open backtick"),
        pytest.param("(ls", id="an open subshell"),
        pytest.param("if ls; then ls", id="an open condition"),
        pytest.param("cat <<E\nid", id="an open document"),
        pytest.param("ls \\", id="an open line"),
        pytest.param("ls | | ls", id="an empty part of a pipe"),
        pytest.param("ls )", id="an end without a start"),
        pytest.param("done", id="another end without a start"),
        pytest.param("'' ls", id="an empty name"),
        pytest.param(":(){ :|:& };:", id="a bomb"),
        pytest.param("ls() { ls|ls& };ls", id="a bomb of a listed name"),
    ],
)
async def test_no_form_of_a_line_reaches_further_than_the_list(
    workspace: Workspace, line: str, *, bash: bool
) -> None:
    judge = LineJudge(PARSER, Allowlist(ALLOWED), workspace, bash)

    assert not isinstance(await judge.judge(line, mounted=True), Allow)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "cat file.txt | wc -l",
            "ls -la | grep py | sort | head -5",
            "ls && cat file.txt || echo no",
        ),
        *(
            "ls; ls src",
            "ls\nls src\n",
            "ls # all of it",
            "grep 'a|b;c&d' file.txt",
            'echo "a;b|c>d"',
        ),
        *(
            "ls 2>&1",
            "ls 2>/dev/null",
            "ls >/dev/null 2>&1",
            "ls 2>&1 | head",
            "cat <file.txt | wc",
        ),
        *("cat <<'EOF'\nhello $x\nEOF", "cat <<EOF\nhello\nEOF", "cat <<EOF >new.txt\na\nb\nEOF"),
        *(
            "cat <<< hello",
            "grep -c x <<< 'a b'",
            "echo a >new.txt && cat new.txt",
            "echo a >>file.txt",
        ),
        *(
            "ls \\\n  -la \\\n  src",
            "cd src && ls",
            "cd src && cat app.py && cd ..",
            "(cd src && ls)",
        ),
        *('for f in file.txt README.md; do wc -l "$f"; done', "for i in 1 2 3; do echo $i; done"),
        *(
            'for f in src/*.py; do echo "== $f"; done',
            "ls src/*.py",
            "ls *.md",
            "wc -l src/*.py | sort",
        ),
        *("if [ -f file.txt ]; then cat file.txt; else echo none; fi", "[ -d src ] && ls src"),
        *(
            "test -f x || echo missing",
            'f=file.txt; cat "$f"',
            "dir=src && ls $dir",
            "n=5; head -n $n file.txt",
        ),
        *(
            "LANG=C sort file.txt",
            "LC_ALL=C sort file.txt | head",
            "TZ=UTC ls",
            "! grep -q x file.txt",
        ),
        *(
            "case a in a) ls;; *) echo b;; esac",
            "while false; do ls; done",
            "{ ls; ls src; } | wc -l",
        ),
        *(
            "show() { ls -la; }; show",
            "true && ls",
            "ls || true",
            "git status && git log | head -3",
        ),
        *(
            "git log --format='%h %s' | head",
            "echo 'it'\\''s'",
            'echo "it\'s"',
            "echo \\$HOME",
            "echo '$(id)'",
        ),
    ],
)
async def test_ordinary_lines_are_not_in_the_way(workspace: Workspace, line: str) -> None:
    decision = await LineJudge(PARSER, Allowlist(ALLOWED), workspace).judge(line, mounted=True)

    assert isinstance(decision, Allow), decision


async def test_the_labelled_lines_are_judged_as_labelled(workspace: Workspace) -> None:
    wrong = []
    for row in rows("commands.json"):
        if row["category"] in OURS:
            judge = LineJudge(PARSER, Allowlist(row["allowed_commands"]), workspace)
            allowed = isinstance(await judge.judge(row["command"], mounted=True), Allow)
            if allowed is not (row["expect"] == "allow"):
                wrong.append(row["id"])

    assert wrong == []
