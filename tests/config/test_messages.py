import pytest
from pydantic import ValidationError

from proxy.config import messages
from proxy.config.model import Config


def told(data: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(data)
    return {
        ".".join(map(str, messages.key_of(error))): messages.words(error)
        for error in caught.value.errors()
    }


@pytest.mark.parametrize(
    ("data", "key", "text"),
    [
        ({"gatway": 1}, "gatway", "unknown key (did you mean 'gateway'?)"),
        ({"zzz": 1}, "zzz", "unknown key"),
        ({"gateway": {"PORT": 1}}, "gateway.PORT", "unknown key (did you mean 'port'?)"),
        ({"upstream": {"routes": [{}]}}, "upstream.routes.0.path", "required"),
        ({"gateway": {"port": "1"}}, "gateway.port", "must be a whole number"),
        ({"gateway": {"port": -1}}, "gateway.port", "must be at least 0"),
        ({"gateway": {"port": 65536}}, "gateway.port", "must be at most 65535"),
        (
            {"gateway": {"require_pairing": "yes"}},
            "gateway.require_pairing",
            "must be true or false",
        ),
        ({"gateway": {"host": 5}}, "gateway.host", "must be text; quote it"),
        ({"gateway": {"host": True}}, "gateway.host", "must be text; quote it"),
        ({"gateway": {"host": None}}, "gateway.host", "must be text"),
        ({"gateway": {"host": ["a"]}}, "gateway.host", "must be text"),
        ({"gateway": {"allow_peers": "a"}}, "gateway.allow_peers", "must be a list"),
        ({"gateway": 5}, "gateway", "must be a mapping"),
        ({"tools": 5}, "tools", "must be a mapping"),
        ({"tools": {"x": 5}}, "tools.x", "must be a mapping"),
        (
            {"tools": {"shell": {"timeout_secs": 0}}},
            "tools.shell.timeout_secs",
            "must be more than 0",
        ),
        (
            {"tools": {"a b": {}}},
            "tools.a b",
            "must be a tool name: NAME or SERVER.NAME, where * stands for any characters",
        ),
        (
            {"autonomy": {"level": "supervized"}},
            "autonomy.level",
            "must be one of readonly, supervised, full (did you mean 'supervised'?)",
        ),
        ({"autonomy": {"level": 5}}, "autonomy.level", "must be one of readonly, supervised, full"),
        ({"runtime": {"kind": "none"}}, "runtime.kind", "must be one of docker, native"),
        (
            {"runtime": {"docker": {"cpu_limit": "1"}}},
            "runtime.docker.cpu_limit",
            "must be a number",
        ),
        (
            {"runtime": {"docker": {"cpu_limit": float("nan")}}},
            "runtime.docker.cpu_limit",
            "must be a finite number",
        ),
        ({"audit": {"path": ""}}, "audit.path", "must not be empty"),
    ],
)
def test_errors_are_in_plain_words(data: object, key: str, text: str) -> None:
    assert told(data)[key] == text


@pytest.mark.parametrize(
    ("data", "key", "near"),
    [
        (
            {"autonomy": {"allowed_commands": [{"program": "a", "subcomands": []}]}},
            "autonomy.allowed_commands.0.subcomands",
            "subcommands",
        ),
        (
            {"autonomy": {"allowed_commands": [{"program": "a", "options": {"denny": []}}]}},
            "autonomy.allowed_commands.0.options.denny",
            "deny",
        ),
        (
            {"tools": {"a": {"dispatch": {"tol": "x"}}}},
            "tools.a.dispatch.tol",
            "tool",
        ),
        ({"tools": {"a": {"rules": {"b": {"maches": "x"}}}}}, "tools.a.rules.b.maches", "matches"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_inside_are_hinted_at(data: object, key: str, near: str) -> None:
    assert told(data)[key] == f"unknown key (did you mean '{near}'?)"


def test_no_message_is_pydantics_own() -> None:
    """Whatever is put in the place of any key, the words are ours."""
    for wrong in (None, 5, -5.5, True, "", "x" * 70, [], [5], {}, {"x": 5}, {"": None}):
        for name, section in Config().model_dump(mode="json").items():
            inside = section if isinstance(section, dict) else {}
            trials: list[object] = [{name: wrong}, *({name: {key: wrong}} for key in inside)]
            for trial in trials:
                try:
                    Config.model_validate(trial)
                except ValidationError as error:
                    texts = [messages.words(detail) for detail in error.errors()]
                    assert not [text for text in texts if "Input" in text or "error" in text]
