"""What may be said by MCP, by whom, and to which group of an allowlist it belongs.

Closed tables of the revisions from 2025-03-26 to 2026-07-28: what is in none of them is not passed
on, in neither direction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from proxy.mcp import Era, Group
from proxy.values import Json

TASKS = "io.modelcontextprotocol/tasks"
"""The extension of the modern era that tasks are."""
_BOTH = frozenset(Era)
_LEGACY = frozenset({Era.LEGACY})
_MODERN = frozenset({Era.MODERN})


@dataclass(frozen=True, slots=True)
class Method:
    """A request of clients. `group` is None for what needs no permission.

    `called`: it is decided on like the call of a tool, under the name `SERVER.METHOD`. `mirrored`:
    the parameter that the header Mcp-Name repeats. `acts`: it may change something.
    """

    group: Group | None = None
    called: bool = False
    mirrored: Literal["name", "uri"] | None = None
    eras: frozenset[Era] = _BOTH
    acts: bool = False


METHODS: Mapping[str, Method] = {
    "initialize": Method(eras=_LEGACY),
    "ping": Method(eras=_LEGACY),
    "server/discover": Method(eras=_MODERN),
    "subscriptions/listen": Method(eras=_MODERN),
    "logging/setLevel": Method(Group.LOGGING, eras=_LEGACY),
    "tools/list": Method(Group.TOOLS),
    "tools/call": Method(Group.TOOLS, called=True, mirrored="name", acts=True),
    "resources/list": Method(Group.RESOURCES),
    "resources/templates/list": Method(Group.RESOURCES),
    "resources/read": Method(Group.RESOURCES, called=True, mirrored="uri"),
    "resources/subscribe": Method(Group.RESOURCES, called=True, eras=_LEGACY),
    "resources/unsubscribe": Method(Group.RESOURCES, called=True, eras=_LEGACY),
    "prompts/list": Method(Group.PROMPTS),
    "prompts/get": Method(Group.PROMPTS, called=True, mirrored="name"),
    "completion/complete": Method(Group.COMPLETION, called=True),
    "tasks/get": Method(Group.TASKS, called=True),
    "tasks/result": Method(Group.TASKS, called=True, eras=_LEGACY),
    "tasks/list": Method(Group.TASKS, called=True, eras=_LEGACY),
    "tasks/cancel": Method(Group.TASKS, called=True, acts=True),
    "tasks/update": Method(Group.TASKS, called=True, eras=_MODERN, acts=True),
}
"""What clients may ask of servers."""

ASKED: Mapping[str, Group] = {
    "sampling/createMessage": Group.SAMPLING,
    "elicitation/create": Group.ELICITATION,
    "roots/list": Group.ELICITATION,
}
"""What servers may ask of clients, beside a ping."""

SAID_UP: Mapping[str, Group | None] = {
    "notifications/initialized": None,
    "notifications/cancelled": None,
    "notifications/progress": None,
    "notifications/roots/list_changed": Group.ELICITATION,
    "notifications/tasks/status": Group.TASKS,
}
"""What clients may tell servers."""

SAID_DOWN: Mapping[str, Group | None] = {
    "notifications/cancelled": None,
    "notifications/progress": None,
    "notifications/subscriptions/acknowledged": None,
    "notifications/message": Group.LOGGING,
    "notifications/tools/list_changed": Group.TOOLS,
    "notifications/prompts/list_changed": Group.PROMPTS,
    "notifications/resources/list_changed": Group.RESOURCES,
    "notifications/resources/updated": Group.RESOURCES,
    "notifications/elicitation/complete": Group.ELICITATION,
    "notifications/tasks/status": Group.TASKS,
    "notifications/tasks": Group.TASKS,
}
"""What servers may tell clients."""

_SERVED: Mapping[str, Group] = {
    "tools": Group.TOOLS,
    "resources": Group.RESOURCES,
    "prompts": Group.PROMPTS,
    "completions": Group.COMPLETION,
    "logging": Group.LOGGING,
    "tasks": Group.TASKS,
}
_OFFERED: Mapping[str, Group] = {
    "sampling": Group.SAMPLING,
    "elicitation": Group.ELICITATION,
    "roots": Group.ELICITATION,
    "tasks": Group.TASKS,
}
_EXTENSIONS: Mapping[str, Group] = {TASKS: Group.TASKS}


def served(capabilities: Mapping[str, Json], allow: frozenset[Group]) -> dict[str, Json]:
    """What is left of a server's capabilities to who is allowed these groups."""
    return _kept(capabilities, _SERVED, allow)


def offered(capabilities: Mapping[str, Json], allow: frozenset[Group]) -> dict[str, Json]:
    """What is left of a client's capabilities to a server that is allowed these groups."""
    return _kept(capabilities, _OFFERED, allow)


def _kept(
    capabilities: Mapping[str, Json], groups: Mapping[str, Group], allow: frozenset[Group]
) -> dict[str, Json]:
    kept = _of(capabilities, groups, allow)
    for place in ("experimental", "extensions"):
        extensions = _of(capabilities.get(place), _EXTENSIONS, allow)
        kept |= {place: extensions} if extensions else {}
    return kept


def _of(members: Json, groups: Mapping[str, Group], allow: frozenset[Group]) -> dict[str, Json]:
    """The members of an allowed group. One that is no object says nothing, and is left out."""
    if not isinstance(members, Mapping):
        return {}
    return {
        name: member
        for name, member in members.items()
        if groups.get(name) in allow and isinstance(member, Mapping)
    }
