import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given
from hypothesis import strategies as st
from labelled import rows
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks.webhooks import Webhook

from proxy.authentication.webhooks import (
    WINDOW_SECONDS,
    Outcome,
    Verdict,
    refused_early,
    verify,
    verify_token,
)
from proxy.values import Headers

NOW = 1_700_000_000
STAMP = str(NOW)
BODY = b'{"a":"\xc3\xa9"}'
TEXT_SECRET = "a-secret-of-the-tests"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# RFC 8032, section 7.1, tests 1 and 2.
PRIVATE = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
OTHER_PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
ORDER = 2**252 + 27742317777372353535851937790883648493

CHANNELS = ["webhook", "telegram", "whatsapp", "github", "slack", "discord", "standard"]
STAMPED = {
    "slack": "X-Slack-Request-Timestamp",
    "discord": "X-Signature-Timestamp",
    "standard": "webhook-timestamp",
}
PROOF = {
    "webhook": "X-Webhook-Secret",
    "telegram": "X-Telegram-Bot-Api-Secret-Token",
    "whatsapp": "X-Hub-Signature-256",
    "github": "X-Hub-Signature-256",
    "slack": "X-Slack-Signature",
    "discord": "X-Signature-Ed25519",
    "standard": "webhook-signature",
}
SECRET = dict.fromkeys(CHANNELS, TEXT_SECRET) | {"discord": PUBLIC, "standard": STANDARD_SECRET}
OTHER = dict.fromkeys(CHANNELS, "another-secret") | {
    "discord": OTHER_PUBLIC,
    "standard": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
}

Fields = dict[str, str]


def mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def signed(channel: str, body: bytes = BODY, stamp: str = STAMP, name: str = "msg_1") -> Fields:
    """The headers that the provider sends with `body`."""
    key = TEXT_SECRET.encode()
    match channel:
        case "webhook" | "telegram":
            return {PROOF[channel]: TEXT_SECRET}
        case "whatsapp" | "github":
            return {PROOF[channel]: "sha256=" + mac(key, body).hex()}
        case "slack":
            proof = "v0=" + mac(key, f"v0:{stamp}:".encode() + body).hex()
        case "discord":
            proof = PRIVATE.sign(stamp.encode() + body).hex()
        case _:
            key = base64.b64decode(STANDARD_SECRET.removeprefix("whsec_"))
            code = base64.b64encode(mac(key, f"{name}.{stamp}.".encode() + body)).decode()
            return {"webhook-id": name, STAMPED[channel]: stamp, PROOF[channel]: f"v1,{code}"}
    return {STAMPED[channel]: stamp, PROOF[channel]: proof}


def check(
    channel: str,
    fields: Fields | Sequence[tuple[str, str]],
    body: bytes = BODY,
    *,
    secrets: Sequence[str] | None = None,
    now: float = NOW,
) -> Verdict:
    pairs = tuple(fields.items()) if isinstance(fields, dict) else tuple(fields)
    return verify(
        channel, [SECRET[channel]] if secrets is None else secrets, Headers(pairs), body, now
    )


def test_the_keys_of_these_tests_are_those_of_the_rfc() -> None:
    raw = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    assert raw.hex() == PUBLIC
    assert PRIVATE.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a")


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_the_provider_sent_is_genuine(channel: str) -> None:
    verdict = check(channel, signed(channel))

    assert verdict.outcome is Outcome.GENUINE
    assert bool(verdict.replay) is (channel in STAMPED)


# The examples that the vendors publish.
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED = [
    pytest.param(
        "github",
        "It's a Secret to Everybody",
        {
            PROOF["github"]: "sha256="
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        },
        b"Hello, World!",
        id="GitHub docs, Validating webhook deliveries",
    ),
    pytest.param(
        "slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            STAMPED["slack"]: "1531420618",
            PROOF["slack"]: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        SLACK_BODY,
        id="Slack docs, Verifying requests from Slack",
    ),
    pytest.param(
        "standard",
        STANDARD_SECRET,
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        id="Standard Webhooks, reference implementations",
    ),
]


