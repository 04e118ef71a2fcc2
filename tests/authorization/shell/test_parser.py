"""From a line to what it would do: which lines are read, and that real shells agree."""

import os
import shlex
import stat
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import process
from proxy.authorization.shell.builtins import has_own_rules
from proxy.authorization.shell.parser import MAX_LINE, CommandParser, find_parser
from proxy.authorization.shell.script import Call, Script
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

PARSER = CommandParser(find_parser())
SHELLS = [
    pytest.param(("/bin/bash", "--norc", "--noprofile", "-c"), id="bash"),
    pytest.param(("/bin/dash", "-c"), id="dash"),
]


async def parse(line: str) -> Decision[Script]:
    return await PARSER.parse(line)


async def vector(line: str) -> tuple[str, ...] | None:
    """The words of a line that is one call and nothing else; None for every other line."""
    decision = await parse(line)
    if isinstance(decision, Deny) or not decision.value.plain or decision.value.calls[0].patterns:
        return None
    return decision.value.calls[0].argv


async def seen_by(shell: tuple[str, ...], line: str) -> tuple[str, ...]:
    """The arguments that a real shell gives to a call of the harmless `f`, and `!` for an error."""
    if not os.path.exists(shell[0]):
        pytest.skip(f"there is no {shell[0]}")
    shown = 'f() { for each; do printf "%s\\0" "$each"; done; }'
    script = f"cd /usr\n{shown}\nset -e\n{line}\nprintf end"
    done = await process.run((*shell, script), b"", limit=1 << 20, seconds=10)
    *words, end = done.output.decode("utf-8", "surrogateescape").split("\0")
    return (*words, *(() if end == "end" else ("!", end)))


