"""Machines with a token from the start."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from proxy.config import loader
from proxy.config.model import Config
from proxy.config.principals import MIN_TOKEN, PrincipalConfig
from proxy.decision import ConfigError
from proxy.scope import Autonomy

TOKEN = "t" * MIN_TOKEN


def wrongs(principals: object) -> dict[str, str]:
    """What is wrong with the table, by key."""
    try:
        Config.model_validate({"principals": principals})
    except ValidationError as error:
        return {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
    return {}


def one(**more: object) -> dict[str, str]:
    """What is wrong with one principal, by key."""
    return {
        key.removeprefix("principals.a").removeprefix("."): text
        for key, text in wrongs({"a": {"token": TOKEN, **more}}).items()
    }


def load(principals: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Config:
    return loader.parse(yaml.safe_dump({"principals": principals}), "a.yaml", environ or {}).config


def test_nobody_is_there_by_default() -> None:
    assert Config().principals == {}


def test_a_principal_is_a_client_without_bounds_unless_it_is_said() -> None:
    section = PrincipalConfig.model_validate({"token": TOKEN})

    assert (section.role, section.routes, section.tools, section.level) == (
        "client",
        None,
        None,
        None,
    )


def test_a_principal_may_be_bounded() -> None:
    bounds = {"routes": ["/tools/*"], "tools": ["file_*", "github.add"], "level": "readonly"}
    section = PrincipalConfig.model_validate({"role": "agent", "token": TOKEN, **bounds})

    assert section.role == "agent"
    assert section.routes == ("/tools/*",)
    assert section.tools == ("file_*", "github.add")
    assert section.level is Autonomy.READONLY


@pytest.mark.parametrize("role", ["operator", "public", "admin", "", "Client", None])
def test_no_operator_is_made_here(role: str | None) -> None:
    """What the configuration holds may be read by whoever holds its files."""
    assert one(role=role).keys() == {"role"}


@pytest.mark.parametrize("name", ["a", "A", "0", "agent-1", "my_agent", "x" * 32])
def test_a_name_is_a_word(name: str) -> None:
    assert wrongs({name: {"token": TOKEN}}) == {}


@pytest.mark.parametrize(
    "name", ["", "-a", "_a", "a.b", "a b", "a/b", "a:b", "ä", "x" * 33, "a\n", "*"]
)
def test_anything_else_is_no_name(name: str) -> None:
    assert wrongs({name: {"token": TOKEN}})


# Tokens


@pytest.mark.parametrize("token", ["t" * 32, "t" * 512, "!~" * 16, "zc_" + "0" * 64])
def test_a_token_is_long_and_plain(token: str) -> None:
    section = PrincipalConfig.model_validate({"token": token})

    assert section.token.get_secret_value() == token
    assert token not in f"{section!r} {section} {section.model_dump_json()}"


WEAK = ["", "secret", "t" * 31, "t" * 513, "t" * 31 + " ", "t t" * 16, "t" * 32 + "\n", "ä" * 32]


@pytest.mark.parametrize("token", WEAK)
def test_a_weak_token_is_refused_and_not_repeated(token: str) -> None:
    problems = one(token=token)

    sentence = "must be 32 to 512 printable ASCII characters, without spaces"
    assert problems == {"token": f"Value error, {sentence}"}


@pytest.mark.parametrize("token", [None, 7, True, ["t" * 32]], ids=repr)
def test_a_token_is_text(token: object) -> None:
    assert one(token=token).keys() == {"token"}


def test_a_token_is_needed() -> None:
    assert wrongs({"a": {"role": "agent"}}).keys() == {"principals.a.token"}


def test_two_principals_have_two_tokens() -> None:
    """Else a request is whoever's comes first."""
    table = {"a": {"token": TOKEN}, "b": {"token": "u" * 32}, "c": {"token": TOKEN}}

    assert wrongs(table) == {"principals.c.token": "is the token of a, too"}
    assert TOKEN not in str(wrongs(table))


