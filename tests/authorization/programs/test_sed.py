import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.authorization.programs.sed import LONGEST, SED
from proxy.authorization.programs.spec import RUNS, Bar
from proxy.reasons import Reason


@pytest.mark.parametrize(
    "script",
    [
        *("", "p", "1d", "$d", "$!d", "1,5p", "/a/,/b/d", "2~3p", "1,+2p", "/a/I,~4p", "5q", "q5"),
        *(
            "s/a/b/",
            "s|/usr|/opt|g",
            "s/[^/]*$//",
            "s/[[:space:]/]*$//2gI",
            r"s/a\/b/c/",
            "y/ab/cd/",
        ),
        *("s/a/b/;s/c/d/", "/a/{s/b/c/;p}", ":a;N;$!ba;s/\\n/,/", "1!G;h;$!d", r"\%a/b%d", "#x\np"),
        *(
            "1i\\\ntext; e id\np",
            "a text; w /etc/x",
            "$a footer",
            "c\\\none\\\ntwo",
            "s/a/x\\\ny/",
            "=",
        ),
        *("s/w/e/", "s/e id/w x/", "l 5", "n;d", "/^$/d", "s,e,w,"),
    ],
)
def test_script_that_only_edits_names_no_file(script: str) -> None:
    assert SED.read(script) == ()


@pytest.mark.parametrize(
    ("script", "files"),
    [
        ("w /etc/x", ("/etc/x",)),
        ("1w out", ("out",)),
        ("r /etc/passwd", ("/etc/passwd",)),
        ("R /etc/passwd\np", ("/etc/passwd",)),
        ("W /etc/x", ("/etc/x",)),
        ("s/a/b/w/root/.bashrc", ("/root/.bashrc",)),
        ("s/a/b/gw /etc/x\nw y", ("/etc/x", "y")),
        ("/a/{w /etc/x\n}", ("/etc/x",)),
        ("w a;b }", ("a;b }",)),
        ("s/[/]/b/w /etc/x", ("/etc/x",)),
        ("w /dev/stdout", ()),
        ("a text\nw /etc/x", ("/etc/x",)),
    ],
)
def test_every_file_that_a_script_names_is_told(script: str, files: tuple[str, ...]) -> None:
    assert SED.read(script) == files


@pytest.mark.parametrize(
    "script",
    ["e", "e id", "1e id", "$!e id", "p;e id", "s/a/b/e", "s/a/b/ge", "s/a/b/2e;p", "/a/{e id\n}"],
)
def test_script_that_runs_something_is_refused(script: str) -> None:
    assert SED.read(script) == Bar(RUNS)


@pytest.mark.parametrize(
    "script",
    [
        *(
            "s/a/b",
            "s/a",
            "s",
            "y/a/b",
            "/a",
            "\\",
            "s/[/b/",
            "s/[]/]/b/",
            "s/[^]/]/b/",
            "s/a\nb/c/",
        ),
        *(
            r"s/[\]/]/b/",
            "s/a\\\nb/c/",
            "k",
            "p x",
            "xp",
            "1,",
            ":a b",
            "ba b",
            "w",
            "r ",
            "1,2,3p",
        ),
    ],
)
def test_script_that_not_every_sed_reads_alike_is_refused(script: str) -> None:
    found = SED.read(script)

    assert isinstance(found, Bar)
    assert found.reason is Reason.COMMAND_UNKNOWABLE


PIECES = st.sampled_from(
    [
        "s",
        "/",
        "a",
        "e",
        "w",
        " W",
        ";",
        "\n",
        "\\",
        "[",
        "]",
        "^",
        "{",
        "}",
        "1",
        "$",
        "y",
        "i",
        "!",
    ]
)


@pytest.mark.slow
@given(st.lists(PIECES, max_size=14).map("".join))
def test_a_script_that_is_said_to_write_nothing_writes_nothing(
    tmp_path_factory: pytest.TempPathFactory, script: str
) -> None:
    """Run by a real sed in an empty folder: no file appears, unless it was told."""
    if SED.read(script) != ():
        return
    folder: Path = tmp_path_factory.mktemp("sed")
    # --sandbox refuses e, r and w as it reads the script: a second opinion on the same bytes.
    done = subprocess.run(
        ["/bin/sed", "--sandbox", "--", script],
        input=b"a\nb\n",
        cwd=folder,
        capture_output=True,
        timeout=5,
        check=False,
    )

    assert b"sandbox" not in done.stderr


def test_what_is_longer_than_is_read_is_too_complex() -> None:
    found = SED.read("p;" * LONGEST)

    assert isinstance(found, Bar)
    assert found.reason is Reason.COMMAND_TOO_COMPLEX
