from pathlib import Path

import pytest

from proxy.config import secret_files, source
from proxy.config.draft import Draft, Plain, at


def read(headers: str) -> Draft:
    draft = source.read(f"upstream:\n  headers: {headers}\n", "f")
    secret_files.read_all(draft)
    return draft


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "agent"
    path.write_bytes(b"s3cret\n")
    return path


def test_file_takes_the_place_of_its_name(secret: Path) -> None:
    draft = read(f"{{X-A: '1', Authorization_file: '{secret}'}}")

    assert draft.problems == []
    assert at(draft.data, ("upstream", "headers")) == {"X-A": "1", "Authorization": "s3cret"}
    assert str(draft.position(("upstream", "headers", "Authorization"))) == "f:2:23"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("state: {password_file: 'FILE'}", ("state", "password")),
        ("principals: {a: {token_file: 'FILE'}}", ("principals", "a", "token")),
        ("tunnel: {ngrok: {auth_token_file: 'FILE'}}", ("tunnel", "ngrok", "auth_token")),
        ("tunnel: {custom: {env: {KEY_file: 'FILE'}}}", ("tunnel", "custom", "env", "KEY")),
        (
            "channels_config: {whatsapp: {verify_token_file: 'FILE'}}",
            ("channels_config", "whatsapp", "verify_token"),
        ),
        (
            "channels_config: {webhook: {secret_file: 'FILE'}}",
            ("channels_config", "webhook", "secret"),
        ),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_every_secret_may_lie_in_a_file(secret: Path, text: str, key: tuple[str, ...]) -> None:
    draft = source.read(text.replace("FILE", str(secret)), "f")
    secret_files.read_all(draft)

    assert draft.problems == []
    assert at(draft.data, key) == "s3cret"
    assert at(draft.data, (*key[:-1], f"{key[-1]}_file")) is None


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"a", "a"), (b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a ", " a ")],
)
def test_one_line_end_is_not_part_of_a_secret(secret: Path, content: bytes, value: str) -> None:
    secret.write_bytes(content)

    assert at(read(f"{{X-A_file: '{secret}'}}").data, ("upstream", "headers", "X-A")) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"s3cret\xff", "the file is not text"),
        (b"s3cret" * 20_000, "the file is larger than 65536 bytes"),
    ],
)
def test_file_that_holds_no_secret_is_an_error(secret: Path, content: bytes, message: str) -> None:
    secret.write_bytes(content)

    assert [str(problem) for problem in read(f"{{X-A_file: '{secret}'}}").problems] == [
        f"f:2:13: upstream.headers.X-A_file: {message}"
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/nowhere/at/all", "cannot be read: No such file or directory"),
        ("/", "cannot be read: Is a directory"),
        ('""', "cannot be read: Is a directory"),
        ('"a\\0b"', "cannot be read: not a path"),
        ("5", "must be the path of a file"),
        ("null", "must be the path of a file"),
        ("[a]", "must be the path of a file"),
    ],
)
def test_file_that_cannot_be_read_is_an_error(value: str, message: str) -> None:
    (problem,) = read(f"{{X-A_file: {value}}}").problems

    assert problem.text == message


@pytest.mark.parametrize("other", ["Authorization", "authorization", "AUTHORIZATION_file"])
def test_secret_in_two_forms_is_an_error(secret: Path, other: str) -> None:
    (problem,) = read(f"{{{other}: '{secret}', Authorization_file: '{secret}'}}").problems

    assert "given together with " in problem.text


@pytest.mark.parametrize(
    "text",
    [
        "state: {password: a, password_file: 'FILE'}",
        "principals: {a: {token_file: 'FILE', token: a}}",
        "tunnel: {custom: {env: {KEY: a, KEY_file: 'FILE'}}}",
    ],
)
def test_so_it_is_with_every_secret(secret: Path, text: str) -> None:
    draft = source.read(text.replace("FILE", str(secret)), "f")
    secret_files.read_all(draft)

    (problem,) = draft.problems
    assert "given together with " in problem.text


def test_refused_name_is_not_read() -> None:
    draft = source.read("upstream: {headers: {X-A_file: *x}}", "f")
    secret_files.read_all(draft)

    assert len(draft.problems) == 1


def test_only_secrets_have_files() -> None:
    text = (
        "gateway: {port_file: /x, hosts: [{a_file: /x}]}\nstate_dir_file: /x\n"
        "principals: {a: {role_file: /x}}\nchannels_config: {slack: {secrets_file: /x}}\n"
    )
    draft = source.read(text, "f")
    secret_files.read_all(draft)

    assert draft.data == source.read(text, "f").data


def test_suffix_alone_is_a_name_of_its_own() -> None:
    assert at(read("{_file: /x}").data, ("upstream", "headers", "_file")) == "/x"


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("X-A", ["X-A", "x-a_file"]),
        ("X-A_file", ["X-A", "x-a_file"]),
        ("X-B", []),
    ],
)
def test_siblings_of_a_secret_compare_without_case(name: str, names: list[str]) -> None:
    inside: dict[str, Plain] = {"X-A": "", "x-a_file": "", "X-AB": ""}

    assert secret_files.siblings(("upstream", "headers", name), inside) == names


def test_other_keys_have_no_siblings() -> None:
    assert secret_files.siblings(("gateway", "port"), {"port": 1, "port_file": "", "PORT": 2}) == [
        "port"
    ]
