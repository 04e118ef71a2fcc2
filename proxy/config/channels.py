"""The chat and webhook channels: what proves that a message is theirs, and who may send one.

The counterparts are `authentication.webhooks`, which holds signatures against these secrets, and
`authentication.allowlist`, which holds senders against these entries. Its laws:

    A section that is absent has no route; one without a secret has a route that accepts nothing.
    An empty list is nobody.
    Entries and secrets have their one form from here on; nothing is trimmed or converted later.
"""

import re
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from proxy.config.section import Section
from proxy.config.signing import (
    HeaderSecret,
    HeaderSecrets,
    PublicKey,
    PublicKeys,
    Secret,
    Secrets,
    StandardSecret,
    StandardSecrets,
    TelegramSecret,
    TelegramSecrets,
)
from proxy.config.text import Form
from proxy.config.web import UpstreamPath

OnDenied = Literal["reject", "drop"]
Delivery = Literal["direct", "queued"]


def _number_as_text(value: object) -> object:
    """YAML reads a bare 123456789 as a number, and everybody writes it bare."""
    return str(value) if type(value) is int else value


def _entry(text: str) -> str:
    if not re.fullmatch(r"\*|[A-Za-z0-9._@+-]{1,128}", text.strip()):
        raise ValueError("must be an ID or a name, or '*' for everybody")
    return text.strip()


def _telegram_entry(text: str) -> str:
    return _entry(text.strip().removeprefix("@"))


def _whatsapp_entry(text: str) -> str:
    """The digits alone, as Meta sends a number, or a business-scoped user ID."""
    number = re.sub(r"[ -]", "", text).removeprefix("+")
    if re.fullmatch(r"[0-9]{1,20}", number):
        return number
    if not re.fullmatch(r"\*|[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,120}", text.strip()):
        raise ValueError("must be a phone number, a user ID such as US.1349…, or '*' for everybody")
    return text.strip()


_Text = Annotated[str, BeforeValidator(_number_as_text, json_schema_input_type=str | int)]
Users = Annotated[tuple[Annotated[_Text, AfterValidator(_entry)], ...], Field(strict=False)]
TelegramUsers = Annotated[
    tuple[Annotated[_Text, AfterValidator(_telegram_entry)], ...], Field(strict=False)
]
Numbers = Annotated[
    tuple[Annotated[_Text, AfterValidator(_whatsapp_entry)], ...], Field(strict=False)
]
TeamId = Annotated[str, Form(r"[TE][A-Z0-9]{1,31}", "a workspace ID such as T0123ABCD")]


@dataclass(frozen=True, slots=True)
class Channel:
    """One configured channel, as the layers use it.

    Without `secrets` it accepts nothing. `path` None: the path that the webhook came by.
    """

    name: str
    allowed: tuple[str, ...]
    secrets: tuple[str, ...] = field(repr=False)
    on_denied: OnDenied
    delivery: Delivery
    path: str | None
    verify_token: str = field(default="", repr=False)
    team_id: str | None = None


class ChannelSection(Section):
    """What all channels with a route of their own share."""

    on_denied: OnDenied = "reject"
    """What the provider is told of a sender who is not allowed: reject: 403, drop: 200."""
    delivery: Delivery = "direct"
    """How the agent gets a message: direct: at once; queued: stored first, then in its own time."""
    path: UpstreamPath | None = None
    """The agent's path for it; null: the path that the webhook came by."""

    @abstractmethod
    def channel(self) -> Channel:
        """What the layers use of it."""

    def _channel(
        self,
        name: str,
        allowed: tuple[str, ...],
        *secrets: SecretStr | str | None,
        verify_token: SecretStr | None = None,
        team_id: str | None = None,
    ) -> Channel:
        return Channel(
            name,
            allowed,
            _plain(*secrets),
            self.on_denied,
            self.delivery,
            self.path,
            "".join(_plain(verify_token)),
            team_id,
        )


class WebhookConfig(Section):
    """A secret that POST /webhook asks for in X-Webhook-Secret, beside the bearer token."""

    secret: HeaderSecret | None = None
    """The secret; null, and no secrets either: the bearer token is enough."""
    secrets: HeaderSecrets = ()
    """More secrets that are accepted, to replace one by another."""


