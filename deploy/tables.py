"""Write the tables of the documentation from the code: every key, every reason, the schema.

`make docs` runs it; a test holds the committed pages to what it would write.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from proxy.config import schema
from proxy.config.model import Config
from proxy.reasons import Reason

ROOT = Path(__file__).parent.parent
MARK = "<!-- from here on written by make docs -->\n"
_HEAD = "| key | default | meaning |\n| --- | --- | --- |\n"


def pages() -> Mapping[str, str]:
    """What each generated file holds, after its mark where it has one."""
    return {
        "docs/configuration.md": configuration(),
        "docs/reasons.md": reasons(),
        "config.schema.json": schema.text(),
    }


def reasons() -> str:
    """The table of reasons."""
    rows = "".join(
        f"| `{each.code}` | {each.layer or 'any'} | {each.status} |"
        f" {each.detail} | {each.remedy} |\n"
        for each in Reason
    )
    return f"| code | layer | status | what it says | what to do |\n{'| --- ' * 5}|\n{rows}"


def configuration() -> str:
    """The tables of keys: the file's own, then a section each, then what stands in lists."""
    top = _table(list(_rows(Config, "")))
    sections = "\n".join(_sections(Config, ""))
    return f"{top}\n{sections}"


def _sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inside, key, kind = _model(field), f"{prefix}{name}", _kind(field)
        if inside is None:
            continue
        title, path = {
            "section": (key, f"{key}."),
            "list": (f"A row of `{key}`", f"{key}[]."),
            "table": (f"An entry of `{key}`", f"{key}.NAME."),
        }[kind]
        rows = list(_rows(inside, path))
        about = (inside.__doc__ or "").replace("\n", " ")
        if rows:
            yield f"## {title}\n\n{' '.join(about.split())}\n\n{_table(rows)}"
        yield from _sections(inside, path)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if _kind(field) != "section" or _model(field) is None:
            key = f"{prefix}{field.alias or name}"
            yield f"| `{key}` | {_default(field)} | {_text(field.description or '')} |\n"


def _table(rows: list[str]) -> str:
    return _HEAD + "".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    plain = yaml.safe_dump(_plain(default), default_flow_style=True, width=1000)
    return f"`{plain.removesuffix(chr(10)).removesuffix('...').strip()}`"


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(field: FieldInfo) -> str:
    origins = {get_origin(each) for each in _inside(field.annotation)}
    return "list" if tuple in origins else "table" if Mapping in origins else "section"


def _model(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds, or a list or table of."""
    for each in _inside(field.annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _inside(annotation: object) -> Iterator[object]:
    yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def page(name: str) -> str:
    """The whole of a file, its hand-written part kept."""
    old = (ROOT / name).read_text()
    kept = old[: old.index(MARK) + len(MARK)] + "\n" if MARK in old else ""
    return kept + pages()[name]


if __name__ == "__main__":
    for changed in pages():
        (ROOT / changed).write_text(page(changed))
