"""The schema: that it is the committed one, and accepts what the loader accepts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config import keys, loader, schema
from proxy.config.model import Config
from proxy.decision import ConfigError

COMMITTED = Path(__file__).parents[2] / "config.schema.json"


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object inside `part`."""
    if isinstance(part, dict):
        yield part
    for inside in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from objects(inside)


def test_committed_schema_is_that_of_the_code() -> None:
    """Renew it: .venv/bin/python -m proxy schema > config.schema.json."""
    assert COMMITTED.read_text(encoding="utf-8") == schema.text()


def test_schema_names_its_dialect_and_itself() -> None:
    found = schema.json_schema()

    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["title"] == "Sidegate"
    assert "$id" not in found
    assert json.loads(schema.text()) == found


def test_nothing_unknown_is_accepted_anywhere() -> None:
    for part in objects(schema.json_schema()):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False


def test_every_key_is_in_the_schema_and_explained() -> None:
    found = schema.json_schema()
    sections = {"Config": found, **found["$defs"]}
    for key in keys.leaves():
        section = keys.kind(key[:-1])
        assert isinstance(section, type)
        assert key[-1] in sections[section.__name__]["properties"]
    for name, definition in sections.items():
        for key, part in definition.get("properties", {}).items():
            forms = (part, *part.get("anyOf", ()))
            explained = "description" in part or any("$ref" in form for form in forms)
            assert explained, f"{name}.{key}"


def test_names_of_headers_may_have_the_form_of_a_file() -> None:
    headers = schema.json_schema()["$defs"]["UpstreamConfig"]["properties"]["headers"]
    ((pattern, value),) = headers["patternProperties"].items()

    assert value["writeOnly"]
    for name in ("Authorization", "Authorization_file"):
        assert re.search(pattern, name)
    assert not re.search(pattern, "X_Key")


def test_patterns_are_whole() -> None:
    for part in objects(schema.json_schema()):
        if isinstance(part.get("pattern"), str):
            assert re.compile(part["pattern"]).pattern.startswith("^(?:")
            assert part["pattern"].endswith(")$")


# Secrets in files of their own


def secrets_of(definition: dict[str, Any]) -> set[str]:
    """The keys of a section that hold one secret."""
    return {
        key
        for key, part in definition.get("properties", {}).items()
        if any(form.get("writeOnly") for form in (part, *part.get("anyOf", ())))
    }


def test_beside_each_secret_there_is_a_file() -> None:
    found = schema.json_schema()
    secrets = {(name, key) for name, part in found["$defs"].items() for key in secrets_of(part)}
    files = {
        (name, key.removesuffix("_file"))
        for name, part in found["$defs"].items()
        for key in part.get("properties", {})
        if key.endswith("_file") and key not in {"key_file", "rules_file"}
    }

    assert files == secrets
    assert {("StateConfig", "password"), ("PrincipalConfig", "token")} <= secrets
    assert {("NgrokConfig", "auth_token"), ("WhatsappConfig", "verify_token")} <= secrets
    assert not secrets_of(found)


def test_names_of_an_environment_may_have_the_form_of_a_file() -> None:
    env = schema.json_schema()["$defs"]["CustomConfig"]["properties"]["env"]
    ((pattern, value),) = env["patternProperties"].items()

    assert value["writeOnly"]
    assert all(re.search(pattern, name) for name in ("KEY", "KEY_file"))


# What is accepted


class Checker:
    """As much of JSON Schema as the schema speaks; another word is an error."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def accepts(self, value: Any, part: dict[str, Any] | None = None) -> bool:
        part = self._root if part is None else part
        return all(self._holds(value, word, rule, part) for word, rule in part.items())

    def _holds(self, value: Any, word: str, rule: Any, part: dict[str, Any]) -> bool:
        match word:
            case "$ref":
                return self.accepts(value, self._root["$defs"][rule.rpartition("/")[2]])
            case "anyOf" | "oneOf" | "allOf":
                found = [self.accepts(value, each) for each in rule]
                return {"anyOf": any(found), "oneOf": sum(found) == 1, "allOf": all(found)}[word]
            case "items":
                return not isinstance(value, list) or all(self.accepts(one, rule) for one in value)
            case "required" | "additionalProperties" | "properties" | "patternProperties":
                return not isinstance(value, dict) or self._object(value, word, rule, part)
        return _fits(value, word, rule)

    def _object(self, value: dict[str, Any], word: str, rule: Any, part: dict[str, Any]) -> bool:
        match word:
            case "required":
                return set(rule) <= set(value)
            case "properties":
                return all(self.accepts(value[key], rule[key]) for key in rule if key in value)
            case "patternProperties":
                return all(
                    self.accepts(one, each)
                    for pattern, each in rule.items()
                    for key, one in value.items()
                    if re.search(pattern, key)
                )
        return rule is False and all(self._known(key, part) for key in value)

    def _known(self, key: str, part: dict[str, Any]) -> bool:
        patterns = part.get("patternProperties", {})
        return key in part.get("properties", {}) or any(re.search(each, key) for each in patterns)


def _is(value: Any, kind: str) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
        "number": (int, float),
    }
    return isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _fits(value: Any, word: str, rule: Any) -> bool:
    """Words about single values; those about a number or a text hold for all else."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match word:
        case "type":
            return _is(value, rule)
        case "enum":
            return value in rule
        case "const":
            return bool(value == rule)
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minLength":
            return not isinstance(value, str) or len(value) >= rule
        case "minimum":
            return not number or value >= rule
        case "maximum":
            return not number or value <= rule
        case "exclusiveMinimum":
            return not number or value > rule
    assert word in {"$schema", "$defs", "title", "description", "default", "format", "writeOnly"}
    return True


