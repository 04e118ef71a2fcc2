from proxy.config import loader
from proxy.config.sandboxes import sandboxes, server_key

TEXT = """
presets: [mcp-git]
runtime: {docker: {memory_limit_mb: 32, pool_size: 2}}
tools:
  shell: {env: {TOKEN: hidden}, docker: {image: "own:1"}}
  look: {effect: read, backend: sandbox, command: line, docker: {pool_size: 0}}
  edit: {effect: write, backend: sandbox, command: line}
  agent.run: {effect: execute, backend: upstream}
  agent.*: {approval: ask}
"""


def test_every_tool_that_runs_commands_has_its_own_sandbox() -> None:
    found = sandboxes(loader.parse(TEXT, "sidegate.yaml", {}).config)

    assert {name: (each.docker.image, each.docker.pool_size) for name, each in found.items()} == {
        "shell": ("own:1", 2),
        "look": ("alpine:3.20", 0),
        "edit": ("alpine:3.20", 2),
    }
    assert {each.docker.memory_limit_mb for each in found.values()} == {32}
    assert [name for name, each in found.items() if not each.writes] == ["look"]


def test_a_variable_is_only_of_the_tool_that_names_it() -> None:
    found = sandboxes(loader.parse(TEXT, "sidegate.yaml", {}).config)

    assert {name for name, each in found.items() if each.env} == {"shell"}
    assert found["shell"].env["TOKEN"].get_secret_value() == "hidden"


def test_the_shell_has_one_where_nothing_is_said() -> None:
    assert list(sandboxes(loader.parse("{}", "sidegate.yaml", {}).config)) == ["shell"]


def test_a_server_that_is_a_program_has_one_under_a_name_that_no_tool_has() -> None:
    text = """
runtime: {docker: {memory_limit_mb: 32, pool_size: 2}}
mcp_servers:
  fs: {command: [mcp-fs, /workspace], env: {TOKEN: hidden}, docker: {image: "fs:1"}}
  notes: {command: [notes], writes: true}
  far: {url: http://127.0.0.1:1/mcp}
"""
    found = sandboxes(loader.parse(text, "sidegate.yaml", {}).config)

    assert list(found) == ["shell", "mcp:fs", "mcp:notes"]
    assert found[server_key("fs")].docker.image == "fs:1"
    assert found[server_key("fs")].docker.pool_size == 0
    assert found[server_key("fs")].env["TOKEN"].get_secret_value() == "hidden"
    assert [name for name, each in found.items() if each.writes] == ["shell", "mcp:notes"]