def program(folder: Path, script: str) -> str:
    """A stand-in for the parser: a program with the same interface."""
    path = folder / "parser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return str(path)


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        # blanks and ends
        ("ls", ("ls",)),
        ("  ls \t -la  ", ("ls", "-la")),
        ("ls;", ("ls",)),
        ("ls ;", ("ls",)),
        ("\tls -a\n", ("ls", "-a")),
        ("ls\n", ("ls",)),
        ("\n\nls -l\n\n", ("ls", "-l")),
        # comments
        ("ls # all of it", ("ls",)),
        ("# first\nls", ("ls",)),
        ("ls a#b", ("ls", "a#b")),
        ("ls '#b'", ("ls", "#b")),
        ("ls \\#b", ("ls", "#b")),
        # line continuation
        ("ls \\\n  -la \\\n  src", ("ls", "-la", "src")),
        # quotes
        ("grep 'two words' a", ("grep", "two words", "a")),
        ('grep "two words" a', ("grep", "two words", "a")),
        ("cat it\\'s.txt", ("cat", "it's.txt")),
        ("cat 'it'\\''s.txt'", ("cat", "it's.txt")),
        ('cat "it\'s.txt"', ("cat", "it's.txt")),
        ("cat 'a\"b'", ("cat", 'a"b')),
        ("a'b'\"c\"\\d", ("abcd",)),
        ("'ls' -l", ("ls", "-l")),
        ("\\ls", ("ls",)),
        ("cat ''", ("cat", "")),
        ('cat "" a \'\'""', ("cat", "", "a", "")),
        ("printf 'a\nb'", ("printf", "a\nb")),
        ('printf "a\tb"', ("printf", "a\tb")),
        # escapes
        ("cat a\\ b", ("cat", "a b")),
        ("cat a\\\tb", ("cat", "a\tb")),
        ("cat a\\\\b", ("cat", "a\\b")),
        ("echo \\a\\n", ("echo", "an")),
        ('echo "\\$HOME \\`id\\` \\" \\\\"', ("echo", '$HOME `id` " \\')),
        ('echo "\\a\\n\\!"', ("echo", "\\a\\n\\!")),
        ("echo '\\$HOME'", ("echo", "\\$HOME")),
        ("echo \\$HOME \\*", ("echo", "$HOME", "*")),
        # what means something only where it is not quoted, or not there
        ("echo '$(id)' '`id`' '${x}'", ("echo", "$(id)", "`id`", "${x}")),
        ("echo '*' \"?\" '[a]'", ("echo", "*", "?", "[a]")),
        ("echo '{a,b}' \"{1..3}\" \\{a,b}", ("echo", "{a,b}", "{1..3}", "{a,b}")),
        ("echo '~' \"~/x\" \\~", ("echo", "~", "~/x", "~")),
        ("echo ';' '|' '&' '<' '>' '('", ("echo", ";", "|", "&", "<", ">", "(")),
        ("echo a$ '$'", ("echo", "a$", "$")),
        ("echo ! !x", ("echo", "!", "!x")),
        ("echo if then }", ("echo", "if", "then", "}")),
        # words of the trade
        ("git diff HEAD~2..HEAD", ("git", "diff", "HEAD~2..HEAD")),
        ("git show HEAD^ HEAD@{2}", ("git", "show", "HEAD^", "HEAD@{2}")),
        ("git log --format=%H", ("git", "log", "--format=%H")),
        ("find . -name {} -o -name {a}", ("find", ".", "-name", "{}", "-o", "-name", "{a}")),
        ("dd if=a of=b", ("dd", "if=a", "of=b")),
        ("sed s/a/b/ x", ("sed", "s/a/b/", "x")),
        ("[ a = b ]", ("[", "a", "=", "b", "]")),
        ("/usr/bin/env a=b", ("/usr/bin/env", "a=b")),
        ("ls -- -x", ("ls", "--", "-x")),
        ("cat a+=b 1=2", ("cat", "a+=b", "1=2")),
        # not ASCII
        ("cat grüße.txt", ("cat", "grüße.txt")),
        ("echo 日本 '🦀'", ("echo", "日本", "🦀")),
        ("echo e\u0301", ("echo", "e\u0301")),
        # what some shells do themselves is a program's name like any other
        ("echo -n", ("echo", "-n")),
        ("kill -9 1", ("kill", "-9", "1")),
    ],
)
async def test_a_plain_line_is_the_vector_that_a_shell_would_make_of_it(
    line: str, argv: tuple[str, ...]
) -> None:
    assert await parse(line) == Allow(Script((Call(argv),), plain=True))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "line",
    [
        pytest.param("f {{a},b}", id="braces in braces"),
        pytest.param("f {},a}", id="an empty pair, then a list"),
        pytest.param("f {a},b}", id="a closed pair, then a list"),
        pytest.param("f a\\\\\\\nb", id="a line continued after an escaped backslash"),
        pytest.param('f "a\\\\\\\nb"', id="the same in double quotes"),
        pytest.param("f #\\\necho b", id="a comment that ends in a backslash"),
        pytest.param("f a # b \\\nc", id="a comment with words that ends in a backslash"),
        pytest.param('f "$\\\n(echo b)"', id="a substitution cut by a continued line"),
        pytest.param("f $\\\n{HOME}", id="a parameter cut by a continued line"),
        pytest.param("f $\\\n'\\x41'", id="a quoting cut by a continued line"),
        pytest.param("f a$\\\n$", id="a process id cut by a continued line"),
    ],
)
async def test_where_a_shell_reads_a_line_otherwise_it_is_not_plain(
    line: str, shell: tuple[str, ...]
) -> None:
    argv = await vector(line)

    assert argv is None or argv[1:] == await seen_by(shell, line)


@pytest.mark.parametrize(
    "line", ["", " ", "\t", "\n", "\n\n", "#", "# ls", ";", "\\\n", "\\", "ls &&", "ls |", "ls '"]
)
async def test_nothing_is_no_call(line: str) -> None:
    assert await parse(line) == Deny(Reason.COMMAND_UNPARSABLE)


