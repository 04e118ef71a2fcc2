"""Lines that need no grammar: a parser and real shells read them alike."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import vectors

from proxy import process
from proxy.authorization.shell.plain import MAX_WORDS, split

SHELLS = ["/bin/bash", "/bin/dash"]
LINES = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "b",
                "-x",
                "--y=z",
                "./c",
                "/d",
                "e/f",
                "HEAD~2",
                "A=1",
                "x:y",
                "@z",
                "%1",
                "a^b",
            ),
            *("''", '""', "'a b'", '"c d"', "'$x'", "'`'", '"\'"', "'\"'", "'\\'", '"#"', "'\n'"),
            *(
                " ",
                " ",
                " ",
                " ",
                "\t",
                "\n",
                "~",
                "=",
                ":",
                "+",
                ",",
                "#",
                ";",
                "|",
                "&",
                "<",
                ">",
            ),
            *("$x", '"$x"', '"`"', '"\\"', "\\", '"!"', "*", "?", "[", "]", "{a,b}", "(", ")", "!"),
            *("if", "time", "eval", "é", "~/", "a=~", "a:~", "'", '"'),
        ]
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls", ("ls",)),
        (" ls\t-la \n", ("ls", "-la")),
        ("grep 'a b' \"c|d\" e''f", ("grep", "a b", "c|d", "ef")),
        ("git diff HEAD~2 HEAD^ a..b", ("git", "diff", "HEAD~2", "HEAD^", "a..b")),
        ("dd if=a of=b", ("dd", "if=a", "of=b")),
        ("printf '%s\n' x", ("printf", "%s\n", "x")),
        ("cat ''", ("cat", "")),
    ],
)
def test_a_call_of_safe_words_is_split(line: str, words: tuple[str, ...]) -> None:
    assert split(line) == words


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "\n", "#", "ls # a", "ls;", "ls | cat", "ls > a", "ls &", "ls\nls", "(ls)"),
        *(
            "ls $x",
            'ls "$x"',
            'ls "`x`"',
            'ls "\\a"',
            "ls a\\b",
            "ls *",
            "ls ?",
            "ls [a]",
            "ls {a,b}",
        ),
        *(
            "ls ~",
            "ls a=~",
            "ls a:~x",
            "ls ''~",
            "a=b ls",
            "a=b",
            "'ls' -l",
            "l's'",
            "! ls",
            "[ a ]",
        ),
        *(
            "if",
            "time ls",
            "eval ls",
            ". a",
            "cd a",
            "exit 1",
            ": a",
            "command ls",
            "%1",
            "ls 'a",
            "ls é",
        ),
    ],
)
def test_what_takes_a_grammar_is_not_split(line: str) -> None:
    assert split(line) is None


def test_words_without_number_are_not_split() -> None:
    assert split("a " * MAX_WORDS) is not None
    assert split("a " * MAX_WORDS + "a") is None


@settings(deadline=None)
@given(LINES)
async def test_both_dialects_of_the_parser_split_alike(line: str) -> None:
    words = split(f"f {line}")

    # Behind a call that does nothing the line is left as it is, and the parser has the work.
    assert words is None or await vectors(f":;f {line}") == [words]


@pytest.mark.slow
@pytest.mark.parametrize("shell", [pytest.param(path, id=path[5:]) for path in SHELLS])
@settings(deadline=None)
@given(LINES)
async def test_real_shells_split_alike(shell: str, line: str) -> None:
    words = split(f"f {line}")
    if words is None or not os.path.exists(shell):
        return
    script = f'f() {{ printf "%s\\0" f "$@"; }}\nf {line}'
    done = await process.run((shell, "-c", script), b"", limit=65536, seconds=10)

    assert done.output.decode() == "".join(f"{word}\0" for word in words)
