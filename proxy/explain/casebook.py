"""A table of the operator's own: what should be decided, compared with what would be.

A document is a list of cases, or a mapping that holds it under `cases`. It is read as strictly as
the configuration, so that no case is less than it seems; ConfigError tells all that is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, ValidationError, model_validator
from pydantic_core import ErrorDetails

from proxy.config import messages, source
from proxy.config.draft import Draft, unusable
from proxy.config.loader import text_of
from proxy.config.near import did_you_mean
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Line
from proxy.explain.explainer import Explainer
from proxy.reasons import Reason
from proxy.values import Json

_CODES = tuple(reason.code for reason in Reason)


def _code(text: str) -> str:
    if text not in _CODES:
        raise ValueError(f"must be the code of a reason{did_you_mean(text, _CODES)}")
    return text


class Case(Section):
    """One call, and what should be decided on it."""

    name: Line | None = None
    """What the case is called; null: by its place."""
    tool: Line
    """The tool that is called."""
    arguments: Mapping[str, JsonValue] = Field(default={})
    """Its arguments."""
    principal: Line | None = None
    """Who calls: a principal of the configuration, client or agent; null: any client."""
    config: Mapping[str, JsonValue] = Field(default={})
    """Changes of the configuration that are asked about."""
    expect: Literal["allow", "deny", "ask"]
    """The decision that is right."""
    code: Annotated[str, AfterValidator(_code)] | None = None
    """The reason that is right; null: any."""

    @model_validator(mode="after")
    def _give_no_reason_for_permission(self) -> Self:
        if self.expect == "allow" and self.code is not None:
            raise_all([wrong(("code",), "only with expect: deny or ask")])
        return self

    @property
    def question(self) -> Mapping[str, Json]:
        """The case as it is asked."""
        who: dict[str, Json] = {} if self.principal is None else {"principal": self.principal}
        return {"tool": self.tool, "arguments": self.arguments, "config": self.config, **who}


class _Book(Section):
    cases: Annotated[tuple[Case, ...], Field(strict=False)]


@dataclass(frozen=True, slots=True)
class Result:
    """A case, the place where it stands, and what would be decided."""

    case: Case
    place: str
    answer: Mapping[str, Json]

    @property
    def ok(self) -> bool:
        """Whether that is what was expected. A case that could not be judged never is."""
        if self.answer["decision"] != self.case.expect:
            return False
        if self.case.code is None:
            return bool(self.answer["layers"])
        return self.answer["code"] == self.case.code

    @property
    def name(self) -> str:
        """What the case is called."""
        return self.case.name or self.place


def load(path: Path) -> list[tuple[Case, str]]:
    """The cases in the file at `path`, each with its place; raises ConfigError."""
    return parse(text_of(path), str(path))


def parse(text: str, name: str) -> list[tuple[Case, str]]:
    """The cases that `text` holds, called `name` in messages; raises ConfigError."""
    draft = source.read(text, name, items="cases")
    try:
        cases = _Book.model_validate(draft.data).cases
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _complain(draft, detail)
    if draft.problems:
        raise unusable(draft.problems)
    return [(case, draft.position(("cases", number)).short) for number, case in enumerate(cases)]


async def run(cases: list[tuple[Case, str]], explainer: Explainer) -> list[Result]:
    """Every case with its answer, in order."""
    return [Result(case, place, await explainer.explain(case.question)) for case, place in cases]


def _complain(draft: Draft, detail: ErrorDetails) -> None:
    key = messages.key_of(detail)
    if draft.is_refused(key):
        return
    if detail["type"] == "extra_forbidden":
        known = Case.model_fields if len(key) > 1 else _Book.model_fields
        draft.complain(key, "unknown key" + did_you_mean(str(key[-1]), known))
    else:
        draft.complain(key, messages.words(detail))
