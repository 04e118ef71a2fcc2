"""The methods of OpenClaw's WebSocket that a client may call (2026.9.6).

OpenClaw has several hundred, and each release adds some: only what is listed here is passed on.
What is missing of those that it lets every reader call either acts after all, such as
`sessions.companion.ask`, or tells of the machine, such as `config.get` and `logs.tail`.
"""

from collections.abc import Collection

CONNECT = "connect"
READING = frozenset(
    {
        *("health", "status", "usage.status", "usage.cost", "channels.status", "last-heartbeat"),
        *("system-presence", "gateway.identity.get", "users.self", "tts.status"),
        *("models.list", "commands.list", "tools.catalog", "tools.effective", "skills.status"),
        *("agents.list", "agent.identity.get", "tasks.list", "tasks.get"),
        *("artifacts.list", "artifacts.get"),
        *("chat.history", "chat.startup", "chat.metadata", "chat.message.get"),
        *("sessions.list", "sessions.get", "sessions.resolve", "sessions.describe"),
        *("sessions.preview", "sessions.search", "sessions.branches.list", "sessions.groups.list"),
        *("sessions.subscribe", "sessions.messages.subscribe", "sessions.messages.unsubscribe"),
        *("sessions.usage", "sessions.usage.timeseries", "sessions.usage.logs"),
    }
)
"""Those that only show something."""
ACTING = frozenset(
    {
        *("agent", "agent.wait", "chat.send", "chat.abort", "sessions.create", "sessions.send"),
        *("sessions.steer", "sessions.abort", "sessions.typing"),
    }
)
"""Those that start a turn of the agent, or steer one."""


def may_call(method: str, also: Collection[str], *, reads: bool) -> bool:
    """Whether a client may call `method`; with `reads`, one whose credential only reads.

    `also` are those that are configured: nobody said that they only read.
    """
    return method in READING or (not reads and (method in ACTING or method in also))
