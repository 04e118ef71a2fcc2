"""Every reason for a refusal, in one closed table.

The counterpart of `decision`: a layer answers `Deny(reason)`, and this page alone knows which layer
owns the reason, which HTTP status it has and what the caller is told. A sentence here is a
constant: nothing a caller sent may ever appear in it, since it is shown to the caller, the log and
the agent.
"""

from enum import Enum, StrEnum


class Layer(StrEnum):
    """The five layers, in order. The word is also folder, metric label, audit field and page."""

    NETWORK = "network"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    ISOLATION = "isolation"
    PROTECTION = "protection"


class Reason(Enum):
    """Why something was refused. Its owner `layer` is None where the trace itself refuses."""

    # A table, to be read by column.
    # fmt: off
    PEER_NOT_ALLOWED = (
        "peer-not-allowed", Layer.NETWORK, 403,
        "This listener does not accept connections from your address.",
        "Add the address to the listener's allow_peers.",
    )
    HOST_UNKNOWN = (
        "host-unknown", Layer.NETWORK, 421,
        "The Host header names no host that this listener serves.",
        "Use the bound address, or add the name to gateway.allowed_hosts.",
    )
    ORIGIN_NOT_ALLOWED = (
        "origin-not-allowed", Layer.NETWORK, 403,
        "The request comes from a web page of another origin.",
        "Call from a program, or add the page's origin to gateway.allowed_origins.",
    )
    TARGET_MALFORMED = (
        "target-malformed", Layer.NETWORK, 400,
        "The request target is not in the one normal form that is accepted.",
        "Send an absolute path without dot segments, doubled, encoded or back slashes, or ';'.",
    )
    HEADER_DUPLICATE = (
        "header-duplicate", Layer.NETWORK, 400,
        "A header that may appear once was sent more than once.",
        "Send Host, Authorization, the Content headers and the X- credentials once each.",
    )
    HEADER_MALFORMED = (
        "header-malformed", Layer.NETWORK, 400,
        "A header has a value that is not accepted.",
        "Send header values in printable ASCII.",
    )
    METHOD_UNSUPPORTED = (
        "method-unsupported", Layer.NETWORK, 501,
        "This method is not implemented.",
        "Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.",
    )
    VERSION_UNSUPPORTED = (
        "version-unsupported", Layer.NETWORK, 505,
        "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
        "Speak HTTP/1.1.",
    )
    REQUEST_MALFORMED = (
        "request-malformed", Layer.NETWORK, 400,
        "The bytes received are not a valid HTTP/1.1 request.",
        "Send a request that follows RFC 9112, with bounded line and header sizes.",
    )
    ROUTE_UNKNOWN = (
        "route-unknown", Layer.NETWORK, 404,
        "Nothing is served at this method and path.",
        "See the documented routes; an agent's own path must be listed in upstream.routes.",
    )
    REQUEST_LATE = (
        "request-late", Layer.NETWORK, 408,
        "The request line and headers did not arrive in time.",
        "Send the whole head at once; gateway.header_timeout_secs is the time that it has.",
    )
    RATE_LIMITED = (
        "rate-limited", None, 429,
        "Too many requests of yours, or from your address.",
        "Wait for the number of seconds in Retry-After.",
    )

    TOKEN_MISSING = (
        "token-missing", Layer.AUTHENTICATION, 401,
        "This route needs a bearer token.",
        "Pair first: POST /pair with X-Pairing-Code, then send Authorization: Bearer <token>.",
    )
    TOKEN_UNKNOWN = (
        "token-unknown", Layer.AUTHENTICATION, 401,
        "The bearer token is not valid.",
        "Pair again: sidegate pair prints a new code on the machine that runs Sidegate.",
    )
    CODE_WRONG = (
        "code-wrong", Layer.AUTHENTICATION, 403,
        "The pairing code is wrong, used or expired.",
        "Run sidegate pair on the machine that runs Sidegate and use the code within 10 minutes.",
    )
    PAIRING_LOCKED = (
        "pairing-locked", Layer.AUTHENTICATION, 429,
        "Too many wrong pairing codes came from your address.",
        "Wait for the number of seconds in Retry-After.",
    )
    PEER_UNTRUSTED = (
        "peer-untrusted", Layer.AUTHENTICATION, 403,
        "This socket serves only the user that runs Sidegate.",
        "Run the command as the user that runs Sidegate.",
    )

    SIGNATURE_INVALID = (
        "signature-invalid", Layer.AUTHENTICATION, 401,
        "The signature or secret of this webhook is missing or wrong.",
        "Give the provider and channels_config the same secret, and sign the bytes that are sent.",
    )
    WEBHOOK_STALE = (
        "webhook-stale", Layer.AUTHENTICATION, 401,
        "The webhook was signed too long ago, or in the future.",
        "Set the clocks of both sides; five minutes of difference are accepted.",
    )
    WEBHOOK_REPLAYED = (
        "webhook-replayed", Layer.AUTHENTICATION, 401,
        "This very webhook has been received before.",
        "Sign each attempt anew, with the time of the attempt.",
    )
    CHANNEL_CLOSED = (
        "channel-closed", Layer.AUTHENTICATION, 401,
        "This channel has no secret, so that nothing that it sends can be verified.",
        "Set the channel's secret in channels_config.",
    )
    SENDER_NOT_ALLOWED = (
        "sender-not-allowed", Layer.AUTHENTICATION, 403,
        "The sender is not in the channel's list.",
        "Add the sender's id to allowed_users or allowed_numbers of the channel.",
    )
    VERIFY_TOKEN_WRONG = (
        "verify-token-wrong", Layer.AUTHENTICATION, 403,
        "This is no subscription request with the right verify token.",
        "Give the provider and channels_config.whatsapp.verify_token the same token.",
    )
    STATE_UNAVAILABLE = (
        "state-unavailable", None, 503,
        "The state cannot be read or written, so nothing is decided.",
        "See sidegate status and the log: the disk, or the server that state.url names.",
    )

    BODY_TOO_LARGE = (
        "body-too-large", None, 413,
        "The body is larger than this listener accepts.",
        "Send less, or raise gateway.max_body_bytes.",
    )
    BODY_LATE = (
        "body-late", None, 408,
        "The body did not arrive in time.",
        "Send it faster, or raise gateway.request_timeout_secs.",
    )
    BODY_MALFORMED = (
        "body-malformed", None, 400,
        "The body is not the JSON that this route expects.",
        "Send one strict JSON object: UTF-8, no duplicate keys, no NaN, at most 64 levels deep.",
    )
    BODY_UNTYPED = (
        "body-untyped", None, 415,
        "This route takes application/json, unencoded.",
        "Send Content-Type: application/json and no Content-Encoding.",
    )
    HANDSHAKE_MALFORMED = (
        "handshake-malformed", Layer.AUTHORIZATION, 400,
        "The request asks for a WebSocket in a form that is not accepted.",
        "Send GET without a body, Connection: Upgrade, a key, and Sec-WebSocket-Version: 13.",
    )
    ROLE_INSUFFICIENT = (
        "role-insufficient", Layer.AUTHORIZATION, 403,
        "Your role may not do this.",
        "Use a credential of the role that this route belongs to.",
    )
    SCOPE_INSUFFICIENT = (
        "scope-insufficient", Layer.AUTHORIZATION, 403,
        "The token's scope does not cover this.",
        "Use a token whose routes, tools and level cover it; sidegate tokens list shows them.",
    )
    TOOL_RATE_LIMITED = (
        "tool-rate-limited", Layer.AUTHORIZATION, 429,
        "Too many tool calls of yours.",
        "Wait for Retry-After seconds; sidegate explain names the rates that a tool has.",
    )
    IDEMPOTENCY_MALFORMED = (
        "idempotency-malformed", Layer.AUTHORIZATION, 400,
        "The idempotency key is not one that is accepted.",
        "Send one Idempotency-Key of up to 255 printable characters, without spaces.",
    )
    TOOL_UNKNOWN = (
        "tool-unknown", Layer.AUTHORIZATION, 403,
        "There is no tool of this name.",
        "Declare it under tools: with effect and backend; GET /tools lists what you may call.",
    )
    MESSAGE_MALFORMED = (
        "message-malformed", Layer.AUTHORIZATION, 400,
        "The body is not one message of JSON-RPC 2.0 as MCP carries it.",
        "Send one request, notification or response; ids are strings or whole numbers.",
    )
    BATCH_UNSUPPORTED = (
        "batch-unsupported", Layer.AUTHORIZATION, 400,
        "Several messages in one body are not taken.",
        "Send each message in a request of its own.",
    )
    HEADER_MISMATCH = (
        "header-mismatch", Layer.AUTHORIZATION, 400,
        "An Mcp header is missing, doubled, or says something else than the body.",
        "Send MCP-Protocol-Version, Mcp-Method, Mcp-Name and Mcp-Param- as the body has them.",
    )
    REVISION_UNSUPPORTED = (
        "revision-unsupported", Layer.AUTHORIZATION, 400,
        "This revision of MCP is not spoken here, or is not that of the session.",
        "Speak 2025-03-26, 2025-06-18, 2025-11-25 or 2026-07-28.",
    )
    PARAMETERS_INVALID = (
        "parameters-invalid", Layer.AUTHORIZATION, 400,
        "The parameters are not those of this method.",
        "Send what the revision that you speak says of this method.",
    )
    SESSION_MISSING = (
        "session-missing", Layer.AUTHORIZATION, 400,
        "This needs a session, and the request names none.",
        "Send initialize first, and then the Mcp-Session-Id that was answered.",
    )
    SESSION_UNKNOWN = (
        "session-unknown", Layer.AUTHORIZATION, 404,
        "You have no session of this id: it has ended, or never was.",
        "Send initialize again.",
    )
    VERB_UNSUPPORTED = (
        "verb-unsupported", Layer.AUTHORIZATION, 405,
        "There is nothing to get or to delete without a session.",
        "Send POST requests; GET and DELETE belong to the revisions that have sessions.",
    )
    METHOD_UNKNOWN = (
        "method-unknown", Layer.AUTHORIZATION, 404,
        "There is no such method, or it is not served here.",
        "Add its group to mcp_servers.NAME.allow, if it is to be served.",
    )
    TOOL_QUARANTINED = (
        "tool-quarantined", Layer.AUTHORIZATION, 403,
        "The server has changed this tool, or hides characters in what it says of it.",
        "Let the operator look at it: sidegate mcp tools, then sidegate mcp accept.",
    )
    APPROVAL_PENDING = (
        "approval-pending", Layer.AUTHORIZATION, 409,
        "The operator has not decided yet, and nothing was done.",
        "Make the same call again with the same arguments to learn what came of it.",
    )
    ARGUMENTS_INVALID = (
        "arguments-invalid", Layer.AUTHORIZATION, 400,
        "The arguments are not those that the tool takes.",
        "Send exactly the arguments that the documentation of the tool names, with their types.",
    )
    AUTONOMY_READONLY = (
        "autonomy-readonly", Layer.AUTHORIZATION, 403,
        "At autonomy level readonly only tools that read may be called.",
        "Set autonomy.level to supervised or full to let tools write or execute.",
    )
    TOOL_DENIED = (
        "tool-denied", Layer.AUTHORIZATION, 403,
        "This tool is switched off.",
        "Its entry under tools: says approval: deny; only the operator can change that.",
    )
    WRAPPER_UNKNOWN = (
        "wrapper-unknown", Layer.AUTHORIZATION, 403,
        "This tool calls other tools, and it is not known how.",
        "Declare it under tools: with dispatch, so that the inner call can be judged.",
    )
    ARGUMENT_NOT_ALLOWED = (
        "argument-not-allowed", Layer.AUTHORIZATION, 403,
        "A rule of this tool does not allow the value of an argument.",
        "Send a value that the rules of the tool allow; sidegate explain names the rule.",
    )
    ACTIONS_EXHAUSTED = (
        "actions-exhausted", Layer.AUTHORIZATION, 429,
        "The actions of this hour are used up.",
        "Wait for Retry-After seconds, or raise autonomy.max_actions_per_hour.",
    )
    APPROVAL_REQUIRED = (
        "approval-required", Layer.AUTHORIZATION, 403,
        "A human must approve this call, and nobody is asked.",
        "Add the tool to autonomy.auto_approve, or let autonomy.approval_timeout_secs be above 0.",
    )
    APPROVAL_REFUSED = (
        "approval-refused", Layer.AUTHORIZATION, 403,
        "The operator refused this call.",
        "Do not send it again: ask the operator what else would do.",
    )
    APPROVAL_TIMED_OUT = (
        "approval-timed-out", Layer.AUTHORIZATION, 403,
        "Nobody decided on this call in time.",
        "Tell the operator, who sees it with sidegate approvals list, and send it again.",
    )
    APPROVAL_VOID = (
        "approval-void", Layer.AUTHORIZATION, 403,
        "The approval was used, has ended, or was given under other rules.",
        "Send the call again, so that the operator is asked anew.",
    )
    APPROVALS_FULL = (
        "approvals-full", Layer.AUTHORIZATION, 429,
        "Too many calls wait for the operator already.",
        "Wait until the operator has decided on some of them.",
    )
    REQUEST_UNKNOWN = (
        "request-unknown", Layer.ISOLATION, 404,
        "There is no such request of yours.",
        "An answer is kept for an hour; send the call again.",
    )
    REQUEST_LOST = (
        "request-lost", Layer.ISOLATION, 502,
        "Sidegate ended while this call ran: whether it was done is not known.",
        "Look whether it was done before you send it again.",
    )
    APPROVAL_STALE = (
        "approval-stale", Layer.ISOLATION, 409,
        "One of these approvals was decided or has ended, so nothing was decided.",
        "Look at what waits with sidegate approvals list, and decide again.",
    )
    STANDING_GRANT_REFUSED = (
        "standing-grant-refused", Layer.ISOLATION, 409,
        "This cannot be granted for a time, so nothing was decided.",
        "Approve the calls one by one, without for; or revoke grants that are no longer needed.",
    )
    EVENTS_FULL = (
        "events-full", Layer.ISOLATION, 429,
        "Too many streams of events are open.",
        "Close a console or a sidegate approvals watch, or ask for the lists instead.",
    )
    STOPPED_BY_OPERATOR = (
        "stopped-by-operator", Layer.AUTHORIZATION, 503,
        "The operator has stopped this.",
        "Wait: only the operator can let it go on, with sidegate resume.",
    )
    DENIED_REPEATEDLY = (
        "denied-repeatedly", Layer.AUTHORIZATION, 403,
        "This very call was denied again and again, and is no longer looked at.",
        "Stop sending it and ask the operator, who sees it with sidegate stops.",
    )
    COMMAND_MALFORMED = (
        "command-malformed", Layer.AUTHORIZATION, 403,
        "The command holds characters that no shell reads alike, or no program.",
        "Send printable text with ordinary spaces, tabs and line ends, naming one program.",
    )
    COMMAND_UNPARSABLE = (
        "command-unparsable", Layer.AUTHORIZATION, 403,
        "The command is not one that every shell reads alike.",
        "Send a line of plain shell grammar, with its quotes and brackets closed.",
    )
    COMMAND_UNKNOWABLE = (
        "command-unknowable", Layer.AUTHORIZATION, 403,
        "What the command would do is known only when it runs.",
        "Write words out: no expansion, substitution, brace or pattern where it decides.",
    )
    COMMAND_VARIABLE_NOT_ALLOWED = (
        "command-variable-not-allowed", Layer.AUTHORIZATION, 403,
        "The command sets a variable that can change what programs do.",
        "Set only harmless variables, such as LANG or NO_COLOR, or none.",
    )
    COMMAND_OPTION_NOT_ALLOWED = (
        "command-option-not-allowed", Layer.AUTHORIZATION, 403,
        "An option or operand lets the program do more than its listing allows.",
        "Leave it out; sidegate explain names the option and the rule.",
    )
    COMMAND_NOT_ALLOWED = (
        "command-not-allowed", Layer.AUTHORIZATION, 403,
        "The program is not in the list of allowed commands.",
        "Add the program, spelled exactly so, to autonomy.allowed_commands.",
    )
    COMMAND_TOO_COMPLEX = (
        "command-too-complex", Layer.AUTHORIZATION, 403,
        "The command is too large to be judged.",
        "Send a shorter command.",
    )
    PATH_OUTSIDE_WORKSPACE = (
        "path-outside-workspace", Layer.AUTHORIZATION, 403,
        "A path leads out of the workspace.",
        "Use paths beneath autonomy.workspace_dir, without links that lead out of it.",
    )
    PATH_FORBIDDEN = (
        "path-forbidden", Layer.AUTHORIZATION, 403,
        "A path is forbidden.",
        "Use another path: system and key folders and autonomy.forbidden_paths are never opened.",
    )
    PATH_IGNORED = (
        "path-ignored", Layer.AUTHORIZATION, 403,
        "A path names what no tool is to see.",
        "Use another file: what autonomy.ignore lists, such as .env, is kept from all tools.",
    )
    PATH_READ_ONLY = (
        "path-read-only", Layer.AUTHORIZATION, 403,
        "A path may be read, but not written to.",
        "Write elsewhere: .git folders and roots with access: ro are never written to.",
    )
    URL_NOT_ALLOWED = (
        "url-not-allowed", Layer.AUTHORIZATION, 403,
        "A URL leads to where no tool may go.",
        "Use an http or https URL of a host that autonomy.allowed_domains lists.",
    )
    URL_PRIVATE = (
        "url-private", Layer.AUTHORIZATION, 403,
        "A URL leads to a private, local or metadata address.",
        "Use the URL of a public host.",
    )
    URL_UNRESOLVED = (
        "url-unresolved", Layer.AUTHORIZATION, 403,
        "The host of a URL has no address.",
        "Check the spelling of the host, and whether Sidegate has a name server.",
    )
    PATH_NOT_FOUND = (
        "path-not-found", Layer.AUTHORIZATION, 403,
        "There is no such file or folder in the workspace.",
        "List the folder first; file_write makes a file, but no folder.",
    )
    PATH_UNUSABLE = (
        "path-unusable", Layer.AUTHORIZATION, 403,
        "The path names something that this tool does not act on.",
        "Name a regular file with one link, or a folder for file_list.",
    )
    WORKSPACE_MISSING = (
        "workspace-missing", Layer.AUTHORIZATION, 403,
        "The workspace folder does not exist.",
        "Create autonomy.workspace_dir and restart Sidegate.",
    )

    SECRET_IN_REQUEST = (
        "secret-in-request", Layer.AUTHORIZATION, 403,
        "The request holds what looks like a secret.",
        "Leave it out, or see protection.scan_requests; the audit log tells what kind it is.",
    )
    REQUEST_UNREADABLE = (
        "request-unreadable", Layer.AUTHORIZATION, 415,
        "The body is in a form in which no secret can be looked for.",
        "Send it unencoded and in UTF-8, or set protection.scan_requests to none.",
    )
    PLACEHOLDER_UNKNOWN = (
        "placeholder-unknown", Layer.AUTHORIZATION, 409,
        "A placeholder for a secret is not of the place that it would be written to.",
        "Read it again and keep its placeholders as they are: each can only be written back there.",
    )

    IDEMPOTENCY_IN_FLIGHT = (
        "idempotency-in-flight", Layer.ISOLATION, 409,
        "A request with this idempotency key is being carried out.",
        "Wait for its answer, then ask again with the same key.",
    )
    IDEMPOTENCY_MISMATCH = (
        "idempotency-mismatch", Layer.ISOLATION, 422,
        "This idempotency key belongs to another request.",
        "Make a new key for each request; repeat one only with the very same body.",
    )
    IDEMPOTENCY_UNKNOWN = (
        "idempotency-unknown", Layer.ISOLATION, 409,
        "A request with this idempotency key was cut off; whether it was carried out is not known.",
        "Look at what it did; then, if it must be done, send it with a new key.",
    )
    IDEMPOTENCY_ANSWER_LOST = (
        "idempotency-answer-lost", Layer.ISOLATION, 409,
        "It was carried out, and its answer was too large to be kept.",
        "Ask the agent for what came of it; do not send it again.",
    )
    IDEMPOTENCY_FULL = (
        "idempotency-full", Layer.ISOLATION, 503,
        "There is no room for another idempotency key.",
        "Wait for running requests to end, or raise gateway.idempotency_max_keys.",
    )
    INBOX_FULL = (
        "inbox-full", Layer.ISOLATION, 503,
        "There is no room for another message.",
        "Let the agent take what waits: sidegate inbox list.",
    )
    SANDBOX_UNAVAILABLE = (
        "sandbox-unavailable", Layer.ISOLATION, 503,
        "The sandbox could not be started, so nothing was run.",
        "See what sidegate status says is missing; with docker-guard, see the guard's log, too.",
    )
    SANDBOX_LOST = (
        "sandbox-lost", Layer.ISOLATION, 502,
        "The sandbox was lost while the command ran; part of its work may be done.",
        "Look at what the command changed, and at the Docker engine, before you run it again.",
    )
    WORKSPACE_FULL = (
        "workspace-full", Layer.ISOLATION, 503,
        "The disk that the workspace lies on is nearly full.",
        "Free some of it, or lower runtime.min_free_mb.",
    )
    SANDBOX_BUSY = (
        "sandbox-busy", Layer.ISOLATION, 429,
        "All sandboxes are in use.",
        "Try again after Retry-After seconds, or raise runtime.docker.max_concurrent.",
    )
    FILE_TOO_LARGE = (
        "file-too-large", Layer.ISOLATION, 413,
        "The file is larger than this tool returns.",
        "Read a part of it with a command such as head or sed in the sandbox.",
    )
    FILE_NOT_TEXT = (
        "file-not-text", Layer.ISOLATION, 415,
        "The file is not UTF-8 text.",
        "Use a command in the sandbox for binary files.",
    )
    FILE_FAILED = (
        "file-failed", Layer.ISOLATION, 503,
        "The operating system refused the file operation, so nothing was changed.",
        "See the log of Sidegate for the error: space, quota and permissions are the usual causes.",
    )
    UPSTREAM_MISSING = (
        "upstream-missing", Layer.ISOLATION, 502,
        "No upstream agent is configured.",
        "Set upstream.url to the agent's address.",
    )
    UPSTREAM_UNREACHABLE = (
        "upstream-unreachable", Layer.ISOLATION, 502,
        "The upstream agent could not be reached.",
        "Start the agent, and check that upstream.url is reachable from Sidegate.",
    )
    UPSTREAM_DOWN = (
        "upstream-down", Layer.ISOLATION, 503,
        "The upstream agent could not be reached several times in a row, so it was not asked.",
        "Start the agent; it is tried again after the seconds in Retry-After.",
    )
    UPSTREAM_LATE = (
        "upstream-late", Layer.ISOLATION, 504,
        "The upstream agent did not answer in time.",
        "Look at the agent; for a tool raise tools.NAME.timeout_secs.",
    )
    UPSTREAM_REFUSED = (
        "upstream-refused", Layer.ISOLATION, 502,
        "The upstream agent answered the tool call with an error.",
        "Look at the agent's own log for this request id.",
    )
    UPSTREAM_UNREADABLE = (
        "upstream-unreadable", Layer.ISOLATION, 502,
        "The upstream's answer is in a form that cannot be inspected, so it is not passed on.",
        "Let the agent answer unencoded, in UTF-8, within the size limit.",
    )
    MCP_UNAVAILABLE = (
        "mcp-unavailable", Layer.ISOLATION, 503,
        "The MCP server could not be reached, and has received nothing.",
        "Start the server, and check mcp_servers.NAME; sidegate status tells what is missing.",
    )
    MCP_LATE = (
        "mcp-late", Layer.ISOLATION, 504,
        "The MCP server did not answer in time; whether it did anything is not known.",
        "Raise timeout_secs of the tool, if it may take longer.",
    )
    MCP_UNREADABLE = (
        "mcp-unreadable", Layer.ISOLATION, 502,
        "The MCP server answered with something that is not MCP.",
        "Look at the server's own log; the audit log has the kind of fault.",
    )
    MCP_REFUSED = (
        "mcp-refused", Layer.ISOLATION, 502,
        "The MCP server refused the call.",
        "Look at the server's own log; clients of MCP are told its error.",
    )
    OPERATION_UNKNOWN = (
        "operation-unknown", Layer.ISOLATION, 404,
        "There is no such thing to operate on.",
        "List what exists first: sidegate tokens list, inbox list, approvals list, stops.",
    )

    LAYER_FAILED = (
        "layer-failed", None, 503,
        "A layer failed, so the request was refused.",
        "Report the request id: the log of Sidegate holds the cause.",
    )
    AUDIT_UNAVAILABLE = (
        "audit-unavailable", None, 503,
        "The audit log cannot be written, so nothing was done.",
        "Make room for, and give write access to, the file that audit.path names.",
    )
    # fmt: on

    def __init__(
        self, code: str, layer: Layer | None, status: int, detail: str, remedy: str
    ) -> None:
        self.code = code
        self.layer = layer
        self.status = status
        self.detail = detail
        self.remedy = remedy