@pytest.mark.parametrize(("channel", "secret", "fields", "body"), PUBLISHED)
def test_published_example_is_genuine(
    channel: str, secret: str, fields: Fields, body: bytes
) -> None:
    now = float(fields.get(STAMPED.get(channel, ""), NOW))

    assert check(channel, fields, body, secrets=[secret], now=now).outcome is Outcome.GENUINE
    assert check(channel, fields, body + b" ", secrets=[secret], now=now).outcome is Outcome.FORGED


def test_zeroclaws_signatures_are_judged_alike() -> None:
    everything: Any = rows("zeroclaw.json.gz")
    for row in everything["whatsapp_signature"]:
        fields = {PROOF["whatsapp"]: row["header"]}
        verdict = check("whatsapp", fields, row["body"].encode(), secrets=[row["secret"]])

        assert (verdict.outcome is Outcome.GENUINE) is row["valid"], row["name"]


def test_zeroclaws_webhook_secrets_are_known_by_their_digest() -> None:
    everything: Any = rows("zeroclaw.json.gz")
    for row in everything["webhook_secret_hash"]:
        assert hashlib.sha256(row["input"].encode()).hexdigest() == row["sha256_hex"]
        fields = {PROOF["webhook"]: f" {row['input']} "}

        assert check("webhook", fields, secrets=[row["input"]]).outcome is Outcome.GENUINE


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("place", range(3))
def test_any_secret_of_several_is_accepted(channel: str, place: int) -> None:
    secrets = [OTHER[channel]] * 3
    secrets[place] = SECRET[channel]

    assert check(channel, signed(channel), secrets=secrets).outcome is Outcome.GENUINE
    assert check(channel, signed(channel), secrets=[OTHER[channel]]).outcome is Outcome.FORGED


@pytest.mark.parametrize("channel", [*CHANNELS, "signal", ""])
@pytest.mark.parametrize("secrets", [[], [""], ["   "], ["short"], ["\ud800" * 9], ["x\n" * 9]])
def test_without_a_usable_secret_nothing_is_genuine(channel: str, secrets: list[str]) -> None:
    fields = signed(channel) if channel in CHANNELS else signed("webhook")

    assert check(channel, fields, secrets=secrets).outcome is Outcome.CLOSED


def test_empty_secret_signs_nothing() -> None:
    proof = {PROOF["github"]: "sha256=" + mac(b"", BODY).hex()}

    assert check("github", proof, secrets=[""]).outcome is Outcome.CLOSED
    assert check("github", proof, secrets=["", TEXT_SECRET]).outcome is Outcome.FORGED


def test_key_that_anybody_can_sign_for_is_no_key() -> None:
    forged = {STAMPED["discord"]: STAMP, PROOF["discord"]: "01" + "00" * 63}

    for number in range(64):
        verdict = check("discord", forged, b"%d" % number, secrets=["00" * 32])
        assert verdict.outcome is Outcome.CLOSED


@pytest.mark.parametrize("channel", CHANNELS)
def test_bytes_that_are_no_text_are_verified_as_they_are(channel: str) -> None:
    for body in (b"", b"\xff\xfe\x00", b"\x80" * 1000):
        assert check(channel, signed(channel, body), body).outcome is Outcome.GENUINE


@pytest.mark.parametrize("channel", sorted(set(CHANNELS) - {"webhook", "telegram"}))
@pytest.mark.parametrize("change", [BODY + b"\n", BODY[:-1], BODY.replace(b"a", b"b"), b""])
def test_changed_body_is_forged(channel: str, change: bytes) -> None:
    assert check(channel, signed(channel), change).outcome is Outcome.FORGED


