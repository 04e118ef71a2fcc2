"""What a name tells of its value."""

import pytest

from proxy.protection.words import Kind, split, told

PASSWORD, TOKEN, SECRET = Kind.PASSWORD, Kind.TOKEN, Kind.SECRET
API_KEY, KEY, CREDENTIAL = Kind.API_KEY, Kind.KEY, Kind.CREDENTIAL


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dbPassword2", ["db", "password"]),
        ("AWS_SECRET_ACCESS_KEY", ["aws", "secret", "access", "key"]),
        ("x-api-key", ["x", "api", "key"]),
        ("new-relicToken", ["new", "relic", "token"]),
        ("APIKey", ["api", "key"]),
        ("OAuth2Token", ["o", "auth", "token"]),
        ("spring.datasource.password", ["spring", "datasource", "password"]),
        ("", []),
    ],
)
def test_a_name_is_split_at_marks_and_at_capitals(name: str, words: list[str]) -> None:
    assert split(name.encode()) == [word.encode() for word in words]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, PASSWORD)
            for name in ("password", "DB_PASSWD", "userPwd", "pass", "mypassphrase")
        ),
        *((name, TOKEN) for name in ("token", "authToken", "GITHUB_TOKEN", "vagranttoken", "jwt")),
        *((name, SECRET) for name in ("clientSecret", "SECRET_KEY_BASE", "aws_secret_access_key")),
        *((name, API_KEY) for name in ("api-key", "nugetapikey", "AccountKey", "signing_key")),
        *((name, KEY) for name in ("key", "TEST_KEY_3", "prKeyValid")),
        *((name, CREDENTIAL) for name in ("_auth", "credentials", "oauth_signature", "authData")),
        ("oauth2_bearer", Kind.BEARER),
    ],
)
def test_a_telling_word_tells_wherever_it_stands_in_a_name(name: str, kind: Kind) -> None:
    told_of = told(name.encode())

    assert told_of is not None
    assert told_of[0] is kind


@pytest.mark.parametrize(
    "name",
    [
        *(
            "tokenizer",
            "secretary",
            "passwordless",
            "keyboard",
            "monkey",
            "accessibility",
            "author",
        ),
        *("token_type", "secretName", "password_file", "key_id", "tokenUrl", "passwordHash"),
        *("max_tokens", "next_token", "publicKeyToken", "public_key", "hash_key", "primaryKey"),
        *("compass", "keywords", "keyspace", "signature", "session", "", "_", "日本"),
    ],
)
def test_other_words_and_what_is_only_about_a_secret_tell_nothing(name: str) -> None:
    assert told(name.encode()) is None


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("password", True),
        ("db_password", True),
        ("password1", True),
        ("password_super_secure", True),
        ("passwordThrough", False),
    ],
)
def test_what_follows_may_make_it_less_sure(name: str, *, exact: bool) -> None:
    assert told(name.encode()) == (PASSWORD, exact)
