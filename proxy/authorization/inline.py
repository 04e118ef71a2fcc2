"""Code that a line writes, and then runs: inline code, by way of a file.

An interpreter is not given code by `-c` or on its standard input, which nobody has looked at; a
file of the same line is no other way. What an earlier call wrote is the project's own.
"""

import posixpath
from collections.abc import Collection

from proxy.authorization.shell.script import Call, Script

KNOWN = "the line itself writes what it then runs"

# What the runners of projects take their orders from, though no word names it.
_ORDERS = frozenset(
    {
        *("package.json", ".npmrc", "setup.py", "setup.cfg", "pyproject.toml", "conftest.py"),
        *("requirements.txt", "pytest.ini", "tox.ini", "noxfile.py", "pipfile", "makefile"),
        *("gnumakefile", "justfile", "taskfile.yml", "taskfile.yaml", "cmakelists.txt"),
        *("meson.build", "sconstruct", "wscript", "cargo.toml", "build.rs", "composer.json"),
        *("gemfile", "rakefile", "build.gradle", "build.gradle.kts", "settings.gradle", "pom.xml"),
        *("gulpfile.js", "gruntfile.js", "mix.exs", "project.clj", "deno.json", "build.xml"),
        *("build.sbt", "dune", "build", "workspace", "dockerfile", "go.mod", "vagrantfile"),
    }
)


def written_and_run(script: Script, runners: Collection[Call]) -> str | None:
    """The file that the line writes and one of its later calls runs; None where there is none.

    `runners`: the calls that run code of files.
    """
    for path, before in zip(script.written, script.written_before, strict=True):
        ordered = posixpath.basename(path).lower() in _ORDERS
        for call in script.calls[before + 1 :]:
            named = call.argv[1:] if call in runners else ()
            if (ordered and call in runners) or _names(path, (call.argv[0], *named), call.folder):
                return path
    return None


def _names(path: str, words: Collection[str], folder: str) -> bool:
    wanted = posixpath.normpath(path)
    return any(posixpath.normpath(posixpath.join(folder, word)) == wanted for word in words)