@pytest.mark.parametrize("channel", CHANNELS)
def test_header_that_is_missing_or_there_twice_is_forged(channel: str) -> None:
    fields = signed(channel)
    for name in fields:
        without = {key: value for key, value in fields.items() if key != name}
        assert check(channel, without).outcome is Outcome.FORGED
        for twin in (fields[name], "", "x"):
            for twice in ([*fields.items(), (name.upper(), twin)], [(name, twin), *fields.items()]):
                assert check(channel, twice).outcome is Outcome.FORGED


# What is done to a proof that was right.
BENT: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "blank": lambda _: " ",
    "cut short": lambda proof: proof[:-1],
    "one digit more": lambda proof: proof + "0",
    "extra bytes": lambda proof: proof + "deadbeef",
    "another digit": lambda proof: proof[:-3] + ("A" if proof[-3] != "A" else "B") + proof[-2:],
    "not ASCII": lambda proof: proof[:-1] + "\xe9",
    "other digits": lambda proof: re.sub("[0-9]", "\u0663", proof, count=1) + "\u0663",
    "a control character": lambda proof: proof + "\x00",
    "a line end": lambda proof: proof + "\n",
    "two in one, by comma": lambda proof: f"{proof}, {proof}",
    "far too long": lambda proof: proof * 1000,
    "a surrogate": lambda proof: proof + "\udc80",
}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("bend", BENT.values(), ids=list(BENT))
def test_bent_proof_is_forged(channel: str, bend: Callable[[str], str]) -> None:
    fields = signed(channel)
    fields[PROOF[channel]] = bend(fields[PROOF[channel]])

    assert check(channel, fields).outcome is Outcome.FORGED


@pytest.mark.parametrize(
    ("channel", "header"),
    [
        ("github", lambda code: code),
        ("github", lambda code: f"SHA256={code}"),
        ("github", lambda code: f"sha1={code}"),
        ("github", lambda code: f"sha256:{code}"),
        ("github", lambda code: f"sha256={code}="),
        ("github", lambda code: f"sha256= {code}"),
        ("whatsapp", lambda code: code),
        ("whatsapp", lambda code: f"Sha256={code}"),
        ("whatsapp", lambda code: f"sha256=sha256={code}"),
        ("whatsapp", lambda code: f"sha256=0x{code[2:]}"),
    ],
)
def test_prefix_is_as_documented(channel: str, header: Callable[[str], str]) -> None:
    code = mac(TEXT_SECRET.encode(), BODY).hex()

    assert check(channel, {PROOF[channel]: f"sha256={code}"}).outcome is Outcome.GENUINE
    assert check(channel, {PROOF[channel]: header(code)}).outcome is Outcome.FORGED


@pytest.mark.parametrize("channel", ["whatsapp", "github"])
def test_hex_may_be_upper_case(channel: str) -> None:
    code = mac(TEXT_SECRET.encode(), BODY).hex().upper()

    assert check(channel, {PROOF[channel]: f"sha256={code}"}).outcome is Outcome.GENUINE


def test_hex_of_slack_is_lower_case_as_in_its_own_library() -> None:
    fields = signed("slack")
    shouted = "v0=" + fields[PROOF["slack"]][3:].upper()

    assert check("slack", fields | {PROOF["slack"]: shouted}).outcome is Outcome.FORGED


def test_githubs_sha1_is_not_looked_at() -> None:
    old = {"X-Hub-Signature": "sha1=" + hmac.new(TEXT_SECRET.encode(), BODY, "sha1").hexdigest()}

    assert check("github", old).outcome is Outcome.FORGED
    assert check("github", signed("github") | {"X-Hub-Signature": "sha1=00"}).outcome is (
        Outcome.GENUINE
    )


