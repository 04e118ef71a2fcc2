"""Secrets out of the files of others."""

import json
import time
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import rows

from proxy import enc2
from proxy.decision import ConfigError
from proxy.protection.secret_import import parse
from proxy.seal import Seal

BYTES = bytes(range(32))
KEY = Seal(BYTES)
OLD = "enc:" + bytes(byte ^ BYTES[n] for n, byte in enumerate(b"an old secret")).hex()
ZEROCLAW = f"""
api_key = "{KEY.encrypt("s3cret of the provider")}"
default_model = "some/model"
max_tokens = 4096

[gateway]
port = 3000
paired_tokens = ["{"ab" * 32}"]

[secrets]
encrypt = true

[reliability]
api_keys = ["{KEY.encrypt("s3cret one")}", "s3cret-two"]

[channels_config.telegram]
bot_token = "{OLD}"
allowed_users = ["alice"]

[channels_config.whatsapp]
access_token = "plain-access-token"
verify_token = ""
phone_number_id = "123"

[composio]
"entity id" = "x"
"odd key" = "{KEY.encrypt("s3cret of an odd key")}"
token_limit = "many"
public_key = "ab"
"""


def values(name: str, text: str, prefix: str = "") -> dict[str, str]:
    return dict(parse(name, text.encode(), KEY, prefix).values)


def test_a_configuration_of_zeroclaw_gives_its_secrets_and_nothing_else() -> None:
    found = parse("config.toml", ZEROCLAW.encode(), KEY)

    assert found.values == {
        "api_key": "s3cret of the provider",
        "reliability.api_keys.0": "s3cret one",
        "reliability.api_keys.1": "s3cret-two",
        "channels_config.telegram.bot_token": "an old secret",
        "channels_config.whatsapp.access_token": "plain-access-token",
        "composio.odd_key": "s3cret of an odd key",
    }
    assert found.skipped == ("channels_config.whatsapp.verify_token",)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize("name", ["frozen vector", "legacy xor unicode"])
def test_its_frozen_values_are_read(name: str) -> None:
    topics: dict[str, Any] = dict(cast("Any", rows("zeroclaw.json.gz")))
    (row,) = [row for row in topics["secrets"] if row["name"] == name]
    key = Seal(bytes.fromhex(row["key_hex"]))
    found = parse("config.toml", f'api_key = "{row["value"]}"'.encode(), key)

    assert found.values == {"api_key": row["decrypts_to"]}


def test_all_that_cannot_be_decrypted_is_told_at_once_without_it() -> None:
    text = f'a = "{KEY.encrypt("CANARY")}"\nb = "enc2:CANARY"\npassword = "CANARY"\n'
    with pytest.raises(ConfigError) as caught:
        parse("config.toml", text.encode(), Seal(bytes(32)))

    a, b = caught.value.problems
    assert a.startswith("config.toml: a: cannot be decrypted: the master key is another")
    assert b.startswith("config.toml: b: is damaged")
    assert "CANARY" not in str(caught.value)


def test_without_a_key_what_is_encrypted_needs_one() -> None:
    with pytest.raises(ConfigError, match="a: is encrypted: name the file of its key"):
        parse("config.toml", b'a = "enc2:00"', None)
    assert parse("config.toml", b'password = "plain"', None).values == {"password": "plain"}


def test_names_begin_with_the_prefix_and_may_be_referred_to() -> None:
    assert values("a.json", '{"a b": "1", "9": "2", "ä": {"x/y": "3"}}', "old.") == {
        "old.a_b": "1",
        "old.9": "2",
        "old._.x_y": "3",
    }
    assert values("a.json", '{"9": "2"}') == {"_9": "2"}


def test_two_values_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="another one is named a_b, too"):
        values("a.json", '{"a b": "1", "a/b": "2"}')


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"agent": "s3cret", "port": 3000, "deep": {"list": ["x", "y"]}}'),
        ("a.yaml", "agent: s3cret\nport: 3000\ndeep: {list: [x, y]}\n"),
        ("a.yml", "agent: s3cret\nport: 3000\ndeep:\n  list:\n    - x\n    - y\n"),
    ],
)
def test_a_mapping_is_taken_as_a_whole(name: str, text: str) -> None:
    assert values(name, text) == {
        "agent": "s3cret",
        "port": "3000",
        "deep.list.0": "x",
        "deep.list.1": "y",
    }


