"""What real shells start for a line, beside what was judged: never more.

Lines are made of everything that is awkward in the grammar, and run in a container without network,
where each program that can be found only notes the words that it was given.
"""

import base64
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import PARSER

from proxy.authorization.shell.script import Script
from proxy.decision import Allow

SHELLS = {
    "ash": "/bin/busybox ash",
    "dash": "/bin/dash",
    "bash": "/bin/bash --norc",
    "posix": "/bin/bash --posix",
}
IMAGE = "sidegate-shells:test"

# Reads a line in base64, runs it, and answers with a line of what was started.
RUNNER = r"""
busybox mkdir -p /tmp/bin /tmp/log
echo '#!/bin/busybox ash
{ printf "%s\001" "${0##*/}" "$@"; printf "\002"; } >/tmp/log/$$' >/tmp/bin/p
busybox chmod 755 /tmp/bin/p
for each in q r s; do busybox ln -s p /tmp/bin/$each; done
while read -r line; do
  busybox rm -rf /tmp/work /tmp/log/*
  busybox mkdir -p /tmp/work/d/e
  echo p >/tmp/work/i
  echo "$line" | busybox base64 -d >/tmp/line
  PATH=/tmp/bin /bin/busybox timeout -s KILL 2 $SHELL -c "cd /tmp/work
$(busybox cat /tmp/line)" </dev/null >/dev/null 2>&1
  busybox cat /tmp/log/* 2>/dev/null | busybox base64 -w 0
  echo
done
"""

PIECES = st.sampled_from(
    [
        # calls
        *("p", "q", "r a", "s 'a b'", 'p "c"', "\\q", "'r'", "p a\\ b", "q 'a'\"b\"c\\d", "r -v"),
        *(
            "p $x",
            'q "$x"',
            "r ${y}",
            "s \"$x\"'$y'",
            "p $x$y",
            "q x=$x",
            "r *",
            "s i*",
            'p "$x.a"',
        ),
        *(
            "p # q",
            "q \\\n r",
            "r\\\n",
            "p#q",
            "s;",
            "p &",
            "q&r",
            "! p",
            "time p",
            "exec q",
            "command r",
        ),
        # assignments
        *(
            "x=a",
            "y=b",
            "x=p",
            "x='a b'",
            "y=$x",
            "x=$x.a",
            "LANG=C p",
            "x=a q",
            "PATH=/tmp p",
            "x=",
            "x+=b p",
        ),
        # folders and redirections
        *(
            "cd d",
            "cd d/e",
            "cd ..",
            "cd nope",
            "p >o",
            "q <i",
            "r 2>&1",
            "s >/dev/null",
            "p 2>o <i",
        ),
        *("q >&o", "r &>o", "p 3>o", "q 10>o", ">o", "<i r", "{ x=k; } >/no/f", "p {fd}>o"),
        # documents
        *(
            "p <<E\na\nE\n",
            "q <<'E'\n$x `p`\nE\n",
            "r <<E\n$x\nE\n",
            "s <<-E\n\ta\n\tE\n",
            "p <<<x",
        ),
        *(
            "q <<E | r\nx\nE\n",
            "p <<E; q\na\nE\nr\n",
            "p <<A <<B\na\nA\nb\nB\n",
            "p <<E\nx\n E\nE\n",
        ),
        # what the shell does itself
        *(
            ":",
            "true",
            "false",
            "break",
            "continue",
            "exit",
            "return",
            "eval p",
            "alias p=q",
            "set -- a",
        ),
        *(
            "read x",
            "unset x",
            "export x=p",
            "local x=1",
            "declare x=1",
            "printf -v x q",
            "test -v x",
            "shift",
        ),
        # what nobody can tell
        *(
            "$x",
            "${x}",
            '"$x"',
            "q $(r)",
            "s `q`",
            "p $((1+1))",
            "q ${x:-r}",
            "q ${x:$(r)}",
            "q $'a'",
            "p ~",
        ),
        *(
            "p {a,b}",
            "p <(q)",
            "@(p|q)",
            "p !(a)",
            "p $?",
            "r $@",
            "p $1",
            "[[ -f i ]]",
            "((1))",
            "coproc p",
        ),
        # constructs
        *("f", "g", "f a", "f | p", "f() { p; }", "f() { q; x=z; }", "g() { f; }", "p() { q; }"),
        *(
            "for x in a b; do",
            "for y in p q; do",
            "for x in *; do",
            "while p; do",
            "until q; do",
            "done",
        ),
        *(
            "if p; then",
            "else",
            "elif q; then",
            "fi",
            "case a in",
            "a) p;;",
            "*) q;;",
            "(b) r;;",
            "esac",
        ),
        *(
            "{",
            "}",
            "(",
            ")",
            "in",
            "do",
            "then",
            "!",
            "( p; x=c )",
            "( cd d && q )",
            "select x in a; do",
        ),
        *("p && x=c", "p || x=d", "p | x=c", "if p; then x=c; fi", "while p; do x=e; break; done"),
        *(
            "for x in a b; do x=c; break; done",
            "case a in a) x=c;; esac",
            "p '",
            'q "',
            "r $",
            "s \\",
        ),
    ]
)
JOINTS = st.sampled_from(
    ["; ", "; ", " && ", " || ", " | ", " |& ", "\n", "\n", " & ", " ", "", ";", "\n\n", " \\\n "]
)
LINES = st.builds(
    lambda first, rest: first + "".join(joint + piece for joint, piece in rest),
    PIECES,
    st.lists(st.tuples(JOINTS, PIECES), max_size=6),
)
SET = st.sampled_from(["", "x=a; ", "y=b\n", "x=a y=q && ", "f() { p; }; ", "x=a; f() { x=q; }; "])