@pytest.mark.parametrize("channel", STAMPED)
@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [
        (0, Outcome.GENUINE),
        (WINDOW_SECONDS, Outcome.GENUINE),
        (WINDOW_SECONDS + 0.5, Outcome.STALE),
        (WINDOW_SECONDS + 1, Outcome.STALE),
        (10**9, Outcome.STALE),
        (float("inf"), Outcome.STALE),
        (float("nan"), Outcome.STALE),
    ],
)
def test_message_is_good_for_its_window_either_way(
    channel: str, seconds: float, outcome: Outcome
) -> None:
    for now in (NOW + seconds, NOW - seconds):
        verdict = check(channel, signed(channel), now=now)

        assert verdict.outcome is outcome
        assert bool(verdict.replay) is (outcome is Outcome.GENUINE)


@pytest.mark.parametrize("channel", STAMPED)
@pytest.mark.parametrize(
    "stamp",
    [
        *("", " ", f" {STAMP}", f"{STAMP} ", f"{STAMP}\n", f"+{STAMP}", f"-{STAMP}"),
        *(f"{STAMP}.7", f"{STAMP}.0", f"{STAMP}e0", "17e8", "1_700_000_000", "0x6553f100"),
        *("nan", "inf", "now", "2023-11-14T22:13:20Z", "\u0661\u0667", "1" * 13, "9" * 5000),
        *(f"{STAMP}\x00", "\udcff"),
    ],
)
def test_timestamp_that_is_no_plain_number_is_forged(channel: str, stamp: str) -> None:
    """Even where it was signed; and where it was signed as a number and then written otherwise."""
    fields = signed(channel)

    assert check(channel, fields | {STAMPED[channel]: stamp}).outcome is Outcome.FORGED
    if stamp.isascii():
        assert check(channel, signed(channel, stamp=stamp)).outcome is Outcome.FORGED


@pytest.mark.parametrize("channel", STAMPED)
def test_timestamp_cannot_be_moved(channel: str) -> None:
    for stamp in (str(NOW + 1), "0" + STAMP):
        fields = signed(channel) | {STAMPED[channel]: stamp}
        assert check(channel, fields).outcome is Outcome.FORGED


@pytest.mark.parametrize("channel", STAMPED)
def test_old_forgery_is_a_forgery(channel: str) -> None:
    assert check(channel, signed(channel), b"other", now=0).outcome is Outcome.FORGED


@pytest.mark.parametrize("channel", STAMPED)
def test_replay_is_one_name_for_one_message(channel: str) -> None:
    first = check(channel, signed(channel)).replay
    later = check(channel, signed(channel, stamp=str(NOW + 1))).replay
    other = check(channel, signed(channel, b"other"), b"other").replay

    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert check(channel, signed(channel), now=NOW + 100).replay == first
    assert (
        check(channel, signed(channel), secrets=[OTHER[channel], SECRET[channel]]).replay == first
    )
    assert len({first, later, other}) == 3


def test_replay_of_one_channel_is_none_of_another() -> None:
    """Even where the same bytes were signed."""
    name, rest = f"v0:{STAMP}:x", f"x.{STAMP}.".encode() + BODY
    one = check("standard", signed("standard", name=name))
    other = check("slack", signed("slack", rest), rest)

    assert one.outcome is other.outcome is Outcome.GENUINE
    assert one.replay != other.replay


def test_signature_written_otherwise_is_no_new_message() -> None:
    fields = signed("discord")
    shouted = fields | {PROOF["discord"]: fields[PROOF["discord"]].upper()}
    assert check("discord", shouted) == check("discord", fields)

    fields = signed("standard")
    listed = fields | {PROOF["standard"]: "v1," + "A" * 43 + "= " + fields[PROOF["standard"]]}
    assert check("standard", listed) == check("standard", fields)


def test_another_of_several_signatures_is_no_new_message() -> None:
    """One who sees a message signed with the old secret and the new one has two signatures."""
    secrets = [SECRET["standard"], OTHER["standard"]]
    fields = signed("standard")
    other = base64.b64decode(OTHER["standard"].removeprefix("whsec_"))
    code = base64.b64encode(mac(other, f"msg_1.{STAMP}.".encode() + BODY)).decode()
    again = fields | {PROOF["standard"]: f"v1,{code}"}

    assert check("standard", again, secrets=secrets).outcome is Outcome.GENUINE
    assert check("standard", again, secrets=secrets) == check("standard", fields, secrets=secrets)


