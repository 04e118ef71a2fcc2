"""What a request asks for, and what exactly is then done.

An `Action` is what the caller wants, read by its codec. A `Plan` is what layer 3 makes of it: with
nothing left open, a command as its argument vector and a file as an open descriptor. The
counterpart is `exchange`, whose passports carry them.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.duplex import SocketGuard
from proxy.mcp import McpCall, McpTalk, Rpc, Via
from proxy.scope import Minting
from proxy.values import Before, Headers, Json

MOUNT = "/workspace"
"""Where a sandbox sees the workspace."""


class Effect(StrEnum):
    """What a tool does to the world. The configuration states it, never the caller."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Call a tool by its policy name.

    `detach`: answer at once, and do it apart. `ask`: the approval that it is resumed under.
    `inner`: the tools that layer 3 found to be called through it. `stream`: show what it writes as
    it comes, where that can be. `via`: how it came by MCP, where it did; then a tool may also be a
    method of a server's, such as `github.resources/read`. `patience`: seconds for which a human is
    waited for, where that is less than the rules say.
    """

    tool: str
    arguments: Mapping[str, Json]
    detach: bool = False
    ask: str = ""
    inner: tuple[str, ...] = field(default=(), compare=False)
    stream: bool = field(default=False, compare=False)
    via: Via | None = field(default=None, compare=False, repr=False)
    patience: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The wish for a WebSocket, with the subprotocols offered, the dearest first."""

    protocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is still on its way: its length where it says one, and its pieces, to read once.

    The pieces raise Malformed where they end before the end, are too many or too late.
    """

    length: int | None
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Relay:
    """A request as it goes up to the agent. `headers` still holds what the client sent.

    With `upload`, that is its body. With `upgrade`, it opens a WebSocket, and what the client says
    on it goes by `guard`, where there is one.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    before: Before | None = field(default=None, compare=False, repr=False)
    upgrade: Upgrade | None = None
    upload: Upload | None = field(default=None, compare=False, repr=False)
    guard: SocketGuard | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """Words for the agent, through a webhook."""

    relay: Relay
    key: str = ""
    """The provider's own id of the message, where it has one: it is delivered once."""
    queued: bool = False
    """Whether it is stored first and delivered later."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A request for one of the agent's own routes."""

    relay: Relay


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools that the caller may call."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an operator decides on calls that wait, all of them or none.

    With `seconds` or `session`, the principal may go on using the tool that long without asking.
    """

    ids: tuple[str, ...]
    approve: bool
    seconds: float | None = None
    session: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """What an operator stops: a tool, a principal or, with neither, everything."""

    tool: str | None = None
    principal: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls an operator wants to see: those that wait, or `everything`."""

    everything: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A call that an operator asks about, as it was written; nothing is done."""

    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The definition of a tool that an operator accepts: exactly that of this digest."""

    digest: str


Detail = Minting | Ruling | Halt | Selection | Question | Acceptance


@dataclass(frozen=True, slots=True)
class Operate:
    """Something that Sidegate itself does, such as `tokens.revoke`, to `subject`."""

    verb: str
    subject: str = ""
    detail: Detail | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A question of a webhook's provider, whose answer follows from the question itself."""

    answer: Json


@dataclass(frozen=True, slots=True)
class Collect:
    """The answer to a call that was done apart from its request. `owner`: whose it must be."""

    request_id: str
    owner: str = ""


Action = ToolCall | Message | Forward | Listing | Operate | Challenge | Collect | Rpc


def _hides_nothing(_name: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class OpenPath:
    """A path opened beneath the workspace: the descriptor decides, the name is for display.

    For a write, `descriptor` is the parent folder and `leaf` the name to replace in it. For a
    listing, `hides` says which names in it are not shown.
    """

    descriptor: int
    leaf: str = ""
    hides: Callable[[str], bool] = field(default=_hides_nothing, compare=False, repr=False)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Command:
    """Run `argv` in a sandbox, `seconds` at most, with the workspace read-only unless `writes`."""

    argv: tuple[str, ...]
    seconds: float
    writes: bool
    stdin: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class FileRead:
    """Return the text of an open file."""

    file: OpenPath


@dataclass(frozen=True, slots=True)
class FileWrite:
    """Replace a file in an open folder by `content`, atomically."""

    file: OpenPath
    content: str


@dataclass(frozen=True, slots=True)
class FileList:
    """Return the entries of an open folder."""

    file: OpenPath


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call a tool of the upstream agent at `path`; `openclaw` is its name there, if that is one."""

    path: str
    arguments: Mapping[str, Json]
    seconds: float
    before: Before | None = field(default=None, compare=False, repr=False)
    openclaw: str = ""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Store a message, durably and once under its key, and deliver it later.

    `channel` and `path` say where it came in.
    """

    relay: Relay
    key: str
    channel: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """The answer followed from the decision itself."""

    value: Json
    status: int = 200


FilePlan = FileRead | FileWrite | FileList


Plan = Command | FilePlan | Invoke | Relay | Enqueue | Operate | Collect | Known | McpCall | McpTalk


def release(plan: Plan) -> None:
    """Give back the open file, if the plan holds one."""
    if isinstance(plan, FilePlan):
        plan.file.close()
