import json
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config.channels import Channel, ChannelsConfig

KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
OTHER_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_STANDARD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

# name | the key of the secret | a secret | another one
SECRETS = [
    ("telegram", "secret_token", "token-one", "token-two"),
    ("discord", "public_key", KEY, OTHER_KEY),
    ("slack", "signing_secret", "secret one", "secret two"),
    ("whatsapp", "app_secret", "secret one", "secret two"),
    ("github", "secret", "secret one", "secret two"),
    ("standard", "secret", STANDARD, OTHER_STANDARD),
]
NAMES = [name for name, *_ in SECRETS]


def channel(name: str, **keys: object) -> Channel:
    """The one channel that is configured so."""
    (found,) = ChannelsConfig.model_validate({name: keys}).configured()
    return found


def refused(name: str, **keys: object) -> list[tuple[Any, ...]]:
    """Where a section is wrong."""
    with pytest.raises(ValidationError) as error:
        ChannelsConfig.model_validate({name: keys})
    return [detail["loc"] for detail in error.value.errors()]


def test_no_channel_exists_until_it_is_named() -> None:
    assert ChannelsConfig().configured() == ()
    assert ChannelsConfig().webhook_secrets is None
    assert ChannelsConfig.model_validate(dict.fromkeys(NAMES)).configured() == ()


def test_there_is_no_other_channel() -> None:
    assert refused("signal") == [("signal",)]
    assert refused("telegram", bot_token="x" * 40) == [("telegram", "bot_token")]


@pytest.mark.parametrize("name", NAMES)
def test_empty_section_accepts_nothing_from_nobody(name: str) -> None:
    allowed = ("*",) if name == "standard" else ()

    assert channel(name) == Channel(name, allowed, (), "reject", "direct", None)


@pytest.mark.parametrize(("name", "key", "one", "two"), SECRETS)
def test_every_secret_is_accepted_so_that_one_can_replace_another(
    name: str, key: str, one: str, two: str
) -> None:
    assert channel(name, **{key: f" {one}\n"}).secrets == (one,)
    assert channel(name, secrets=[two]).secrets == (two,)
    assert channel(name, **{key: one, "secrets": [two, one]}).secrets == (one, two, one)


@pytest.mark.parametrize(("name", "key", "one", "two"), SECRETS)
def test_blank_or_short_secret_is_an_error(name: str, key: str, one: str, two: str) -> None:
    for short in ("", "   ", "1234567", "  1234567  "):
        assert refused(name, **{key: short}) == [(name, key)]
        assert refused(name, secrets=[one, short, two]) == [(name, "secrets", 1)]
    assert refused(name, **{key: 12345678}) == [(name, key)]


@pytest.mark.parametrize(("name", "key", "one", "two"), SECRETS)
def test_secret_is_in_no_text_of_the_configuration(name: str, key: str, one: str, two: str) -> None:
    if name == "discord":  # public keys may be seen
        return
    config = ChannelsConfig.model_validate({name: {key: one, "secrets": [two]}})
    texts = [repr(config), repr(config.configured()), config.model_dump_json()]

    assert not [text for text in texts if one in text or two in text]


def test_webhook_has_a_secret_and_no_senders() -> None:
    config = ChannelsConfig.model_validate({"webhook": {"secret": "secret-value"}})

    assert config.webhook_secrets == ("secret-value",)
    assert config.configured() == ()
    assert ChannelsConfig.model_validate({"webhook": {}}).webhook_secrets is None
    assert refused("webhook", secret="short") == [("webhook", "secret")]
    assert refused("webhook", secret="geheimnis-ä") == [("webhook", "secret")]
    assert refused("webhook", allowed_users=["*"]) == [("webhook", "allowed_users")]


@pytest.mark.parametrize("name", NAMES)
def test_what_becomes_of_a_message_is_said_for_each_channel(name: str) -> None:
    found = channel(name, on_denied="drop", delivery="queued", path="/hooks/in")

    assert (found.on_denied, found.delivery, found.path) == ("drop", "queued", "/hooks/in")
    assert refused(name, on_denied="allow") == [(name, "on_denied")]
    assert refused(name, delivery="later") == [(name, "delivery")]
    assert refused(name, path="hooks") == [(name, "path")]
    assert refused(name, path="/a/../b") == [(name, "path")]