def test_second_form_of_an_ed25519_signature_is_forged() -> None:
    """S plus the order of the group fits the equation; RFC 8032 section 5.1.7 refuses it."""
    fields = signed("discord")
    proof = bytes.fromhex(fields[PROOF["discord"]])
    moved = int.from_bytes(proof[32:], "little") + ORDER
    second = proof[:32] + moved.to_bytes(32, "little")

    assert check("discord", fields | {PROOF["discord"]: second.hex()}).outcome is Outcome.FORGED


GOOD = signed("standard")["webhook-signature"]
WRONG = "v1," + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (f"{WRONG} {GOOD}", Outcome.GENUINE),
        (f"{GOOD} {WRONG}", Outcome.GENUINE),
        (f"v1a,{GOOD[3:]} {GOOD}", Outcome.GENUINE),
        (" ".join([WRONG] * 7 + [GOOD]), Outcome.GENUINE),
        # more than are looked at
        (" ".join([WRONG] * 8 + [GOOD]), Outcome.FORGED),
        (" ".join([GOOD] * 9), Outcome.FORGED),
        # another version of the same
        (f"v1a,{GOOD[3:]}", Outcome.FORGED),
        (f"v2,{GOOD[3:]}", Outcome.FORGED),
        (f"V1,{GOOD[3:]}", Outcome.FORGED),
        (GOOD[3:], Outcome.FORGED),
        # what makes the reference library raise
        ("v1", Outcome.FORGED),
        ("x,y,z", Outcome.FORGED),
        (f"v1 {GOOD}", Outcome.FORGED),
        (f"x,y,z {GOOD}", Outcome.FORGED),
        (f"v1,! {GOOD}", Outcome.FORGED),
        # not one blank between two
        (f"{WRONG}  {GOOD}", Outcome.FORGED),
        (f" {GOOD}", Outcome.FORGED),
        (f"{GOOD} ", Outcome.FORGED),
        (f"{WRONG},{GOOD}", Outcome.FORGED),
        (f"{WRONG}\t{GOOD}", Outcome.FORGED),
    ],
)
def test_list_of_signatures_has_one_form(value: str, outcome: Outcome) -> None:
    assert check("standard", signed("standard") | {PROOF["standard"]: value}).outcome is outcome


@pytest.mark.parametrize("name", ["", "a.b", "msg 1", "m\xe9", "x" * 256, "a\n"])
def test_id_cannot_hold_what_separates_it_from_the_rest(name: str) -> None:
    """`a.1` and `2.…` would be signed alike to `a` and `1.2.…`."""
    assert check("standard", signed("standard", name=name)).outcome is Outcome.FORGED


@pytest.mark.parametrize("blanks", ["", " ", "\t", " \t "])
def test_blanks_around_the_webhooks_secret_do_not_count(blanks: str) -> None:
    fields = {PROOF["webhook"]: f"{blanks}{TEXT_SECRET}{blanks}"}

    assert check("webhook", fields).outcome is Outcome.GENUINE


STRINGS = st.text() | st.from_regex(r"[ -~]{0,99}", fullmatch=True)


@given(
    st.sampled_from([*CHANNELS, "", "signal"]),
    st.lists(STRINGS | st.sampled_from(list(SECRET.values())), max_size=3),
    st.lists(
        st.tuples(
            st.sampled_from([*PROOF.values(), *STAMPED.values(), "webhook-id", "x"]),
            STRINGS | st.from_regex(r"(sha256=|v0=|v1,|)[0-9a-f]{43,128}=?", fullmatch=True),
        ),
        max_size=6,
    ),
    st.binary(),
    st.floats(),
)
def test_any_input_has_a_verdict(
    channel: str, secrets: list[str], fields: list[tuple[str, str]], body: bytes, now: float
) -> None:
    verdict = verify(channel, secrets, Headers(tuple(fields)), body, now)

    assert verdict.outcome is not Outcome.GENUINE or any(
        secret in value for secret in secrets for _, value in fields
    )


