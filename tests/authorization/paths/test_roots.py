"""One folder, opened once, and what names mean beneath it, with real files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernel import open_files

from proxy.authorization.paths.roots import Absent, Found, Root
from proxy.beneath import Opening, open_beneath, walk_beneath
from proxy.decision import Deny
from proxy.reasons import Reason

OUTSIDE = Reason.PATH_OUTSIDE_WORKSPACE
UNUSABLE = Reason.PATH_UNUSABLE


@pytest.fixture(params=[open_beneath, walk_beneath])
def opening(request: pytest.FixtureRequest) -> Opening:
    chosen: Opening = request.param
    return chosen


@pytest.fixture
def root(tmp_path: Path, opening: Opening) -> Iterator[Root]:
    folder = tmp_path / "root"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "file").write_text("")
    (tmp_path / "alias").symlink_to("root")
    opened = Root.open(str(tmp_path / "alias"), opening)
    yield opened
    opened.close()


def told(root: Root, name: str) -> str | Reason:
    """Where a name leads, relative to the root; with a ? where nothing is there. Closes it."""
    found = root.find(name)
    if isinstance(found, Deny):
        return found.reason
    if isinstance(found, Found):
        found.close()
    path = os.path.relpath(found.path, root.folder)
    return f"{path}?" if isinstance(found, Absent) else path


def test_a_root_is_known_by_both_its_names(root: Root, tmp_path: Path) -> None:
    for prefix in (tmp_path / "alias", tmp_path / "root"):
        assert root.rest(f"{prefix}/sub//x") == "sub//x"
        assert root.rest(str(prefix)) == "."
        assert root.rest(f"{prefix}//") == "."
        assert root.rest(f"{prefix}2/x") is None
    assert root.rest("/") is None
    assert root.rest("sub") is None


def test_the_root_of_the_machine_holds_every_absolute_path(opening: Opening) -> None:
    root = Root.open("/", opening)

    assert root.rest("/") == "."
    assert root.rest("//etc/x") == "etc/x"
    assert told(root, "usr/share/none/x") == "usr/share/none/x?"
    assert told(root, "usr") == "usr"
    assert told(root, ".") == "."
    root.close()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        # there
        *((".", "."), ("sub", "sub"), ("sub/", "sub"), ("sub/../file", "file"), ("./file", "file")),
        # not there, and where it would be
        *(("", ".?"), ("new", "new?"), ("new/a/b", "new/a/b?"), ("sub/new/../x", "sub/x?")),
        *(("file/x", "file/x?"), ("a" * 300, "a" * 300 + "?"), ("new//a/./b", "new/a/b?")),
        # links
        *(("inner", "sub"), ("inner/new", "sub/new?"), ("dangling", "sub/none?")),
        *(("dangling/x", "sub/none/x?"), ("chain", "sub/none?"), ("winding", "sub/none?")),
        # out
        *(("..", OUTSIDE), ("sub/../../x", OUTSIDE), ("new/../../x", OUTSIDE), ("/", OUTSIDE)),
        *(("out", OUTSIDE), ("out/new", OUTSIDE), ("lost", OUTSIDE), ("lost/x", OUTSIDE)),
        # nowhere
        *(("loop", UNUSABLE), ("loop/x", UNUSABLE), ("a\0b", UNUSABLE), ("\ud800", UNUSABLE)),
    ],
)
def test_a_name_leads_to_one_place_or_nowhere(
    root: Root, tmp_path: Path, name: str, place: str | Reason
) -> None:
    links = {
        "inner": "sub",
        "dangling": "sub/none",
        "chain": "dangling",
        "deep": "sub/deep",
        "winding": "deep/../none",
        "loop": "loop",
        "out": "..",
        "lost": "../none",
    }
    for link, target in links.items():
        (tmp_path / "root" / link).symlink_to(target)
    before = open_files()

    assert told(root, name) == place
    assert open_files() == before


@pytest.mark.parametrize("name", ["a/" * 300 + "b", "a" * 5000])
def test_what_is_longer_than_any_path_is_not_found_unless_it_climbs(root: Root, name: str) -> None:
    assert told(root, name) is Reason.PATH_NOT_FOUND
    assert told(root, f"../{name}") is OUTSIDE


def test_a_root_that_was_moved_keeps_the_name_that_the_rules_know(
    root: Root, tmp_path: Path
) -> None:
    (tmp_path / "root").rename(tmp_path / "moved")

    assert told(root, "file") == "file"
    assert told(root, "sub/new") == "sub/new?"


def test_what_was_moved_out_before_it_is_named_is_outside(tmp_path: Path) -> None:
    def moving(act: Callable[[], object]) -> Opening:
        def opened(folder: int, path: str, flags: int) -> int:
            descriptor = open_beneath(folder, path, flags)
            act()
            return descriptor

        return opened

    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "file").write_text("")
    moves = (tmp_path / "root" / "sub").rename
    root = Root.open(str(tmp_path / "root"), moving(lambda: moves(tmp_path / "sub")))
    assert told(root, "sub") is OUTSIDE
    root.close()

    root = Root.open(str(tmp_path / "root"), moving((tmp_path / "root" / "file").unlink))
    assert told(root, "file") is UNUSABLE
    root.close()


def test_there_is_no_root_where_there_is_no_folder(tmp_path: Path, opening: Opening) -> None:
    (tmp_path / "file").write_text("")
    for name in ("none", "file"):
        with pytest.raises(OSError, match=r"No such|Not a directory"):
            Root.open(str(tmp_path / name), opening)
