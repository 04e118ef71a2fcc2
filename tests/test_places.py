"""Where Sidegate's own files lie, and who may not reach them."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import Start

from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.config.model import Config
from proxy.places import Places, exposed, open_workspace, own_files


def config(**sections: object) -> Config:
    return Config.model_validate(sections)


def loaded(text: str, name: str) -> Loaded:
    return loader.parse(text, name, {})


# Where they lie


@pytest.mark.parametrize(
    ("state_dir", "environ", "folder"),
    [
        ("/var/lib/sidegate", {"STATE_DIRECTORY": "/elsewhere"}, "/var/lib/sidegate"),
        (None, {"STATE_DIRECTORY": "/run/state"}, "/run/state"),
        (None, {"STATE_DIRECTORY": ""}, os.getcwd()),
        (None, {}, os.getcwd()),
        ("state", {}, os.path.join(os.getcwd(), "state")),
    ],
)
def test_the_state_lies_where_it_is_configured_or_where_the_service_manager_says(
    state_dir: str | None, environ: Mapping[str, str], folder: str
) -> None:
    assert Places.of(config(state_dir=state_dir), environ).folder == folder


def test_everything_lies_in_the_state_folder() -> None:
    assert Places.of(config(state_dir="/state"), {}) == Places(
        "/state",
        "/state/admin.sock",
        "/state/.secret_key",
        "/state/audit.jsonl",
        "/state/sidegate.db",
    )


def test_unless_it_is_elsewhere() -> None:
    places = Places.of(
        config(
            state_dir="/state",
            state={"url": "sqlite:////srv/other.db"},
            audit={"path": "/var/log/audit.jsonl"},
            secrets={"key_file": "/run/secrets/key"},
        ),
        {},
    )

    assert places == Places(
        "/state", "/state/admin.sock", "/run/secrets/key", "/var/log/audit.jsonl", "/srv/other.db"
    )


@pytest.mark.parametrize("url", ["redis://cache:6379/1", "rediss://cache", "unix:///run/redis"])
def test_a_state_on_a_server_is_no_file(url: str) -> None:
    assert Places.of(config(state={"url": url}), {}).database is None


def test_our_own_files_are_the_state_the_key_the_record_and_the_rules(tmp_path: Path) -> None:
    text = "audit: {path: records/audit.jsonl}\nstate: {url: sqlite:////srv/state.db}\n"

    files = own_files(loaded(text, f"{tmp_path}/a.yaml"), {"STATE_DIRECTORY": "/state"})

    assert files == {
        "the state folder": "/state",
        "the configuration": f"{tmp_path}/a.yaml",
        "the database": "/srv/state.db",
        "the master key": "/state/.secret_key",
        "the audit log": "/state/records/audit.jsonl",
    }


def test_a_link_is_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    files = own_files(loaded("{}", "/a.yaml"), {"STATE_DIRECTORY": f"{tmp_path}/link"})

    assert files["the state folder"] == f"{tmp_path}/real"
    assert files["the master key"] == f"{tmp_path}/real/.secret_key"


# What the agent could change


STATE = ["the audit log", "the database", "the master key", "the state folder"]


@pytest.mark.parametrize(
    ("state", "file", "lie"),
    [
        pytest.param("state", "a.yaml", [], id="all apart"),
        pytest.param("work/state", "a.yaml", STATE, id="the state in it"),
        pytest.param("work", "a.yaml", STATE, id="the state is it"),
        pytest.param("link/x", "a.yaml", STATE, id="the state linked into it"),
        pytest.param("state", "work/a.yaml", ["the configuration"], id="the rules in it"),
        pytest.param("state", "link/a.yaml", ["the configuration"], id="the rules linked into it"),
        pytest.param("workbench", "working.yaml", [], id="only alike by name"),
        pytest.param("inside", "a.yaml", ["the database"], id="the database linked into it"),
        pytest.param("keyed", "a.yaml", ["the master key"], id="the key linked into it"),
    ],
)
def test_what_the_agent_could_change_is_told(
    tmp_path: Path, state: str, file: str, lie: list[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("work")
    for folder, name in (("inside", "sidegate.db"), ("keyed", ".secret_key")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).symlink_to(f"../work/{name}")
    # Given by the environment, so that the words of the configuration do not give it away.
    text = f'autonomy: {{workspace_dir: "{tmp_path}/work"}}'

    problems = exposed(
        loaded(text, f"{tmp_path}/{file}"), {"STATE_DIRECTORY": str(tmp_path / state)}
    )

    sentence = " lies in the workspace, where the agent could change it: move one of the two"
    assert sorted(problems) == [f"{each}{sentence}" for each in lie]


# The workspace


def test_a_workspace_that_does_not_exist_is_none(tmp_path: Path) -> None:
    text = f'autonomy: {{workspace_dir: "{tmp_path}/none"}}'

    assert open_workspace(loaded(text, "/a.yaml"), {}) is None


@pytest.mark.parametrize(
    "path",
    [
        *("state/sidegate.db", "state/audit.jsonl", "state/admin.sock", "state/.secret_key"),
        *("state/sidegate.db-wal", "state/sidegate.lock", "state/none", "elsewhere/key"),
    ],
)
async def test_no_tool_reaches_our_own_files_wherever_else_it_may_go(
    start: Start, tmp_path: Path, path: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    changes: dict[str, object] = {"autonomy": {"workspace_only": False}}
    if path == "elsewhere/key":
        changes["secrets"] = {"key_file": f"{tmp_path}/{path}"}
    sidegate = await start(changes)
    (tmp_path / "beside").write_text("in reach")
    token = await sidegate.pair()
    (tmp_path / "link").symlink_to(path)

    status, _ = await sidegate.call("file_read", {"path": f"{tmp_path}/beside"}, token)
    assert status == 200
    for name in (path, "link"):
        for tool, more in (("file_read", {}), ("file_write", {"content": "x"})):
            arguments = {"path": f"{tmp_path}/{name}", **more}
            status, body = await sidegate.call(tool, arguments, token)
            assert (status, body["code"]) == (403, "path-forbidden"), (tool, name)
