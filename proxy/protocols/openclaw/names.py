"""OpenClaw's tools by the one name that the rules know each of them by.

OpenClaw takes a tool by more than one name. A rule on one of them must hold for all, so the others
are read as it where OpenClaw's own contract is spoken, and are no tools anywhere else.
"""

PREFIX = "openclaw."
"""What stands before the name of a tool of OpenClaw's in policy."""
# Two are from OpenClaw's own table (2026.9.6). There `cron` is the other name of `automations`; the
# rules have it the other way round, as older releases know the first alone.
_ALIASES = {"bash": "exec", "apply-patch": "apply_patch", "automations": "cron"}


def policy_name(tool: str) -> str:
    """The name in policy of what OpenClaw calls `tool`."""
    return PREFIX + _ALIASES.get(tool.lower(), tool)


def own_name(name: str) -> str | None:
    """What OpenClaw calls the tool of this name in policy; None where it is not OpenClaw's."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None