def test_what_is_no_text_is_skipped() -> None:
    found = parse("a.json", b'{"a": null, "b": true, "c": "", "d": "x", "e": []}', None)

    assert (found.values, found.skipped) == ({"d": "x"}, ("a", "b", "c"))


ENV = r"""# a comment

A=plain
export B = spaced
C='single $X "quoted" \n'
D="double \"quoted\" \\ \n $X"
E=value # it's a comment
F=a#b
G=
H='' # nothing
I="-----BEGIN X-----
abc
-----END X-----"
J="x" # comment
 K=a=b=c
L=last"""


def test_lines_of_an_environment_are_read_as_compose_reads_them() -> None:
    found = parse("prod.env", ENV.encode(), None)

    assert found.values == {
        "A": "plain",
        "B": "spaced",
        "C": 'single $X "quoted" \\n',
        "D": 'double "quoted" \\ \n $X',
        "E": "value",
        "F": "a#b",
        "I": "-----BEGIN X-----\nabc\n-----END X-----",
        "J": "x",
        "K": "a=b=c",
        "L": "last",
    }
    assert found.skipped == ("G", "H")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", [".env", ".env.local", "x.env"])
def test_line_ends_are_of_either_kind(name: str, ending: str) -> None:
    assert values(name, f"A=1{ending}{ending}B='2'{ending}") == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\nCANARY\n", 2),
        ("A='CANARY", 1),
        ('A=1\n\nB="CANARY', 3),
        ("A='x'CANARY\n", 1),
        ("=CANARY", 1),
        ("A B=CANARY", 1),
        ("A=CAN'ARY", 1),
    ],
)
def test_a_line_that_is_none_is_told_without_it(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        values(".env", text)

    assert caught.value.problems == (f".env:{line}:1: is no line NAME=value",)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "must end in .toml, .env, .json, .yaml or .yml"),
        ("config", b"", "must end in"),
        ("a.json", b"CANARY", "is not JSON"),
        ("a.json", b"[" * 100_000, "is not JSON"),
        ("a.json", b'["CANARY"]', "must be a mapping of names to secrets"),
        ("a.toml", b"CANARY", "is not TOML"),
        ("a.toml", b"a = " + b"[" * 100_000, "is not TOML"),
        ("a.yaml", b"- CANARY", "the configuration must be a mapping"),
        ("a.yaml", b"a: *CANARY", "anchors and aliases are not accepted"),
        ("a.json", b"\xff", "is not UTF-8 text"),
    ],
)
def test_a_file_of_another_form_is_told_without_it(name: str, data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(name, data, KEY)

    assert "CANARY" not in str(caught.value)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,20}", fullmatch=True),
        st.text(
            st.characters(exclude_characters="\r", exclude_categories=["Cs"]), min_size=1
        ).filter(lambda text: not enc2.is_encrypted(text)),
    )
)
def test_what_was_written_is_read(secrets: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = "".join(f"{name}={quoted(text)}\n" for name, text in secrets.items())
    assert values("a.env", lines) == secrets
    assert values("a.json", json.dumps(secrets)) == secrets


@pytest.mark.parametrize(
    "line", ["A=" + " " * 500_000 + "'", "A='" + "x" * 500_000, "A" * 500_000], ids=["'", "x", "A"]
)
def test_no_line_takes_long(line: str) -> None:
    before = time.perf_counter()
    with pytest.raises(ConfigError, match="is no line"):
        values(".env", line)

    assert time.perf_counter() - before < 1


@given(
    st.sampled_from(["a.env", "a.toml", "a.json", "a.yaml"]),
    st.binary() | st.text().map(str.encode),
)
def test_any_file_is_read_or_refused(name: str, data: bytes) -> None:
    try:
        found = parse(name, data, KEY)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either is right
    else:
        assert all(found.values.values())
