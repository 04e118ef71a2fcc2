"""In which forms a telling key gives a secret away, and which lines only look like that."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruled import gone, rules, scrubbed

MIXED = "q7Lm" + "X2vT9" + "rKd4w"
HEX = "5d41" * 2 + "0be7a719f3c28d6e" + "9a01c4b7"
LETTERS = "wq" + "zrvtkpxn"
STRONG = "mN4" + "!vr#8Qe"

# Every way in which code, settings, logs and messages join a name and its value.
FORMS = [
    # settings
    "API_TOKEN={}",
    "API_TOKEN = {}",
    'API_TOKEN="{}"',
    "API_TOKEN='{}'",
    "export API_TOKEN={}; make",
    'export API_TOKEN="{}"',
    "set API_TOKEN={}",
    "setenv API_TOKEN '{}'",
    "ENV API_TOKEN={}",
    "api.token={}",
    "api.token: {}",
    "spring.api-token = {}",
    "api_token: {}",
    "api_token: '{}'",
    'api_token: "{}"',
    "  - API_TOKEN={}",
    '[api]\ntoken = "{}"',
    "token={}\r\n",
    "+API_TOKEN={}",
    "-API_TOKEN={}",
    "src/.env:4:API_TOKEN={}",
    '"API_TOKEN={}",',
    "API_TOKEN ?= {}",
    # JSON, and JSON in strings
    '{{"token": "{}"}}',
    '{{"token":"{}"}}',
    '{{\n  "apiToken" : "{}"\n}}',
    '{{"a": {{"access_token": "{}", "n": 1}}}}',
    '{{"out": "{{\\"token\\": \\"{}\\"}}"}}',
    '{{"out": "{{\\"a\\": \\"{{\\\\\\"token\\\\\\": \\\\\\"{}\\\\\\"}}\\"}}"}}',
    '{{"out": "token={}\\nok"}}',
    '{{"out": "token: \'{}\'"}}',
    '{{"name": "API_TOKEN", "value": "{}"}}',
    "{{'token': '{}'}}",
    # code
    'token = "{}"',
    "token = '{}'",
    "const token = `{}`;",
    'token := "{}"',
    "token := `{}`",
    'var token string = "{}"',
    'let token: &str = "{}";',
    'token: str = "{}"',
    'token: Optional[str] = "{}"',
    'private static final String TOKEN = "{}";',
    'char token[] = "{}";',
    'char token[64] = "{}";',
    'string sessionToken = @"{}";',
    "$token = '{}';",
    "$this->token = '{}';",
    "'token' => '{}',",
    '"token" => "{}"',
    ":token => '{}'",
    'config["token"] = "{}"',
    "ENV['TOKEN'] = '{}'",
    'Client(token="{}", retries=3)',
    "Client(retries=3, token='{}')",
    'token = b"{}"',
    "token = u'{}'",
    'token = """{}"""',
    'if (token == "{}") {{',
    'if token != "{}":',
    "if (token === '{}') {{",
    'setToken("{}")',
    'withToken("{}")',
    'System.setProperty("API_TOKEN", "{}")',
    "define('API_TOKEN', '{}');",
    'os.environ.get("API_TOKEN") or "{}"',
    'os.getenv("API_TOKEN", "{}")',
    "process.env.API_TOKEN || '{}'",
    'process.env.API_TOKEN ?? "{}"',
    "${{API_TOKEN:-{}}}",
    'token =\n    "{}"',
    # markup
    '<add key="apiToken" value="{}"/>',
    '<property name="token" value="{}" />',
    "<apiToken>{}</apiToken>",
    "<apiToken>\n    {}\n</apiToken>",
    '<server token="{}"/>',
    '<input name=\\"token\\" value=\\"{}\\">',
    # the wire
    "X-Api-Token: {}",
    "-H 'X-Api-Token: {}'",
    "GET /v1?token={}&page=2",
    "https://h.example/v1?access_token={}",
    # the command line
    "app --token {}",
    "app --token={}",
    "app --api-token '{}' --queue default",
    'app --api_token "{}" \\',
    "app -token {}",
    '["--token", "{}"]',
    # logs and messages
    "INFO refreshed token={} in 84ms",
    "token: {}",
    "token:{}",
    "your token is {}",
    "Token - '{}'",
    "| api token | {} |",
    "the token for deploy is {}",
    "Access Token {}",
    "(token:{})",
    "\x1b[32mtoken={}\x1b[0m",
]


@pytest.mark.parametrize("secret", [MIXED, HEX])
@pytest.mark.parametrize("form", FORMS)
def test_a_random_value_is_masked_in_every_form(form: str, secret: str) -> None:
    text = form.format(secret)
    shown, tally = scrubbed(text)

    assert gone(secret, shown), shown
    assert sum(tally.values()) == 1
    assert scrubbed(text, 1) == (shown, tally)


NO_ASSIGNMENT = (", ", "- '", "setenv", "--", "[TOKEN=", "(", "|")
ASSIGNED = [
    form.replace("TOKEN", "PASSWORD").replace("token", "password").replace("Token", "Password")
    for form in FORMS
    if re.search(r"[\"'`]\\{0,9}\{\}|\{\}\\{0,9}[\"'`]", form)
    if not any(sign in form for sign in NO_ASSIGNMENT)
]


@pytest.mark.parametrize("secret", [LETTERS, STRONG])
@pytest.mark.parametrize("form", ASSIGNED)
def test_a_password_in_quotes_is_masked_whatever_it_is_made_of(form: str, secret: str) -> None:
    shown, _ = scrubbed(form.format(secret))

    assert gone(secret, shown), shown


KEYED = [
    # names
    ("dbPassword: 'sunshine'", "sunshine", "password"),
    ("DB_PASSWORD=swordfish\n", "swordfish", "password"),
    ("password1: 'sunshine'", "sunshine", "password"),
    ("smtp_password_v4 = 'sunshine'", "sunshine", "password"),
    ("passwd: 'sunshine'", "sunshine", "password"),
    ("passphrase='correct horse battery staple'", "horse battery", "password"),
    ("pwd = 'sunshine'", "sunshine", "password"),
    ("mysqlpassword = 'sunshine'", "sunshine", "password"),
    (f"JWT: {MIXED}", MIXED, "token"),
    (f"authToken={MIXED}", MIXED, "token"),
    (f"nugetapikey = '{MIXED}'", MIXED, "api-key"),
    (f"x-api-key: {MIXED}", MIXED, "api-key"),
    (f"apikey={MIXED}", MIXED, "api-key"),
    (f"API key: {MIXED}", MIXED, "api-key"),
    (f"AccountKey={MIXED}==;EndpointSuffix=x", MIXED, "api-key"),
    (f"aws_secret_access_key = {MIXED}", MIXED, "secret"),
    (f"SECRET_KEY_BASE={MIXED}", MIXED, "secret"),
    (f"client_secret: {MIXED}", MIXED, "secret"),
    ("SECRET_KEY = 'x-k3#z!0q8@w^2v$m5'", "k3#z!0q8@w^2v$m5", "secret"),
    (f"Secret Key:{MIXED}", MIXED, "secret"),
    (f"refresh_token: {LETTERS}18", LETTERS, "token"),
    (f"bearer={MIXED}", MIXED, "bearer"),
    (f"oauth2_bearer: '{MIXED}'", MIXED, "bearer"),
    (f"key = '{HEX}'", HEX, "key"),
    (f"ENCRYPTION_KEY={HEX}", HEX, "api-key"),
    (f'"auth": "{MIXED}{MIXED}"', MIXED, "credential"),
    (f'oauth_signature="{MIXED}{MIXED}"', MIXED, "credential"),
    # values
    ('{"password": 9876543210}', "9876543210", "password"),
    ("password: 'pä$$ wörd-日本-1'", "wörd-日本-1", "password"),
    (r'{"password": "p\u00e4\"\\\n-1234"}', "-1234", "password"),
    ("passwd=k4!xz7", "k4!xz7", "password"),
    (f"token={'aB3d' * 500}", "aB3daB3d", "token"),
    (f'token="{"aB3d" * 500}"', "aB3daB3d", "token"),
    (f"TOKEN = {MIXED}" + " " * 400, MIXED, "token"),
    ("x" * 5000 + f"token={MIXED}", MIXED, "token"),
    (f"token{' ' * 16}={' ' * 16}{MIXED}", MIXED, "token"),
    ("token = '4155550199415555019941'", "4155550199415555019941", "token"),
    ("token: 9f86d081-884c-4d65-9a2f-eaa0c55ad015", "884c-4d65-9a2f", "token"),
    (r'key = b"\x12\x9a\xf3\x44\x51\x9e\x23\xaa\xfe"', r"\x9a\xf3\x44\x51\x9e", "key"),
    ("key := []byte{0x12, 0x9a, 0xf3, 0x44, 9, 8, 7, 1, 2, 5, 3, 4}", "0x9a, 0xf3", "key"),
    (f"token = '{MIXED}' | '{MIXED}{MIXED}'", f"{MIXED}{MIXED}", "token"),
    (f'token="{MIXED}"; password="{STRONG}"', STRONG, "password"),
    (f"Cookie: theme=dark; sessionid={MIXED}{MIXED}", MIXED, "credential"),
    (f"Set-Cookie: sid={MIXED}{MIXED}; Path=/; HttpOnly", MIXED, "credential"),
    (f"https://h/blob?sv=1&sig={MIXED}{MIXED}%3D", MIXED, "credential"),
    (f"&X-Amz-Signature={HEX}", HEX, "credential"),
    # messages
    (f"PW:master/{MIXED}", MIXED, "password"),
    (f"password in deploy is {MIXED}", MIXED, "password"),
    (f"id(master)/pwd({MIXED})", MIXED, "password"),
    (f"secret {MIXED}", MIXED, "secret"),
]


@pytest.mark.parametrize(("text", "secret", "label"), KEYED)
def test_a_name_tells_what_its_value_is(text: str, secret: str, label: str) -> None:
    shown, tally = scrubbed(text)

    assert gone(secret, shown), shown
    assert tally[label] >= 1
    assert scrubbed(text, 1) == (shown, tally)


HARMLESS = """
token = get_token()
token = self.session.renew_token(
token = self.client.token
self._token = token
access_token = reply.json()["access_token"]
token: line.get(2)?,
token: &str,
token: String,
let token = find_token(&scope);
token = os.environ["CI_TOKEN"]
token = os.getenv("GITHUB_TOKEN")
token: process.env.GITHUB_TOKEN,
token = config.get("token")
token = await this.refreshToken(user);
token = None
token: null,
token = ""
token = "token"
token: bool = False
if token is None: raise ValueError("no token")
if token == TokenKind.Identifier:
token_type: bearer
"token_type": "Bearer",
"token_url": "https://login.example.com/oauth/token",
"token_endpoint_auth_method": "client_secret_basic",
xsrf_token}}
{% csrf_token %}
<input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
max_tokens: 8192
"max_tokens": 4096, "prompt_tokens": 1234567890,
"total_tokens": 123456789012,
next_token = None
tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")
tokens = tokenizer.encode(text, add_special_tokens=False)
Token.Comment: "italic",
for token in tokens: print(token)
usage: prog [--token TOKEN] [--password-file FILE]
--token <token>
--token $GITHUB_TOKEN
--token=${TOKEN}
--password-stdin
--username and --password options
Authorization: token ${TOKEN}
api_key: <INSERT_API_KEY>
api_key = "YOUR_API_KEY"
API_KEY=your-api-key-here
api_key = "xxxxxxxxxxxxxxxxxxxxxxxx"
api_key: "********"
api_key: "${API_KEY}"
api_key: "{{ api_key }}"
api_key: "{{ .Values.apiKey }}"
api_key: "%(api_key)s"
api_key = "#{api_key}"
api_key=$API_KEY
apiKey: fs.readFileSync(path)
apiKey: this.apiKey,
api_key = Field(default=None)
api_key: str | None = None
"ApiKeyRequired": false
api_key_id: prod-reader
ApiVersion: '2.10'
'HttpApiId': {'Ref': 'HttpApi'},
password: ************
password: z.string().max(64).nullable(),
password: string;
password: Optional[str] = None
password?: string
password=password
password = "password"
password = "changeme"
password: "<password>"
password: ${DB_PASSWORD}
password: $DB_PASSWORD
password: !vault |
password = getpass.getpass()
password = request.form["password"]
password = input("Password: ")
password=None,
password = True
"password": null,
"password": "",
"password": "string",
"password": "your password here",
"password": "Enter your password",
"password": "The password must have 8 characters",
"passwordLabel": "Password",
"password_hint": "the name of the first cat",
"password_file": "/run/secrets/db",
"passwordField": "userPass",
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
PASSWORD_RESET_TIMEOUT = 259200
AUTH_PASSWORD_VALIDATORS = []
ROUTER_PASSWORD = "Router password"
MYSQL_PASSWORD=db
"CachePassword": "cache.memory.password",
if (user.password.length < 8) {
The password is wrong. Try again.
Passwords do not match
a monkey at the keyboard of a secretary, passwordless with a compass
password authentication is disabled
Keeping a password in a file of this kind is not safe.
# is marked as needing no password: then all of
(&(cn=operator)(password=AB*))
PWD=/workspace/project
OLDPWD=/home/agent/src/lib2
pwd = os.getcwd()
pass through the tokens of each line
PASS: test_login_with_token
pass=12 fail=0
bypass: internal_network
secret := make([]byte, size)
secret_name = 'billing_webhook'
secretName: tls-certificate
secretKeyRef: {name: app-secrets, key: database-url}
secret: db-credentials
kubectl create secret generic model-credentials \\
secret = Secret.objects.get(name=name)
"client_secret": "<client_secret>",
client_secret=CLIENT_SECRET
`client_id` and `client_secret` of the application
secrets that belong to one tool only
{{#setting bots.<name>.access_token}}
Bearer access token
403 Forbidden: wrong bearer token
Authorization: Bearer <token>
"Authorization": f"Bearer {token}",
'Authorization': 'Basic user_and_word_withheld',
Basic knowledge of secrets and tokens is assumed in this guide.
Basic authentication is required
Basic realm="Restricted"
key: serverKey,
key = "plans/eu-west3/plan2"
"key": "value",
"key": "value1"
key: 'testobject'
"key_id": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
"key": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
"access_key_id": "reader",
"range_key": "OrderDate",
hash_key = "CustomerId"
"primary_key": "account_id_and_region_name",
"public_key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq7Xw9",
publicKeyToken="b77a5c561934e089"
LOGIN_SESSION_KEY = "portal_login_state"
CACHE_KEY = "user:profile:settings:by:account"
self._sealing_key = sealing_key
key=lambda item: item.priority
sorted(items, key=operator.itemgetter("created"))
:param str kind: key kind (``"ed25519"`` or ``"ecdsa"``)
A table of options (key: name of the option,
"wrapping_key_spec": "EC_P384",
accessibilityNoteId = "5f0c7a1e-13b2-4d6a-9c55-7b1f0e8d2a34"
a.keyMapper=e,a.isKey=!0,
keywords = ["alpha", "beta"]
"oauth_callback": "dummy-callback",
authHost: "_dns-challenge.shop.example.",
author = "Somebody Else <somebody@example.com>"
"authorization_endpoint": "https://login.example.com/authorize",
auth: requireUser(ctx)
auth = HTTPBasicAuth(user, password)
credentials: 'include'
session = requests.Session()
"session": "closed"
design=responsive-two-columns-wide
"id": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
"trace_id": "0af7651916cd43dd8448eb211c80319c",
"integrity": "sha512-k9TzXo3Wq7Lm2VvRr5/N8bYcD1eFgHj+0KpQsUaZ4xI6tM==",
checksum = "0be7a719f3c28d6e5d415d419a01c4b70be7a719f3c28d6e5d415d419a01c4b7"
commit 8c3f1e6f9b1a4d5e6f708192a3b4c5d6e7f80912
Digest: sha256:9a01c4b70be7a719f3c28d6e5d415d410be7a719f3c28d6e5d415d419a01c4b7
example.org/x/y v0.0.0-20240102030405-0be7a719f3c2/go.mod h1:q7LmX2vT9rKd4wZq8rT1vY==
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIq7LmX2vT9rKd4wZq8rT1vY0be7a719f3c me@laptop
https://example.com/a/b?page=2&sort=name
signature = inspect.signature(function)
def login(user, password): token = issue(user)
""".strip().splitlines()


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_byte_for_byte(text: str) -> None:
    assert scrubbed(text)[0] == text


def test_there_are_many_of_both() -> None:
    assert len(FORMS) + len(KEYED) >= 140
    assert len(HARMLESS) >= 150


STRINGS = st.text(st.sampled_from("ab\"\\'\n: ,{}=1é") | st.characters(codec="utf-8"), max_size=12)
KEYS = st.sampled_from(["token", "password", "apiKey", "note", "a token: ", "x password="])
VALUES = st.one_of(
    st.sampled_from([MIXED, HEX, STRONG, f"token={MIXED}", f"password: '{STRONG}'", "password: "]),
    st.integers(-(10**20), 10**20),
    STRINGS,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_json_stays_json(members: dict[str, object], depth: int) -> None:
    text = json.dumps(members, ensure_ascii=depth % 2 == 0)
    for _ in range(depth):
        text = json.dumps({"a": text})
    shown = scrubbed(text)[0]

    for _ in range(depth):
        shown = json.loads(shown)["a"]
    assert json.loads(shown).keys() == members.keys()


@given(st.lists(st.sampled_from([*FORMS, "\n", " ", "--", "x"]), max_size=5), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_any_cutting_gives_the_same(forms: list[str], step: int) -> None:
    text = " ".join(form.format(MIXED) if "{}" in form else form for form in forms)

    assert scrubbed(text, step) == scrubbed(text)


def test_no_rule_crosses_a_line_but_after_an_assignment() -> None:
    assert "\\s{" not in "".join(rule.regex for rule in rules("keyed", "structural"))
    assert scrubbed(f"the token\n{MIXED}")[1] == {}
    assert scrubbed(f"token:\n  next: {HEX}")[1] == {}
