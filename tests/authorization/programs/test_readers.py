import pytest

from proxy.authorization.programs import readers
from proxy.authorization.programs.spec import Bar, Reader


@pytest.mark.parametrize(
    ("reader", "word", "paths"),
    [
        (readers.REVISION, "main..feature", ()),
        (readers.REVISION, "HEAD~3...HEAD", ()),
        (readers.REVISION, "..main", ()),
        (readers.REVISION, ":/fix", ()),
        (readers.REVISION, ":(exclude)x", ()),
        (readers.REVISION, "..", ("..",)),
        (readers.REVISION, "../x", ("../x",)),
        (readers.REVISION, "a/../../x", ("a/../../x",)),
        (readers.REVISION, "a..b/../../x", ("a..b/../../x",)),
        (readers.REVISION, "HEAD:src/x", ("HEAD:src/x",)),
        (readers.GOAL, "test", ("test",)),
        (readers.GOAL, "V=1", ("1",)),
        (readers.GOAL, "DESTDIR=/etc", ("/etc",)),
        (readers.MAKEFILE, "x.mk", ("x.mk",)),
        (readers.ASSIGNED, "x=/a", ()),
        (readers.ASSIGNED, "a/b=c", ("a/b=c",)),
        (readers.JQ, ".env", ()),
        (readers.QUERY, "select 1", ()),
        (readers.QUERY, ".tables", ()),
        (readers.SCRIPT, "src/app.py", ("src/app.py",)),
        (readers.SHELL_SCRIPT, "build.sh", ("build.sh",)),
        (readers.LINKER, "-s -w", ("-s -w",)),
        (readers.PACKAGE, "./cmd", ("./cmd",)),
        (readers.ANY, "a b /etc/x 'c", ("a b /etc/x 'c", "/etc/x")),
        (readers.DEFINITION, "CMAKE_BUILD_TYPE=Release", ("CMAKE_BUILD_TYPE=Release",)),
        (readers.DEFINITION, "CMAKE_C_COMPILER=clang", ()),
        (readers.GOAL_OF_MAVEN, "dependency:tree", ("dependency:tree",)),
        (readers.WARNING, "error::DeprecationWarning", ()),
        (readers.DATABASE, "hosts", ()),
        (readers.FORMAT, "markdown", ()),
        (readers.SETTINGS, "ruff.toml", ("ruff.toml",)),
        (readers.MEMBER, "-x", ("./-x",)),
        (readers.PLACEHOLDER, "{}", ()),
        (readers.NO_PLUGIN, "no:cacheprovider", ()),
    ],
)
def test_paths_that_a_word_names_are_told(
    reader: Reader, word: str, paths: tuple[str, ...]
) -> None:
    assert reader.read(word) == paths


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (
            readers.GOAL,
            ("SHELL=id", "CC=id", "MAKEFLAGS=x", "X=$(shell id)", "X=a;b", "X!=id", "$(x)"),
        ),
        (readers.GOAL, (".SHELLFLAGS=-c", "LD:=id", "SHELL+=x", "MY_CC=id", "shell=id")),
        (readers.MAKEFILE, ("-",)),
        (readers.JQ, ("env", "$ENV.X", 'import "a" as a; .', 'include "a"; .', 'load("/etc/x")')),
        (
            readers.QUERY,
            (".shell id", "\\! id", "select load_extension('x')", "copy t to program 'x'"),
        ),
        (
            readers.QUERY,
            ("select 1;\n.system id", "ATTACH '/etc/x' as y", "select writefile('a','b')"),
        ),
        (readers.SCRIPT, ("-", "https://example.com/x.ts", "npm:x", "data:text/javascript,1")),
        (readers.SHELL_SCRIPT, ("-", "id", "ls")),
        (
            readers.LINKER,
            ("-extld=id", "-linkmode=external -extldflags=-x", "-fplugin=x -plugin=y"),
        ),
        (readers.PACKAGE, ("example.com/x@latest",)),
        (readers.ANY, ("system('id')", "!id", "|id", "$(id)", "`id`", "x=/bin/sh", "sh", "id")),
        (readers.DEFINITION, ("CMAKE_C_COMPILER=./x", "CMAKE_C_COMPILER_LAUNCHER=id")),
        (readers.GOAL_OF_MAVEN, ("exec:exec", "a:b:c", "antrun:run")),
        (readers.WARNING, ("error::a.B", "x y")),
        (readers.DATABASE, ("shadow", "gshadow")),
        (readers.FORMAT, ("x.lua", "/x/y")),
        (readers.SETTINGS, ("extend='x'", '{"x": 1}')),
        (readers.MEMBER, ("@list",)),
        (readers.PLACEHOLDER, ("ls", "x", "")),
        (readers.NOTHING, ("x",)),
        (readers.NO_PLUGIN, ("x", "no:", "no:x y")),
    ],
)
def test_word_that_would_do_more_is_refused(reader: Reader, words: tuple[str, ...]) -> None:
    for word in words:
        assert isinstance(reader.read(word), Bar), word
