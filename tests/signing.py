"""Webhooks as their providers send them: the body, and the headers that prove it."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SECRETS = {
    "telegram": "telegram-secret-token",
    "slack": "slack-signing-secret",
    "whatsapp": "whatsapp-app-secret",
    "github": "github-webhook-secret",
}


@dataclass(frozen=True)
class Post:
    """One post of a provider's."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def telegram(update: int, sender: int) -> Post:
    """An update with a message of `sender`."""
    message = {"message_id": update, "from": {"id": sender, "username": "somebody"}, "text": "hi"}
    body = json.dumps({"update_id": update, "message": message}).encode()
    return _post("/webhook/telegram", body, secret_token_header(SECRETS["telegram"]))


def secret_token_header(token: str) -> dict[str, str]:
    return {"X-Telegram-Bot-Api-Secret-Token": token}


def slack(event: str, sender: str, at: float | None = None) -> Post:
    """An event with a message of `sender`, signed `at` a time."""
    inside = {"type": "message", "user": sender, "text": "hi", "channel": "C1"}
    outside = {"type": "event_callback", "team_id": "T1", "event_id": event, "event": inside}
    return signed_slack(json.dumps(outside).encode(), at)


def signed_slack(body: bytes, at: float | None = None) -> Post:
    stamp = str(int(time.time() if at is None else at))
    mac = _mac("slack", f"v0:{stamp}:".encode() + body)
    headers = {"X-Slack-Signature": f"v0={mac}", "X-Slack-Request-Timestamp": stamp}
    return _post("/webhook/slack", body, headers)


def whatsapp(*senders: str, prefix: str = "wamid") -> Post:
    """A message of each of `senders`, in one post."""
    messages = [
        {"from": sender, "id": f"{prefix}.{sender}", "type": "text", "text": {"body": "hi"}}
        for sender in senders
    ]
    value = {"messaging_product": "whatsapp", "messages": messages}
    entry = [{"id": "1", "changes": [{"field": "messages", "value": value}]}]
    body = json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()
    return _post("/whatsapp", body, {"X-Hub-Signature-256": f"sha256={_mac('whatsapp', body)}"})


def github(delivery: str, login: str) -> Post:
    """An event that `login` caused."""
    body = json.dumps({"action": "opened", "sender": {"id": 7, "login": login}}).encode()
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": delivery}
    signature = {"X-Hub-Signature-256": f"sha256={_mac('github', body)}"}
    return _post("/webhook/github", body, headers | signature)


ALLOWED: dict[str, Callable[[str], Post]] = {
    "telegram": lambda name: telegram(int(name), 7),
    "slack": lambda name: slack(f"Ev{name}", "U7"),
    "whatsapp": lambda name: whatsapp("4917", prefix=name),
    "github": lambda name: github(name, "octocat"),
}
"""A post of somebody who is allowed, under a name of its own."""

STRANGER: dict[str, Callable[[str], Post]] = {
    "telegram": lambda name: telegram(int(name), 8),
    "slack": lambda name: slack(f"Ev{name}", "U8"),
    "whatsapp": lambda name: whatsapp("4918", prefix=name),
    "github": lambda name: github(name, "mallory"),
}
"""The same, of somebody who is not."""


def channels(**changes: object) -> dict[str, dict[str, object]]:
    """The configuration of these channels, each with `changes`."""
    return {
        "telegram": {"allowed_users": [7], "secret_token": SECRETS["telegram"], **changes},
        "slack": {"allowed_users": ["U7"], "signing_secret": SECRETS["slack"], **changes},
        "whatsapp": {
            "allowed_numbers": ["+49 17"],
            "app_secret": SECRETS["whatsapp"],
            "verify_token": "meta-verify-token",
            **changes,
        },
        "github": {"allowed_users": ["octocat"], "secret": SECRETS["github"], **changes},
    }


def _post(path: str, body: bytes, headers: dict[str, str]) -> Post:
    return Post(path, body, {"Content-Type": "application/json", **headers})


def _mac(channel: str, data: bytes) -> str:
    return hmac.new(SECRETS[channel].encode(), data, hashlib.sha256).hexdigest()
