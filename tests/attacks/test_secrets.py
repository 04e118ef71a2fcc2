"""How secrets try to leave: in which form they stand in an answer, and which rule masks them.

Each row goes out as a document, as a stream in one piece, and as a stream byte by byte.
"""

import base64
import gzip
import json
import random
import string
from collections import Counter

import pytest
from doubles import CLIENT, frames, grant, value

from proxy.decision import Allow
from proxy.exchange import Clean, Content, Document, Raw, Stream
from proxy.protection.redactor import Redactor
from proxy.values import Headers

SECRET = "Zx9kQ27-vLm4_Tr8w"
LONG = "sk-proj-" + "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=160))
OWN = "zc_" + "0123456789abcdef" * 4
HELD = "upstream-key-7c3b9e"
LINES = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"
REDACTOR = Redactor((HELD, LINES))


async def sent(content: Content) -> tuple[str, Counter[str]]:
    """What a client would see of an answer."""
    decision = await REDACTOR.redact(Raw(grant(principal=CLIENT), content))
    assert isinstance(decision, Allow)
    clean: Clean = decision.value
    if isinstance(clean.content, Document):
        return json.dumps(value(clean), ensure_ascii=False), clean.tally
    assert isinstance(clean.content, Stream)
    data = b"".join([frame.data async for frame in clean.content.frames])
    return data.decode(), clean.tally


@pytest.mark.parametrize(
    ("text", "secret", "rule"),
    [
        # files
        pytest.param(f"API_KEY={SECRET}\n", SECRET, "api-key", id="a file of settings"),
        pytest.param(f"API_KEY='{SECRET}'\n", SECRET, "api-key", id="one in single quotes"),
        pytest.param(f'API_KEY="{SECRET}"\n', SECRET, "api-key", id="one in double quotes"),
        pytest.param(f"export TOKEN={SECRET}; ls", SECRET, "token", id="a shell's export"),
        pytest.param(f"db:\n  password: {SECRET}\n", SECRET, "password", id="YAML"),
        pytest.param(f"db:\n  password: '{SECRET}'\n", SECRET, "password", id="YAML with quotes"),
        pytest.param(f'[db]\npassword = "{SECRET}"\n', SECRET, "password", id="TOML"),
        pytest.param(f"[db]\npasswd={SECRET}\r\n", SECRET, "password", id="INI of another system"),
        pytest.param(f"aws_secret_access_key = {SECRET}", SECRET, "secret", id="a cloud's file"),
        pytest.param(f"spring.password={SECRET}", SECRET, "password", id="properties"),
        # JSON
        pytest.param(json.dumps({"token": SECRET}), SECRET, "token", id="JSON"),
        pytest.param(json.dumps({"token": SECRET}, indent=2), SECRET, "token", id="JSON in lines"),
        pytest.param(
            json.dumps({"a": json.dumps({"token": SECRET})}), SECRET, "token", id="JSON in JSON"
        ),
        pytest.param(
            json.dumps({"a": json.dumps({"a": json.dumps({"token": SECRET})})}),
            SECRET,
            "token",
            id="JSON in JSON in JSON",
        ),
        pytest.param(f"{{'token': '{SECRET}'}}", SECRET, "token", id="a dictionary of Python"),
        pytest.param(f"'token' => '{SECRET}'", SECRET, "token", id="a table of Ruby or PHP"),
        pytest.param('{"password": 9876543210}', "9876543210", "password", id="a number in JSON"),
        pytest.param(
            f'data: {{"delta": "token={SECRET}"}}\n\n', SECRET, "token", id="an event of a stream"
        ),
        # the wire
        pytest.param(f"Authorization: Bearer {SECRET}\r\n", SECRET, "bearer", id="a header"),
        pytest.param(
            f"authorization: bearer {SECRET}", SECRET, "bearer", id="one in small letters"
        ),
        pytest.param(f"X-API-Key: {SECRET}", SECRET, "api-key", id="a header of its own"),
        pytest.param(f"-H 'Authorization: Bearer {SECRET}'", SECRET, "bearer", id="a command line"),
        pytest.param(f"--password={SECRET}", SECRET, "password", id="an option"),
        pytest.param(f"https://h/p?api_key={SECRET}&a=1", SECRET, "api-key", id="an address"),
        pytest.param(f"bearer={SECRET}", SECRET, "bearer", id="a bearer without its header"),
        # code and logs
        pytest.param(f'const token = "{SECRET}";', SECRET, "token", id="code"),
        pytest.param(f'token="{SECRET}"; password="{SECRET}"', SECRET, "password", id="two"),
        pytest.param(f'secret := "{SECRET}"', SECRET, "secret", id="another assignment"),
        pytest.param(f"INFO refreshed token={SECRET} in 84ms", SECRET, "token", id="a log"),
        pytest.param(f"\x1b[32mtoken={SECRET}\x1b[0m", SECRET, "token", id="a log in colour"),
        # sizes
        pytest.param(f"API_KEY={LONG}", LONG[4:], "openai-key", id="a long one"),
        pytest.param(f"token={'aB3d' * 5000}", "aB3daB3d", "token", id="one without end"),
        pytest.param(f"TOKEN = {SECRET}" + " " * 4000, SECRET, "token", id="one before blanks"),
        pytest.param("x" * 5000 + f"token={SECRET}", SECRET, "token", id="one after a long line"),
        pytest.param(f"token{' ' * 16}={' ' * 16}{SECRET}", SECRET, "token", id="one far away"),
        # any characters
        pytest.param("password: 'pä$$ wörd-日本-1'", "wörd-日本-1", "password", id="not ASCII"),
        pytest.param('{"password": "p\\u00e4\\"\\\\\\n-1234"}', "-1234", "password", id="escapes"),
        # Sidegate's own
        pytest.param(
            f"it is {OWN}.", OWN[4:], "zeroclaw-token", id="a token of Sidegate's in prose"
        ),
        pytest.param(
            f"zc_{OWN}", OWN[4:], "zeroclaw-token", id="a token of Sidegate's after its prefix"
        ),
        pytest.param(f"say {HELD}.", HELD, "held", id="a registered value"),
        pytest.param(f"x{HELD}x", HELD, "held", id="a registered value inside a word"),
        pytest.param(f"a\n{LINES}\nb", "MIIEvQIBADANBgkq", "held", id="a registered file"),
        pytest.param(
            json.dumps({"a": LINES}), "hkiG9w0BAQEFAASC", "held", id="a registered file in JSON"
        ),
    ],
)
async def test_a_secret_does_not_leave(text: str, secret: str, rule: str) -> None:
    data = text.encode()
    whole, counted = await sent(Stream(200, Headers(), frames(data)))
    pieces = frames(*[data[at : at + 1] for at in range(len(data))])
    cut, counted_too = await sent(Stream(200, Headers(), pieces))
    shown, _ = await sent(Document({"stdout": text}))

    assert secret not in whole
    assert secret not in shown
    assert counted[rule] >= 1
    assert (cut, counted_too) == (whole, counted)