class TelegramConfig(ChannelSection):
    """A Telegram bot: POST /webhook/telegram."""

    allowed_users: TelegramUsers = ()
    """User IDs, or usernames, which can change hands; "*": everybody, []: nobody."""
    secret_token: TelegramSecret | None = None
    """The secret_token given to setWebhook; null, and no secrets: every update is refused."""
    secrets: TelegramSecrets = ()
    """More secret tokens that are accepted, to replace one by another."""

    def channel(self) -> Channel:
        """What the layers use of it."""
        return self._channel("telegram", self.allowed_users, self.secret_token, *self.secrets)


class DiscordConfig(ChannelSection):
    """Discord interactions: POST /webhook/discord."""

    allowed_users: Users = ()
    """User IDs; "*": everybody, []: nobody."""
    public_key: PublicKey | None = None
    """The application's public key; null, and no secrets: every interaction is refused."""
    secrets: PublicKeys = ()
    """More public keys that are accepted, to replace one application by another."""

    def channel(self) -> Channel:
        """What the layers use of it."""
        return self._channel("discord", self.allowed_users, self.public_key, *self.secrets)


class SlackConfig(ChannelSection):
    """Slack events, commands and interactions: POST /webhook/slack."""

    allowed_users: Users = ()
    """User IDs such as U0123ABCD; "*": everybody, []: nobody."""
    signing_secret: Secret | None = None
    """The app's signing secret; null, and no secrets: every request is refused."""
    secrets: Secrets = ()
    """More signing secrets that are accepted, to replace one by another."""
    team_id: TeamId | None = None
    """The one workspace that may send, such as T0123ABCD; null: any that has the app."""

    def channel(self) -> Channel:
        """What the layers use of it."""
        own = (self.signing_secret, *self.secrets)
        return self._channel("slack", self.allowed_users, *own, team_id=self.team_id)


class WhatsappConfig(ChannelSection):
    """The WhatsApp Cloud API: GET and POST /whatsapp."""

    allowed_numbers: Numbers = ()
    """Phone numbers with country code, or user IDs like US.1349…; "*": everybody, []: nobody."""
    app_secret: Secret | None = None
    """The Meta app's secret; null, and no secrets: every post is refused."""
    secrets: Secrets = ()
    """More app secrets that are accepted, to replace one by another."""
    verify_token: Secret | None = None
    """What Meta has to show when the webhook is set up; null: that is refused."""

    def channel(self) -> Channel:
        """What the layers use of it."""
        own = (self.app_secret, *self.secrets)
        token = self.verify_token
        return self._channel("whatsapp", self.allowed_numbers, *own, verify_token=token)


class GithubConfig(ChannelSection):
    """GitHub webhooks: POST /webhook/github."""

    allowed_users: Users = ()
    """Account IDs, or logins, which can change hands; "*": everybody, []: nobody."""
    secret: Secret | None = None
    """The webhook's secret; null, and no secrets: every delivery is refused."""
    secrets: Secrets = ()
    """More secrets that are accepted, to replace one by another."""

    def channel(self) -> Channel:
        """What the layers use of it."""
        return self._channel("github", self.allowed_users, self.secret, *self.secrets)


class StandardConfig(ChannelSection):
    """Standard Webhooks, whose one sender is whoever has the secret: POST /webhook/standard."""

    secret: StandardSecret | None = None
    """The signing secret, as whsec_…; null, and no secrets: every webhook is refused."""
    secrets: StandardSecrets = ()
    """More signing secrets that are accepted, to replace one by another."""

    def channel(self) -> Channel:
        """What the layers use of it."""
        return self._channel("standard", ("*",), self.secret, *self.secrets)


class ChannelsConfig(Section):
    """Where messages may come from; a channel that is not named here does not exist."""

    webhook: WebhookConfig | None = None
    telegram: TelegramConfig | None = None
    discord: DiscordConfig | None = None
    slack: SlackConfig | None = None
    whatsapp: WhatsappConfig | None = None
    github: GithubConfig | None = None
    standard: StandardConfig | None = None

    def configured(self) -> tuple[Channel, ...]:
        """The channels with a route of their own."""
        sections: tuple[ChannelSection | None, ...] = (
            *(self.telegram, self.discord, self.slack, self.whatsapp, self.github, self.standard),
        )
        return tuple(section.channel() for section in sections if section is not None)

    @property
    def webhook_secrets(self) -> tuple[str, ...] | None:
        """What X-Webhook-Secret may hold; None: it is not asked for."""
        own = _plain(self.webhook.secret, *self.webhook.secrets) if self.webhook else ()
        return own or None


def _plain(*secrets: SecretStr | str | None) -> tuple[str, ...]:
    given = [secret for secret in secrets if secret is not None]
    return tuple(s.get_secret_value() if isinstance(s, SecretStr) else s for s in given)
