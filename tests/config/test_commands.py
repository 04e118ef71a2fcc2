import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.commands import CommandRule, Commands, program
from proxy.config.masked import effective
from proxy.config.model import Config

COMMANDS: TypeAdapter[tuple[str | CommandRule, ...]] = TypeAdapter(Commands)
RULE = {"program": "git", "subcommands": ["status", "log"], "options": {"deny": ["-c", "--all"]}}


def test_list_holds_names_and_rules() -> None:
    names = COMMANDS.validate_python(["ls", "/usr/bin/make", RULE, {"program": "npm"}])

    assert list(map(program, names)) == ["ls", "/usr/bin/make", "git", "npm"]
    assert names[2] == CommandRule.model_validate(RULE)
    assert isinstance(names[3], CommandRule)
    assert names[3].subcommands is None
    assert names[3].options.deny == ()


@pytest.mark.parametrize(
    "entry",
    [
        *("", "ls -la", "l*", "../ls", 1, None, ["ls"], {}),
        {"program": "git log"},
        {"program": "git", "subcommands": "status"},
        {"program": "git", "subcommands": ["-c"]},
        {"program": "git", "options": ["-c"]},
        {"program": "git", "options": {"deny": ["c"]}},
        {"program": "git", "options": {"deny": ["-"]}},
        {"program": "git", "options": {"allow": ["-c"]}},
        {"program": "git", "subcommand": ["status"]},
    ],
)
def test_anything_else_is_refused(entry: object) -> None:
    with pytest.raises(ValidationError):
        COMMANDS.validate_python([entry])


@pytest.mark.parametrize(
    ("entry", "key", "says"),
    [
        ("a b", (), "must be a program's name"),
        (5, (), "must be the name of a program, as text, or a rule"),
        (["ls"], (), "must be the name of a program, as text, or a rule"),
        ({"program": "a b"}, ("program",), "must be a program's name"),
        ({"program": "git", "subcomands": []}, ("subcomands",), "Extra inputs"),
        ({"program": "git", "options": {"denny": []}}, ("options", "denny"), "Extra inputs"),
    ],
    ids=str,
)
def test_an_entry_is_judged_as_what_it_is(entry: object, key: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        COMMANDS.validate_python(["ls", entry])

    (problem,) = caught.value.errors()
    assert problem["loc"] == (1, *key)
    assert problem["msg"].removeprefix("Value error, ").startswith(says)


def test_two_entries_for_one_program_are_refused() -> None:
    with pytest.raises(ValidationError, match="an earlier entry has this program"):
        COMMANDS.validate_python(["git", RULE])
    assert COMMANDS.validate_python(["ls", "ls"]) == ("ls", "ls")


def test_rules_are_shown_in_the_effective_configuration() -> None:
    config = Config.model_validate({"autonomy": {"allowed_commands": ["ls", RULE]}})

    assert config.autonomy.allowed_commands == ("ls", CommandRule.model_validate(RULE))
    assert "program: git" in effective(config)