@pytest.mark.parametrize(
    ("name", "given", "entries"),
    [
        # YAML reads a bare id as a number
        ("telegram", [123456789, "987654321"], ("123456789", "987654321")),
        ("telegram", [-1001234567890], ("-1001234567890",)),
        ("discord", [80351110224678912], ("80351110224678912",)),
        ("github", [583231, "Octo-Cat"], ("583231", "Octo-Cat")),
        # Telegram's names are written with an @
        ("telegram", ["@alice", " bob ", " @Carol"], ("alice", "bob", "Carol")),
        ("slack", [" U0123ABCD"], ("U0123ABCD",)),
        ("telegram", ["*", "alice"], ("*", "alice")),
        ("telegram", ["unknown"], ("unknown",)),
    ],
)
def test_users_have_one_spelling(name: str, given: list[object], entries: tuple[str, ...]) -> None:
    assert channel(name, allowed_users=given).allowed == entries


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("+1 555-010-0199", "15550100199"),
        ("15550100199", "15550100199"),
        (15550100199, "15550100199"),
        (" +49 30 123456 ", "4930123456"),
        ("US.13491208655302741918", "US.13491208655302741918"),
        ("US.ENT.11815799212886844830", "US.ENT.11815799212886844830"),
        ("*", "*"),
    ],
)
def test_phone_number_is_its_digits(given: object, number: str) -> None:
    assert channel("whatsapp", allowed_numbers=[given]).allowed == (number,)


@pytest.mark.parametrize("name", ["telegram", "discord", "slack", "github"])
@pytest.mark.parametrize(
    "entry", ["", " ", "a b", "a*", "**", "ä", "a\n@b", "a,b", "x" * 129, True]
)
def test_entry_that_could_match_nobody_is_an_error(name: str, entry: object) -> None:
    assert refused(name, allowed_users=["alice", entry]) == [(name, "allowed_users", 1)]


@pytest.mark.parametrize(
    "entry",
    ["", "+", "++1", "1.5", 1.5, "+1 (555) 0100", "alice", "us.1", "US.", "US", "1" * 21, "\u0661"],
)
def test_what_is_no_phone_number_is_an_error(entry: object) -> None:
    assert refused("whatsapp", allowed_numbers=[entry]) == [("whatsapp", "allowed_numbers", 0)]


@pytest.mark.parametrize("name", ["telegram", "discord", "slack", "github"])
def test_list_is_a_list(name: str) -> None:
    assert refused(name, allowed_users="*") == [(name, "allowed_users")]
    assert refused(name, allowed_users=None) == [(name, "allowed_users")]


def test_standard_has_no_list_since_its_signature_names_the_one_sender() -> None:
    assert refused("standard", allowed_users=["*"]) == [("standard", "allowed_users")]


def test_verify_token_is_a_secret() -> None:
    assert channel("whatsapp", verify_token=" meatyhamhock ").verify_token == "meatyhamhock"
    assert channel("whatsapp").verify_token == ""
    assert refused("whatsapp", verify_token=" ") == [("whatsapp", "verify_token")]


def test_slack_may_be_held_to_one_workspace() -> None:
    assert channel("slack", team_id="T0123ABCD").team_id == "T0123ABCD"
    assert channel("slack").team_id is None
    for wrong in ("", "acme", "U0123ABCD", "T0123abcd"):
        assert refused("slack", team_id=wrong) == [("slack", "team_id")]


def test_schema_takes_ids_as_text_and_as_numbers_and_explains_every_key() -> None:
    schema = json.loads(json.dumps(ChannelsConfig.model_json_schema()))
    sections = schema["$defs"].values()
    keys = [key for section in sections for key in section["properties"].values()]

    users = schema["$defs"]["TelegramConfig"]["properties"]["allowed_users"]
    assert users["items"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert all(key.get("description") for key in keys)
