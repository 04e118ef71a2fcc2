import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import environment, source
from proxy.config.draft import Draft, KeyPath, Plain, at

FILE = """\
gateway: {port: 1, allow_peers: [10.0.0.0/8]}
metrics: null
upstream:
  headers: {X-Api-Key: old, Authorization_file: /old}
tools:
  github.search: {effect: read}
  a-b: {}
  a.b: {}
"""


def overridden(environ: dict[str, str], text: str = FILE) -> Draft:
    draft = source.read(text, "f")
    environment.override(draft, environ)
    return draft


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("GATEWAY__PORT", "3000", ("gateway", "port"), 3000),
        ("GATEWAY__PORT", "'3000'", ("gateway", "port"), "3000"),
        ("GATEWAY__REQUIRE_PAIRING", "false", ("gateway", "require_pairing"), False),
        ("GATEWAY__REQUIRE_PAIRING", "no", ("gateway", "require_pairing"), "no"),
        ("GATEWAY__ALLOW_PEERS", "null", ("gateway", "allow_peers"), None),
        ("STATE_DIR", "", ("state_dir",), None),
        ("STATE_DIR", "/data", ("state_dir",), "/data"),
        ("RUNTIME__DOCKER__CPU_LIMIT", "0.5", ("runtime", "docker", "cpu_limit"), 0.5),
        # the operator's own names: those of the file, else new ones
        ("TOOLS__GITHUB_SEARCH__EFFECT", "write", ("tools", "github.search", "effect"), "write"),
        ("TOOLS__SHELL__TIMEOUT_SECS", "5", ("tools", "shell", "timeout_secs"), 5),
        ("UPSTREAM__HEADERS__X_API_KEY", "new", ("upstream", "headers", "X-Api-Key"), "new"),
        ("UPSTREAM__HEADERS__X_OTHER", "new", ("upstream", "headers", "X-Other"), "new"),
        # a secret is taken as it is
        ("UPSTREAM__HEADERS__X_API_KEY", "0123", ("upstream", "headers", "X-Api-Key"), "0123"),
        ("UPSTREAM__HEADERS__X_API_KEY", "a: [#", ("upstream", "headers", "X-Api-Key"), "a: [#"),
        ("UPSTREAM__HEADERS__X_API_KEY", "enc2:0", ("upstream", "headers", "X-Api-Key"), "enc2:0"),
        # a dollar sign in the environment is a dollar sign
        ("STATE_DIR", "/${HOME}", ("state_dir",), "/${HOME}"),
    ],
)
def test_variable_overrides_its_key(variable: str, text: str, key: KeyPath, value: Plain) -> None:
    name = f"SIDEGATE_{variable}"
    draft = overridden({name: text})

    assert draft.problems == []
    assert at(draft.data, key) == value
    assert type(at(draft.data, key)) is type(value)
    assert str(draft.position(key)) == f"env {name}"
    assert draft.literal(key)


def test_everything_else_is_kept() -> None:
    before = source.read(FILE, "f")
    draft = overridden({"SIDEGATE_GATEWAY__PORT": "2", "PATH": "/bin", "SIDEGATE": "x"})

    assert draft.data.pop("gateway") == {"port": 2, "allow_peers": ["10.0.0.0/8"]}
    assert before.data.pop("gateway")
    assert draft.data == before.data


def test_section_that_only_the_environment_has_is_made() -> None:
    draft = overridden({"SIDEGATE_RUNTIME__DOCKER__IMAGE": "a"}, "")

    assert draft.data == {"runtime": {"docker": {"image": "a"}}}
    assert str(draft.position(("runtime", "kind"))) == "env SIDEGATE_RUNTIME__DOCKER__IMAGE"


def test_section_that_is_no_mapping_is_left_to_the_model() -> None:
    draft = overridden({"SIDEGATE_METRICS__PORT": "1"})
    assert draft.data["metrics"] is None

    draft = overridden({"SIDEGATE_RUNTIME__DOCKER__IMAGE": "a"}, "runtime: 5")
    assert draft.data == {"runtime": 5}


