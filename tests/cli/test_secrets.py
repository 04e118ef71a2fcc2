"""The commands about stored secrets, in this process and as a process of their own."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from commands import asked, ended, sections, sidegate
from conftest import Start
from serving import environment, finished, start_process, write

from proxy import seal
from proxy.cli.main import main
from proxy.seal import Seal
from proxy.state import secrets_file
from proxy.state.owner import Ownership

KEY = Seal(bytes(range(32)))
HEX = bytes(range(32)).hex()
EFFECT = "a running sidegate masks it from now on; ${secret:NAME} is read at its next start\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return write(tmp_path / "sidegate.yaml", sections(tmp_path))


def files(folder: Path) -> list[str]:
    return secrets_file.files(str(folder / "state"))


# One at a time


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s3cret of mine", "s3cret of mine"),
        ("s3cret of mine\n", "s3cret of mine"),
        ("s3cret of mine\r\n", "s3cret of mine"),
        ("two\nlines\n\n", "two\nlines\n"),
        ("  blanks  ", "  blanks  "),
        ("--option", "--option"),
    ],
)
def test_what_is_set_from_stdin_is_got_without_its_line_end(
    config: Path, given: str, kept: str
) -> None:
    done = sidegate("secrets", "set", "agent", "-c", config, stdin=given)

    assert ended(done) == (0, "set agent\n", EFFECT)
    assert ended(sidegate("secrets", "get", "agent", "-c", config)) == (0, f"{kept}\n", "")


def test_a_short_one_is_stored_with_a_warning(config: Path) -> None:
    done = sidegate("secrets", "set", "pin", "-c", config, stdin="1234567")

    assert done.exit_code == 0
    assert "caution: pin cannot be masked in answers: it has fewer than 8 chara" in done.stderr
    assert "1234567" not in done.stdout + done.stderr


def test_they_are_listed_by_name_and_time_alone(config: Path) -> None:
    assert ended(sidegate("secrets", "list", "-c", config)) == (0, "", "")
    for name in ("b", "a"):
        sidegate("secrets", "set", name, "-c", config, stdin="s3cret of mine")

    lines = sidegate("secrets", "list", "-c", config).stdout.splitlines()
    rows = json.loads(sidegate("secrets", "-c", config, "list", "--json").stdout)["secrets"]

    assert [line.split("  ")[0] for line in lines] == ["a", "b"]
    assert [row["name"] for row in rows] == ["a", "b"]
    assert set(rows[0]) == {"name", "set"}


def test_one_that_is_removed_is_gone(config: Path) -> None:
    sidegate("secrets", "set", "agent", "-c", config, stdin="s3cret of mine")
    done = sidegate("secrets", "rm", "agent", "-c", config)

    assert (done.exit_code, done.stdout) == (0, "removed agent\n")
    for command in ("get", "rm"):
        assert ended(sidegate("secrets", command, "agent", "-c", config)) == (
            1,
            "",
            "sidegate: there is no 'agent'\n",
        )


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("1a", "s3cret", "a name has letters, digits"),
        ("a/b", "s3cret", "a name has letters, digits"),
        ("agent", "", "the secret agent is empty"),
        ("agent", "\n", "the secret agent is empty"),
        ("agent", "s3cret" * 11_000, "the secret agent is larger than 64 KiB"),
    ],
)
def test_what_cannot_be_stored_is_usage(
    tmp_path: Path, config: Path, name: str, given: str, message: str
) -> None:
    done = sidegate("secrets", "set", name, "-c", config, stdin=given)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "s3cret" not in done.stderr
    assert not (tmp_path / "state").exists()


def test_what_is_no_text_is_usage(config: Path) -> None:
    done = CliRunner().invoke(main, ["secrets", "set", "a", "-c", str(config)], input=b"\xff\xfe")

    assert done.exit_code == 2
    assert "standard input is not UTF-8 text" in done.stderr


def test_no_value_is_an_argument(config: Path) -> None:
    done = sidegate("secrets", "set", "agent", "s3cret", "-c", config)

    assert done.exit_code == 2
    assert "unexpected extra argument" in done.stderr


def test_an_encrypted_value_is_no_name(config: Path) -> None:
    sidegate("secrets", "set", "agent", "-c", config, stdin="s3cret of mine")
    key = seal.load(str(config.parent / "state" / ".secret_key"))
    assert key is not None

    assert sidegate("secrets", "get", key.encrypt("s3cret"), "-c", config).exit_code == 1


def test_one_that_was_changed_by_another_hand_is_not_printed(tmp_path: Path, config: Path) -> None:
    sidegate("secrets", "set", "agent", "-c", config, stdin="s3cret of mine")
    (file,) = files(tmp_path)
    text = Path(file).read_text().replace('"agent"', '"other"')
    Path(file).write_text(text)

    done = sidegate("secrets", "get", "other", "-c", config)
    assert (done.exit_code, done.stdout) == (78, "")
    assert "the secret other was changed, or moved to this name, by another hand" in done.stderr


@pytest.mark.parametrize("command", [["get", "a"], ["list"], ["rm", "a"], ["rotate-key"]])
def test_a_lost_key_is_a_problem_of_the_configuration(
    tmp_path: Path, config: Path, command: list[str]
) -> None:
    sidegate("secrets", "set", "a", "-c", config, stdin="s3cret of mine")
    (tmp_path / "state" / ".secret_key").unlink()

    done = sidegate("secrets", *command, "-c", config)
    assert (done.exit_code, done.stdout) == (78, "")
    assert "is missing" in done.stderr
    assert "put the file back" in done.stderr
    assert not (tmp_path / "state" / ".secret_key").exists()


def test_a_folder_that_others_may_write_to_is_unavailable(tmp_path: Path, config: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    done = sidegate("secrets", "set", "a", "-c", config, stdin="s3cret of mine")

    assert done.exit_code == 69
    assert "others may write to the state folder" in done.stderr


# The key


def test_the_key_is_rotated(tmp_path: Path, config: Path) -> None:
    sidegate("secrets", "set", "agent", "-c", config, stdin="s3cret of mine")
    assert sidegate("tokens", "create", "-c", config).exit_code == 0
    before = files(tmp_path)
    done = sidegate("secrets", "rotate-key", "-c", config)

    assert done.exit_code == 0
    assert done.stdout == f"rotated: the new master key is in {tmp_path}/state/.secret_key\n"
    assert len(files(tmp_path)) == 1
    assert files(tmp_path) != before
    assert sidegate("secrets", "get", "agent", "-c", config).stdout == "s3cret of mine\n"
    assert sidegate("tokens", "list", "-c", config).stdout.count("client") == 1


def test_no_key_is_rotated_under_a_running_sidegate(tmp_path: Path, config: Path) -> None:
    ownership = Ownership(str(tmp_path / "state"))
    try:
        done = sidegate("secrets", "rotate-key", "-c", config)
    finally:
        ownership.release()

    assert done.exit_code == 69
    assert "is in use by another sidegate" in done.stderr


def test_no_encrypted_value_is_left_behind(tmp_path: Path, config: Path) -> None:
    header = {"upstream": {"headers": {"A": KEY.encrypt("s3cret"), "B": "${secret:b}"}}}
    write(config, {**sections(tmp_path), **header})
    done = sidegate("secrets", "rotate-key", "-c", config, environ={"SIDEGATE_MASTER_KEY": HEX})

    assert done.exit_code == 78
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sidegate: {config}:")
    assert "upstream.headers.A: its enc2: value would be lost: store it with sidegate" in line


def test_a_key_of_the_environment_is_rotated_into_a_file(tmp_path: Path, config: Path) -> None:
    now = {"SIDEGATE_MASTER_KEY": HEX}
    new = tmp_path / "new.key"
    sidegate("secrets", "set", "agent", "-c", config, stdin="s3cret of mine", environ=now)
    assert sidegate("secrets", "rotate-key", "-c", config, environ=now).exit_code == 2

    done = sidegate("secrets", "rotate-key", "--new-key-file", new, "-c", config, environ=now)
    assert done.exit_code == 0
    assert f"written under the key in {new}" in done.stdout
    assert "SIDEGATE_MASTER_KEY_FILE" in done.stdout
    for environ in (now, {"SIDEGATE_MASTER_KEY_FILE": str(new)}):
        got = sidegate("secrets", "get", "agent", "-c", config, environ=environ)
        assert got.stdout == "s3cret of mine\n"
    assert not (tmp_path / "state" / ".secret_key").exists()


def test_a_key_in_a_file_needs_no_other(tmp_path: Path, config: Path) -> None:
    done = sidegate("secrets", "rotate-key", "--new-key-file", tmp_path / "new", "-c", config)

    assert done.exit_code == 2
    assert "the master key is in" in done.stderr


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SIDEGATE_MASTER_KEY": "00"}, "SIDEGATE_MASTER_KEY holds no key: 64 hexadecimal digits"),
        ({"SIDEGATE_MASTER_KEY_FILE": "/none"}, "names a file that does not exist"),
        ({"SIDEGATE_MASTER_KEY": HEX, "SIDEGATE_MASTER_KEY_FILE": "/x"}, "are both set: keep one"),
    ],
)
def test_a_key_of_the_environment_that_is_none_is_told(
    config: Path, environ: dict[str, str], message: str
) -> None:
    done = sidegate("secrets", "list", "-c", config, environ=environ)

    assert (done.exit_code, done.stdout) == (78, "")
    assert message in done.stderr
    assert HEX not in done.stderr


# Import


def zeroclaw(folder: Path) -> Path:
    """A configuration of ZeroClaw with its key beside it."""
    folder.mkdir()
    (folder / ".secret_key").write_text(HEX)
    (folder / ".secret_key").chmod(0o600)
    (folder / "config.toml").write_text(
        f'api_key = "{KEY.encrypt("s3cret of the provider")}"\n'
        '[channels_config.telegram]\nbot_token = "123:abc"\nname = "x"\n[http]\ntoken = ""\n'
    )
    return folder / "config.toml"


def test_the_secrets_of_zeroclaw_are_imported(tmp_path: Path, config: Path) -> None:
    file = zeroclaw(tmp_path / "zeroclaw")
    done = sidegate("secrets", "import", file, "--prefix", "zc.", "-c", config)

    assert done.exit_code == 0
    assert done.stdout == "set zc.api_key\nset zc.channels_config.telegram.bot_token\n"
    assert "skipped http.token: it holds no text" in done.stderr
    assert "caution: zc.channels_config.telegram.bot_token cannot be masked" in done.stderr
    assert (
        sidegate("secrets", "get", "zc.api_key", "-c", config).stdout == "s3cret of the provider\n"
    )
    found = seal.load(str(tmp_path / "state" / ".secret_key"))
    assert found is not None
    assert found.fingerprint != KEY.fingerprint


def test_its_key_may_lie_elsewhere(tmp_path: Path, config: Path) -> None:
    file = zeroclaw(tmp_path / "zeroclaw")
    key = file.with_name(".secret_key").rename(tmp_path / "the.key")

    refused = sidegate("secrets", "import", file, "-c", config)
    assert refused.exit_code == 78
    assert "is encrypted: name the file of its key with --key-file" in refused.stderr
    missing = sidegate("secrets", "import", file, "--key-file", "/none", "-c", config)
    assert (missing.exit_code, missing.stderr) == (78, "sidegate: /none: there is no such file\n")
    assert sidegate("secrets", "import", file, "--key-file", key, "-c", config).exit_code == 0


def test_an_import_is_whole_or_not_at_all(tmp_path: Path, config: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"good": "s3cret-CANARY", "x" * 65: "CANARY"}))
    done = sidegate("secrets", "import", tmp_path / "a.json", "-c", config)

    assert (done.exit_code, done.stdout) == (78, "")
    assert "a name has letters" in done.stderr
    assert "CANARY" not in done.stderr
    assert sidegate("secrets", "list", "-c", config).stdout == ""


@pytest.mark.parametrize(("name", "code"), [("none.toml", 69), ("a.txt", 78), (".", 69)])
def test_a_file_that_is_none_is_told(tmp_path: Path, config: Path, name: str, code: int) -> None:
    (tmp_path / "a.txt").write_text("x")
    done = sidegate("secrets", "import", tmp_path / name, "-c", config)

    assert (done.exit_code, done.stdout) == (code, "")


# What uses them


def test_check_names_stored_secrets_and_opens_nothing(tmp_path: Path, config: Path) -> None:
    headers = {"A": "Bearer ${secret:agent}"}
    env = {"T": "${secret:none}"}
    stored = sections(tmp_path, upstream={"headers": headers}, tools={"shell": {"env": env}})
    write(config, stored)
    done = sidegate("check", "-c", config)

    assert done.exit_code == 0
    shown = yaml.safe_load(done.stdout)
    assert shown["upstream"]["headers"] == {"A": "**********${secret:agent}"}
    assert shown["tools"]["shell"]["env"] == {"T": "${secret:none}"}
    assert sorted(os.listdir(tmp_path)) == ["sidegate.yaml", "workspace"]
    assert sidegate("explain", "shell", "ls", "-c", config).exit_code == 0


@pytest.mark.parametrize(
    "value",
    ["Bearer ${secret:agent}", Seal(bytes(32)).encrypt("s3cret of the agent")],
    ids=["a name", "a value"],
)
def test_without_its_secrets_nothing_is_served(tmp_path: Path, config: Path, value: str) -> None:
    write(config, sections(tmp_path, upstream={"headers": {"A": value}}))
    done = sidegate("serve", "-c", config, environ={"SIDEGATE_MASTER_KEY": HEX})

    assert (done.exit_code, done.stdout) == (78, "")
    assert value not in done.stderr
    assert "agent" in done.stderr or "enc2:" in done.stderr or "decrypted" in done.stderr


async def test_they_are_written_while_a_sidegate_serves(start: Start, tmp_path: Path) -> None:
    await start()
    config = write(tmp_path / "other.yaml", sections(tmp_path))
    runner = asyncio.to_thread(
        sidegate, "secrets", "set", "agent", "-c", config, stdin="s3cret of mine"
    )

    assert (await runner).exit_code == 0
    assert (await asked("secrets", "get", "agent", "-c", config)).stdout == "s3cret of mine\n"
    assert (await asked("secrets", "rotate-key", "-c", config)).exit_code == 69


# As a process


async def test_as_a_process_it_reads_standard_input(config: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "secrets", "set", "agent", "-c", str(config)),
        env=environment(PYTHONPATH=os.getcwd()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"s3cret of mine\n")

    assert (process.returncode, out) == (0, b"set agent\n")
    assert await finished("secrets", "get", "agent", "-c", str(config)) == (
        0,
        "s3cret of mine\n",
        "",
    )


def answered(terminal: int, prompt: bytes, answer: bytes) -> bytes:
    """What a terminal showed up to a prompt, to which this is then typed."""
    shown = b""
    while prompt not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, answer + b"\n")
    return shown


def test_on_a_terminal_it_is_asked_for_twice_and_not_shown(config: Path) -> None:
    terminal, slave = pty.openpty()
    arguments = [sys.executable, "-m", "proxy", "secrets", "set", "agent", "-c", str(config)]
    with subprocess.Popen(
        arguments,
        env=environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,  # lest it asks on the terminal of whoever runs the tests
    ) as process:
        shown = answered(terminal, b"agent: ", b"s3cret of mine")
        shown += answered(terminal, b"confirmation: ", b"s3cret of mine")
        while b"set agent" not in shown:
            shown += os.read(terminal, 4096)
        assert process.wait(30) == 0
    os.close(slave)
    os.close(terminal)

    assert b"s3cret" not in shown
    assert sidegate("secrets", "get", "agent", "-c", config).stdout == "s3cret of mine\n"


async def test_two_at_one_time_lose_nothing(config: Path) -> None:
    (config.parent / "a.json").write_text('{"a": "s3cret one"}')
    (config.parent / "b.json").write_text('{"b": "s3cret two"}')
    both = [
        await start_process("secrets", "import", str(config.parent / name), "-c", str(config))
        for name in ("a.json", "b.json")
    ]
    for process in both:
        await process.communicate()

    assert [process.returncode for process in both] == [0, 0]
    code, out, _ = await finished("secrets", "list", "-c", str(config))
    assert (code, [line[0] for line in out.splitlines()]) == (0, ["a", "b"])
