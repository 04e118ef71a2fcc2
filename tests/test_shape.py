"""The promises of the layout, kept by a machine."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.reasons import Layer, Reason

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "proxy").rglob("*.py"))
LAYERS = [layer.value for layer in Layer]

# Each floor imports from floors below it only, and layers never from each other.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            *("values", "jsonrpc", "mcp"),
            *("reasons", "decision", "scope", "actions", "duplex", "origin", "exchange", "holding"),
        }
    ),
    frozenset({"config", "beneath", "process", "durable", "enc2", "seal", "limits", "websocket"}),
    frozenset({"protocols", "state"}),
    frozenset(LAYERS),
    frozenset(
        {
            *(
                "trace",
                "metrics",
                "audit",
                "hints",
                "running",
                "readiness",
                "places",
                "unsealing",
                "redaction",
                "mounting",
                "runtimes",
            ),
            *(
                "servers",
                "operator",
                "routes",
                "pipeline",
                "delivery",
                "detached",
                "resumption",
                "upkeep",
            ),
        }
    ),
    frozenset({"server", "connection", "listeners", "sockets", "writing", "guard"}),
    frozenset(
        {
            *("app", "assembly", "settings", "admin", "logs", "limiters", "explain"),
        }
    ),
    frozenset({"cli", "__main__"}),
)
# Made in one place, so that holding one proves that the layer was passed.
PASSPORTS = {
    "Peer": "network",
    "Principal": "authentication",
    "Grant": "authorization",
    "Raw": "isolation",
    "Clean": "protection",
}
# One who asks in place of a principal, and passes no layer: it runs nothing.
ASKERS = {"explain.py"}
# One table, which is as long as there are rows.
TABLES = {"reasons.py", "authorization/programs/table.py"}
# What may be imported or called in one place only, and where.
ONLY_IN = {
    "prometheus_client": {"metrics.py"},
    "subprocess": set[str](),
    "create_subprocess_exec": {"process.py"},
    "create_subprocess_shell": set[str](),
    "aiodocker": {
        f"isolation/docker/{name}.py" for name in ("engine", "attachment", "cold", "warm", "pool")
    },
    "redis": {"state/redis/connection.py"},
    "cryptography": {"enc2.py", "seal.py", "authentication/webhooks.py", "config/signing.py"},
    "sqlite3": {"state/sqlite/file.py"},
}


def name(source: Path) -> str:
    return source.relative_to(ROOT / "proxy").as_posix()


def part(source: Path) -> str:
    """The folder, or the module at the top, that a file belongs to."""
    return name(source).removesuffix(".py").split("/")[0]


def floor(unit: str) -> int:
    return next(number for number, units in enumerate(FLOORS) if unit in units)


@functools.cache
def nodes(source: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(source.read_text())))


def imports(source: Path) -> Iterator[str]:
    """Every module that a file imports."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def calls(source: Path) -> frozenset[str]:
    """The last name of everything that a file calls."""
    return frozenset(_calls(source))


def _calls(source: Path) -> Iterator[str]:
    for node in nodes(source):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2]


def test_the_layers_are_the_folders() -> None:
    folders = {part(path) for path in SOURCES if path.parent.name != "proxy"}

    assert folders == {
        *LAYERS,
        "config",
        "protocols",
        "state",
        "operator",
        "explain",
        "guard",
        "audit",
        "cli",
    }


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_imports_point_down_and_never_sideways_between_layers(source: Path) -> None:
    if source.parent.name == "proxy" and source.name == "__init__.py":
        return
    unit = part(source)
    for module in imports(source):
        top, _, rest = module.partition(".")
        other = rest.split(".")[0]
        if top != "proxy" or other == unit or not rest:
            continue
        allowed = floor(other) < floor(unit) or (unit not in LAYERS and floor(other) == floor(unit))
        assert allowed, f"{name(source)} imports {module}"


@pytest.mark.parametrize("passport", PASSPORTS)
def test_each_passport_is_made_in_its_one_layer(passport: str) -> None:
    makers = {part(source) for source in SOURCES if passport in calls(source)}
    asking = {Path(asker).stem for asker in ASKERS} if passport == "Principal" else set()

    assert makers == {PASSPORTS[passport]} | asking


@pytest.mark.parametrize("banned", ONLY_IN)
def test_what_is_dangerous_stands_in_one_place(banned: str) -> None:
    users = {
        name(source)
        for source in SOURCES
        if banned in {module.split(".")[0] for module in imports(source)} | calls(source)
    }

    assert users <= ONLY_IN[banned]


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_every_source_file_has_a_test_of_its_name(source: Path) -> None:
    if source.name == "__init__.py":
        return
    expected = ROOT / "tests" / Path(name(source)).with_name(f"test_{source.name}")

    assert expected.is_file()


def test_every_source_file_says_what_it_is() -> None:
    silent = [
        name(source) for source in SOURCES if not ast.get_docstring(ast.parse(source.read_text()))
    ]

    assert silent == []


def test_every_file_is_one_idea_long() -> None:
    long = {name(source): len(source.read_text().splitlines()) for source in SOURCES}

    assert {file for file, lines in long.items() if lines > 300} <= TABLES


def test_there_are_three_exception_classes() -> None:
    found = {
        node.name
        for source in SOURCES
        for node in nodes(source)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith(("Exception", "Error")) for base in node.bases)
    }

    assert found == {"Denied", "Malformed", "ConfigError"}


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.code)
def test_every_reason_is_documented_and_tested(reason: Reason) -> None:
    page = (ROOT / "docs" / "reasons.md").read_text()
    row = re.escape(f"| `{reason.code}` | {reason.layer or 'any'} | {reason.status} |")
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert re.search(row, page)
    assert f"Reason.{reason.name}" in tests or f'"{reason.code}"' in tests
