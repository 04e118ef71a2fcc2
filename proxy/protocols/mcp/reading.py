"""Which era a request is of, and who makes it.

Modern ones say all of it themselves; of legacy ones the session knows. Where header and body could
each be read alone, they must say the same.
"""

from collections.abc import Mapping
from dataclasses import replace

from proxy.decision import Malformed
from proxy.exchange import Inbound
from proxy.jsonrpc import Message, Notification, Request, Response
from proxy.mcp import LEGACY, MODERN, Client, Era, Session
from proxy.protocols.mcp import asked as notes
from proxy.protocols.mcp import mirrored
from proxy.protocols.mcp.asked import Asked
from proxy.protocols.mcp.sealed import Sessions
from proxy.protocols.strict_json import JSON_TYPE, loads
from proxy.reasons import Reason
from proxy.values import Headers, Json

SESSION = "Mcp-Session-Id"
REVISION_KEY = "io.modelcontextprotocol/protocolVersion"
INFO_KEY = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
_NEVER = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})
_MAX_REVISION = 64


def takes_events(headers: Headers) -> bool:
    """Whether a client names events among what it takes."""
    for given in ",".join(headers.all("accept")).lower().split(","):
        kind, *parameters = (part.strip() for part in given.split(";"))
        if kind == "text/event-stream":
            return _NEVER.isdisjoint(parameters)
    return False


async def json_of(inbound: Inbound) -> Json:
    """The body as strict JSON; raises Malformed."""
    content_type = (inbound.headers.get("content-type") or "").lower()
    encoding = (inbound.headers.get("content-encoding") or "identity").lower()
    if not JSON_TYPE.fullmatch(content_type) or encoding != "identity":
        raise Malformed(Reason.BODY_UNTYPED)
    return loads(await inbound.body.read())


def era_of(headers: Headers, message: Message | None) -> Era:
    """The era of a request: that which its body or its header names, else that of sessions."""
    meta = notes.meta(message) if message is not None else None
    said = headers.all(mirrored.REVISION)
    stated = isinstance(meta, Mapping) and REVISION_KEY in meta
    if stated or not set(said).isdisjoint(MODERN):
        return Era.MODERN
    method = message.method if isinstance(message, Request | Notification) else ""
    if message is None or headers.all(SESSION) or method == "initialize":
        return Era.LEGACY
    newer = bool(said) and set(said).isdisjoint(LEGACY)
    return Era.MODERN if method == "server/discover" or newer else Era.LEGACY


def client_of(inbound: Inbound, message: Message, sessions: Sessions) -> Client:
    """Who says a message; it is remembered first, for what is said of a refusal."""
    era = era_of(inbound.headers, message)
    asked = notes.of_message(message, era, events=takes_events(inbound.headers))
    notes.remember(inbound, asked)
    if era is Era.MODERN:
        return _modern(inbound, message, asked)
    if isinstance(message, Request) and message.method == "initialize":
        return _initial(inbound, message, asked)
    return in_session(inbound, asked, sessions)


def in_session(inbound: Inbound, asked: Asked, sessions: Sessions) -> Client:
    """Who speaks in the session that a request names; raises Malformed."""
    given = inbound.headers.all(SESSION)
    if len(given) != 1:
        raise Malformed(Reason.HEADER_MISMATCH if given else Reason.SESSION_MISSING)
    session = sessions.read(given[0])
    revisions = inbound.headers.all(mirrored.REVISION)
    if revisions not in ([], [session.revision]):
        raise Malformed(Reason.REVISION_UNSUPPORTED, "not that of the session")
    notes.remember(inbound, replace(asked, revision=session.revision))
    return _client(
        inbound, asked, session.revision, session.info, session.capabilities, session=session
    )


def _initial(inbound: Inbound, request: Request, asked: Asked) -> Client:
    """Who opens a session. What revision it wants is its own word, whatever it is."""
    if inbound.headers.all(SESSION):
        raise Malformed(Reason.MESSAGE_MALFORMED, "initialize in a session")
    match request.params:
        case {
            "protocolVersion": str(revision),
            "capabilities": Mapping() as capabilities,
            "clientInfo": Mapping() as info,
        } if len(revision) <= _MAX_REVISION:
            notes.remember(inbound, replace(asked, revision=revision))
            return _client(inbound, asked, revision, info, capabilities)
    raise Malformed(Reason.PARAMETERS_INVALID, "initialize")


def _modern(inbound: Inbound, message: Message, asked: Asked) -> Client:
    """Who makes a request that stands for itself; raises Malformed.

    In the order of the reference implementation, so that a client is told the same first fault.
    """
    if isinstance(message, Response):
        raise Malformed(Reason.MESSAGE_MALFORMED, "a response in the modern era")
    mirrored.check_single(inbound.headers)
    meta = notes.meta(message)
    said: Mapping[str, Json] = meta if isinstance(meta, Mapping) else {}
    required = {REVISION_KEY, CAPABILITIES_KEY} if isinstance(message, Request) else set[str]()
    if not required <= said.keys():
        raise Malformed(Reason.PARAMETERS_INVALID, "_meta")
    mirrored.check(inbound.headers, message, said.get(REVISION_KEY))
    revision = inbound.headers.get(mirrored.REVISION) or ""
    notes.remember(inbound, replace(asked, revision=revision[:_MAX_REVISION]))
    if revision not in MODERN:
        raise Malformed(Reason.REVISION_UNSUPPORTED)
    info, capabilities = said.get(INFO_KEY, {}), said.get(CAPABILITIES_KEY, {})
    if not isinstance(info, Mapping) or not isinstance(capabilities, Mapping):
        raise Malformed(Reason.PARAMETERS_INVALID, "_meta")
    return _client(inbound, asked, revision, info, capabilities)


def _client(  # noqa: PLR0913 - what a client is
    inbound: Inbound,
    asked: Asked,
    revision: str,
    info: Mapping[str, Json],
    capabilities: Mapping[str, Json],
    *,
    session: Session | None = None,
) -> Client:
    """A client; of its headers only those of MCP, for nobody further on needs another."""
    kept = tuple(field for field in inbound.headers if field[0].lower().startswith("mcp-"))
    return Client(
        asked.era, revision, info, capabilities, session, Headers(kept), events=asked.events
    )
