"""Whether a webhook comes from whom it says: one verifier, and a row for each channel's scheme.

The counterparts are `config.signing`, which gives the keys, and `protocols.channels`, which reads a
webhook only after this. Its laws:

    What is signed is the bytes as they came; nothing is parsed or decoded before.
    Every secret is tried, whichever fits; every comparison takes constant time, on bytes.
    What is there twice, too long or not plain ASCII is forged; no input raises.
    Without a usable secret nothing is genuine.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proxy.config.signing import ed25519_key, header_key, standard_key, telegram_key, text_key
from proxy.decision import Malformed
from proxy.protocols.channels.form import fields
from proxy.values import Headers

WINDOW_SECONDS = 300
"""Seconds that a signed time may differ from ours, either way, the last one included.

Slack ("Verifying requests from Slack") and the libraries of Standard Webhooks have the same;
Discord names none.
"""

_STAMP = re.compile(r"[0-9]{1,12}")
# Standard Webhooks keeps full stops out of ids, since they separate what is signed.
_ID = re.compile(r"[!-\-/-~]{1,255}")
_CHALLENGE = re.compile(r"[ -~]{1,256}")


class Outcome(StrEnum):
    """What a webhook turned out to be: CLOSED, where no usable secret is known."""

    GENUINE = "genuine"
    FORGED = "forged"
    STALE = "stale"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `replay`, where there is one, must not be seen twice.

    A message may be accepted for two windows, both ends included: it is remembered for longer.
    """

    outcome: Outcome
    replay: str = ""


_FORGED = Verdict(Outcome.FORGED)
_STALE = Verdict(Outcome.STALE)
_CLOSED = Verdict(Outcome.CLOSED)

Check = Callable[[bytes, bytes, bytes], bool]
"""Whether key, content and proof belong together."""


def _same(key: bytes, content: bytes, proof: bytes) -> bool:  # noqa: ARG001 - the secret is all
    """Compared as digests, so that not even the length of a secret is told."""
    return hmac.compare_digest(hashlib.sha256(key).digest(), hashlib.sha256(proof).digest())


def _mac(key: bytes, content: bytes, proof: bytes) -> bool:
    return hmac.compare_digest(hmac.digest(key, content, "sha256"), proof)


