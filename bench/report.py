"""The figures of a run: as a table for people, as JSON for machines."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from bench.measure import Ratio, Times


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a ratio is to be: `limit` is what counts, `reach` what a trial has shown possible."""

    limit: float
    reach: float | None = None
    at_most: bool = True

    def met(self, ratio: float) -> bool:
        """Whether the ratio is there."""
        return ratio <= self.limit if self.at_most else ratio >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:g}" + (f", reaching for {self.reach:g}" if self.reach else "")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure in its unit, with its 99th percentile where calls were timed one by one."""

    value: float
    unit: str
    p99: float | None = None

    @classmethod
    def of(cls, times: Times, unit: str = "ms") -> "Measure":
        """The median of calls, in ms or µs."""
        scale = {"ms": 1e3, "µs": 1e6}[unit]
        return cls(times.p50 * scale, unit, times.p99 * scale)

    def __str__(self) -> str:
        tail = f" (p99 {_short(self.p99)})" if self.p99 is not None else ""
        return f"{_short(self.value)} {self.unit}{tail}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of ours, and in the same run that of a peer where it has one."""

    figure: str
    ours: Measure
    peer: str | None = None
    theirs: Measure | None = None
    ratio: Ratio | None = None
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one kind. `about`: what they depend on beside the machine."""

    title: str
    about: str
    rows: Sequence[Row]


def machine() -> str:
    """The class of the machine, in a few words."""
    return (
        f"{os.cpu_count()} processors, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def as_table(report: Report) -> str:
    """In Markdown."""
    head = ("figure", "Sidegate", "peer", "ratio", "goal")
    rows = [_line(head), _line(["---"] * len(head)), *(_line(_cells(row)) for row in report.rows)]
    about = f"{machine()}, {report.about}."
    return "\n".join([f"## {report.title}", "", about, "", *rows, ""])


def as_json(report: Report) -> str:
    """One line."""
    return json.dumps({"machine": machine(), **asdict(report)})


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> list[str]:
    peer = f"{row.peer}: {row.theirs}" if row.theirs else row.peer or ""
    return [row.figure, str(row.ours), peer, " ".join(_told(row.ratio)), _judged(row)]


def _told(ratio: Ratio | None) -> Iterator[str]:
    if ratio is not None:
        yield _short(ratio.value)
        if ratio.least != ratio.greatest:
            yield f"({_short(ratio.least)} to {_short(ratio.greatest)})"


def _judged(row: Row) -> str:
    if row.goal is None or row.ratio is None:
        return ""
    return f"{row.goal}: {'met' if row.goal.met(row.ratio.value) else '**missed**'}"


def _short(value: float) -> str:
    """Two digits that count, or all before the point."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"