@pytest.mark.parametrize("line", ["''", '"" a', "-l", "'-l' a", "\\-", "--help"])
async def test_what_names_no_program_is_malformed(line: str) -> None:
    assert await parse(line) == Deny(Reason.COMMAND_MALFORMED)


# Which characters are read


@pytest.mark.parametrize(
    "char",
    [
        # controls: part of a word to bash, dropped or refused by others
        *"\0\x01\x07\b\v\f\r\x1b\x1f\x7f\x80\x85\x9f",
        # wide spaces, which are no blanks to a shell
        *"\xa0\u1680\u2000\u2003\u2009\u2028\u2029\u202f\u205f\u3000",
        # nothing to see
        *"\xad\u061c\u180e\u200b\u200c\u200d\u2060\ufeff\U000e0041",
        # the order of what is seen
        *"\u200e\u200f\u202a\u202e\u2066\u2069",
        # no characters at all
        *"\ud800\udfff\udc80\ufffe\U0010ffff\ue000\u0378",
    ],
    ids=lambda char: f"U+{ord(char):04X}",
)
async def test_what_shells_or_humans_read_differently_is_refused_everywhere(char: str) -> None:
    for line in (f"ls{char}", f"ls {char}", f"ls '{char}'", f"{char}ls", f"ls #{char}"):
        assert await parse(line) == Deny(Reason.COMMAND_MALFORMED)


@pytest.mark.parametrize("char", "\u115f\u1160\u2800\u3164\uffa0", ids=unicodedata.name)
async def test_letters_that_look_like_a_space_are_refused(char: str) -> None:
    assert await parse(f"ls a{char}b") == Deny(Reason.COMMAND_MALFORMED)


# How much is read


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        pytest.param("a" * MAX_LINE, True, id="the longest line"),
        pytest.param("a" * (MAX_LINE + 1), False, id="a longer one"),
        pytest.param("echo '" + ";" * 5000 + "'", True, id="operators that are quoted"),
        pytest.param("a|" * 2000 + "a", False, id="pipes without number"),
        pytest.param("a " * (MAX_LINE // 2), False, id="words without number"),
        pytest.param("a;b " + "c " * 5000, False, id="words without number in a list"),
        pytest.param("a;b " + "''" * 5000, False, id="quotes without number in a list"),
        pytest.param("cat <<'E'\n" + "a | b\n" * 9000 + "E", True, id="a long document"),
        pytest.param("for x in a" + " a" * 150 + "; do b $x$x; done", True, id="one value"),
        pytest.param(
            "".join(f"for {name} in 1 2 3 4 5 6; do " for name in "xyz")
            + "a $x$y$z; "
            + "done; " * 3,
            False,
            id="values without number",
        ),
    ],
)
async def test_size_is_bounded(line: str, *, fits: bool) -> None:
    decision = await parse(line)

    assert isinstance(decision, Allow) if fits else decision == Deny(Reason.COMMAND_TOO_COMPLEX)


@pytest.mark.parametrize(
    "word",
    ["[" * 65000, "{" + "," * 65000, "{," * 32500, "{" + "." * 65000, "~" * 65000, "[*?" * 20000],
)
async def test_judging_a_word_takes_no_longer_than_its_length_allows(word: str) -> None:
    """While a word is judged nobody else is served."""
    started = time.process_time()
    await parse(f"ls {word}")

    assert time.process_time() - started < 0.5


# The parser is a program: it may be absent, fail, hang or flood


def test_the_parser_is_the_one_that_was_installed() -> None:
    assert os.path.isabs(find_parser())
    assert os.access(find_parser(), os.X_OK)


