"""Where input and output go."""

import pytest
from reading import refusal, script

from proxy.reasons import Reason


@pytest.mark.parametrize(
    "redirection",
    [
        *("2>&1", ">&2", "1>&2", "2>/dev/null", ">/dev/null", ">>/dev/null", "</dev/null", ">&-"),
        *(">/dev/stdout", "2>/dev/stderr", ">/dev/null 2>&1", "3>&1 1>&2 2>&3", "0</dev/null"),
    ],
)
async def test_the_usual_redirections_name_no_file(redirection: str) -> None:
    found = await script(f"f {redirection}")

    assert (found.paths, found.written, found.plain) == ((), (), False)
    assert [call.fed for call in found.calls] == [False]


@pytest.mark.parametrize(
    ("line", "paths", "written"),
    [
        ("f >a", (), ("a",)),
        ("f >>a 2>b", (), ("a", "b")),
        ("f >|a", (), ("a",)),
        ("f <>a", (), ("a",)),
        ("f <a", ("a",), ()),
        (">a", (), ("a",)),
        (">a f", (), ("a",)),
        ("f >'a b'", (), ("a b",)),
        ("f >/dev/null/../../etc/passwd", (), ("/dev/null/../../etc/passwd",)),
        ("f >/dev/tcp/1.2.3.4/80", (), ("/dev/tcp/1.2.3.4/80",)),
        ("f </dev/stdin", ("/dev/stdin",), ()),
        ("f >-", (), ("-",)),
        ("{ f; g; } >a", (), ("a",)),
        ("(f) 2>a", (), ("a",)),
        ("while f; do g; done <a", ("a",), ()),
        ("for x in a b; do f >$x.txt; done", (), ("a.txt", "b.txt")),
        ("cd a && f >b", ("a",), ("a/b",)),
        ("cd a; f >b", ("a",), ("a/b", "b")),
        ("cd a && f >/b", ("a",), ("/b",)),
    ],
)
async def test_a_file_is_named(line: str, paths: tuple[str, ...], written: tuple[str, ...]) -> None:
    found = await script(line)

    assert (found.paths, found.written) == (paths, written)


@pytest.mark.parametrize(
    ("line", "fed"),
    [
        ("f <a", [True]),
        ("f 3<a", [True]),
        ("f <&3", [True]),
        ("f 0>&3", [True]),
        ("f 0<>a", [True]),
        ("f <<<a", [True]),
        ("f <<E\na\nE", [True]),
        ("f | g", [False, True]),
        ("f | (g; h)", [False, True, True]),
        ("f | g && h", [False, True, False]),
        ("{ f; g; } <a", [True, True]),
        ("while f; do g; done <a", [True, True]),
        ("if f; then g; fi <a; h", [True, True, False]),
        ("g() { f; }; a | g", [True, False]),
        ("f >a", [False]),
    ],
)
async def test_it_is_known_who_is_fed(line: str, fed: list[bool]) -> None:
    assert [call.fed for call in (await script(line)).calls] == fed


@pytest.mark.parametrize(
    "line",
    [
        *("f >$x", "f >$(g)", "f >`g`", "f >{a,b}", "f >~", "f >~/a", "f >a*", "f >''", "f > >(g)"),
        *("f < <(g)", "f >&a", "f >&$x", "f 2>&1-", "exec >a", "exec 3<a", "x=a >b", "cd a >b"),
        *("f <<E\n$x\nE", "f <<E\n$(g)\nE", "f <<E\n`g`\nE", "f <<-E\n\t$x\n\tE", "f <<E\n\\$x\nE"),
        *("f <<<$x", 'f <<<"$(g)"', "f <<<`g`"),
    ],
)
async def test_a_target_or_a_text_that_is_not_known_is_refused(line: str) -> None:
    assert await refusal(line) in {Reason.COMMAND_UNKNOWABLE, Reason.COMMAND_UNPARSABLE}


@pytest.mark.parametrize(
    "line",
    [
        "f 10>a",
        "f {x}>a",
        "f <<E",
        "f <<$x\n$x\n",
        "f <<E'F'\nEF",
        "f <<'a b'\na b",
        "f <<''\n\n",
        "f >",
        "f <",
    ],
)
async def test_what_shells_read_differently_is_unparsable(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_UNPARSABLE


@pytest.mark.parametrize("delimiter", ["'E'", '"E"'])
async def test_a_quoted_document_may_hold_anything(delimiter: str) -> None:
    assert await refusal(f"f <<{delimiter}\n$x `g` $(h) \\\nE") is None


async def test_what_follows_a_document_is_read_on() -> None:
    found = await script("f <<E | g >a; h\nx\nE\nk")

    assert [call.argv for call in found.calls] == [("f",), ("g",), ("h",), ("k",)]
