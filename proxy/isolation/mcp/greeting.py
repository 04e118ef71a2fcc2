"""How clients are greeted: `initialize` of the legacy era, `server/discover` of the modern one.

One server is shown as it shows itself, several as Sidegate; in either case with nothing of what
may not pass.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.decision import Deny, Malformed
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.opening import SELF, Opened, end_session, open_session
from proxy.isolation.mcp.turn import Party
from proxy.jsonrpc import Failure
from proxy.mcp import LEGACY, MODERN, Era, McpTalk, Session
from proxy.protocols.mcp.methods import offered, served
from proxy.protocols.mcp.sealed import Sessions
from proxy.values import Json

_INVALID = Failure(-32602, "Invalid params")
_MAX_INSTRUCTIONS = 65536
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"


@dataclass(frozen=True, slots=True)
class Met:
    """A server as it greets: legacy with a session, or modern with what it says of itself."""

    party: Party
    opened: Opened | None
    said: Mapping[str, Json]

    async def end(self) -> None:
        """Nobody was told of the session."""
        if self.opened is not None:
            await end_session(self.party.server.link, self.opened.session)

    @property
    def able(self) -> dict[str, Json]:
        """What it can do, as far as the client may use it."""
        able = self.said.get("capabilities")
        return served(able if isinstance(able, Mapping) else {}, self.party.allow)


class Greeting:
    """`sessions`: seals those that are opened."""

    def __init__(self, sessions: Sessions, errands: Errands) -> None:
        self._sessions = sessions
        self._errands = errands

    async def initialize(
        self, talk: McpTalk, parties: Sequence[Party], params: Mapping[str, Json]
    ) -> tuple[Session, Mapping[str, Json]] | Failure | Deny:
        """Open a session at every legacy server, and with them the client's own."""
        wanted, able = params.get("protocolVersion"), params.get("capabilities")
        info = params.get("clientInfo")
        if not (
            isinstance(wanted, str) and isinstance(able, Mapping) and isinstance(info, Mapping)
        ):
            return _INVALID
        revision = wanted if wanted in LEGACY else LEGACY[-1]
        met: list[Met] = []
        try:
            found = await asyncio.gather(*(_met(p, info, able, revision, met) for p in parties))
            reached = _reached(found, talk)
            if isinstance(reached, Deny):
                return reached
            if len(parties) == 1 and reached and reached[0].opened is not None:
                revision = reached[0].opened.revision
            session = self._sessions.issue(talk.owner, revision, info, able, _servers(reached))
        except BaseException as error:
            for each in met:
                self._errands.run(each.end())
            if isinstance(error, Malformed):
                return Deny(error.reason)
            raise
        return session, {"protocolVersion": revision, **_legacy(reached, talk, parties)}

    async def discover(
        self, talk: McpTalk, parties: Sequence[Party]
    ) -> Mapping[str, Json] | Failure | Deny:
        """What all servers can do together, to be kept by nobody."""
        found = await asyncio.gather(*(_discovered(each, talk) for each in parties))
        if isinstance(met := _reached(found, talk), Deny):
            return met
        kept: dict[str, Json] = {
            "supportedVersions": list(MODERN),
            "ttlMs": 0,
            "cacheScope": "private",
            "resultType": "complete",
        }
        if len(parties) == 1 and len(met) == 1 and met[0].opened is None:
            able: dict[str, Json] = {**_own(talk), **met[0].able}
            return {**met[0].said, **kept, "capabilities": able}
        shown = _shown(met, talk, parties)
        return {**shown, **kept, "_meta": {_SERVER_INFO: shown["serverInfo"]}}


def _reached(found: Sequence[Met | Deny], talk: McpTalk) -> list[Met] | Deny:
    """Those that greeted. Who is not there is missed only where nobody else is."""
    met = [each for each in found if isinstance(each, Met)]
    if len(found) == 1 and not met and not talk.own and isinstance(found[0], Deny):
        return found[0]
    return met


async def _met(
    party: Party,
    info: Mapping[str, Json],
    able: Mapping[str, Json],
    revision: str,
    met: list[Met],
) -> Met | Deny:
    """Greet a server in the client's own era, if it speaks that, too.

    It is among the `met` then, whatever becomes of the others.
    """
    era = await party.server.era()
    if isinstance(era, Deny):
        return era
    opened = await open_session(party.server.link, info, offered(able, party.allow), revision)
    if isinstance(opened, Deny) and era is Era.MODERN:
        return Met(party, None, party.server.discovered)
    if isinstance(opened, Deny):
        party.server.doubt()
        return opened
    met.append(greeted := Met(party, opened, opened.result))
    return greeted


def _servers(met: Sequence[Met]) -> dict[str, tuple[str, str]]:
    return {
        each.party.server.name: (each.opened.revision, each.opened.session)
        for each in met
        if each.opened is not None
    }


async def _discovered(party: Party, talk: McpTalk) -> Met | Deny:
    era = await party.server.era()
    if isinstance(era, Deny):
        return era
    if era is Era.MODERN:
        return Met(party, None, party.server.discovered)
    session = await party.server.session(talk.owner, party.client)
    if isinstance(session, Deny):
        return session
    return Met(party, session.opened, session.opened.result)


def _legacy(met: Sequence[Met], talk: McpTalk, parties: Sequence[Party]) -> dict[str, Json]:
    shown = _shown(met, talk, parties)
    able = shown["capabilities"]
    assert isinstance(able, Mapping)
    return {
        **shown,
        "capabilities": {name: each for name, each in able.items() if name != "extensions"},
    }


def _shown(met: Sequence[Met], talk: McpTalk, parties: Sequence[Party]) -> dict[str, Json]:
    """Who is here, and what they can do together."""
    able = _own(talk)
    for each in met:
        for name, value in each.able.items():
            able[name] = _joined(able.get(name), value)
    alone = met[0] if len(parties) == 1 and met else None
    info = SELF if alone is None else _info(alone)
    shown: dict[str, Json] = {"serverInfo": info, "capabilities": able}
    return {**shown, **_instructions(met, alone=alone is not None)}


def _own(talk: McpTalk) -> dict[str, Json]:
    return {"tools": {}} if talk.own else {}


def _joined(one: Json, other: Json) -> Json:
    """What at least one of two can do."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {name: _joined(one.get(name), other.get(name)) for name in sorted({*one, *other})}
    return one or other


def _info(met: Met) -> Json:
    info = met.said.get("serverInfo")
    if isinstance(info, Mapping):
        return info
    return met.party.server.modern_info or SELF


def _instructions(met: Sequence[Met], *, alone: bool) -> dict[str, Json]:
    texts = {each.party.server.name: each.said.get("instructions") for each in met}
    said = {name: text for name, text in texts.items() if isinstance(text, str) and text}
    if not said:
        return {}
    if alone:
        return {"instructions": "".join(said.values())[:_MAX_INSTRUCTIONS]}
    told = "\n\n".join(f"{name}: {text}" for name, text in said.items())
    return {"instructions": told[:_MAX_INSTRUCTIONS]}
