"""What the documentation says exists, exists; what exists is documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import TypeGuard, get_args

import pytest
import tables
import yaml
from click import Group
from pydantic import BaseModel

from proxy.cli.main import main
from proxy.config import loader
from proxy.config.model import Config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of the configuration that is not itself a section."""
    for name, field in model.model_fields.items():
        optional = isinstance(field.annotation, UnionType)
        kinds = get_args(field.annotation) if optional else (field.annotation,)
        sections = [kind for kind in kinds if _is(kind)]
        if sections:
            yield from keys(sections[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _is(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def names_of_tests() -> set[str]:
    """The name of every test."""
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("name", list(tables.pages()))
def test_tables_are_those_of_the_code(name: str) -> None:
    assert (ROOT / name).read_text() == tables.page(name), "run make docs"


@pytest.mark.parametrize("key", list(keys(Config)))
def test_every_key_is_documented(key: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()

    assert f"| `{key}` |" in page


def test_the_example_of_the_readme_is_a_valid_configuration() -> None:
    example = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert example is not None

    loaded = loader.parse(example[1], "README.md", {"AGENT_TOKEN": "a-token"})

    assert loaded.config.autonomy.allowed_commands == ("ls", "cat", "grep", "find", "git")
    assert len(yaml.safe_load(example[1])) == 3


def test_the_commands_that_the_readme_names_exist() -> None:
    named = set(re.findall(r"[`$] ?sidegate ([a-z-]+)(?: ([a-z-]+))?", README))

    for command, subcommand in named:
        found = main.commands[command]
        if isinstance(found, Group):
            assert subcommand in found.commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_test_that_the_threat_model_names_exists() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", page))

    assert named
    assert named - names_of_tests() == set()
