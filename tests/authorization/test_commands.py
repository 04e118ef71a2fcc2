"""From a line to an argument vector: what is plain, what is not, and that bash agrees."""

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
from proxy.authorization.commands import MAX_LINE, CommandParser, find_parser
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

PARSER = CommandParser(find_parser())
BASH = ("/bin/bash", "--norc", "--noprofile", "-c")


async def parse(line: str) -> Decision[tuple[str, ...]]:
    return await PARSER.parse(line)


async def seen_by_bash(line: str) -> tuple[str, ...]:
    """The arguments that a real bash gives to a call of the harmless `f`, and `!` for an error."""
    shown = 'f() { for each; do printf "%s\\0" "$each"; done; }'
    script = f"cd /usr\n{shown}\nset -e\n{line}\nprintf end"
    done = await process.run((*BASH, script), b"", limit=1 << 20, seconds=10)
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
        # a built-in is a program's name like any other: the list of allowed commands decides
        ("eval ls", ("eval", "ls")),
        ("exec ls", ("exec", "ls")),
    ],
)
async def test_a_plain_line_is_the_vector_that_a_shell_would_make_of_it(
    line: str, argv: tuple[str, ...]
) -> None:
    assert await parse(line) == Allow(argv)


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
async def test_where_bash_reads_a_line_otherwise_it_is_refused(line: str) -> None:
    decision = await parse(line)

    assert isinstance(decision, Deny) or decision.value[1:] == await seen_by_bash(line)


@pytest.mark.parametrize("line", ["", " ", "\t", "\n", "\n\n", "#", "# ls", ";", "\\\n", "\\"])
async def test_nothing_is_no_call(line: str) -> None:
    assert await parse(line) == Deny(Reason.COMMAND_NOT_PLAIN)


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
        pytest.param("echo '" + ";" * 1000 + "'", True, id="as many operators as may be"),
        pytest.param("echo '" + ";" * 1001 + "'", False, id="one more, though they are quoted"),
        pytest.param("echo '" + "\n" * 1001 + "'", False, id="too many lines"),
        pytest.param("a " * (MAX_LINE // 2), False, id="words without number"),
        pytest.param("''" * (MAX_LINE // 2), False, id="quotes without number"),
    ],
)
async def test_size_is_bounded(line: str, *, fits: bool) -> None:
    decision = await parse(line)

    assert isinstance(decision, Allow) if fits else decision == Deny(Reason.COMMAND_TOO_COMPLEX)


@pytest.mark.parametrize(
    "word", ["[" * 65000, "{" + "," * 65000, "{," * 32500, "{" + "." * 65000, "~" * 65000]
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
        await CommandParser("/nonexistent/shfmt").parse("ls")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("exit 1", Reason.COMMAND_NOT_PLAIN, id="fails"),
        pytest.param("kill -9 $$", Reason.COMMAND_NOT_PLAIN, id="is killed"),
        pytest.param("echo '{}'", Reason.COMMAND_NOT_PLAIN, id="finds nothing"),
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

    assert await parser.parse("ls") == Deny(reason)


@pytest.mark.slow
async def test_a_parser_that_hangs_is_ended(tmp_path: Path) -> None:
    parser = CommandParser(program(tmp_path, "exec /bin/sleep 60"))
    started = time.monotonic()

    assert await parser.parse("ls") == Deny(Reason.COMMAND_TOO_COMPLEX)
    assert time.monotonic() - started < 3


async def test_a_kind_of_statement_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """A newer parser may know a grammar that this code does not."""
    call = '{"Type":"CallExpr","Args":[{"Parts":[{"Type":"Lit","Value":"ls"}]}]}'
    known = CommandParser(program(tmp_path, f"""echo '{{"Stmts":[{{"Cmd":{call}}}]}}'"""))
    assert await known.parse("ls") == Allow(("ls",))

    novel = CommandParser(program(tmp_path, f"""echo '{{"Stmts":[{{"Cmd":{call},"New":1}}]}}'"""))
    assert await novel.parse("ls") == Deny(Reason.COMMAND_NOT_PLAIN)


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
    assert await parse(shlex.join(words)) == Allow(tuple(words))


@settings(deadline=None)
@given(st.text() | st.text(LEGIBLE) | GRAMMAR | st.binary().map(os.fsdecode))
async def test_any_text_gets_a_verdict(line: str) -> None:
    match await parse(line):
        case Allow(argv):
            assert argv[0]
        case Deny(reason):
            assert reason.code.startswith("command-")


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(GRAMMAR)
async def test_what_is_accepted_means_the_same_to_bash(line: str) -> None:
    decision = await parse(f"f {line}")

    assert isinstance(decision, Deny) or decision.value[1:] == await seen_by_bash(f"f {line}")
