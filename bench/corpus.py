"""Texts to redact, made up: logs, JSON and source, clean or with secrets, and the worst of texts.

The same in every run.
"""

import random
from collections.abc import Iterator

EVERY = 4096
"""About how many bytes lie between two secrets."""

_LOGS = (
    "2026-01-05T10:{d}:07.221Z INFO  [http] GET /v1/items/{n}?page=2&sort=name 200 {n}b in {d}ms",
    '10.2.{d}.7 - - [05/Jan/2026:10:{d}:41 +0000] "POST /token HTTP/1.1" 302 {n} "-" "curl/8.5"',
    "Jan  5 10:{d}:13 web-1 sshd[{n}]: Accepted publickey for deploy from 10.2.0.{d} port 22",
    "{h}  dist/package-{d}.tar.gz",
    "WARN  retry {d} of 60 after {n}ms: connection reset by peer (upstream=billing, tenant=acme)",
)
_JSON = (
    '{"time":"2026-01-05T10:{d}:07Z","level":"info","event":"request","status":200,"bytes":{n}}',
    '{"id":"{h}","name":"item {n}","tags":["a","b"],"price":{d}.50,"stock":null,"sold":true}',
    '{"usage":{"prompt_tokens":{n},"completion_tokens":{d},"max_tokens":4096},"model":"m-{d}"}',
    '  "node_modules/part-{n}": {"version": "1.{d}.0", "integrity": "sha512-{h}{h}=="},',
)
_SOURCE = (
    "    def item_{n}(self, key: str, token: str | None = None) -> list[Item]:",
    "        return [each for each in self.items_{d} if each.key == key and each.size < {n}]",
    "        if not user.check_password(password):  # told in the log, without the password",
    "const items{n} = await client.list({ page: {d}, apiKey: process.env.API_KEY });",
    "	token, err := source.Token(ctx) // item {n} keeps it for {d} minutes",
    "# The secret of a good cache is its key: it must not depend on the {d} other parts.",
)
_KEYS = ("GITHUB_TOKEN=ghp_{a36}", '{"db_password": "{a14}!"}', "Authorization: Bearer {a40}")
_NEAR = (
    *("password: no ", "token= ", "api_key=<key> ", 'secret: "" ', "ghp_short ", "sk-proj- "),
    *("AKIA0 ", "eyJ. ", "https://user@host ", "Bearer of ", "xoxb-1- ", "-----BEGIN "),
)
_HEX, _LETTERS = "0123456789abcdef", "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def clean(size: int) -> bytes:
    """About so many bytes of all kinds of text."""
    return b"".join(_lines(size, secrets=False))


def leaky(size: int) -> bytes:
    """The same with a secret in about every EVERY bytes."""
    return b"".join(_lines(size, secrets=True))


def hostile(size: int) -> bytes:
    """Words everywhere after which a secret could stand, and none does."""
    line = "".join(_NEAR).encode() + b"\n"
    return line * (size // len(line))


def nested(size: int, *, telling: bool = True, secrets: bool = False) -> bytes:
    """A JSON value of about so many bytes, most of them in texts.

    Where it is not `telling`, no word in it tells of a secret.
    """
    chance = random.Random(4)  # noqa: S311 - no secret
    lines, count = (_LOGS, "token_count") if telling else ((_LOGS[0], _LOGS[-1]), "count")
    members, length = list[str](), 0
    while length < size:
        text = _filled(chance.choice(lines), chance).replace('"', "'")
        members.append(f'{{"n": {chance.randrange(10**6)}, "text": "{text}", "{count}": 12}}')
        if secrets and length // EVERY < (length + len(members[-1])) // EVERY:
            members.append(f'{{"stdout": "TOKEN={_letters(chance, 36)}"}}')
        length += len(members[-1]) + 2
    return f"[{', '.join(members)}]".encode()


def _lines(size: int, *, secrets: bool) -> Iterator[bytes]:
    chance = random.Random(5)  # noqa: S311 - no secret
    length, due = 0, EVERY
    while length < size:
        kind = chance.choice((_LOGS, _JSON, _SOURCE))
        for _ in range(chance.randrange(4, 20)):
            line = _filled(chance.choice(kind), chance).encode() + b"\n"
            yield line
            length += len(line)
        if secrets and length >= due:
            yield _filled(chance.choice(_KEYS), chance).encode() + b"\n"
            due += EVERY


def _filled(line: str, chance: random.Random) -> str:
    line = line.replace("{n}", str(chance.randrange(10**6))).replace(
        "{d}", str(chance.randrange(60))
    )
    while "{h}" in line:
        line = line.replace("{h}", "".join(chance.choices(_HEX, k=40)), 1)
    for size in (14, 36, 40):
        line = line.replace(f"{{a{size}}}", _letters(chance, size))
    return line


def _letters(chance: random.Random, size: int) -> str:
    return "".join(chance.choices(_LETTERS, k=size))
