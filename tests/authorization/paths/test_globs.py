"""Patterns, beside what a real shell makes of them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import open_files

from proxy.authorization.paths.globs import expand
from proxy.authorization.paths.roots import Root
from proxy.beneath import open_beneath, walk_beneath

FILES = [
    *("a.txt", "b.txt", "B.txt", "a b", "-x", ".hidden", "x*y", "x[y", "src/m.py", "src/.env"),
    *("src/deep/n.py", "doc/m.py", ".git/config"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patterns") / "workspace"
    for file in FILES:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    (folder / "link").symlink_to("src")
    (folder / "dangling").symlink_to("none")
    (folder / "doc" / "out").symlink_to("../..")
    return folder


@pytest.fixture(scope="module", params=[open_beneath, walk_beneath])
def root(folder: Path, request: pytest.FixtureRequest) -> Iterator[Root]:
    opened = Root.open(str(folder), request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["B.txt", "a.txt", "b.txt"]),
        ("?.txt", ["B.txt", "a.txt", "b.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("[a-c].txt", ["a.txt", "b.txt"]),
        ("[!a].txt", ["B.txt", "b.txt"]),
        ("x[*]y", ["x*y"]),
        ("*/m.py", ["doc/m.py", "link/m.py", "src/m.py"]),
        ("src/*", ["src/deep", "src/m.py"]),
        ("src/.*", ["src/.", "src/..", "src/.env"]),
        ("src/*/", ["src/deep/"]),
        ("s*/d*/*.py", ["src/deep/n.py"]),
        ("./s*", ["./src"]),
        ("src/../*.txt", ["src/../B.txt", "src/../a.txt", "src/../b.txt"]),
        ("d*g", ["dangling"]),
        (".h*", [".hidden"]),
        # no pattern, and none that matches
        *(("a.txt", ["a.txt"]), ("none", []), ("*.none", []), ("none/*", []), ("a.txt/*", [])),
        *(("src", ["src"]), ("src/", ["src/"]), ("a.txt/", [])),
        # out, or read in different ways
        *(("/etc/*", None), ("../*", None), ("doc/out/*", None), ("doc/*/*", None)),
        *(("a\\*", None), ("[^a]*", None), ("[[:alpha:]]*", None), ("[a", None), ("[", None)),
        *(("[!-~]*", None), ("[Z-a]*", None), ("a//*", None), ("", None), ("[.]hidden", None)),
        *(("*\0", []), ("\ud800*", [])),
    ],
)
def test_a_pattern_is_the_names_that_exist(
    root: Root, pattern: str, names: list[str] | None
) -> None:
    before = open_files()

    assert expand(root, pattern, 1000) == names
    assert open_files() == before


def test_two_stars_are_one(root: Root) -> None:
    assert expand(root, "**", 1000) == expand(root, "*", 1000)


def test_more_names_than_asked_for_are_none(root: Root) -> None:
    assert expand(root, "?.txt", 3) == ["B.txt", "a.txt", "b.txt"]
    assert expand(root, "?.txt", 2) is None


def test_a_walk_that_is_too_large_is_none(tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"{number}" / "sub").mkdir(parents=True)
    for number in range(101):
        (tmp_path / "0" / f"{number}").mkdir(exist_ok=True)
    root = Root.open(str(tmp_path), open_beneath)

    assert expand(root, "*/../0/*/../../*/none", 10**6) is None
    root.close()


def test_a_name_that_is_more_or_fewer_characters_by_the_locale_is_not_known(
    tmp_path: Path,
) -> None:
    (tmp_path / "é").write_text("")
    root = Root.open(str(tmp_path), open_beneath)

    assert expand(root, "*", 10) == ["é"]
    assert expand(root, "é*", 10) == ["é"]
    assert expand(root, "?", 10) is None
    root.close()


def test_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    names = ["Z", "a", "a-b", "a.b", "ab", "z", "é", "\ue000", "\U00010000", "\udcff"]
    for name in names:
        (tmp_path / name).write_text("")
    root = Root.open(str(tmp_path), open_beneath)

    assert expand(root, "*", 20) == sorted(names, key=os.fsencode)
    root.close()


_WORDS = st.lists(
    st.sampled_from(["*", "?", "[ab]", "[!b]", "a", "b", "x", "src", "m", ".", "/", "txt", "py"]),
    min_size=1,
    max_size=6,
).map("".join)


@pytest.mark.slow
@given(pattern=_WORDS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_shell_finds_nothing_that_was_not_known(root: Root, folder: Path, pattern: str) -> None:
    known = expand(root, pattern, 1000)
    if known is None:
        return
    shell = subprocess.run(
        ["sh", "-c", f'printf "%s\\n" {pattern}'],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = shell.stdout.splitlines()

    assert found == known or (not known and found == [pattern])
