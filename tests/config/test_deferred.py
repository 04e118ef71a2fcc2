import copy
from typing import Annotated

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from proxy.config import loader
from proxy.config.deferred import Checked, Deferred, Reference, any_secret, is_name, refuse
from proxy.decision import ConfigError

SEALED = "enc2:" + "ab" * 40
AGENT = Deferred(["Bearer ", Reference("agent")])


def lookup(text: str) -> str:
    return {"agent": "s3cret", "tricky": "${secret:agent}$$", SEALED: "opened"}[text]


def short(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) > 3:
        raise ValueError("too long")
    return value


class Model(BaseModel):
    value: Annotated[SecretStr, Checked(short)] | None = None


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ([Reference("agent")], "s3cret"),
        (["Bearer ", Reference("agent")], "Bearer s3cret"),
        ([Reference("agent"), ":", Reference("agent")], "s3cret:s3cret"),
        ([Reference(SEALED)], "opened"),
        # A secret is not looked through again.
        ([Reference("tricky")], "${secret:agent}$$"),
    ],
)
def test_value_is_put_together_from_what_is_looked_up(
    parts: list[str | Reference], value: str
) -> None:
    assert Deferred(parts).opened(lookup) == value


def test_what_is_not_found_is_the_error_of_the_lookup() -> None:
    with pytest.raises(LookupError):
        Deferred([Reference("other")]).opened(lookup)


def test_whoever_asks_too_early_gets_an_error_and_no_value() -> None:
    with pytest.raises(ConfigError, match=r"the secret store is not open: \*+\$\{secret:agent\}"):
        AGENT.get_secret_value()


def test_it_is_shown_by_its_names_and_by_nothing_else() -> None:
    assert str(AGENT) == "**********${secret:agent}"
    assert str(Deferred([Reference(SEALED)])) == "enc2:**********"
    assert "Bearer" not in f"{AGENT!r} {AGENT}"
    assert "abab" not in repr(Deferred([Reference(SEALED)]))


def test_it_equals_what_asks_for_the_same_and_no_secret() -> None:
    assert Deferred(["Bearer ", Reference("agent")]) == AGENT
    assert hash(Deferred(["Bearer ", Reference("agent")])) == hash(AGENT)
    assert Deferred([Reference("agent")]) != AGENT
    assert SecretStr("x") != AGENT
    assert copy.deepcopy(AGENT) == AGENT


def test_it_is_a_secret_that_is_set() -> None:
    assert AGENT
    assert isinstance(AGENT, SecretStr)


def test_a_check_waits_until_the_value_is_known() -> None:
    assert Model.model_validate({"value": AGENT}).value == AGENT
    assert Model.model_validate({"value": "abc"}).value == SecretStr("abc")
    with pytest.raises(ValidationError, match="too long"):
        Model.model_validate({"value": "abcd"})


# Every key that holds a secret.

TEXT = """
upstream: {headers: {X-A: "${secret:agent}", X-B: "Bearer ${secret:b}"}}
state: {url: "redis://cache", password: "${secret:agent}"}
principals: {a: {token: "${secret:pa}"}, b: {token: "${secret:pb}"}}
tools:
  shell: {env: {T: "${secret:agent}"}}
  own: {effect: read, backend: sandbox, command: line, env: {T: "${secret:agent}"}}
tunnel:
  provider: ngrok
  cloudflare: {token: "${secret:agent}"}
  ngrok: {auth_token: "${secret:agent}"}
  custom: {env: {K: "${secret:agent}"}}
channels_config:
  webhook: {secret: "${secret:agent}", secrets: ["${secret:agent}"]}
  telegram: {secret_token: "${secret:agent}", secrets: ["${secret:agent}"]}
  slack: {signing_secret: "${secret:agent}", secrets: ["${secret:agent}"]}
  whatsapp: {app_secret: "${secret:agent}", secrets: ["${secret:a}"], verify_token: "${secret:v}"}
  github: {secret: "${secret:agent}", secrets: ["${secret:agent}"]}
  standard: {secret: "${secret:agent}", secrets: ["${secret:agent}"]}
"""


def test_every_secret_key_takes_one_and_is_masked_as_before() -> None:
    config = loader.parse(TEXT, "f", {}).config
    shown = config.model_dump(mode="json")

    assert shown["upstream"]["headers"] == {"X-A": "**********", "X-B": "**********"}
    assert shown["state"]["password"] == "**********"
    assert shown["tools"]["shell"]["env"] == {"T": "**********"}
    assert "secret:" not in str(shown)
    assert "secret:" not in config.model_dump_json()


def test_what_is_known_is_masked_as_pydantic_does() -> None:
    known = TEXT.replace("${secret:agent}", "s3crets3crets3crets3cret")

    dumped = loader.parse(known, "f", {}).config.model_dump(mode="json")

    assert dumped == loader.parse(TEXT, "f", {}).config.model_dump(mode="json")


def test_two_principals_of_one_secret_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match="is the token of a, too"):
        loader.parse(TEXT.replace("secret:pb", "secret:pa"), "f", {})


@pytest.mark.parametrize("name", ["a", "_", "A1", "a.b-c_d", "x" * 64])
def test_names_are_letters_digits_and_a_few_signs(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "1a", ".a", "-a", "a b", "a\n", "ä", "a/b", "x" * 65, SEALED])
def test_anything_else_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("text", [SEALED, "enc2:", "${secret:a}", "x ${secret:", "$${secret:a}"])
def test_a_form_that_is_no_secrets_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="only the value of a secret key"):
        refuse(text)


def test_anything_else_is_left_alone() -> None:
    refuse("see enc2: and secret:a")


def test_any_text_may_be_a_secret() -> None:
    assert any_secret(SecretStr("")) == SecretStr("")
