import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.actions import Effect
from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.config.model import Autonomy, Config
from proxy.decision import ConfigError
from proxy.values import Json

NOTHING: dict[str, str] = {}
MISSING = "cannot be read: No such file or directory"
BACKENDS = "must be sandbox, upstream or mcp: and the name of a server"
LEVELS = "must be one of readonly, supervised, full"


def parse(text: str, environ: Mapping[str, str] = NOTHING) -> Loaded:
    return loader.parse(text, "sidegate.yaml", environ)


def problems(text: str, environ: Mapping[str, str] = NOTHING) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, environ)
    return list(caught.value.problems)


def test_empty_file_is_the_default_configuration() -> None:
    assert parse("").config == Config()


def test_all_ways_to_give_a_value_meet(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer s3cret\n")
    text = (
        "state_dir: ${STATE:-/data}\n"
        "gateway: {port: 1, max_body_bytes: '${LIMIT}'}\n"
        "upstream: {headers: {Authorization_file: '${DIR}/token', X-A: '${A}'}}\n"
        "autonomy: {level: readonly}\n"
    )
    environ = {
        "SIDEGATE_GATEWAY__PORT": "8080",
        "SIDEGATE_AUTONOMY__LEVEL": "full",
        "SIDEGATE_CONFIG": "x",
        "LIMIT": "5",
        "DIR": str(tmp_path),
        "A": "0123",
    }
    config = parse(text, environ).config

    assert config.state_dir == "/data"
    assert (config.gateway.port, config.gateway.max_body_bytes) == (8080, 5)
    assert config.autonomy.level is Autonomy.FULL
    assert {name: value.get_secret_value() for name, value in config.upstream.headers.items()} == {
        "Authorization": "Bearer s3cret",
        "X-A": "0123",
    }


def test_override_needs_no_variable_that_the_file_asks_for() -> None:
    text = "gateway: {port: '${PORT}'}"

    assert problems(text) == ["sidegate.yaml:1:11: gateway.port: the variable PORT is not set"]
    assert parse(text, {"SIDEGATE_GATEWAY__PORT": "1"}).config.gateway.port == 1


def test_file_of_a_secret_may_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    name = "SIDEGATE_UPSTREAM__HEADERS__X_KEY_FILE"
    loaded = parse("", {name: str(tmp_path / "token")})

    assert loaded.config.upstream.headers["X-Key"].get_secret_value() == "s3cret"
    assert loaded.origin("upstream.headers.X-Key") == f"env {name}"
    assert problems("", {name: "/nowhere"}) == [
        f"env {name}: upstream.headers.X-Key_file: {MISSING}"
    ]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
gateway:
  prot: 1
  port: ${PORT}
  host: *x
  host: a b
  require_pairing: yes
upstream:
  headers: {Host: x, Authorization_file: /nowhere}
tools:
  shell: {effect: read}
  search: {backend: upstrem}
autonomy: {level: ful, workspace_dir: ws}
model: {}
"""
    environ = {"SIDEGATE_METRICS__PORT": "x", "SIDEGATE_METRICS__PROT": "1"}

    assert problems(text, environ) == [
        "sidegate.yaml:2:3: gateway.prot: unknown key (did you mean 'port'?)",
        "sidegate.yaml:3:3: gateway.port: the variable PORT is not set",
        "sidegate.yaml:4:9: gateway.host: anchors and aliases are not accepted",
        "sidegate.yaml:5:3: gateway.host: duplicate key, first in line 4",
        "sidegate.yaml:6:3: gateway.require_pairing: must be true or false",
        "sidegate.yaml:8:13: upstream.headers.Host: this header is set by Sidegate itself",
        f"sidegate.yaml:8:22: upstream.headers.Authorization_file: {MISSING}",
        "sidegate.yaml:10:11: tools.shell.effect: cannot be changed: this tool is built in",
        "sidegate.yaml:11:3: tools.search.effect: required for a tool that is not built in",
        f"sidegate.yaml:11:12: tools.search.backend: {BACKENDS}",
        f"sidegate.yaml:12:12: autonomy.level: {LEVELS} (did you mean 'full'?)",
        "sidegate.yaml:12:24: autonomy.workspace_dir: must be an absolute path",
        "sidegate.yaml:13:1: model: unknown key",
        "env SIDEGATE_METRICS__PORT: metrics.port: must be a whole number",
        "env SIDEGATE_METRICS__PROT: unknown variable (did you mean 'SIDEGATE_METRICS__PORT'?)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "upstream: {headers: {Authorization: [CANARY]}}",
        "upstream: {headers: {Authorization: {CANARY: CANARY}}}",
        "upstream: {headers: {Authorization: ' CANARY'}}",
        'upstream: {headers: {Authorization: "CANARY\\x01"}}',
        "upstream: {headers: {Authorization: '${CANARY'}}",
        "upstream: {headers: {Authorization: 'CANARY$'}}",
        "upstream: {headers: {Authorization: 'enc2:CANARY'}}",
        "upstream: {headers: {Host: CANARY}}",
        "upstream: {headers: {Authorization: CANARY, authorization: CANARY}}",
        "upstream: {headers: {Authorization: CANARY, Authorization_file: /CANARY}}",
        "upstream: {headers: {Authorization_file: /CANARY}}",
        "upstream: {headers: {Authorization: CANARY, Authorization: CANARY}}",
        "upstream: {headers: {Authorization: &CANARY x}}",
        "upstream: {headers: {Authorization: !CANARY x}}",
        "upstream: {headers: {Authorization: 'CANARY}}",
        "upstream: {headers: CANARY}",
        "upstream: {headers: [CANARY]}",
        "upstream: {url: 'http://user:CANARY@agent'}",
        "state: {url: 'redis://:CANARY@host'}",
        "gateway: {paired_tokens: [CANARY]}",
        "gateway: {paired_tokens: CANARY}",
        "gateway: {host: 'CANARY CANARY', port: CANARY, allow_peers: [CANARY]}",
        "gateway: {require_pairing: CANARY, allowed_hosts: ['CANARY*']}",
        "gateway: CANARY",
        "autonomy: {level: CANARY, allowed_commands: [CANARY CANARY]}",
        "autonomy: {forbidden_paths: ['*CANARY'], always_ask: ['*CANARY']}",
        "tools: {x: {effect: CANARY, backend: CANARY, path: CANARY}}",
        "CANARY",
        "- CANARY",
        "'CANARY",
        "a: CANARY: CANARY",
    ],
)
def test_no_value_is_ever_repeated(text: str) -> None:
    for form in (text, text.replace("CANARY", "${S}")):
        with pytest.raises(ConfigError) as caught:
            parse(form, {"S": "CANARY"})

        # A name that stands where a key belongs may be told; it is where the mistake is.
        lines = [line.replace("Authorization.CANARY", "") for line in caught.value.problems]
        assert not [line for line in lines if "CANARY" in line]


def test_no_secret_of_the_environment_is_repeated() -> None:
    environ = {
        "SIDEGATE_UPSTREAM__HEADERS__A": "CANARY\n",
        "SIDEGATE_UPSTREAM__HEADERS__B_FILE": "/CANARY",
        "SIDEGATE_UPSTREAM__HEADERS__HOST": "CANARY",
        "SIDEGATE_UPSTREAM__HEADERS__C": "enc2:CANARY",
        "SIDEGATE_UNKNOWN": "CANARY",
        "SIDEGATE_GATEWAY__PORT": "CANARY",
        "SIDEGATE_GATEWAY__PAIRED_TOKENS": "CANARY",
    }
    lines = problems("", environ)

    assert len(lines) == len(environ)
    assert not [line for line in lines if "CANARY" in line]


def test_secrets_are_in_no_representation() -> None:
    assert "s3cret" not in repr(parse("upstream: {headers: {X-Key: s3cret}}"))


ORIGINS = """\
gateway:
  port: 1
  allow_peers:
    - 10.0.0.0/8
tools:
  github.search: {effect: read, backend: upstream}
autonomy: {allowed_commands: [git, ls]}
"""


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        ("gateway", "sidegate.yaml:1"),
        ("gateway.port", "sidegate.yaml:2"),
        ("gateway.host", "default"),
        ("gateway.allow_peers", "sidegate.yaml:3"),
        ("gateway.allow_peers.0", "sidegate.yaml:4"),
        ("gateway.allow_peers.7", "sidegate.yaml:3"),
        ("tools.github.search", "sidegate.yaml:6"),
        ("tools.github.search.effect", "sidegate.yaml:6"),
        ("tools.github.search.paths", "default"),
        ("tools.github", "default"),
        ("autonomy.allowed_commands.git", "sidegate.yaml:7"),
        ("autonomy.always_ask", "default"),
        ("metrics.port", "env SIDEGATE_METRICS__PORT"),
        ("metrics.host", "default"),
        ("audit.path", "default"),
        ("nothing", "default"),
        ("", "default"),
    ],
)
def test_origin_of_a_key(key: str, origin: str) -> None:
    assert parse(ORIGINS, {"SIDEGATE_METRICS__PORT": "1"}).origin(key) == origin


STORED = """\
upstream:
  headers: {Authorization: "Bearer ${secret:agent}"}
principals:
  a: {token: "${secret:token}"}
"""
SEALED = "enc2:" + "ab" * 40


def test_loading_opens_no_secret_and_resolving_does() -> None:
    secrets = {"agent": "s3cret$$", "token": "t" * 32}
    loaded = parse(STORED)
    found = loader.resolved(loaded, secrets.__getitem__)

    assert found.config.upstream.headers["Authorization"].get_secret_value() == "Bearer s3cret$$"
    assert found.config.principals["a"].token.get_secret_value() == "t" * 32
    assert found.origin("principals.a.token") == "sidegate.yaml:4"
    assert "s3cret" not in repr(found)
    with pytest.raises(ConfigError):
        loaded.config.principals["a"].token.get_secret_value()


def test_what_is_resolved_is_judged_and_not_repeated() -> None:
    secrets = {"agent": "CANARY\n", "token": "CANARY"}
    with pytest.raises(ConfigError) as caught:
        loader.resolved(parse(STORED), secrets.__getitem__)

    headers, token = caught.value.problems
    assert headers.startswith(
        "sidegate.yaml:2:13: upstream.headers.Authorization: must be printable"
    )
    assert token.startswith("sidegate.yaml:4:7: principals.a.token: must be 32 to 512")
    assert "CANARY" not in str(caught.value)


def test_every_secret_that_is_missing_is_told_at_once() -> None:
    secrets: dict[str, str] = {}
    with pytest.raises(ConfigError) as caught:
        loader.resolved(parse(STORED), secrets.__getitem__)

    headers, token = caught.value.problems
    assert headers.startswith("sidegate.yaml:2:13: upstream.headers.Authorization: ")
    assert headers.endswith("there is no secret agent: sidegate secrets set agent")
    assert token.startswith("sidegate.yaml:4:7: principals.a.token: ")
    assert token.endswith("there is no secret token: sidegate secrets set token")


def test_without_stored_secrets_nothing_is_looked_up() -> None:
    loaded = parse(ORIGINS)

    assert loader.resolved(loaded, {"": ""}.__getitem__) == loaded
    assert loaded.encrypted == ()


def test_encrypted_values_may_come_from_anywhere_and_are_known(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SEALED}\n")
    text = (
        f"upstream: {{headers: {{X-A: '${{A}}', X-B_file: '{tmp_path}/token', X-C: '{SEALED}'}}}}"
    )
    loaded = parse(text, {"A": SEALED, "SIDEGATE_UPSTREAM__HEADERS__X_D": SEALED})
    found = loader.resolved(loaded, {SEALED: "opened"}.__getitem__)

    assert sorted(loaded.encrypted) == [f"upstream.headers.X-{name}" for name in "ABCD"]
    assert [value.get_secret_value() for value in found.config.upstream.headers.values()] == [
        "opened"
    ] * 4


@pytest.mark.parametrize(
    "text",
    ["gateway: {host: '${secret:a}'}", f"gateway: {{host: '{SEALED}'}}", "x: '${secret:a}'"],
)
def test_no_other_key_takes_a_stored_secret(text: str) -> None:
    (problem,) = problems(text)

    assert problem.startswith("sidegate.yaml:1:")
    assert problem.endswith("only the value of a secret key may be ${secret:NAME} or enc2:…")


def test_overlay_keeps_stored_secrets() -> None:
    loaded = parse(STORED)
    changed = loader.overlay(loaded, {"gateway": {"port": 2}})

    assert changed.config.upstream == loaded.config.upstream


def test_overlay_merges_mappings_and_replaces_the_rest() -> None:
    loaded = parse(ORIGINS)
    changed = loader.overlay(
        loaded,
        {
            "gateway": {"port": 2},
            "tools": {"github.search": {"effect": "write"}, "shell": {"timeout_secs": 5}},
            "autonomy": {"allowed_commands": ["cat"]},
            "runtime": {"docker": {"image": "busybox"}},
        },
    )

    assert changed.config.gateway.port == 2
    assert changed.config.gateway.allow_peers == loaded.config.gateway.allow_peers
    assert changed.config.tools["github.search"].effect is Effect.WRITE
    assert changed.config.tools["github.search"].backend == "upstream"
    assert changed.config.autonomy.allowed_commands == ("cat",)
    assert changed.config.runtime.docker.image == "busybox"
    origins = {
        key: changed.origin(key)
        for key in (
            "gateway.port",
            "gateway.allow_peers.0",
            "tools.github.search.effect",
            "tools.github.search.backend",
            "tools.shell.timeout_secs",
            "autonomy.allowed_commands.cat",
            "runtime.docker.image",
            "runtime.kind",
        )
    }
    assert origins == {
        "gateway.port": "overlay",
        "gateway.allow_peers.0": "sidegate.yaml:4",
        "tools.github.search.effect": "overlay",
        "tools.github.search.backend": "sidegate.yaml:6",
        "tools.shell.timeout_secs": "overlay",
        "autonomy.allowed_commands.cat": "overlay",
        "runtime.docker.image": "overlay",
        "runtime.kind": "default",
    }


def test_overlay_leaves_the_original_alone() -> None:
    loaded = parse(ORIGINS)
    before = repr(loaded)
    loader.overlay(loaded, {"gateway": {"port": 2}, "tools": {"shell": {}}})

    assert repr(loaded) == before
    assert loader.overlay(loaded, {}) == loaded
    assert loaded.origin("gateway.port") == "sidegate.yaml:2"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"gateway": None}, "overlay: gateway: must be a mapping"),
        ({"gateway": {"prot": 1}}, "overlay: gateway.prot: unknown key (did you mean 'port'?)"),
        ({"state_dir": "${HOME}\n"}, "overlay: state_dir: must hold no control characters"),
        ({"tools": {"x": {}}}, "overlay: tools.x.effect: required for a tool that is not built in"),
        (
            {"upstream": {"headers": {"X-A_file": "/etc/passwd"}}},
            "overlay: upstream.headers.X-A_file: must be a header name, without '_'",
        ),
    ],
)
def test_overlay_is_judged_like_the_file(changes: Mapping[str, Json], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.overlay(parse(ORIGINS), changes)

    assert problem in caught.value.problems


def test_overlay_is_literal() -> None:
    changed = loader.overlay(parse(""), {"state_dir": "/${HOME}/$$"})

    assert changed.config.state_dir == "/${HOME}/$$"


def test_named_file_is_found_whether_it_is_there_or_not() -> None:
    assert loader.find("a.yaml", {"SIDEGATE_CONFIG": "b.yaml"}) == Path("a.yaml")
    assert loader.find(None, {"SIDEGATE_CONFIG": "b.yaml"}) == Path("b.yaml")


def test_first_of_the_usual_places_is_found(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    second.touch()
    assert loader.find(None, {"SIDEGATE_CONFIG": ""}, [first, second]) == second
    first.touch()
    assert loader.find(None, {}, [first, second]) == first


def test_nowhere_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.find(None, {}, [tmp_path / "a", tmp_path / "b"])

    (problem,) = caught.value.problems
    assert problem.startswith(f"no configuration: looked for {tmp_path}/a and {tmp_path}/b; ")


def test_usual_places_are_these() -> None:
    assert [str(place) for place in loader.PLACES] == [
        "sidegate.yaml",
        "/etc/sidegate/sidegate.yaml",
    ]


def test_file_is_loaded_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "sidegate.yaml"
    path.write_text("gateway:\n  port: 1\n")
    loaded = loader.load(path, {})

    assert loaded.config.gateway.port == 1
    assert loaded.origin("gateway.port") == f"{path}:2"
    assert loaded.name == str(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", ":2:1: is not UTF-8 text"),
        (b"\xff\xfea\x00", ":1:1: is not UTF-8 text"),
        (b"#" * (1 << 20) + b"#", ":1:1: is larger than 1 MiB"),
    ],
)
def test_file_that_is_no_text_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        loader.load(path, {})

    assert caught.value.problems == (f"{path}{message}",)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere.yaml", "No such file or directory"),
        ("/", "Is a directory"),
        ("a\0b", "not a path"),
    ],
)
def test_file_that_cannot_be_read_is_an_error(path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.load(Path(path), {})

    assert caught.value.problems == (f"{path}: cannot be read: {message}",)


KEYS = st.sampled_from([*Config.model_fields, "headers", "port", "routes", "url", "x", "a_file"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
DATA = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def loads_or_refuses(text: str, environ: Mapping[str, str]) -> None:
    try:
        lines = [repr(parse(text, environ).config)]
    except ConfigError as error:
        lines = list(error.problems)
    assert lines
    assert all("\n" not in line for line in lines)


@settings(max_examples=150)
@given(st.text() | st.text("ab:-[]{}$,\"'&*!|>#%@`?~ \n\t0.\ud800\ufeff\x00é"))
def test_any_text_is_a_configuration_or_an_error(text: str) -> None:
    loads_or_refuses(text, {})


@settings(max_examples=150)
@given(st.dictionaries(KEYS, DATA, max_size=4).map(json.dumps), st.text(max_size=8))
def test_any_data_is_a_configuration_or_an_error(text: str, value: str) -> None:
    loads_or_refuses(text, {"A": value, "SIDEGATE_GATEWAY__PORT": value})


@settings(max_examples=100)
@given(st.dictionaries(KEYS, DATA, max_size=4))
def test_any_overlay_is_a_configuration_or_an_error(changes: Mapping[str, Json]) -> None:
    with suppress(ConfigError):
        assert isinstance(loader.overlay(parse(ORIGINS), changes), Loaded)


@settings(max_examples=100)
@given(st.binary())
def test_any_bytes_are_a_configuration_or_an_error(content: bytes) -> None:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    with suppress(ConfigError):
        loader.load(Path(f"/dev/fd/{reader}"), {})
    os.close(reader)