TOKEN = "t" * 32
# Sections, as a file may hold them; FILE stands for a file with a token in it.
ACCEPTED: list[dict[str, Any]] = [
    {},
    {"gateway": {"public_url": "https://agent.example", "allow_peers": None, "max_connections": 0}},
    {"gateway": {"trust_forwarded_headers": True, "trusted_proxies": ["10.0.0.0/8"]}},
    {"gateway": {"header_timeout_secs": None, "request_timeout_secs": 0.5}},
    {"admin": {"port": 0}, "metrics": {"allow_peers": []}},
    {"tunnel": {"provider": "cloudflare"}},
    {"tunnel": {"provider": "ngrok", "ngrok": {"auth_token_file": "FILE"}}},
    {"tunnel": {"custom": {"env": {"KEY_file": "FILE", "OTHER": "x"}}}},
    {"principals": {"agent": {"role": "agent", "token": TOKEN, "level": None, "routes": []}}},
    {"principals": {"agent": {"token_file": "FILE", "tools": ["file_*"], "level": "full"}}},
    {"upstream": {"url": "http://agent:8080", "headers": {"Authorization_file": "FILE"}}},
    {"upstream": {"routes": [{"path": "/v1/*", "methods": ["GET", "POST"]}]}},
    {"autonomy": {"level": "readonly", "allowed_commands": [], "auto_approve": ["a.b"]}},
    {"tools": {"shell": {"timeout_secs": 5}}},
    {"tools": {"a.b": {"effect": "read", "backend": "upstream", "paths": ["file"]}}},
    {"tools": {"a.*": {"effect": "read", "backend": "upstream", "approval": "deny"}}},
    {"tools": {"shell": {"rules": {"a.b": {"in": ["x", 1, None]}, "a": {"min": 0.5}}}}},
    {"tools": {"shell": {"rules": {"a": {"matches": "a+"}, "b": {"in": [], "optional": True}}}}},
    {"tools": {"x": {"effect": "read", "backend": "upstream", "dispatch": "none"}}},
    {"presets": ["mcp-git"], "tools": {"git.git_add": {"dispatch": None, "urls": ["a.b?"]}}},
    {"autonomy": {"mode": "observe", "until": "2999-01-01", "always_ask": ["*"]}},
    {"runtime": {"docker": {"user": "1000:1000", "cpu_limit": 2, "memory_limit_mb": 6}}},
    {"state": {"url": "redis://cache:6379/1", "username": "a", "password_file": "FILE"}},
    {"state": {"url": "unix:///run/redis.sock", "password": ""}},
    {"secrets": {"key_file": "key"}, "audit": {"path": "a"}, "state_dir": None},
    {"channels_config": {"telegram": {"allowed_users": [7, "name", "*"], "on_denied": "drop"}}},
    {"channels_config": {"slack": {"signing_secret_file": "FILE", "delivery": "queued"}}},
    {"channels_config": {"webhook": {"secrets": [TOKEN]}, "github": None, "whatsapp": {}}},
    {"channels_config": {"slack": {"team_id": "T0123ABCD", "path": "/hooks/slack"}}},
]
REFUSED: list[dict[str, Any]] = [
    # nothing that is unknown, in any place
    {"gatway": {}},
    {"gateway": {"prot": 1}},
    {"principals": {"agent": {"token": TOKEN, "name": "a"}}},
    {"channels_config": {"signal": {}}},
    {"channels_config": {"slack": {"allowed_numbers": []}}},
    {"upstream": {"headers": {"X_Key": "a"}}},
    {"tunnel": {"custom": {"env": {"A-B": "x"}}}},
    # a file is for secrets alone
    {"gateway": {"port_file": "FILE"}},
    {"principals": {"agent": {"token": TOKEN, "role_file": "FILE"}}},
    {"channels_config": {"discord": {"public_key_file": "FILE"}}},
    {"channels_config": {"slack": {"secrets_file": "FILE"}}},
    {"state": {"password_file": None}},
    {"state": {"password_file": ""}},
    {"state": {"password_file": ["FILE"]}},
    # a token is needed, once
    {"principals": {"agent": {"role": "agent"}}},
    {"principals": {"agent": {}}},
    {"principals": {"agent": {"token": TOKEN, "token_file": "FILE"}}},
    {"principals": {"agent": {"token": None}}},
    {"principals": {"a.b": {"token": TOKEN}}},
    {"principals": {"agent": {"token": TOKEN, "role": "operator"}}},
    {"principals": {"agent": {"token": TOKEN, "routes": ["a"]}}},
    {"principals": {"agent": {"token": TOKEN, "tools": ["**"]}}},
    {"principals": {"agent": {"token": TOKEN, "level": "Full"}}},
    # values of another form
    {"gateway": {"port": 65536}},
    {"gateway": {"port": "3000"}},
    {"gateway": {"require_pairing": "yes"}},
    {"gateway": {"allow_peers": "10.0.0.0/8"}},
    {"gateway": {"header_timeout_secs": 0}},
    {"gateway": {"keepalive_timeout_secs": None}},
    {"gateway": {"pair_rate_limit_per_minute": -1}},
    {"gateway": {"rate_limit_max_keys": 0}},
    {"gateway": {"idempotency_style": "other"}},
    {"gateway": {"trusted_proxies": None}},
    {"gateway": None},
    {"tunnel": {"provider": "other"}},
    {"state": {"url": "redis://:s3cret@cache"}},
    {"state": {"url": "postgres://cache"}},
    {"state": {"username": ""}},
    {"secrets": {"key_file": ""}},
    {"channels_config": {"telegram": {"allowed_users": [True]}}},
    {"channels_config": {"telegram": {"allowed_users": ["a"], "on_denied": "ignore"}}},
    {"channels_config": {"slack": {"team_id": "t"}}},
    {"channels_config": {"slack": {"path": "/a/*"}}},
    {"channels_config": []},
    {"tools": {"shell": {"rules": {"a": {"among": ["x"]}}}}},
    {"tools": {"shell": {"rules": {"a b": {}}}}},
    {"tools": {"shell": {"approval": "allow"}}},
    {"tools": {"x": {"effect": "read", "backend": "upstream", "dispatch": "any"}}},
    {"tools": {"x": {"effect": "read", "backend": "upstream", "dispatch": {"tool": "a"}}}},
    {"presets": ["none"]},
    {"autonomy": {"always_ask": ["a b"]}},
    {"tools": {"a b": {"effect": "read", "backend": "upstream"}}},
    {"runtime": {"docker": {"user": "0:0"}}},
    {"runtime": {"docker": {"user": "1000:0"}}},
    {"runtime": {"docker": {"image": "Alpine:3.20"}}},
    {"tools": {"shell": {"env": {"_file": "x"}}}},
]


def filled(value: Any, file: str) -> Any:
    match value:
        case dict():
            return {key: filled(inside, file) for key, inside in value.items()}
        case list():
            return [filled(inside, file) for inside in value]
    return file if value == "FILE" else value


def loads(sections: dict[str, Any], tmp_path: Path) -> bool:
    """Whether a file of these sections is a configuration."""
    (tmp_path / "token").write_text(TOKEN)
    text = yaml.safe_dump(filled(sections, str(tmp_path / "token")))
    try:
        loader.parse(text, "a.yaml", {})
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("sections", ACCEPTED, ids=str)
def test_what_is_loaded_is_accepted(sections: dict[str, Any], tmp_path: Path) -> None:
    assert loads(sections, tmp_path)
    assert Checker(schema.json_schema()).accepts(sections)


@pytest.mark.parametrize("sections", REFUSED, ids=str)
def test_what_is_refused_for_its_form_is_not(sections: dict[str, Any], tmp_path: Path) -> None:
    assert not loads(sections, tmp_path)
    assert not Checker(schema.json_schema()).accepts(sections)


def test_the_defaults_are_accepted() -> None:
    defaults = json.loads(Config().model_dump_json())

    assert Checker(schema.json_schema()).accepts(defaults)
