"""Entries of the table of tools under the name of an MCP server."""

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from proxy.config.model import Config
from proxy.config.served import is_method

SERVERS = {"github": {"url": "http://mcp:3100/mcp"}, "fs": {"command": ["server"]}}
READ = {"effect": "read"}


def problems(tools: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with the entries, by their keys."""
    try:
        Config.model_validate({"mcp_servers": SERVERS, "tools": tools})
    except ValidationError as error:
        return {".".join(map(str, each["loc"][1:])): each["msg"] for each in error.errors()}
    return {}


@pytest.mark.parametrize(
    "tools",
    [
        {"github.get_me": READ},
        {"github.get_me": {**READ, "backend": "mcp:github"}},
        {"github.*": READ},
        {"github.*": READ, "github.get_me": {"approval": "ask"}},
        {"github.repo/get.me-2": READ},
        {"github.get_me": {**READ, "paths": ["p"], "urls": ["u?"], "timeout_secs": 5}},
        {"github.run": {"effect": "execute", "command": "line"}},
        {"github.batch": {"effect": "write", "dispatch": {"tool": "t", "arguments": "a"}}},
        {"github.resources/read": {"approval": "ask", "rate_per_minute": 5}},
        {"github.resources/*": {"approval": "ask"}},
        {"github.sampling/createMessage": {"approval": "deny"}},
        {"fs.read_file": READ, "git.log": {**READ, "backend": "upstream"}},
        {"*": {**READ, "backend": "upstream"}},
    ],
)
def test_what_is_said_of_a_server_s_tools_is_accepted(tools: Mapping[str, object]) -> None:
    assert problems(tools) == {}


@pytest.mark.parametrize(
    ("name", "entry", "key", "text"),
    [
        # a name says where its tool is
        ("github.get_me", {**READ, "backend": "upstream"}, "backend", "must be mcp:github"),
        ("github.get_me", {**READ, "backend": "mcp:fs"}, "backend", "must be mcp:github"),
        ("github.*", {**READ, "backend": "upstream"}, "backend", "must be mcp:github"),
        ("github.x", {**READ, "backend": "sandbox", "command": "c"}, "backend", "must be mcp:"),
        ("get_me", {**READ, "backend": "mcp:github"}, "backend", "only for tools of this server"),
        ("gitlab.x", {**READ, "backend": "mcp:github"}, "backend", "only for tools of this"),
        ("git*", {**READ, "backend": "mcp:github"}, "backend", "only for tools of this server"),
        ("*", {**READ, "backend": "mcp:github"}, "backend", "only for tools of this server"),
        ("gihub.x", {**READ, "backend": "mcp:gihub"}, "backend", "there is no such server"),
        ("gihub.*", {**READ, "backend": "mcp:gihub"}, "backend", "there is no such server"),
        ("x.y", {**READ, "backend": "mcp:"}, "backend", "there is no such server"),
        ("x.y", {**READ, "backend": "mcp:a b"}, "backend", "there is no such server"),
        # what no path holds
        ("agent.a/b", {**READ, "backend": "upstream"}, "", "only tools of an MCP server"),
        ("agent.../admin", {**READ, "backend": "upstream"}, "", "only tools of an MCP server"),
        ("agent.a.b", {**READ, "backend": "upstream"}, "", "only tools of an MCP server"),
        # what a server's tool has not
        ("github.get_me", {}, "effect", "required"),
        ("github.get_me", {**READ, "path": "/x"}, "path", "only with backend: upstream"),
        ("github.get_me", {**READ, "env": {"A": "b"}}, "env", "only with backend: sandbox"),
        ("github.x", {**READ, "docker": {"image": "a"}}, "docker", "only with backend: sandbox"),
        ("github.x", {**READ, "commands": "any"}, "commands", "only with backend: sandbox"),
        ("github.batch", {"effect": "write"}, "dispatch", "required"),
        ("github.tools/batch", {"effect": "write"}, "dispatch", "required"),
        ("github.batch.v2", {"effect": "write"}, "dispatch", "required"),
        # a method does what it does
        ("github.resources/read", {"effect": "write"}, "effect", "cannot be changed"),
        ("github.tasks/cancel", {"command": "c"}, "command", "cannot be changed"),
        ("github.resources/reed", {"approval": "ask"}, "effect", "required"),
    ],
)
def test_what_would_lead_elsewhere_is_refused(
    name: str, entry: Mapping[str, object], key: str, text: str
) -> None:
    found = problems({name: entry})

    assert list(found) == [f"{name}.{key}".removesuffix(".")]
    assert next(iter(found.values())).startswith(text)


def test_a_near_name_of_a_server_is_told() -> None:
    found = problems({"gihub.x": {**READ, "backend": "mcp:gihub"}, "gihub.a/b": READ})

    assert "did you mean 'github'" in found["gihub.x.backend"]
    assert "did you mean 'github'" in found["gihub.a/b"]


def test_tools_are_not_judged_by_servers_that_are_wrong_themselves() -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"mcp_servers": {"github": {}}, "tools": {"github.x": READ}})

    assert [error["loc"] for error in caught.value.errors()] == [("mcp_servers", "github")]


def test_only_servers_that_there_are_have_methods() -> None:
    others = ("gitlab.resources/read", "github.get_me", "resources/read", "github.tools/call")

    assert is_method("github.resources/read", SERVERS)
    assert not any(is_method(name, SERVERS) for name in others)