def test_every_token_that_is_another_s_is_told() -> None:
    table = {name: {"token": TOKEN} for name in "abc"}

    assert wrongs(table).keys() == {"principals.b.token", "principals.c.token"}


# Files


def test_a_token_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")

    config = load({"a": {"role": "agent", "token_file": str(file)}})

    assert config.principals["a"].token.get_secret_value() == TOKEN


@pytest.mark.parametrize(
    ("content", "key", "says"),
    [
        ("weak\n", "token", "must be 32 to 512 printable ASCII characters"),
        ("", "token_file", "the file is empty"),
        (f"{TOKEN}\n{TOKEN}\n", "token", "must be 32 to 512"),
        (None, "token_file", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_at_its_key(
    tmp_path: Path, content: str | None, key: str, says: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError) as caught:
        load({"a": {"token_file": str(file)}})

    problems = [line for line in caught.value.problems if f"principals.a.{key}: " in line]
    assert problems
    assert says in problems[0]
    assert "weak" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_the_same_token_in_two_files_is_one_token_too_few(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(TOKEN + "\n" * (name == "a"))

    with pytest.raises(ConfigError, match="is the token of a, too"):
        load({name: {"token_file": str(tmp_path / name)} for name in "ab"})


def test_a_token_and_a_file_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)

    with pytest.raises(ConfigError, match="given together with token"):
        load({"a": {"token": TOKEN, "token_file": str(tmp_path / "token")}})


def test_a_token_may_come_from_the_environment() -> None:
    environ = {"SIDEGATE_PRINCIPALS__MY_AGENT__TOKEN": TOKEN}

    config = load({"my-agent": {"role": "agent"}}, environ)

    assert config.principals["my-agent"].token.get_secret_value() == TOKEN


def test_so_may_the_path_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    environ = {"SIDEGATE_PRINCIPALS__MY_AGENT__TOKEN_FILE": str(tmp_path / "token")}

    config = load({"my-agent": {"role": "agent"}}, environ)

    assert config.principals["my-agent"].token.get_secret_value() == TOKEN


# Bounds


@pytest.mark.parametrize("route", ["/", "/a", "/a/", "/a/*", "/*", "/v1/chat/completions"])
def test_a_route_is_a_raw_path_or_a_subtree(route: str) -> None:
    assert one(routes=[route]) == {}


@pytest.mark.parametrize(
    "route", ["", "a", "*", "/a*", "/*/a", "/a/../b", "//a", "/a%20b", "/a?b", "/**", "/a\n", None]
)
def test_anything_else_is_no_route(route: object) -> None:
    assert one(routes=[route]).keys() == {"routes.0"}


@pytest.mark.parametrize(
    "tool", ["shell", "a.b", "*", "file_*", "github.*", "github.add_*", "a.b.c", "a.b/c*"]
)
def test_a_tool_is_a_name_or_how_names_begin(tool: str) -> None:
    assert one(tools=[tool]) == {}


@pytest.mark.parametrize("tool", ["", "**", "*a", "a*b", "a/b", ".a", "a.", ".*", "a b", "a\n", 1])
def test_anything_else_is_no_tool(tool: str) -> None:
    assert one(tools=[tool]).keys() == {"tools.0"}


@pytest.mark.parametrize("level", [*Autonomy, None])
def test_a_ceiling_is_a_level(level: Autonomy | None) -> None:
    assert one(level=level) == {}
    assert one(level="Full").keys() == {"level"}


def test_an_empty_list_stays_one() -> None:
    """It means nothing, and null means everything."""
    section = PrincipalConfig.model_validate({"token": TOKEN, "routes": [], "tools": []})

    assert (section.routes, section.tools) == ((), ())


def test_what_is_not_known_is_refused() -> None:
    assert one(scope={}, name="a").keys() == {"scope", "name"}
