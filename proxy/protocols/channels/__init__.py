"""The messages of chat platforms and webhooks: what each one's post says, and who says it.

One module for each channel, and one table. A post is read only after `authentication.webhooks`
found it genuine: what it says of its sender is its provider's word.
"""

from collections.abc import Mapping

from proxy.protocols.channels import discord, github, slack, standard, telegram, whatsapp
from proxy.protocols.channels.event import Reader

READERS: Mapping[str, Reader] = {
    "telegram": telegram.read,
    "discord": discord.read,
    "slack": slack.read,
    "whatsapp": whatsapp.read,
    "github": github.read,
    "standard": standard.read,
}
