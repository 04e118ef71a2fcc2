"""The command: what it prints, where, and with which exit code."""

import os
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from commands import asked, ended, sections, sidegate
from conftest import Start
from serving import write

from proxy.assembly import VERSION
from proxy.cli.main import main
from proxy.config import schema
from proxy.state.owner import Ownership


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that may be served, on any free port."""
    (tmp_path / "workspace").mkdir()
    return write(tmp_path / "sidegate.yaml", sections(tmp_path))


# Without a configuration


def test_it_tells_its_version() -> None:
    assert ended(sidegate("--version")) == (0, f"sidegate, version {VERSION}\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_it_tells_what_it_can(option: str) -> None:
    done = sidegate(option)

    assert done.exit_code == 0
    own = ("check", "docker-guard", "explain", "policy", "schema", "serve")
    for name in (*own, "inbox", "pair", "status", "tokens"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["serve", "--unknown"],
        ["serve", "more"],
        ["tokens", "unknown"],
        ["tokens", "revoke"],
        ["tokens", "rotate", "a", "b"],
        ["tokens", "create", "--role", "operator"],
        ["inbox", "retry"],
        ["explain"],
        ["-c"],
    ],
    ids=" ".join,
)
def test_a_command_that_it_does_not_know_is_usage(arguments: list[str]) -> None:
    done = sidegate(*arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_the_schema_needs_no_configuration() -> None:
    assert ended(sidegate("schema")) == (0, schema.text(), "")


# The configuration


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "{}", "check"),
        ("--config", "{}", "check"),
        ("check", "-c", "{}"),
        ("check", "--config={}"),
        ("-c", "/nowhere", "check", "-c", "{}"),
    ],
    ids=" ".join,
)
def test_the_file_is_named_before_or_after_the_command(
    config: Path, arguments: tuple[str, ...]
) -> None:
    done = sidegate(*(each.format(config) for each in arguments))

    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "{}", "tokens", "list"),
        ("tokens", "-c", "{}", "list"),
        ("tokens", "list", "-c", "{}"),
    ],
    ids=" ".join,
)
def test_so_it_is_with_a_command_of_two_words(config: Path, arguments: tuple[str, ...]) -> None:
    assert ended(sidegate(*(each.format(config) for each in arguments))) == (0, "", "")


def test_the_environment_may_name_it(config: Path) -> None:
    assert sidegate("check", environ={"SIDEGATE_CONFIG": str(config)}).exit_code == 0


@pytest.mark.parametrize("command", ["serve", "check", "pair", "status", "explain"])
def test_without_one_nothing_is_done(tmp_path: Path, command: str) -> None:
    more = ["-"] if command == "explain" else []

    done = sidegate(command, "-c", tmp_path / "none.yaml", *more)

    assert (done.exit_code, done.stdout) == (78, "")
    assert (
        done.stderr
        == f"sidegate: {tmp_path}/none.yaml: cannot be read: No such file or directory\n"
    )


def test_check_prints_what_counts_with_secrets_masked(tmp_path: Path, config: Path) -> None:
    upstream = {"url": "http://agent:8080", "headers": {"Authorization": "Bearer agents-own"}}
    write(config, sections(tmp_path, upstream=upstream))

    done = sidegate("check", "-c", config, environ={"SIDEGATE_GATEWAY__MAX_BODY_BYTES": "4096"})

    assert (done.exit_code, done.stderr) == (0, "")
    effective = yaml.safe_load(done.stdout)
    assert effective["gateway"]["max_body_bytes"] == 4096
    assert effective["autonomy"]["level"] == "supervised"
    assert set(effective["upstream"]["headers"]) == {"Authorization"}
    assert "agents-own" not in done.output


def test_check_warns_of_what_may_not_be_meant(tmp_path: Path, config: Path) -> None:
    folder = str(tmp_path / "workspace")
    observed = {"workspace_dir": folder, "mode": "observe", "until": "2999-01-31"}
    write(config, sections(tmp_path, autonomy={**observed, "always_ask": ["shel"]}))

    done = sidegate("check", "-c", config)

    assert done.exit_code == 0
    first, idle = done.stderr.splitlines()
    assert first.startswith("sidegate: caution: ")
    assert "until 2999-01-31" in first
    assert idle == (
        "sidegate: caution: autonomy.always_ask[0]: there is no tool shel (did you mean 'shell'?)"
    )
    assert yaml.safe_load(done.stdout)["autonomy"]["always_ask"] == ["shel"]


def test_check_opens_neither_state_nor_sockets(tmp_path: Path, config: Path) -> None:
    sidegate("check", "-c", config)

    assert sorted(os.listdir(tmp_path)) == ["sidegate.yaml", "workspace"]


@pytest.mark.parametrize("command", ["check", "serve"])
def test_every_problem_is_told_with_its_place(tmp_path: Path, config: Path, command: str) -> None:
    write(config, sections(tmp_path, gatway={}, audit={"path": 5}))

    done = sidegate(command, "-c", config)

    assert (done.exit_code, done.stdout) == (78, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"sidegate: {config}:") for line in lines)
    assert "gateway" in done.stderr


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gateway": {"host": "0.0.0.0"}}, "gateway.allow_public_bind: true"),
        ({"gateway": {"host": "::"}}, "gateway.allow_public_bind: true"),
        ({"metrics": {"host": "0.0.0.0"}}, "metrics.allow_public_bind: true"),
        ({"admin": {"host": "0.0.0.0"}}, "admin.allow_public_bind: true"),
        (
            {"gateway": {"host": "::", "allow_public_bind": True, "require_pairing": False}},
            "gateway.require_pairing: false",
        ),
        (
            {"gateway": {"require_pairing": False}, "tunnel": {"provider": "cloudflare"}},
            "gateway.require_pairing: false",
        ),
    ],
)
def test_what_is_unsafe_is_not_served(
    tmp_path: Path, config: Path, command: str, changes: dict[str, Any], says: str
) -> None:
    write(config, {**sections(tmp_path), **changes})

    done = sidegate(command, "-c", config)

    assert (done.exit_code, done.stdout) == (77, "")
    assert says in done.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a level below that to fall to")
@pytest.mark.parametrize("command", ["check", "serve"])
def test_less_isolation_than_is_required_is_not_served(
    tmp_path: Path, config: Path, command: str
) -> None:
    """Bubblewrap cannot bind a workspace that its owner cannot reach."""
    tmp_path.chmod(0o700)
    os.chown(tmp_path / "workspace", 1000, 1000)
    write(config, sections(tmp_path, runtime={"kind": "native", "require": "bwrap"}))

    done = sidegate(command, "-c", config)

    assert (done.exit_code, done.stdout) == (77, "")
    assert "runtime.require is bwrap, and commands would run as user (bwrap: " in done.stderr


def test_what_is_bound_elsewhere_is_told_beside_the_configuration(
    tmp_path: Path, config: Path
) -> None:
    tunnelled = sections(tmp_path, gateway={"host": "0.0.0.0"}, tunnel={"provider": "cloudflare"})
    write(config, tunnelled)

    done = sidegate("check", "-c", config)

    assert done.exit_code == 0
    assert done.stderr.startswith("sidegate: gateway.host is not opened beyond this machine")
    assert yaml.safe_load(done.stdout)["gateway"]["host"] == "0.0.0.0"


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_state_where_the_agent_could_change_it_is_not_served(
    tmp_path: Path, config: Path, command: str
) -> None:
    """By its name it lies beside the workspace; by the link it lies in it."""
    (tmp_path / "state").symlink_to(tmp_path / "workspace")

    done = sidegate(command, "-c", config)

    assert (done.exit_code, done.stdout) == (77, "")
    assert "the state folder lies in the workspace" in done.stderr


def test_a_host_that_means_nothing_is_unavailable(tmp_path: Path, config: Path) -> None:
    write(config, sections(tmp_path, gateway={"host": "no-such-host.invalid", "port": 0}))

    done = sidegate("check", "-c", config)

    assert done.exit_code == 69
    assert "no-such-host.invalid" in done.stderr


# The state


def test_a_state_in_use_is_unavailable(tmp_path: Path, config: Path) -> None:
    ownership = Ownership(str(tmp_path / "state"))
    try:
        done = sidegate("serve", "-c", config)
    finally:
        ownership.release()

    assert (done.exit_code, done.stdout) == (69, "")
    assert "is in use by another sidegate" in done.stderr


def test_a_state_that_cannot_be_read_is_unavailable(tmp_path: Path, config: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sidegate.db").write_bytes(b"this is no database, but long enough " * 50)

    done = sidegate("serve", "-c", config)

    assert (done.exit_code, done.stdout) == (69, "")
    assert "is not a readable state" in done.stderr


def test_a_state_whose_key_is_lost_is_a_problem_of_the_configuration(
    tmp_path: Path, config: Path
) -> None:
    assert sidegate("tokens", "list", "-c", config).exit_code == 0
    (tmp_path / "state" / ".secret_key").unlink()

    done = sidegate("serve", "-c", config)

    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr.startswith("sidegate: secrets.key_file: the master key ")
    assert "put the file back" in done.stderr


async def test_a_second_one_does_not_start(start: Start, tmp_path: Path) -> None:
    await start()
    config = write(tmp_path / "sidegate.yaml", sections(tmp_path))

    done = await asked("serve", "-c", config)

    assert (done.exit_code, done.stdout) == (69, "")
    assert "is in use by another sidegate" in done.stderr


def test_every_command_says_what_it_does() -> None:
    assert isinstance(main, click.Group)
    for command in main.commands.values():
        assert command.get_short_help_str()


def test_check_tells_of_rules_that_are_none(tmp_path: Path, config: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rules]]\nid = 'x'\nregex = '('\n")
    with config.open("a") as file:
        file.write(f"\nprotection: {{rules_file: {rules}}}\n")

    done = sidegate("check", "-c", str(config))

    assert done.exit_code == 78
    assert "rule x" in done.stderr
