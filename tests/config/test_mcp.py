"""The servers that Sidegate stands before."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config import loader
from proxy.config.mcp import METHODS, RESERVED, McpServerConfig
from proxy.config.model import Config
from proxy.config.tools import BUILT_IN
from proxy.config.tools import RESERVED as NO_TOOL
from proxy.decision import ConfigError
from proxy.mcp import Group
from proxy.protocols.mcp.methods import ASKED
from proxy.protocols.mcp.methods import METHODS as SPOKEN
from proxy.protocols.mcp.names import MAX_SERVER, is_server

URL = {"url": "http://mcp:3100/mcp"}


def problems(servers: object, **beside: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"mcp_servers": servers, **beside})
    return {
        ".".join(map(str, error["loc"])).removeprefix("mcp_servers."): error["msg"]
        for error in caught.value.errors()
    }


def test_a_server_has_tools_and_a_minute_unless_more_is_said() -> None:
    (server,) = Config.model_validate({"mcp_servers": {"github": URL}}).mcp_servers.values()

    assert server == McpServerConfig(url="http://mcp:3100/mcp")
    assert server.groups == {Group.TOOLS}
    assert server.timeout_secs == 60


@pytest.mark.parametrize(
    "name", ["a", "A", "github", "git-hub", "git_hub", "g1", "a" * MAX_SERVER, "g-_-h"]
)
def test_a_name_is_one_that_names_of_tools_can_begin_with(name: str) -> None:
    assert list(Config.model_validate({"mcp_servers": {name: URL}}).mcp_servers) == [name]
    assert is_server(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "_a", "a_", "a__b", "1a", "-a", "a.b", "a/b", "a b", "ä", "a\n", "a*"),
        "a" * (MAX_SERVER + 1),
    ],
)
def test_another_text_is_no_server(name: str) -> None:
    assert problems({name: URL})
    assert not is_server(name)


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Shell", "INVOKE"])
def test_the_name_of_something_else_is_no_server(name: str) -> None:
    assert problems({name: URL}) == {name: "this name is reserved"}


def test_what_is_reserved_is_what_is_built_in() -> None:
    assert {*BUILT_IN, NO_TOOL} == RESERVED


def test_capital_letters_tell_no_servers_apart() -> None:
    assert list(problems({"github": URL, "GitHub": URL})) == ["GitHub"]


@pytest.mark.parametrize(
    ("server", "key"),
    [
        ({}, "x"),
        ({**URL, "command": ["a"]}, "x"),
        ({"command": []}, "x.command"),
        ({"command": "node x"}, "x.command"),
        ({"command": ["a"] * 129}, "x.command"),
        ({"command": [""]}, "x.command.0"),
        ({"command": ["a\0"]}, "x.command.0"),
        ({"command": ["a"], "headers": {"X-A": "b"}}, "x.headers"),
        ({**URL, "env": {"A": "b"}}, "x.env"),
        ({**URL, "docker": {}}, "x.docker"),
        ({**URL, "allow": ["tool"]}, "x.allow.0"),
        ({**URL, "timeout_secs": 0}, "x.timeout_secs"),
        ({**URL, "timeout_secs": 3601}, "x.timeout_secs"),
        ({"url": "ftp://mcp"}, "x.url"),
        ({"url": "http://user@mcp"}, "x.url"),
        ({"url": "http://mcp/?a"}, "x.url"),
        ({**URL, "resource_url": "http://a"}, "x.resource_url"),
    ],
)
def test_what_cannot_be_meant_is_refused(server: object, key: str) -> None:
    assert list(problems({"x": server})) == [key]


@pytest.mark.parametrize(
    "header",
    [
        *("Mcp-Session-Id", "MCP-Protocol-Version", "mcp-method", "Mcp-Name", "Mcp-Param-Owner"),
        *("Accept", "Last-Event-ID", "Host", "Content-Type", "Transfer-Encoding"),
    ],
)
def test_what_follows_from_the_judged_message_is_no_header_of_the_operator(header: str) -> None:
    (problem,) = problems({"x": {**URL, "headers": {header: "a"}}}).values()

    assert "set by Sidegate itself" in problem


def test_containers_need_an_engine() -> None:
    server = {"x": {"command": ["a"], "docker": {"image": "node:24"}}}

    assert list(Config.model_validate({"mcp_servers": server}).mcp_servers) == ["x"]
    assert list(problems(server, runtime={"kind": "native"})) == ["x.docker"]


def test_the_value_of_a_header_may_be_a_stored_secret_and_is_never_shown() -> None:
    text = """
mcp_servers:
  github:
    url: https://api.githubcopilot.com/mcp
    headers:
      Authorization: Bearer ${secret:github}
"""
    loaded = loader.parse(text, "sidegate.yaml", {})
    known = loader.resolved(loaded, {"github": "t0p-s3cret"}.__getitem__)

    (header,) = known.config.mcp_servers["github"].headers.values()
    assert header.get_secret_value() == "Bearer t0p-s3cret"
    assert "t0p-s3cret" not in known.config.model_dump_json()


def test_a_secret_is_taken_from_its_file(tmp_path: Any) -> None:
    (tmp_path / "token").write_text("Bearer abc\n")
    text = f"""
mcp_servers:
  github:
    url: http://mcp:3100/mcp
    headers: {{Authorization_file: {tmp_path}/token}}
  fs:
    command: [node, server.js]
    env: {{TOKEN_file: {tmp_path}/token}}
"""
    config = loader.parse(text, "sidegate.yaml", {}).config

    assert config.mcp_servers["github"].headers["Authorization"].get_secret_value() == "Bearer abc"
    assert config.mcp_servers["fs"].env["TOKEN"].get_secret_value() == "Bearer abc"


def test_the_environment_sets_a_server_s_address() -> None:
    environ = {"SIDEGATE_MCP_SERVERS__GITHUB__URL": "http://other:1/mcp"}
    config = loader.parse("mcp_servers: {github: {url: 'http://a'}}", "s.yaml", environ).config

    assert config.mcp_servers["github"].url == "http://other:1/mcp"


def test_a_wrong_group_is_told_with_a_near_one() -> None:
    with pytest.raises(ConfigError) as caught:
        loader.parse("mcp_servers: {x: {url: 'http://a', allow: [resource]}}", "s.yaml", {})

    assert "did you mean 'resources'" in str(caught.value)


def test_methods_are_those_that_are_decided_on_like_calls() -> None:
    called = {name for name, method in SPOKEN.items() if method.called} - {"tools/call"}

    assert called | set(ASKED) == METHODS