# The vendors' own libraries, as oracles.
class At(Clock):
    """A clock of slack_sdk that stands."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=8)
SECONDS = st.integers(-400, 400)
STAMPS = st.just("{}") | st.sampled_from(["0{}", "+{}", " {}", "{}.0", "{}_0", "{}\u0661", "x"])
PROOFS = st.sampled_from(["right", "other", "upper", "short", "bare", "text"])


def slack_accepts(secret: str, body: bytes, fields: Fields, now: float) -> bool:
    try:
        return SignatureVerifier(secret, At(now)).is_valid_request(body, fields)
    except (ValueError, TypeError):  # it raises for what it cannot read
        return False


@given(
    secret=PRINTABLE,
    other=PRINTABLE,
    text=st.text(st.characters(codec="utf-8")),
    seconds=SECONDS,
    form=STAMPS,
    kind=PROOFS,
)
def test_slack_sdk_agrees(
    *, secret: str, other: str, text: str, seconds: int, form: str, kind: str
) -> None:
    assume(secret != other)
    stamp, body = form.format(NOW), text.encode()
    content = f"v0:{stamp}:{text}".encode()
    right = "v0=" + mac(secret.encode(), content).hex()
    proof = {
        "right": right,
        "other": "v0=" + mac(other.encode(), content).hex(),
        "upper": "v0=" + right[3:].upper(),
        "short": right[:-1],
        "bare": right[3:],
        "text": text,
    }[kind]
    fields = {STAMPED["slack"]: stamp, PROOF["slack"]: proof}
    accepted = slack_accepts(secret, body, fields, NOW + seconds)
    verdict = check("slack", fields, body, secrets=[secret], now=NOW + seconds)

    if re.fullmatch("[0-9]+", stamp, re.ASCII):
        assert (verdict.outcome is Outcome.GENUINE) is accepted
    else:
        assert verdict.outcome is Outcome.FORGED


def standard_accepts(secret: str, body: bytes, fields: Fields) -> bool:
    try:
        Webhook(secret).verify(body, fields, json_parse=False)
    except Exception:  # noqa: BLE001 - it raises many kinds, not all its own
        return False
    return True


LISTS = st.lists(
    st.sampled_from(["right", "wrong", "v1a", "bare", "junk", "loose"]), min_size=1, max_size=5
)
OFFSETS = st.integers(-280, 280) | st.integers(-9999, -320) | st.integers(320, 9999)


@given(
    key=st.binary(min_size=16, max_size=64),
    name=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    text=st.text(st.characters(codec="utf-8")),
    seconds=OFFSETS,
    form=st.sampled_from(["{}", "{}.7", " {}", "x"]),
    kinds=LISTS,
)
def test_standard_webhooks_library_agrees(
    *, key: bytes, name: str, text: str, seconds: int, form: str, kinds: list[str]
) -> None:
    now = time.time()
    number = int(now) + seconds
    right = base64.b64encode(mac(key, f"{name}.{number}.{text}".encode())).decode()
    listed = {
        "right": f"v1,{right}",
        "wrong": WRONG,
        "v1a": f"v1a,{right}",
        "bare": right,
        "junk": "x,y,z",
        "loose": f"v1,{right[:8]}",
    }
    secret = "whsec_" + base64.b64encode(key).decode()
    fields = {
        "webhook-id": name,
        "webhook-timestamp": form.format(number),
        "webhook-signature": " ".join(listed[kind] for kind in kinds),
    }
    accepted = standard_accepts(secret, text.encode(), fields)
    verdict = check("standard", fields, text.encode(), secrets=[secret], now=now)

    strict = form == "{}" and not {"bare", "junk", "loose"} & {*kinds}
    assert (verdict.outcome is Outcome.GENUINE) is (accepted and strict)


# Meta's GET, from its docs: Webhooks, Getting started.
QUERY = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock"


@pytest.mark.parametrize(
    ("token", "query", "challenge"),
    [
        ("meatyhamhock", QUERY, "1158201444"),
        ("meatyhamhock", "&".join(reversed(QUERY.split("&"))), "1158201444"),
        ("meatyhamhock", QUERY + "&lang=en", "1158201444"),
        ("meaty hämhock", QUERY.replace("yham", "y+h%C3%A4m"), "1158201444"),
        ("meatyhamhock", QUERY.replace("1158201444", "a%20b"), "a b"),
    ],
)
def test_meta_gets_its_challenge_back(token: str, query: str, challenge: str) -> None:
    assert verify_token(token, query) == challenge


@pytest.mark.parametrize(
    "query",
    [
        "",
        "hub.mode=subscribe",
        QUERY.replace("meatyhamhock", ""),
        QUERY.replace("meatyhamhock", "meatyhamhoc"),
        QUERY.replace("meatyhamhock", "MEATYHAMHOCK"),
        QUERY.replace("subscribe", "unsubscribe"),
        QUERY.replace("subscribe", "Subscribe"),
        QUERY.replace("hub.mode", "hub_mode"),
        QUERY.replace("hub.challenge=1158201444&", ""),
        # each of them once
        QUERY + "&hub.verify_token=meatyhamhock",
        QUERY + "&hub.challenge=1",
        QUERY + "&hub.mode=subscribe",
        QUERY + "&hub%2emode=subscribe",
        # a challenge that is no plain, short line
        QUERY.replace("1158201444", ""),
        QUERY.replace("1158201444", "1%0d%0aSet-Cookie:a"),
        QUERY.replace("1158201444", "%C3%A9"),
        QUERY.replace("1158201444", "1" * 257),
        # no form
        QUERY.replace("&", ";"),
        QUERY + "&",
        QUERY + "&%zz=1",
        QUERY + "&x=\udcff",
        QUERY + "&x=\xe9",
        QUERY.replace("1158201444", "<script>"),
    ],
)
def test_nobody_else_gets_it(query: str) -> None:
    assert verify_token("meatyhamhock", query) is None


@pytest.mark.parametrize("token", ["", " ", "short", "\ud800" * 9])
def test_without_a_token_there_is_no_challenge(token: str) -> None:
    shown = "" if "\ud800" in token else token
    assert verify_token(token, QUERY.replace("meatyhamhock", shown)) is None


@given(STRINGS, STRINGS)
def test_any_query_has_an_answer(token: str, query: str) -> None:
    assert verify_token(token, query) is None


# Before the body


@pytest.mark.parametrize(
    "channel", ["telegram", "webhook", "github", "slack", "discord", "standard"]
)
def test_without_a_proof_the_body_is_not_read(channel: str) -> None:
    verdict = refused_early(channel, ("c2VjcmV0LXNlY3JldC1zZWNyZXQ=",), Headers())

    assert verdict is None or verdict.outcome in (Outcome.FORGED, Outcome.CLOSED)
    assert refused_early(channel, (), Headers()) == Verdict(Outcome.CLOSED)


def test_a_shared_secret_is_all_the_proof_there_is() -> None:
    def said(token: str) -> Verdict | None:
        headers = Headers((("X-Telegram-Bot-Api-Secret-Token", token),))
        return refused_early("telegram", ("right-token",), headers)

    assert said("right-token") is None
    assert said("wrong-token") == Verdict(Outcome.FORGED)


def test_a_signature_is_judged_with_its_body() -> None:
    headers = Headers((("X-Hub-Signature-256", "sha256=" + "0" * 64),))

    assert refused_early("github", ("secret-value",), headers) is None
    assert refused_early("github", ("secret-value",), Headers()) == Verdict(Outcome.FORGED)
