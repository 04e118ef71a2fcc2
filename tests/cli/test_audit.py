"""The commands about the audit log, on files that are there and beside one who writes them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from select import select

import pytest
from auditing import PUBLIC_KEY, row, write, writer
from commands import ended, sections, sidegate
from serving import write as write_config

from proxy.audit import Limits
from proxy.audit.checkpoints import PURPOSE
from proxy.seal import Seal, create

Made = tuple[Path, Path, Seal]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A configuration, its log of three files, and the master key."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    key = create(str(tmp_path / "state" / ".secret_key"))
    log = tmp_path / "state" / "audit.jsonl"
    write(log, 40, seal=key, limits=Limits(4000, 10))
    return write_config(tmp_path / "sidegate.yaml", sections(tmp_path)), log, key


def test_a_log_that_is_whole_is_ok(made: Made) -> None:
    config, *_ = made

    code, out, err = ended(sidegate("-c", config, "audit", "verify"))

    assert (code, err) == (0, "")
    first, second, last = out.splitlines()
    assert first.startswith("rows 0 to ")
    assert first.split(",")[0].endswith("in 3 files")
    assert second == "3 checkpoints, signatures checked; 0 rows after the last"
    assert last == "ok"


def test_what_was_changed_is_told_with_its_place_and_can_be_accepted(made: Made) -> None:
    config, log, _ = made
    log = log.with_name("audit.jsonl.1")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:3], *lines[4:]]))

    code, out, err = ended(sidegate("-c", config, "audit", "verify"))
    assert (code, "ok" in out) == (1, False)
    row_number = json.loads(lines[3])["seq"]
    where = f"sidegate: {log}:4: expected row {row_number}, found row {row_number + 1}"
    assert err == f"{where} (row {row_number})\n"

    accepted = sidegate("-c", config, "audit", "verify", "--accept", row_number)
    assert accepted.exit_code == 0
    assert "accepted: " in accepted.stdout


def test_without_the_master_key_signatures_are_not_checked(made: Made) -> None:
    config, log, key = made
    log.with_name(".secret_key").unlink()

    done = sidegate("-c", config, "audit", "verify")
    assert done.exit_code == 0
    assert "signatures not checked: no key" in done.stdout
    assert not log.with_name(".secret_key").exists()

    public = key.public_key(PURPOSE).hex()
    given = sidegate("-c", config, "audit", "verify", "--public-key", public)
    assert "signatures checked" in given.stdout
    other = sidegate("-c", config, "audit", "verify", "--public-key", PUBLIC_KEY.hex())
    assert other.exit_code == 1
    assert "expected a signature of this log's key" in other.stderr


def test_copies_are_verified_without_a_configuration(made: Made) -> None:
    _, log, key = made
    names = [log.with_name("audit.jsonl.1"), log.with_name("audit.jsonl.2")]

    done = sidegate("audit", "verify", "--public-key", key.public_key(PURPOSE).hex(), *names)

    assert done.exit_code == 0
    assert "in 2 files" in done.stdout


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "00" * 33])
def test_what_is_no_public_key_is_usage(made: Made, key: str) -> None:
    assert sidegate("-c", made[0], "audit", "verify", "--public-key", key).exit_code == 2


@pytest.mark.parametrize("command", ["tail", "verify", "export"])
def test_where_there_is_no_log_it_is_said(tmp_path: Path, command: str) -> None:
    config = write_config(tmp_path / "sidegate.yaml", sections(tmp_path))
    (tmp_path / "state").mkdir(mode=0o700)

    code, out, err = ended(sidegate("-c", config, "audit", command))

    assert (code, out) == (69, "")
    assert "there is no audit log" in err
    assert list((tmp_path / "state").iterdir()) == []


def test_the_last_rows_are_printed_for_people_and_for_programs(made: Made) -> None:
    config, log, _ = made

    shown = sidegate("-c", config, "audit", "tail", "-n", 3).stdout.splitlines()
    lines = sidegate("-c", config, "audit", "tail", "-n", 3, "--json").stdout.splitlines()

    assert [json.loads(line)["event"] for line in lines] == ["grant", "grant", "checkpoint"]
    assert [each.split()[0] for each in shown] == [str(json.loads(line)["seq"]) for line in lines]
    assert log.read_text().endswith("\n".join(lines) + "\n")


def test_rows_are_exported_by_what_they_say(made: Made) -> None:
    config, *_ = made

    def exported(*options: str) -> list[str]:
        done = sidegate("-c", config, "audit", "export", *options)
        assert done.exit_code == 0
        return done.stdout.splitlines()

    assert len(exported("--event", "grant")) == 40
    assert len(exported("--event", "grant", "--format", "csv")) == 41
    assert exported("--principal", "nobody") == []
    assert len(exported("--event", "grant", "--since", "2026-01-31")) == 40
    assert exported("--event", "grant", "--until", "2026-01-31T01:00+01:00") == []


def test_a_time_that_is_none_is_usage(made: Made) -> None:
    done = sidegate("-c", made[0], "audit", "export", "--since", "yesterday")

    assert done.exit_code == 2
    assert "such as 2026-01-31T12:00+01:00" in done.stderr


def test_rows_are_followed_as_they_come_by_a_process_of_its_own(made: Made) -> None:
    config, log, key = made
    command = [sys.executable, "-m", "proxy", "-c", str(config), "audit", "tail", "-f", "-n", "0"]
    root = str(Path(__file__).parents[2])
    environ = {**os.environ, "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, env=environ, cwd=root
    ) as process:
        assert process.stdout
        writing = writer(log, key, Limits(4000, 10))
        try:
            while not select([process.stdout], [], [], 0.05)[0]:
                writing.commit([row(100)])  # until it is there and sees them
            for number in range(30):
                writing.commit([row(number)])
            found = [json.loads(process.stdout.readline()) for _ in range(20)]
        finally:
            process.kill()
            writing.close()

    numbers = [each["seq"] for each in found]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert found[0]["seq"] > 40
