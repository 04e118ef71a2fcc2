"""The official conformance kit: run it, and read what it found."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from peers.installed import NODE, environment, package, ran

REVISIONS = ("2025-11-25", "2026-07-28")
_SECONDS = 120.0
_FOLDER = re.compile(r"(?:server-)?(.+?)-\d{4}-\d\d-\d\dT[\d-]+Z")


@dataclass(frozen=True)
class Findings:
    """Each check of each scenario that passed, counted, and why others did not."""

    passed: Counter[tuple[str, str]]
    failed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.passed.total()} passed, {len(self.failed)} failed"


async def conformance(url: str, revision: str, folder: Path) -> Findings:
    """All scenarios for servers of a revision, against the one at `url`."""
    words = [str(NODE), str(package("conformance")), "server", "--url", url]
    words += ["--spec-version", revision, "--suite", "all", "--output-dir", str(folder)]
    await ran(words, environment(), seconds=_SECONDS)
    return _read(folder)


def _read(folder: Path) -> Findings:
    passed: Counter[tuple[str, str]] = Counter()
    failed = []
    for path in sorted(folder.glob("*/checks.json")):
        found = _FOLDER.fullmatch(path.parent.name)
        scenario = found[1] if found else path.parent.name
        for check in json.loads(path.read_text()):
            if check["status"] == "SUCCESS":
                passed[scenario, check["id"]] += 1
            elif check["status"] != "INFO":
                why = check.get("errorMessage", "")
                failed.append(f"{scenario}: {check['id']}: {check['status']}: {why}")
    return Findings(passed, tuple(failed))
