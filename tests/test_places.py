"""Where Sidegate's own files lie, and who may not reach them."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import Start

from proxy.beneath import open_beneath, walk_beneath
from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.config.model import Config
from proxy.places import Places, cautions, exposed, open_workspace, own_files
from proxy.reasons import Reason


def config(**sections: object) -> Config:
    return Config.model_validate(sections)


def loaded(text: str, name: str) -> Loaded:
    return loader.parse(text, name, {})


def test_what_is_to_be_known_of_the_rules_is_told_at_each_start() -> None:
    text = "autonomy: {mode: observe, until: 2999-01-31, always_ask: [shel]}"

    observed, idle = cautions(loaded(text, "sidegate.yaml"), None)

    assert "2999-01-31" in observed
    assert idle == "autonomy.always_ask[0]: there is no tool shel (did you mean 'shell'?)"


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
        "/state/STOP",
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
        "/state",
        "/state/admin.sock",
        "/state/STOP",
        "/run/secrets/key",
        "/var/log/audit.jsonl",
        "/srv/other.db",
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


def test_a_file_that_a_secret_was_read_from_is_our_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a" * 32)
    text = f"principals: {{agent: {{role: agent, token_file: {tmp_path}/token}}}}"
    given = loaded(text, "/a.yaml")

    for asked in (given, loader.overlay(given, {"autonomy": {"level": "full"}})):
        files = own_files(asked, {"STATE_DIRECTORY": "/state"})
        assert files["the file of principals.agent.token_file"] == f"{tmp_path}/token"


def test_the_file_of_the_master_key_that_the_environment_names_is_our_own(tmp_path: Path) -> None:
    environ = {"STATE_DIRECTORY": "/state", "SIDEGATE_MASTER_KEY_FILE": "/run/secrets/key"}

    files = own_files(loaded("{}", f"{tmp_path}/a.yaml"), environ)

    assert files["the file of SIDEGATE_MASTER_KEY_FILE"] == "/run/secrets/key"
    assert files["the master key"] == "/state/.secret_key"


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


def test_roots_and_patterns_are_those_of_the_configuration(tmp_path: Path) -> None:
    for name in ("work", "data"):
        (tmp_path / name).mkdir()
    text = f"""autonomy:
  workspace_dir: {tmp_path}/work
  allowed_roots: [{{path: {tmp_path}/data}}, {{path: {tmp_path}/none, access: rw}}]
  ignore: [closed]
"""
    workspace = open_workspace(loaded(text, "/a.yaml"), {})
    assert workspace is not None

    assert [(root.folder, root.writable) for root in workspace.roots] == [
        (f"{tmp_path}/data", False)
    ]
    assert workspace.check("closed") is Reason.PATH_IGNORED
    assert workspace.check(".env") is None
    workspace.close()


def test_what_the_operator_should_know_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    text = f"""autonomy:
  workspace_dir: {tmp_path}/work
  allowed_roots: [{{path: {tmp_path}/none}}, {{path: {tmp_path}/work}}]
"""
    given = loaded(text, "/a.yaml")
    absent = f"there is no folder {tmp_path}/none, which autonomy.allowed_roots names"
    walked = "the kernel has no openat2, or hides it: paths are walked one by one"

    for opening, said in ((open_beneath, [absent]), (walk_beneath, [absent, walked])):
        workspace = open_workspace(given, {}, opening)
        assert workspace is not None
        assert cautions(given, workspace) == said
        workspace.close()
    assert cautions(given, None) == [absent]


@pytest.mark.parametrize("tool", ["file_read", "file_write", "file_list"])
async def test_our_own_files_are_not_reached_by_a_root_that_holds_them(
    start: Start, tmp_path: Path, tool: str
) -> None:
    roots = [{"path": str(tmp_path), "access": "rw"}]
    sidegate = await start({"autonomy": {"allowed_roots": roots}})
    token = await sidegate.pair()
    (tmp_path / "beside").write_text("in reach")
    content = {"content": "x"} if tool == "file_write" else {}

    for name in ("state/sidegate.db", "state/.secret_key", "state/audit.jsonl", "state"):
        arguments = {"path": f"{tmp_path}/{name}", **content}
        status, body = await sidegate.call(tool, arguments, token)
        assert (status, body["code"]) == (403, "path-forbidden"), name
    status, body = await sidegate.call("file_list", {"path": str(tmp_path)}, token)
    assert status == 200
    assert "beside" in str(body)
    assert "'state'" not in str(body)


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


def test_a_workspace_in_the_state_folder_is_all_of_it_that_is_reached(tmp_path: Path) -> None:
    """As where everything lies in the folder that Sidegate was started in."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "a.txt").touch()
    (tmp_path / "other").touch()
    text = f"autonomy: {{workspace_dir: {tmp_path}/workspace, workspace_only: false}}"
    rules = loaded(text, f"{tmp_path}/sidegate.yaml")
    workspace = open_workspace(rules, {"STATE_DIRECTORY": str(tmp_path)})
    assert workspace is not None
    found = {name: workspace.check(name) for name in ("a.txt", "new.txt")}
    found |= {name: workspace.check(f"{tmp_path}/{name}") for name in ("other", "sidegate.yaml")}
    workspace.close()

    assert found == {
        "a.txt": None,
        "new.txt": None,
        "other": Reason.PATH_FORBIDDEN,
        "sidegate.yaml": Reason.PATH_FORBIDDEN,
    }
