"""Which forms give a secret away, whatever it is called."""

import base64

import pytest
from ruled import gone, rules, scrubbed

SECRET = "q7Lm" + "X2vT9" + "rKd4w"
LONG = "aB3d" + "E6gH9k" * 12
PAIR = base64.b64encode(f"deploy:{SECRET}".encode()).decode()
BODY = "\n".join("Zq8rT1vY" * 8 for _ in range(6))
ESCAPED = BODY.replace("\n", "\\n")


@pytest.mark.parametrize(
    ("text", "secret", "label"),
    [
        # Authorization
        (f"Authorization: Bearer {SECRET}", SECRET, "bearer"),
        (f"authorization: bearer {SECRET}", SECRET, "bearer"),
        (f"> Authorization: Bearer {LONG}\r\n", LONG, "bearer"),
        (f"Authorization: token {SECRET}", SECRET, "bearer"),
        (f"Authorization: ApiKey {SECRET}", SECRET, "bearer"),
        (f"Authorization: {LONG}", LONG, "bearer"),
        (f"Authorization: Basic {PAIR}", PAIR, "bearer"),
        (f"Proxy-Authorization: Basic {PAIR}", PAIR, "bearer"),
        (f'"Authorization": "Bearer {SECRET}"', SECRET, "bearer"),
        (f'\\"authorization\\": \\"Bearer {SECRET}\\"', SECRET, "bearer"),
        (f'headers["Authorization"] = "Bearer {SECRET}"', SECRET, "bearer"),
        (f'.Header.Set("Authorization", "Basic {PAIR}")', PAIR, "bearer"),
        (f"-H 'Authorization: Bearer {SECRET}' https://h", SECRET, "bearer"),
        (f"Bearer {SECRET}", SECRET, "bearer"),
        (f"Bearer%20{SECRET}", SECRET, "bearer"),
        (f'assert.Equal(t, "Basic {PAIR}", header)', PAIR, "basic"),
        # addresses
        (f"https://deploy:{SECRET}@h.example/x", SECRET, "url-password"),
        ("https://username:password@h.example", "password", "url-password"),
        (f"postgres://app:{LONG}@db:5432/main", LONG, "url-password"),
        (f"redis://:{SECRET}@cache:6379/0", SECRET, "url-password"),
        ("amqp://o%70s:7K%6dT9x4@q", "7K%6dT9x4", "url-password"),
        ("ftp://user:wq@zrv@tkp@host:23", "wq@zrv@tkp", "url-password"),
        (f"smtps://me@h.example:{SECRET}@smtp.h.example:465", SECRET, "url-password"),
        (f"git clone https://{LONG}@git.example/x.git", LONG, "url-user"),
        (f"https://{LONG}:x-oauth-basic@git.example/x.git", LONG, "url-user"),
        # files
        (f"db.internal:5432:prod:app:{SECRET}\n", SECRET, "pgpass"),
        (f"*:5432:*:app:{SECRET}", SECRET, "pgpass"),
        (f"machine h.example login me password {SECRET}", SECRET, "netrc"),
        # command lines
        (f"curl -sS -u deploy:{SECRET} https://h", SECRET, "curl-user"),
        (f'curl --user "deploy:{SECRET}" https://h', SECRET, "curl-user"),
        (f"curl --proxy-user deploy:{SECRET} https://h", SECRET, "curl-user"),
        (f"mysql -h db -u root -p{SECRET} prod", SECRET, "password-option"),
        (f"mysqldump -p'{SECRET}' prod", SECRET, "password-option"),
        (f"sshpass -p {SECRET} ssh me@h", SECRET, "password-option"),
        (f"redis-cli -h r -a {SECRET} ping", SECRET, "password-option"),
        (f"docker login -u me -p {SECRET} registry", SECRET, "password-option"),
        (f"ldapsearch -x -D cn=a -w {SECRET} -b dc=b", SECRET, "password-option"),
        (f"ConvertTo-SecureString -String -Force {SECRET}", SECRET, "secure-string"),
        (f'ConvertTo-SecureString "{SECRET}" -AsPlainText', SECRET, "secure-string"),
        # statements
        (f"CREATE USER app IDENTIFIED BY {SECRET};", SECRET, "sql-password"),
        (f"ALTER USER 'a'@'h' IDENTIFIED BY '{SECRET}';", SECRET, "sql-password"),
        (
            f"ALTER USER a IDENTIFIED WITH mysql_native_password BY '{SECRET}'",
            SECRET,
            "sql-password",
        ),
        ("CREATE ROLE app LOGIN PASSWORD 'sunshine';", "sunshine", "sql-role-password"),
        (f"base64.b64encode(b'deploy:{SECRET}')", SECRET, "encoded-pair"),
        # keys
        (f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----", BODY[:64], ""),
        (f"-----BEGIN PRIVATE KEY-----\n{BODY}\n", BODY[:64], "private-key"),
        (f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}\n", BODY[:64], "private-key"),
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{ESCAPED}\\n", "Zq8rT1vY", ""),
        (f"Private-Lines: 6\n{BODY}\nPrivate-MAC: 0", BODY[:64], "private-key-putty"),
        (f"data: MIIEpAIBAAKCAQEA{BODY}\n", BODY[:64], "private-key-der"),
    ],
)  # fmt: skip
def test_a_form_gives_its_secret_away(text: str, secret: str, label: str) -> None:
    shown, tally = scrubbed(text)

    assert gone(secret, shown), shown
    assert not label or tally[label] >= 1, tally
    assert scrubbed(text, 1) == scrubbed(text, 10**6)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer <token>",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer ${TOKEN}",
        '"Authorization": "Bearer {}".format(token)',
        "Authorization, Bearer and Basic are schemes of RFC 9110",
        "Authorization: required",
        "WWW-Authenticate: Basic realm=login",
        "WWW-Authenticate: Bearer error=invalid_token",
        "basic authentication, basic authorization, BASIC programming",
        "a bearer certificate, the bearer authentication scheme",
        "https://example.com:8080/path",
        "https://${USER}:${PASSWORD}@example.com",
        "https://<user>:<password>@example.com",
        "https://{user}:{password}@example.com",
        "https://user:***@example.com",
        "https://user:xxxxx@example.com",
        "postgres://localhost:5432/main",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name.git",
        "http://[fe80::1]:8080/",
        "redis://cache:6379/0",
        "https://h/x?email=me@example.com",
        "fe80::2618:1234:ab11:46bb",
        "2026-08-21T10:14:03.221Z INFO main.py:1204:run:login: ok",
        "arn:aws:iam:us-east-1:123456789012:role/reader",
        "docker run -u 1000:1000 image",
        "git push -u origin main",
        "perldoc -u Some::Module",
        'curl --user "$USER:$PASSWORD" https://h',
        'curl --user "{{ .Values.user }}:{{ .Values.password }}" https://h',
        "mysql -h db -u root -p prod",
        "mysql -h db -u root -p",
        "mysql --protocol tcp -port 3306",
        "docker login -u me --password-stdin registry",
        "docker login -u me -p $TOKEN registry",
        "sshpass -e ssh me@h",
        "ssh -p 2222 me@h",
        "ConvertTo-SecureString $plain -AsPlainText -Force",
        "it is identified by its name, symbols are identified by name and assumptions",
        "CREATE USER app IDENTIFIED BY $PASSWORD",
        "the password of a machine is kept in ~/.netrc",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAq7LmX2vT9rKd4wZq8rT1vYaB3dE6g",
        "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ",
    ],
)
def test_what_stands_for_a_secret_stays_byte_for_byte(text: str) -> None:
    assert scrubbed(text)[0] == text


def test_every_spanning_rule_begins_with_one_of_its_keywords() -> None:
    """The stream holds text back by keywords, so a match may begin with nothing else."""
    for rule in rules("structural", "keyed"):
        assert rule.keywords, rule.id
        assert all(word == word.lower() for word in rule.keywords), rule.id
        assert rule.spans == (" " in rule.regex or "\\t" in rule.regex), rule.id