@pytest.mark.parametrize(
    "document",
    [
        {"token": SECRET},
        {"a": [{"b": {"api_key": SECRET}}]},
        {"passwords": [SECRET, [SECRET]]},
        {"a": SECRET, SECRET: 1, "token": f"{SECRET}{SECRET}", "password": SECRET},
        {"stdout": f"TOKEN={SECRET}", "stderr": f"TOKEN={SECRET}"},
        [f"token: {SECRET}"],
    ],
    ids=str,
)
async def test_a_secret_does_not_leave_in_a_document(document: dict[str, object]) -> None:
    redactor = Redactor((SECRET,) if SECRET in document else ())
    decision = await redactor.redact(Raw(grant(), Document(document)))  # type: ignore[arg-type]

    assert isinstance(decision, Allow)
    assert SECRET not in json.dumps(value(decision.value))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("USER=me\nHOME=/root\nPATH=/bin:/usr/bin\n", id="an environment"),
        pytest.param("commit 8c3f1e6f9b1a4d5e6f708192a3b4c5d6e7f80912\n", id="a commit"),
        pytest.param('"integrity": "sha512-' + "Ab3/" * 20 + '=="', id="a lock file"),
        pytest.param("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here", id="a public key"),
        pytest.param("def login(user, password):\n    token = issue(user)\n", id="code"),
        pytest.param("if token is None: raise ValueError('no token')", id="code that compares"),
        pytest.param("usage: prog [--token TOKEN] [--password-file FILE]", id="a help page"),
        pytest.param("tokens used: 1532 of 4096", id="a model's account"),
        pytest.param("The password must have 8 characters.", id="a rule in prose"),
        pytest.param("MIT License\n\nPermission is hereby granted\n" * 50, id="a licence"),
        pytest.param(base64.b64encode(gzip.compress(b"x" * 999)).decode(), id="encoded data"),
    ],
)
async def test_what_is_no_secret_leaves_as_it_is(text: str) -> None:
    streamed, counted = await sent(Stream(200, Headers(), frames(text.encode())))
    shown, counted_too = await sent(Document(text))

    assert (streamed, json.loads(shown)) == (text, text)
    assert not counted
    assert not counted_too
