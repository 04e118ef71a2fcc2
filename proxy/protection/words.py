"""The words that a name is made of, and what they tell of the value that it names."""

import functools
import re
from enum import Enum

_WORD = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _set(words: str) -> frozenset[bytes]:
    return frozenset(words.encode().split())


_PASSWORDS = _set(
    "password passwords passwd passphrase passcode passwort passw pword pwd psw pw pass"
)
_TOKENS = _set("token tokens jwt")
_SECRETS = _set("secret secrets")
_KEYS = _set("key keys")
_CREDENTIALS = _set("auth oauth authorization authentication credential credentials cred creds")
_SIGNED = _set("oauth amz goog x hub request webhook")  # before `signature`: it then lets in
SESSIONS = _set("sess session sessionid sid phpsessid jsessionid sig signature")

# How a word ends whose parts no mark divides, as in `nugetapikey`, and what it then means.
_GLUED = (
    (b"password", b"password"),
    (b"passwd", b"password"),
    (b"passphrase", b"password"),
    (b"pwd", b"password"),
    (b"dbpass", b"password"),
    (b"userpass", b"password"),
    (b"token", b"token"),
    (b"apikey", b"apikey"),
    (b"secretkey", b"secretkey"),
    (b"accesskey", b"apikey"),
    (b"privatekey", b"apikey"),
    (b"authkey", b"apikey"),
    (b"bearer", b"bearer"),
    (b"secret", b"secret"),
)
_PLURAL = (b"tokens", b"keys", b"secrets", b"passwords")

# Before `key`: a credential it is, or none at all.
_CREDENTIAL_KEYS = _set(
    "api app access private auth authentication account shared signing encryption encrypt master "
    "admin service client session storage license deploy consumer crypto cipher aes hmac rsa "
    "webhook user customer subscription integration write read ingest activation"
)
_OTHER_KEYS = _set(
    "public pub primary foreign hash range sort partition cache group object index i18n "
    "translation routing row natural unique composite candidate lookup shift ctrl alt arrow enter "
    "tab escape hot host map dict sub parent bucket column field data json xml query registry next "
    "continuation idempotency dedup message locale label title"
)
# Before `token`: it then is a part of a text, a place in a list, or no secret.
_OTHER_TOKENS = _set(
    "max min num total count next page continuation prompt completion used input output public"
)
# After a telling word: it is then about something else.
_CHANGING = _set(
    "id ids type types kind name names file files filename path paths dir folder url urls uri "
    "endpoint host port len length size count max min limit usage used policy rule rules field "
    "fields label labels title text format formatter regex pattern hint help prompt placeholder "
    "message messages msg error errors invalid expired expiry expires expiration expire ttl "
    "lifetime age reset change changed update options option settings config configuration "
    "validator validators validation validate strategy required enabled disabled enable disable "
    "algorithm alg index spec manager provider providers service helper factory class store "
    "storage backend backends handler mode scope scopes audience issuer status state space spaces "
    "column table selector attribute attr param parameter arg var variable env usages ops op "
    "version style strength score mismatch forgot form input visible show toggle icon button "
    "link page view template event bits exists present missing hash hashes hashed digest "
    "fingerprint sha checksum thumbprint at time date created updated code ref reference "
    "namespace board pad words word stroke up down press frame frames ring alias username user "
    "users usernames email group role roles realm method domain metadata"
)
# After a telling word: it is still just that.
_SAME = _set(
    "value val v prod production dev test staging base string str plain raw old new current "
    "default super secure primary secondary backup a b master root local main data hex bytes"
)


class Kind(Enum):
    """What a name tells of: the label that its value is counted under."""

    PASSWORD = "password"  # noqa: S105  # a label
    TOKEN = "token"  # noqa: S105  # a label
    SECRET = "secret"  # noqa: S105  # a label
    API_KEY = "api-key"
    BEARER = "bearer"
    KEY = "key"
    CREDENTIAL = "credential"


def split(name: bytes) -> list[bytes]:
    """The words of a name in small letters: `dbPassword2` is `db` and `password`."""
    return [word.lower() for word in _WORD.findall(name)]


@functools.lru_cache(maxsize=1024)
def told(name: bytes) -> tuple[Kind, bool] | None:
    """What a name tells of, and whether it is called just that; None: nothing.

    The last telling word counts; one after it may turn it into something else (`token_type`).
    """
    words = [_whole(word) for word in split(name)]
    for at in reversed(range(len(words))):
        kind = _kind(words[at], words[:at])
        if kind is not None:
            after = words[at + 1 :]
            return (kind, _SAME.issuperset(after)) if _CHANGING.isdisjoint(after) else None
    return None


def _whole(word: bytes) -> bytes:
    """What a word means that is glued from several."""
    single = word[:-1] if word.endswith(_PLURAL) else word
    return next((meaning for end, meaning in _GLUED if single.endswith(end)), word)


def _kind(word: bytes, before: list[bytes]) -> Kind | None:
    last = before[-1] if before else b""
    if word in _PASSWORDS:
        return Kind.PASSWORD
    if word in _TOKENS:
        return None if last in _OTHER_TOKENS or b"public" in before else Kind.TOKEN
    if word in _SECRETS or word == b"secretkey":
        return Kind.SECRET
    if word == b"bearer":
        return Kind.BEARER
    if word in _KEYS or word == b"apikey":
        return _key(word, before[-2:], last)
    known = word in _CREDENTIALS or (word == b"signature" and last in _SIGNED)
    return Kind.CREDENTIAL if known else None


def _key(word: bytes, before: list[bytes], last: bytes) -> Kind | None:
    if not _SECRETS.isdisjoint(before):
        return Kind.SECRET
    if word == b"apikey" or last in _CREDENTIAL_KEYS:
        return Kind.API_KEY
    return None if last in _OTHER_KEYS else Kind.KEY