async def test_an_absent_parser_is_an_error_and_no_permission() -> None:
    with pytest.raises(OSError, match="No such file"):
        await CommandParser("/nonexistent/shfmt").parse("ls | cat")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("exit 1", Reason.COMMAND_UNPARSABLE, id="fails"),
        pytest.param("kill -9 $$", Reason.COMMAND_UNPARSABLE, id="is killed"),
        pytest.param("echo '{}'", Reason.COMMAND_UNPARSABLE, id="finds nothing"),
        pytest.param("echo '['", Reason.COMMAND_UNPARSABLE, id="writes no JSON"),
        pytest.param("echo '[1]'", Reason.COMMAND_UNPARSABLE, id="writes no tree"),
        pytest.param(
            """echo '{"Stmts":[{"Cmd":{"Type":"CallExpr"}}]}'""",
            Reason.COMMAND_UNPARSABLE,
            id="leaves out a part",
        ),
        pytest.param("/usr/bin/head -c 1100000 /dev/zero", Reason.COMMAND_TOO_COMPLEX, id="floods"),
        pytest.param(
            "/usr/bin/head -c 500000 /dev/zero | /usr/bin/tr '\\0' '['",
            Reason.COMMAND_TOO_COMPLEX,
            id="nests",
        ),
    ],
)
async def test_no_answer_of_the_parser_is_no_permission(
    tmp_path: Path, script: str, reason: Reason
) -> None:
    parser = CommandParser(program(tmp_path, script))

    assert await parser.parse("ls;") == Deny(reason)


@pytest.mark.slow
async def test_a_parser_that_hangs_is_ended(tmp_path: Path) -> None:
    parser = CommandParser(program(tmp_path, "exec /bin/sleep 60"))
    started = time.monotonic()

    assert await parser.parse("ls;") == Deny(Reason.COMMAND_TOO_COMPLEX)
    assert time.monotonic() - started < 3


async def test_a_kind_of_statement_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """A newer parser may know a grammar that this code does not."""
    call = '{"Type":"CallExpr","Args":[{"Parts":[{"Type":"Lit","Value":"ls"}]}]}'
    known = CommandParser(program(tmp_path, f"""echo '{{"Stmts":[{{"Cmd":{call}}}]}}'"""))
    assert await known.parse("ls;") == Allow(Script((Call(("ls",)),), plain=True))

    novel = CommandParser(program(tmp_path, f"""echo '{{"Stmts":[{{"Cmd":{call},"New":1}}]}}'"""))
    assert await novel.parse("ls;") == Deny(Reason.COMMAND_UNPARSABLE)


# What holds for every line

LEGIBLE = st.characters(exclude_categories=("C", "Z")).filter(
    lambda char: char not in "\u115f\u1160\u2800\u3164\uffa0"
) | st.sampled_from(" \t\n")
WORDS = st.lists(st.text(LEGIBLE, max_size=20), min_size=1, max_size=8).filter(
    # A line that goes on in the next is refused inside a word.
    lambda words: words[0] not in {"", "-"} and words[0][0] != "-" and "\\\n" not in "".join(words)
)
GRAMMAR = st.lists(
    st.sampled_from(
        [
            *(
                "\\\n",
                "\\\n",
                "\n",
                " ",
                " ",
                " ",
                "\t",
                "#",
                "$",
                '"',
                '"',
                "'",
                "'",
                "\\",
                "\\\\",
            ),
            *(
                "{",
                "}",
                ",",
                "..",
                "(",
                ")",
                ";",
                "&",
                "|",
                "<",
                ">",
                "<<E",
                "\nE\n",
                "~",
                "`",
                "!",
            ),
            *("[", "]", "[[", "]]", "@(", "$'", '$"', "${", "$((", "))", "=", "+=", ":", "*", "?"),
            *("a", "b", "é", "1", "-", "--", "a=", "a[", "a=(", "x()", "HOME", "if", "do", "time"),
            *("coproc", "function", "/", "%", "^", "+", "{a,b}", "\\$", "\\#", "\\'", '\\"', "\\ "),
        ]
    ),
    max_size=9,
).map("".join)