@pytest.mark.parametrize("form", ["", "_FILE"])
def test_secret_replaces_the_other_form_in_the_file(form: str) -> None:
    draft = overridden(
        {
            f"SIDEGATE_UPSTREAM__HEADERS__AUTHORIZATION{form}": "/new",
            f"SIDEGATE_UPSTREAM__HEADERS__X_API_KEY{form}": "/new",
        }
    )
    assert at(draft.data, ("upstream", "headers")) == {
        f"X-Api-Key{form.lower()}": "/new",
        f"Authorization{form.lower()}": "/new",
    }


def test_secret_in_both_forms_is_an_error() -> None:
    name = "SIDEGATE_UPSTREAM__HEADERS__AUTHORIZATION"
    draft = overridden({name: "s3cret", f"{name}_FILE": "/run/x"})

    assert [str(problem) for problem in draft.problems] == [
        f"env {name}_FILE: upstream.headers.Authorization_file: set together with {name}"
    ]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("SIDEGATE_GATEWAY__PROT", "(did you mean 'SIDEGATE_GATEWAY__PORT'?)"),
        ("SIDEGATE_CONFG", "(did you mean 'SIDEGATE_CONFIG'?)"),
        ("SIDEGATE_GATEWAY_PORT", "(did you mean 'SIDEGATE_GATEWAY__PORT'?)"),
        ("SIDEGATE_GATEWAY__PORT_FILE", "(did you mean 'SIDEGATE_GATEWAY__PORT'?)"),
        ("SIDEGATE_gateway__port", "(did you mean 'SIDEGATE_GATEWAY__PORT'?)"),
        ("SIDEGATE_FOO__BAR", ""),
        ("SIDEGATE_", ""),
        ("SIDEGATE___", ""),
        ("SIDEGATE_GATEWAY__PORT__X", ""),
        ("SIDEGATE_UPSTREAM__ROUTES__0__PATH", ""),
        ("SIDEGATE_UPSTREAM__HEADERS__", ""),
        ("SIDEGATE_UPSTREAM__HEADERS___FILE", ""),
        ("SIDEGATE_UPSTREAM__HEADERS__X-A", ""),
    ],
)
def test_variable_that_overrides_nothing_is_an_error(variable: str, message: str) -> None:
    (problem,) = overridden({variable: "s3cret"}).problems

    assert str(problem).startswith(f"env {variable}: unknown variable")
    assert str(problem).endswith(message or "unknown variable") or not message
    assert "s3cret" not in str(problem)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("GATEWAY", "{port: 1}", "this is a section; name one key in it"),
        ("TOOLS", "{}", "this is a section; name one key in it"),
        ("TOOLS__SHELL", "{}", "this is a section; name one key in it"),
        ("GATEWAY__PORT", "[1]", "lists and mappings belong in the file"),
        ("GATEWAY__PORT", "a: 1", "lists and mappings belong in the file"),
        ("GATEWAY__PORT", "[", "is not one YAML value"),
        ("GATEWAY__HOST", "a # b", "put it in quotes"),
        ("GATEWAY__ALLOWED_HOSTS", "a", "a list cannot be given in the environment"),
        ("UPSTREAM__HEADERS__A", "Bearer ${secret:a}", "has a meaning in the file only"),
        ("GATEWAY__HOST", "${secret:a}", "only the value of a secret key may be ${secret:NAME}"),
        ("GATEWAY__HOST", "enc2:0123", "only the value of a secret key may be ${secret:NAME}"),
        ("TOOLS__A_B__EFFECT", "read", "stands for several entries: a-b, a.b"),
    ],
)
def test_value_that_cannot_be_is_an_error(variable: str, text: str, message: str) -> None:
    (problem,) = overridden({f"SIDEGATE_{variable}": text}).problems

    assert str(problem).startswith(f"env SIDEGATE_{variable}: ")
    assert str(problem).endswith(message) or message in str(problem)


def test_reserved_variables_are_left_alone() -> None:
    assert overridden(dict.fromkeys(environment.RESERVED, "x")).problems == []


@given(st.dictionaries(st.text("ABEGATWYPORUSMHD_x\x00").map("SIDEGATE_".__add__), st.text()))
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    assert isinstance(overridden(environ).problems, list)
