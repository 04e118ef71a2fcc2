"""Slack: events in JSON, slash commands and interactions in forms.

An edit brings the message before it and the one after: whoever wrote or changed either has to be
admitted. Where only one workspace is listened to, each that a post names has to be that one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender, digest, key_of, person
from proxy.protocols.channels.form import fields
from proxy.protocols.channels.post import inside, is_form
from proxy.protocols.strict_json import loads_object
from proxy.reasons import Reason
from proxy.values import Headers, Json

_CHALLENGE = re.compile(r"[ -~]{1,512}")
_AUTHORS = (("user",), ("user_id",), ("assistant_thread", "user_id"), ("edited", "user"))
_MESSAGES = ("message", "previous_message")
_TEAMS = ("team", "user_team", "source_team")


def read(data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:
    """The event in a post; one of another workspace has no senders, so that nobody is admitted."""
    if not is_form(headers):
        return _from_json(loads_object(data), data, team_id)
    form = fields(data)
    if ("payload" in form) == ("command" in form):
        raise Malformed(Reason.BODY_MALFORMED, "neither a command nor an interaction, or both")
    if "payload" in form:
        return _interaction(loads_object(form["payload"].encode()), data, team_id)
    senders = (person(form.get("user_id")),)
    return _event(form.get("trigger_id"), senders, data, [form.get("team_id")], team_id)


def _interaction(payload: Mapping[str, Json], data: bytes, team_id: str | None) -> Event:
    senders = (person(inside(payload, "user", "id")),)
    teams = [inside(payload, "team", "id"), inside(payload, "user", "team_id")]
    return _event(payload.get("trigger_id"), senders, data, teams, team_id)


def _from_json(body: Mapping[str, Json], data: bytes, team_id: str | None) -> Event:
    match body.get("type"):
        case "url_verification":
            return Event(digest(data), (), data, challenge={"challenge": _challenge(body)})
        case "event_callback":
            event = body.get("event")
            teams = [body.get("team_id"), *_teams(event)]
            key = body.get("event_id")
            return _event(key, tuple(dict.fromkeys(_senders(event))), data, teams, team_id)
        case str():
            return _event(None, (Sender(),), data, [body.get("team_id")], team_id)
    raise Malformed(Reason.BODY_MALFORMED, "no event of Slack")


def _challenge(body: Mapping[str, Json]) -> str:
    challenge = body.get("challenge")
    if not isinstance(challenge, str) or not _CHALLENGE.fullmatch(challenge):
        raise Malformed(Reason.BODY_MALFORMED, "no challenge")
    return challenge


def _event(
    key: Json, senders: tuple[Sender, ...], data: bytes, teams: list[Json], team_id: str | None
) -> Event:
    stated = [team for team in teams if team is not None]
    listened = team_id is None or (bool(stated) and all(team == team_id for team in stated))
    return Event(key_of(key, data), senders if listened else (), data)


def _senders(event: Json) -> Iterator[Sender]:
    if not isinstance(event, Mapping):
        raise Malformed(Reason.BODY_MALFORMED, "the event is no object")
    messages = [event[name] for name in _MESSAGES if event.get(name) is not None]
    authors = list(_authors(event))
    yield from authors if authors or messages else [Sender()]
    for message in messages:
        yield from list(_authors(message)) or [Sender()]


def _authors(message: Json) -> Iterator[Sender]:
    """Whoever wrote or changed a message; some events have the whole user in place of the id."""
    for names in _AUTHORS:
        user = inside(message, *names)
        if user is not None:
            yield person(inside(user, "id") if isinstance(user, Mapping) else user)


def _teams(event: Json) -> Iterable[Json]:
    parts = (event, *(inside(event, name) for name in _MESSAGES))
    return [inside(part, name) for part in parts for name in _TEAMS]
