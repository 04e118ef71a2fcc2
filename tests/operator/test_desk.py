"""Everything that may be done at the desk is done there."""

from pathlib import Path

from desks import Bench

from proxy.actions import Halt
from proxy.authorization.policy import OPERATIONS
from proxy.exchange import Role

PARTS = ("approvals.", "grants.", "stops.")


async def test_the_desk_does_all_that_operators_may_do_about_calls(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    assert bench.desk.verbs.keys() == {verb for verb in OPERATIONS if verb.startswith(PARTS)}
    assert {OPERATIONS[verb] for verb in bench.desk.verbs} == {frozenset({Role.OPERATOR})}
    await bench.aclose()


async def test_the_summary_says_what_waits_and_what_is_stopped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.ask()
    await bench.ask("file_read", {"path": "a"})
    await bench.late()
    assert await bench.desk.summary() == {"waiting": 2, "stops": [], "file": False}

    made = await bench.do("stops.add", "", Halt(tool="shell"))
    bench.file.touch()

    summary = await bench.desk.summary()
    assert summary["stops"] == (await bench.do("stops.list"))["stops"]
    assert [row["id"] for row in (await bench.do("stops.list"))["stops"]] == [made["stopped"]]
    assert summary["file"] is True
    await bench.aclose()


async def test_whatever_changes_is_told_to_who_watches(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    assert bench.desk.rulings.changed == bench.desk.halts.changed == bench.desk.feed.wake
    await bench.aclose()
