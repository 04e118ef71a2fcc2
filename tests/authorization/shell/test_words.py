"""The value of a word: what can be known of it, and what cannot."""

import pytest
from reading import refusal, script, vectors

from proxy.authorization.shell.script import Call
from proxy.reasons import Reason


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("a'b'\"c\"\\d", "abcd"),
        ("'$x'", "$x"),
        ('"\\$x \\\\ \\a"', "$x \\ \\a"),
        ('"it\'s"', "it's"),
        ("''", ""),
        ("a$", "a$"),
        ("{}", "{}"),
        ("HEAD@{1}", "HEAD@{1}"),
        ("@{u}..", "@{u}.."),
        ("a[", "a["),
        ("HEAD~1", "HEAD~1"),
        ("\\~", "~"),
        ("'*'", "*"),
        ("a\\*", "a*"),
        ("{a", "{a"),
    ],
)
async def test_literal_text_is_known(word: str, text: str) -> None:
    assert await vectors(f":;f {word}") == [("f", text)]


@pytest.mark.parametrize(
    "word",
    [
        # variables that the line did not set
        *("$x", '"$x"', "${x}", "$HOME", "$1", "$@", "$?", "$$", "$#", "$-", "a$x", '"a${x}b"'),
        *(
            "${x:-a}",
            "${x:=a}",
            "${x+a}",
            "${#x}",
            "${x%a}",
            "${x/a/b}",
            "${x:1}",
            "${!x}",
            "${x@P}",
        ),
        # the output of programs
        *("$(ls)", '"$(ls)"', "`ls`", '"`ls`"', "a$(ls)", "${x:-$(ls)}"),
        # arithmetic
        *("$((1))", '"$((1))"', "$[1]"),
        # other words in its place
        *("{a,b}", "{1..2}", "a{,b}", "{'a',b}", "~", "~/a", "~root", "a=~", "a:~/b"),
        # quoting that some shells do not know
        *("$'a'", '$"a"', "a$'\\x41'"),
        # files as processes, patterns of some shells
        *("<(ls)", ">(ls)", "@(a|b)", "!(a)", "+(a)"),
    ],
)
async def test_what_a_shell_puts_in_the_place_of_a_word_is_not_known(word: str) -> None:
    for line in (f"f {word}", f"f; f {word}", f"{word}"):
        reason = await refusal(line)
        assert reason in {Reason.COMMAND_UNKNOWABLE, Reason.COMMAND_UNPARSABLE}, line


# Patterns


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("*.py", "*.py"),
        ("src/*.py", "src/*.py"),
        ("'src'/*", "src/*"),
        ("'my dir'/?", "my dir/?"),
        ("my-dir/[a-c]?", "my-dir/[a-c]?"),
        ("[!a]", "[!a]"),
        (".github/*.yml", ".github/*.yml"),
        ("./*", "./*"),
    ],
)
async def test_a_pattern_is_marked(word: str, text: str) -> None:
    assert (await script(f"f a {word}")).calls == (Call(("f", "a", text), frozenset({2})),)


@pytest.mark.parametrize(
    "word",
    [
        # may match what is above
        *(".*", "a/.*", "*/..", "../*", "a/../*", ".?", "'.'*"),
        # partly quoted, so that the text is not the pattern
        *("'*'*", "\\**", "[a'-'c]", "['!'a]", "a'['*]", "'?'*"),
        # not every shell knows
        *("[^a]", "[[:alpha:]]", "[[.a.]]"),
    ],
)
async def test_a_pattern_in_doubt_is_refused(word: str) -> None:
    assert await refusal(f"f {word}") is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    "line", ["l*", "/bin/l?", "x=*", "f >*", "f <a?", "cd *", "case * in a) f;; esac"]
)
async def test_a_pattern_stands_for_arguments_only(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_UNKNOWABLE


# Variables of the line


@pytest.mark.parametrize(
    ("line", "argvs"),
    [
        ('x=a; f $x ${x} "$x" b$x', [("f", "a", "a", "a", "ba")]),
        ("x='a b'; f \"$x\"", [("f", "a b")]),
        ('x=; f "$x"', [("f", "")]),
        ("x=a y=$x.b; f $y", [("f", "a.b")]),
        ("x='*'; f \"$x\"", [("f", "*")]),
        ("x='$y'; f \"$x\"", [("f", "$y")]),
        ("for x in a b; do f $x $x.c; done", [("f", "a", "a.c"), ("f", "b", "b.c")]),
        (
            "for x in a b; do for y in c d; do f $x$y; done; done",
            [("f", "ac"), ("f", "ad"), ("f", "bc"), ("f", "bd")],
        ),
    ],
)
async def test_what_the_line_sets_is_known(line: str, argvs: list[tuple[str, ...]]) -> None:
    assert await vectors(line) == argvs


@pytest.mark.parametrize(
    "value", ["'a b'", "''", "'*'", "'a?'", "'[a]'", "'~'", "'a\tb'", "'\\a'", "'a\nb'"]
)
async def test_a_value_that_a_shell_would_split_or_expand_must_be_quoted(value: str) -> None:
    assert await refusal(f"x={value}; f $x") is Reason.COMMAND_UNKNOWABLE
    assert await refusal(f'x={value}; f "$x"') is None


@pytest.mark.parametrize("line", ["x=ls; $x", "x=ls; ${x} a", 'x=l; "$x"s', "x=s; l$x"])
async def test_a_program_is_never_named_by_a_variable(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ('"$x"', "a/*.py"),
        ('"${x}.bak"', "a/*.py.bak"),
        ('"== $x"', "== a/*.py"),
        ('b/"$x"', "b/a/*.py"),
    ],
)
async def test_a_loop_over_files_hands_on_their_pattern(word: str, text: str) -> None:
    found = await script(f"for x in a/*.py; do f {word} b; done")

    assert found.calls == (Call(("f", text, "b"), frozenset({1})),)


@pytest.mark.parametrize(
    "word", ["$x", "${x}", "a$x", '"$x/.."', '"$x/.*"', '"$x"/../b', "\"$x\"'*'"]
)
async def test_the_name_of_a_file_is_neither_split_nor_left(word: str) -> None:
    assert await refusal(f"for x in a/*.py; do f {word}; done") is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    "line", ['y="$x"', 'g >"$x"', 'cd "$x"', 'case "$x" in a) g;; esac', '"$x"']
)
async def test_the_name_of_a_file_stands_in_arguments_only(line: str) -> None:
    assert await refusal(f"for x in a/*.py; do {line}; done") is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    "word", ["${x:$(f)}", "${x:$(f):1}", '"${x:`f`}"', "${x:1}", "${x:}", "${x[$(f)]}"]
)
async def test_a_part_of_a_variable_is_not_known(word: str) -> None:
    """The parser calls the start of a part what it also calls the place of a node."""
    assert await refusal(f"x=1; f {word}", bash=True) in {
        Reason.COMMAND_UNKNOWABLE,
        Reason.COMMAND_UNPARSABLE,
    }