def _ed25519(key: bytes, content: bytes, proof: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(proof, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _text(value: str) -> list[bytes]:
    return [value.strip(" \t").encode()]


def _hex(value: str) -> list[bytes]:
    return [bytes.fromhex(value.rpartition("=")[2])]


def _listed(value: str) -> list[bytes]:
    """The signatures of version v1 in a list of Standard Webhooks."""
    listed = (signature.split(",") for signature in value.split(" "))
    return [base64.b64decode(signature) for version, signature in listed if version == "v1"]


@dataclass(frozen=True, slots=True)
class _Scheme:
    """How one channel proves itself.

    `header` has the proof, in `form`, and `proofs` takes it out; `before` is what is signed before
    the body, of the headers `stamp` and `id`.
    """

    key: Callable[[str], bytes]
    header: str
    form: re.Pattern[str]
    proofs: Callable[[str], list[bytes]]
    check: Check
    before: str = ""
    stamp: str = ""
    id: str = ""


_META = _Scheme(text_key, "x-hub-signature-256", re.compile(r"sha256=[0-9A-Fa-f]{64}"), _hex, _mac)
# At most eight signatures, each `VERSION,BASE64`; one that is not of this form spoils the list.
_SIGNATURE = r"(?:v1,[A-Za-z0-9+/]{43}=|(?!v1,)[A-Za-z0-9]{1,8},[A-Za-z0-9+/=_-]{1,256})"
_SCHEMES: Mapping[str, _Scheme] = {
    "webhook": _Scheme(
        header_key, "x-webhook-secret", re.compile(r"[ -~\t]{1,1024}"), _text, _same
    ),
    "telegram": _Scheme(
        telegram_key,
        "x-telegram-bot-api-secret-token",
        re.compile(r"[A-Za-z0-9_-]{1,256}"),
        _text,
        _same,
    ),
    "whatsapp": _META,
    "github": _META,
    "slack": _Scheme(
        text_key,
        "x-slack-signature",
        re.compile(r"v0=[0-9a-f]{64}"),
        _hex,
        _mac,
        before="v0:{stamp}:",
        stamp="x-slack-request-timestamp",
    ),
    "discord": _Scheme(
        ed25519_key,
        "x-signature-ed25519",
        re.compile(r"[0-9A-Fa-f]{128}"),
        _hex,
        _ed25519,
        before="{stamp}",
        stamp="x-signature-timestamp",
    ),
    "standard": _Scheme(
        standard_key,
        "webhook-signature",
        re.compile(rf"{_SIGNATURE}(?: {_SIGNATURE}){{0,7}}"),
        _listed,
        _mac,
        before="{id}.{stamp}.",
        stamp="webhook-timestamp",
        id="webhook-id",
    ),
}


def verify(
    channel: str, secrets: Sequence[str], headers: Headers, body: bytes, now: float
) -> Verdict:
    """Whether `body`, as it came with `headers`, is from the one who has one of `secrets`."""
    scheme = _SCHEMES.get(channel)
    keys = _keys(scheme.key, secrets) if scheme else []
    if scheme is None or not keys:
        return _CLOSED
    value = _only(headers, scheme.header, scheme.form)
    stamp = _only(headers, scheme.stamp, _STAMP) if scheme.stamp else ""
    name = _only(headers, scheme.id, _ID) if scheme.id else ""
    if value is None or stamp is None or name is None:
        return _FORGED
    content = scheme.before.format(stamp=stamp, id=name).encode() + body
    proofs = scheme.proofs(value)
    fits = [scheme.check(key, content, proof) for key in keys for proof in proofs]
    if True not in fits:
        return _FORGED
    if not stamp:
        return Verdict(Outcome.GENUINE)
    fresh = abs(now - int(stamp)) <= WINDOW_SECONDS
    return Verdict(Outcome.GENUINE, replay=_name_of(channel, content)) if fresh else _STALE


def refused_early(channel: str, secrets: Sequence[str], headers: Headers) -> Verdict | None:
    """What is known before the body is read, so that no stranger has it held; None: it decides."""
    scheme = _SCHEMES.get(channel)
    if scheme is None or not _keys(scheme.key, secrets):
        return _CLOSED
    if _only(headers, scheme.header, scheme.form) is None:
        return _FORGED
    if scheme.check is _same:
        verdict = verify(channel, secrets, headers, b"", 0.0)
        return None if verdict.outcome is Outcome.GENUINE else verdict
    return None


def verify_token(token: str, query: str) -> str | None:
    """The challenge in Meta's `query`, who sets a webhook up and shows `token`; None: it is not."""
    try:
        key, asked = text_key(token), fields(query.encode())
    except (Malformed, ValueError):
        return None
    fits = _same(key, b"", asked.get("hub.verify_token", "").encode())
    challenge = asked.get("hub.challenge", "")
    if not fits or asked.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        return None
    return challenge


def _keys(key: Callable[[str], bytes], secrets: Sequence[str]) -> list[bytes]:
    """The keys behind the secrets; what is no secret of this scheme opens nothing."""
    keys = []
    for secret in secrets:
        try:
            keys.append(key(secret))
        except ValueError:
            continue
    return keys


def _only(headers: Headers, name: str, form: re.Pattern[str]) -> str | None:
    values = headers.all(name)
    return values[0] if len(values) == 1 and form.fullmatch(values[0]) else None


def _name_of(channel: str, content: bytes) -> str:
    """A webhook is named by what was signed, since one message can bear many signatures.

    In upper-case hex, another one of a list, a second one of Ed25519: none makes it a new message.
    """
    return hashlib.sha256(channel.encode() + b"\0" + content).hexdigest()
