from proxy.config import loader
from proxy.config.sandboxes import sandboxes

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