@settings(deadline=None)
@given(WORDS)
async def test_whatever_words_are_quoted_come_back(words: list[str]) -> None:
    """As a vector, unless there is no such program and a shell has to do it, or none can tell."""
    decision = await parse(shlex.join(words))

    if has_own_rules(words[0]):
        assert isinstance(decision, Deny) or not decision.value.plain
    else:
        assert decision == Allow(Script((Call(tuple(words)),), plain=True))


@settings(deadline=None)
@given(st.text() | st.text(LEGIBLE) | GRAMMAR | st.binary().map(os.fsdecode), st.booleans())
async def test_any_text_gets_a_verdict(line: str, bash: bool) -> None:  # noqa: FBT001
    match await PARSER.parse(line, bash=bash):
        case Allow(script):
            assert all(call.argv[0] for call in script.calls)
        case Deny(reason):
            assert reason.code.startswith("command-")


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
@settings(deadline=None, max_examples=200)
@given(GRAMMAR)
async def test_what_is_plain_means_the_same_to_a_shell(shell: tuple[str, ...], line: str) -> None:
    argv = await vector(f"f {line}")

    assert argv is None or argv[1:] == await seen_by(shell, f"f {line}")


# Which shell will read the line


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("[[ -n a ]] && ls", id="a test of bash"),
        pytest.param("ls &> /dev/null", id="everything to a file"),
    ],
)
async def test_what_only_bash_understands_is_for_bash_alone(line: str) -> None:
    assert await PARSER.parse(line) == Deny(Reason.COMMAND_UNPARSABLE)
    assert isinstance(await PARSER.parse(line, bash=True), Allow)


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("cat <<< 'a b'", (Call(("cat",), fed=True),)),
        ("ls |& cat", (Call(("ls",)), Call(("cat",), fed=True))),
        ("cat <<<a | wc <<< b >c", (Call(("cat",), fed=True), Call(("wc",), fed=True))),
        ("echo '<<<' '|&' | wc", (Call(("echo", "<<<", "|&")), Call(("wc",), fed=True))),
    ],
)
async def test_what_other_shells_refuse_whole_does_not_harm_there(
    line: str, calls: tuple[Call, ...]
) -> None:
    decision = await parse(line)

    assert isinstance(decision, Allow)
    assert decision.value.calls == calls


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("x+=1 ls", id="an assignment to one, a program to the other"),
        pytest.param("((ls))", id="arithmetic to one, subshells to the other"),
        pytest.param("coproc ls", id="a process beside, or a program of that name"),
        pytest.param("ls {fd}>x", id="a descriptor, or a word"),
        pytest.param("function ls { id; }", id="a function, or an error"),
        pytest.param("ls 10>x", id="a descriptor, or a word and another descriptor"),
        pytest.param("ls &>x cat", id="a redirection, or a background job"),
    ],
)
async def test_where_two_dialects_differ_the_line_is_refused(line: str) -> None:
    assert isinstance(await parse(line), Deny)


# What is remembered


async def test_a_line_that_was_read_needs_no_parser_again(tmp_path: Path) -> None:
    word = '{"Parts":[{"Type":"Lit","Value":"ls"}]}'
    tree = f'{{"Stmts":[{{"Cmd":{{"Type":"CallExpr","Args":[{word}]}}}}]}}'
    parser = CommandParser(program(tmp_path, f"echo '{tree}'"))
    first = await parser.parse("ls;")
    (tmp_path / "parser").unlink()

    assert await parser.parse("ls;") == first
    with pytest.raises(OSError, match="No such file"):
        await parser.parse("ls;", bash=True)


async def test_a_denial_is_not_remembered(tmp_path: Path) -> None:
    parser = CommandParser(program(tmp_path, "exit 1"))
    assert await parser.parse("ls;") == Deny(Reason.COMMAND_UNPARSABLE)
    (tmp_path / "parser").unlink()

    with pytest.raises(OSError, match="No such file"):
        await parser.parse("ls;")
