"""The one place that a call is about."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from doubles import CLIENT, grant
from placing import ALL, call

from proxy.actions import Command, FileRead, FileWrite, Invoke, Listing, OpenPath, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.sources import Sources
from proxy.authorization.tools.catalogue import BUILT_IN, Catalogue
from proxy.decision import Allow
from proxy.exchange import OnceKey

CATALOGUE = Catalogue((*BUILT_IN.values(), *ALL))


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "link.txt").symlink_to("a.txt")
    workspace = Workspace.open(str(tmp_path), (), only=True)
    yield Sources(CATALOGUE, workspace)
    workspace.close()


def test_a_file_is_where_it_really_is(sources: Sources, tmp_path: Path) -> None:
    place = f"file:{tmp_path}/a.txt"

    for path in ("a.txt", "./a.txt", "folder/../a.txt", "link.txt", str(tmp_path / "a.txt")):
        assert sources.named(call("fs.search", path=path)) in (place, None), path
        assert sources.named(call("fs.search", path=path)) == place or ".." in path
    assert sources.named(call("fs.edit", options={"path": "a.txt"})) == place
    assert sources.named(call("fs.search", path=["a.txt"])) == place


@pytest.mark.parametrize(
    "wish",
    [
        call("nothing.known"),
        call("shell", command="cat a.txt"),
        call("agent.run", line="cat a.txt"),
        call("ref.add", path="a.txt"),
        call("fs.move", source="a.txt", destination="a.txt"),
        call("fs.search", path="none.txt"),
        call("fs.search", path="folder"),
        call("fs.search", path="../a.txt"),
        call("fs.search", path=["a.txt", "a.txt"]),
        call("fs.search", path=1),
        call("fs.search"),
        call("web.fetch", url="file:///a.txt"),
        call("web.fetch", url="https://example.com:x/"),
        call("web.fetch", url="https:///a"),
        call("web.fetch", url="https://[::1/"),
        call("web.fetch"),
    ],
)
def test_what_is_not_certain_has_no_place(sources: Sources, wish: ToolCall) -> None:
    assert sources.named(wish) is None
    assert sources.reached(wish, Command(("cat",), 1.0, writes=False)) is None


def test_without_a_workspace_there_are_no_files() -> None:
    assert Sources(CATALOGUE, None).named(call("fs.search", path="a.txt")) is None


def test_a_url_has_one_spelling_and_no_query() -> None:
    sources = Sources(CATALOGUE, None)
    for url, place in {
        "https://Example.com./a?b#c": "url:https://example.com:443/a",
        "http://example.com:8080": "url:http://example.com:8080/",
    }.items():
        assert sources.named(call("web.fetch", url=url)) == place


def test_only_what_writes_and_nothing_else_writes(sources: Sources) -> None:
    assert sources.written(call("fs.edit", options={"path": "a.txt"})) is not None
    assert sources.written(call("file_write", path="a.txt")) is not None
    for name in ("fs.search", "fs.start", "file_read", "none"):
        assert sources.written(call(name, path="a.txt")) is None


def test_what_may_write_to_files() -> None:
    sources = Sources(CATALOGUE, None)
    names = [*CATALOGUE.exact, "none"]

    assert {name for name in names if sources.is_for_files(call(name))} == {
        *("file_write", "fs.edit", "fs.move", "fs.start"),
    }
    assert sources.roles(call("fs.move")) == {"source", "destination"}
    assert sources.roles(call("none")) == frozenset()


def test_the_place_of_a_plan_is_that_of_its_open_file(sources: Sources, tmp_path: Path) -> None:
    assert sources.workspace is not None
    found, place = sources.workspace.file("link.txt"), sources.workspace.place("link.txt")
    assert isinstance(found, Allow)
    assert isinstance(place, Allow)
    wish, expected = call("file_read", path="x"), f"file:{tmp_path}/a.txt"
    (tmp_path / "link.txt").unlink()

    assert sources.reached(wish, FileRead(found.value)) == expected
    assert sources.reached(wish, FileWrite(place.value, "")) == expected
    (tmp_path / "a.txt").unlink()
    assert sources.reached(wish, FileRead(found.value)) == expected
    found.value.close()
    place.value.close()
    closed = OpenPath(os.dup(0))
    closed.close()
    assert sources.reached(wish, FileRead(closed)) is None
    assert sources.reached(wish, FileWrite(closed, "")) is None


def test_what_is_answered_from_memory_has_no_place(sources: Sources, tmp_path: Path) -> None:
    wish = call("fs.search", path="a.txt")
    asked = replace(grant(Invoke("/x", {}, 1.0), CLIENT), action=wish)

    assert sources.read(asked) == f"file:{tmp_path}/a.txt"
    assert sources.read(replace(asked, once=OnceKey("k", "f"))) is None
    assert sources.read(replace(asked, action=Listing())) is None