class Shell:
    """One kind of shell in a container, which runs what it is sent."""

    def __init__(self, host: str, command: str) -> None:
        self._container = subprocess.Popen(
            [
                *("docker", "-H", host, "run", "--rm", "-i", "--network", "none", "--read-only"),
                *("--user", "65534:65534", "--tmpfs", "/tmp:exec,mode=1777", "--memory", "64m"),
                *("--pids-limit", "64", "--env", f"SHELL={command}", "--env", "PATH=/bin"),
                *(IMAGE, "/bin/busybox", "ash", "-c", RUNNER),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def started(self, line: str) -> set[tuple[str, ...]]:
        """The words of every program that is started for a line."""
        assert self._container.stdin is not None
        assert self._container.stdout is not None
        self._container.stdin.write(base64.b64encode(line.encode()) + b"\n")
        self._container.stdin.flush()
        log = base64.b64decode(self._container.stdout.readline()).decode()
        return {tuple(entry.split("\1")[:-1]) for entry in log.split("\2")[:-1]}

    def close(self) -> None:
        """End the container, which ends with its input."""
        self._container.communicate(timeout=30)


@pytest.fixture(scope="module")
def shells(engine: str) -> Iterator[Mapping[str, Shell]]:
    """The shells of this machine, in containers of an image that is removed afterwards."""
    docker = ["docker", "-H", engine]
    subprocess.run([*docker, "import", "-", IMAGE], input=_files(), check=True, timeout=60)
    found = {
        name: Shell(engine, command)
        for name, command in SHELLS.items()
        if shutil.which(os.path.basename(command.split()[0]))
    }
    yield found
    for shell in found.values():
        shell.close()
    subprocess.run([*docker, "rmi", "-f", IMAGE], check=True, timeout=60)


def _files() -> bytes:
    """An archive of the shells, with the libraries that they load."""
    paths = {path for name in ("busybox", "dash", "bash") if (path := shutil.which(name))}
    for path in list(paths):
        loaded = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        paths |= set(re.findall(r"(/\S+) \(0x", loaded.stdout))
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in sorted(paths):
            place = f"bin/{os.path.basename(path)}" if "/bin/" in path else path.lstrip("/")
            archive.add(os.path.realpath(path), place)
    return data.getvalue()


def judged(script: Script) -> tuple[set[tuple[str, ...]], set[str]]:
    """The calls of a script; and the names of those of which a pattern leaves the rest open."""
    calls, names = set(), set()
    for call in script.calls:
        words = call.argv[1:] if call.argv[0] in {"exec", "command", "time"} else call.argv
        calls.add(words)
        if call.patterns:
            names.add(words[0])
    return calls, names


@pytest.mark.docker
@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(SET, LINES)
async def test_shells_start_nothing_that_was_not_judged(
    shells: Mapping[str, Shell], before: str, line: str
) -> None:
    decision = await PARSER.parse(before + line)
    if not isinstance(decision, Allow):
        return
    calls, open_names = judged(decision.value)
    for name, shell in shells.items():
        surprises = {
            words for words in shell.started(before + line) - calls if words[0] not in open_names
        }
        assert not surprises, name


@pytest.mark.docker
async def test_the_containers_tell_what_is_started(shells: Mapping[str, Shell]) -> None:
    """Or the comparison would hold whatever is judged."""
    for shell in shells.values():
        assert shell.started("p a 'b c'; q | r $(s)") == {("p", "a", "b c"), ("q",), ("r",), ("s",)}


@pytest.mark.docker
@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(SET, LINES)
async def test_bash_starts_nothing_that_was_not_judged_for_it(
    shells: Mapping[str, Shell], before: str, line: str
) -> None:
    decision = await PARSER.parse(before + line, bash=True)
    if not isinstance(decision, Allow) or "bash" not in shells:
        return
    calls, open_names = judged(decision.value)
    started = shells["bash"].started(before + line)

    assert {words for words in started - calls if words[0] not in open_names} == set()
