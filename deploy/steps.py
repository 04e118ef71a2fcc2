"""The steps of the tour: what is asked of Sidegate, and what each answer must be."""

import asyncio
import hmac
import json
import re
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import aiohttp
from demo_agent import FAKE_SECRET
from mcp_steps import McpSteps
from narrator import Answer, Narrator, curl
from stage import GITHUB_SECRET, STORED_SECRET, Stage, engine_is_there

DECISION = re.compile(r"^sidegate_layer_decisions_total\{.*\} (?!0(?:\.0)?$)\S+$", re.MULTILINE)
STREAM_SECS = 0.1  # the agent takes five times as long to write its answer
TOKEN_ID = re.compile(r"\b[0-9a-f]{8}\b")


class Tour(McpSteps):
    """The steps, in the order of `steps`."""

    def __init__(self, stage: Stage, http: aiohttp.ClientSession, narrator: Narrator) -> None:
        self.stage = stage
        self.http = http
        self.narrator = narrator
        self.token = ""

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """List the steps in their order."""
        return [
            ("Who is there? Only this is public", self.health),
            ("Without a token nobody gets further", self.no_token),
            ("Pair: the one-time code from the console buys a token", self.pair),
            ("Which tools may I call?", self.tools),
            ("A command of the allowlist runs in a container without network", self.allowed),
            ("Another command does not, and the answer says what to do", self.denied),
            ("Nor does one inside an allowed one", self.substitution),
            ("Nor does an option that runs other programs", self.option),
            ("A pipe of allowed programs runs, with its errors thrown away", self.pipe),
            ("A command shows what it writes as it writes", self.watched),
            ("Nor does a path that leaves the workspace", self.escape),
            ("Nor a link that does", self.symlink),
            ("Files of the workspace can be written and read", self.files),
            ("A secret in a command's output is taken out", self.redacted),
            ("A message goes on to the agent", self.message),
            ("The same message again, under one key, is delivered once", self.repeat),
            ("A webhook of a platform, if its sender may send", self.webhook),
            ("A streamed answer streams, without the secret that comes in pieces", self.stream),
            ("A tool of the agent's", self.upstream_tool),
            ("A tool of the agent's that lets a secret slip", self.leak),
            ("A tool of an MCP server, and headers that say something else", self.mcp_tool),
            ("A server that changes its tool: the owner looks at it first", self.mcp_change),
            ("A call that the owner is asked about, and allows once", self.approved),
            ("Stop everything; only the owner lets it go on", self.stopped),
            ("Why? Every layer's word on a call, without making it", self.explained),
            ("What reached the agent: its own credential, never the client's", self.seen),
            ("That credential was stored under a name, and is seen by nobody else", self.stored),
            ("Each layer counts what it decided", self.metrics),
            ("A token for a script may have bounds", self.bounds),
            ("The owner sees the tokens and revokes one", self.revoke),
            ("All of this is on record, and nobody changed the record", self.recorded),
        ]

    async def walk(self) -> None:
        """Take all steps."""
        for title, step in self.steps():
            self.narrator.title(title)
            try:
                await step()
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                self.narrator.expect("a readable answer", found=repr(error), wanted="one")

    # How steps ask

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: object
    ) -> Answer:
        """Send the request and read the whole answer."""
        async with self.http.request(method, url, headers=headers, json=body) as got:
            times = [time.monotonic()]
            data = bytearray()
            async for piece in got.content.iter_any():
                data += piece
                times.append(time.monotonic())
            spread = times[-1] - times[1] if data else 0.0
            return Answer(got.status, got.reason or "", got.headers, data.decode(), spread)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask Sidegate, showing the request and its answer; the token is shown by name."""
        headers = headers or {}
        shown, sent = dict(headers), dict(headers)
        if self.token:
            shown["Authorization"] = "Bearer $TOKEN"
            sent["Authorization"] = f"Bearer {self.token}"
        url = self.stage.gateway + path
        self.narrator.command(curl(method, url, shown, body))
        answer = await self.fetch(method, url, sent, body)
        self.narrator.answer(answer)
        return answer

    async def tool(self, name: str, **arguments: object) -> Answer:
        """Call a tool."""
        return await self.call("POST", f"/tools/{name}", {"arguments": arguments})

    def served(self, answer: Answer) -> None:
        """Expect success."""
        self.narrator.expect("the answer is 200", found=answer.status, wanted=200)

    def refused(self, answer: Answer, status: int, code: str, layer: str) -> None:
        """Expect a refusal by that layer for that reason."""
        found = (answer.status, answer.value("code"), answer.value("layer"))
        holds = f"refused by {layer} as {code}"
        self.narrator.expect(holds, found=found, wanted=(status, code, layer))

    def clean(self, answer: Answer) -> None:
        """Expect that the secret is gone and the rest is not."""
        told = FAKE_SECRET in answer.text
        self.narrator.expect("the secret did not come out", found=told, wanted=False)

    def ran(self, answer: Answer) -> bool:
        """Expect a command to have run; without an engine, expect the refusal that says so."""
        if engine_is_there():
            self.served(answer)
            return True
        self.refused(answer, 503, "sandbox-unavailable", "isolation")
        self.narrator.say("      (no Docker engine is here: nothing runs unconfined in its place)")
        return False

    # The steps

    async def health(self) -> None:
        """The one public answer."""
        answer = await self.call("GET", "/health")
        self.served(answer)
        body = answer.value()
        self.narrator.expect(
            "nobody has paired yet", found=body, wanted={"status": "ok", "paired": False}
        )

    async def no_token(self) -> None:
        """A call without a token."""
        answer = await self.tool("shell", command="ls")
        self.refused(answer, 401, "token-missing", "authentication")

    async def pair(self) -> None:
        """The pairing code, read from what serve printed."""
        self.narrator.say(f"      sidegate printed: pairing code: {self.stage.code} (…)")
        answer = await self.call("POST", "/pair", headers={"X-Pairing-Code": self.stage.code})
        self.served(answer)
        token = answer.value("token")
        shape = bool(re.fullmatch(r"zc_[0-9a-f]{64}", str(token)))
        self.narrator.expect("the token is zc_ and 64 hex digits", found=shape, wanted=True)
        self.token = str(token)
        again = await self.call("POST", "/pair", headers={"X-Pairing-Code": self.stage.code})
        self.refused(again, 403, "code-wrong", "authentication")

    async def tools(self) -> None:
        """The listing."""
        answer = await self.call("GET", "/tools")
        self.served(answer)
        listed = answer.value("tools")
        names = {tool.get("name") for tool in listed} if isinstance(listed, list) else set()
        missing = {
            "shell",
            "file_read",
            "file_write",
            "file_list",
            "add",
            "leak",
            "publish",
        } - names
        self.narrator.expect("all seven tools are listed", found=missing, wanted=set())

    async def allowed(self) -> None:
        """A command that may run."""
        answer = await self.tool("shell", command="ls -l")
        if self.ran(answer):
            listed = "hello.txt" in str(answer.value("result", "stdout"))
            self.narrator.expect("it sees the workspace", found=listed, wanted=True)

    async def denied(self) -> None:
        """A command that may not."""
        answer = await self.tool("shell", command="rm -rf /")
        self.refused(answer, 403, "command-not-allowed", "authorization")
        remedy = bool(answer.value("remedy"))
        self.narrator.expect("the answer names a remedy", found=remedy, wanted=True)

    async def substitution(self) -> None:
        """A command within a command."""
        answer = await self.tool("shell", command="echo $(rm x)")
        self.refused(answer, 403, "command-unknowable", "authorization")

    async def option(self) -> None:
        """A program that an allowed one would start."""
        answer = await self.tool("shell", command="find . -name hello.txt -exec rm {} +")
        self.refused(answer, 403, "command-not-allowed", "authorization")

    async def pipe(self) -> None:
        """Two programs of the allowlist."""
        answer = await self.tool("shell", command="ls hello.txt nothing 2>/dev/null | grep hello")
        if self.ran(answer):
            found = answer.value("result", "stdout")
            self.narrator.expect("one is listed", found=found, wanted="hello.txt\n")

    async def watched(self) -> None:
        """A command as server-sent events."""
        body = {"arguments": {"command": "cat && sleep 0.3 && echo done", "stdin": "begun\n"}}
        accept = {"Accept": "text/event-stream"}
        answer = await self.call("POST", "/tools/shell", body, headers=accept)
        if self.ran(answer):
            flowed = answer.spread_secs > STREAM_SECS
            self.narrator.expect("it came as it was written", found=flowed, wanted=True)
            kinds = re.findall(r"^event: (\w+)$", answer.text, re.MULTILINE)
            wanted = ["stdout", "stdout", "result"]
            self.narrator.expect("two pieces, and how it ended", found=kinds, wanted=wanted)

    async def approved(self) -> None:
        """A call that waits, the owner's word, and its answer; the same call asks again."""
        headers = {"Prefer": "respond-async"}
        wish = {"arguments": {"text": "Hello, world."}}
        answer = await self.call("POST", "/tools/publish", wish, headers=headers)
        self.narrator.expect("the answer is 202: later", found=answer.status, wanted=202)
        request = str(answer.value("request_id"))
        status, printed = await self.sidegate("approvals", "list")
        self.narrator.expect("the owner sees it", found=request in printed, wanted=True)
        status, _ = await self.sidegate("approvals", "approve", request)
        self.narrator.expect("sidegate approvals approve works", found=status, wanted=0)
        done = await self.later(request)
        self.served(done)
        again = await self.call("POST", "/tools/publish", wish, headers=headers)
        other = again.value("request_id")
        self.narrator.expect("once is once", found=other == request, wanted=False)
        await self.sidegate("approvals", "deny", str(other))
        self.refused(await self.later(str(other)), 403, "approval-refused", "authorization")

    async def later(self, request: str) -> Answer:
        """The answer to a call that was to come later, as soon as it is there."""
        for _ in range(50):
            answer = await self.fetch(
                "GET",
                f"{self.stage.gateway}/requests/{request}",
                {"Authorization": f"Bearer {self.token}"},
                None,
            )
            if answer.status != HTTPStatus.ACCEPTED:
                break
            await asyncio.sleep(0.1)
        return await self.call("GET", f"/requests/{request}")

    async def stopped(self) -> None:
        """The owner's emergency brake."""
        status, _ = await self.sidegate("stop-all", "--why", "lunch")
        self.narrator.expect("sidegate stop-all works", found=status, wanted=0)
        self.refused(await self.tool("add", a=1, b=2), 503, "stopped-by-operator", "authorization")
        status, _ = await self.sidegate("resume")
        self.narrator.expect("sidegate resume works", found=status, wanted=0)
        self.served(await self.tool("add", a=1, b=2))

    async def explained(self) -> None:
        """The verdict on a call that is not made."""
        status, printed = await self.sidegate("explain", "shell", "sleep 1; rm -rf /")
        self.narrator.expect("sidegate explain works", found=status, wanted=0)
        named = "command-not-allowed" in printed
        self.narrator.expect("it names the reason", found=named, wanted=True)

    async def escape(self) -> None:
        """A path with dots."""
        answer = await self.tool("shell", command="cat ../outside")
        self.refused(answer, 403, "path-outside-workspace", "authorization")

    async def symlink(self) -> None:
        """A link in the workspace to a file of the system."""
        answer = await self.tool("file_read", path="way-out")
        self.refused(answer, 403, "path-outside-workspace", "authorization")

    async def files(self) -> None:
        """A file there and back."""
        text = "Remember the milk.\n"
        self.served(await self.tool("file_write", path="note.txt", content=text))
        answer = await self.tool("file_read", path="note.txt")
        content = answer.value("result", "content")
        self.narrator.expect("what was written is read", found=content, wanted=text)

    async def redacted(self) -> None:
        """A secret that a command prints."""
        answer = await self.tool("shell", command=f"echo api_key={FAKE_SECRET}")
        if self.ran(answer):
            self.clean(answer)

    async def message(self) -> None:
        """A message for the agent."""
        answer = await self.call("POST", "/webhook", {"message": "Good morning"})
        self.served(answer)
        echoed = answer.value("response")
        self.narrator.expect("the agent answered", found=echoed, wanted="You wrote: Good morning")

    async def repeat(self) -> None:
        """A message, and its repeat."""
        for replayed in (None, "true"):
            answer = await self.call(
                "POST", "/webhook", {"message": "Once"}, headers={"Idempotency-Key": "order-7"}
            )
            self.served(answer)
            found = answer.headers.get("Idempotency-Replayed")
            self.narrator.expect("Idempotency-Replayed", found=found, wanted=replayed)

    async def webhook(self) -> None:
        """A signed webhook of a sender in the list, of one who is not, and a forged one."""
        for login, secret, status in (
            ("octocat", GITHUB_SECRET, 200),
            ("mallory", GITHUB_SECRET, 403),
            ("octocat", "a-guess", 401),
        ):
            body = {"message": f"{login} opened an issue", "sender": {"id": 7, "login": login}}
            signature = hmac.digest(secret.encode(), json.dumps(body).encode(), "sha256").hex()
            headers = {
                "X-GitHub-Delivery": f"{login}-{status}",
                "X-Hub-Signature-256": f"sha256={signature}",
            }
            answer = await self.call("POST", "/webhook/github", body, headers=headers)
            self.narrator.expect(f"the answer is {status}", found=answer.status, wanted=status)

    async def bounds(self) -> None:
        """A token that may list files and nothing else, and is shown once."""
        status, printed = await self.sidegate(
            *("tokens", "create", "--name", "script", "--tool", "file_list", "--expires", "1h")
        )
        self.narrator.expect("sidegate tokens create works", found=status, wanted=0)
        mine, self.token = self.token, printed.strip()
        self.served(await self.tool("file_list", path="."))
        answer = await self.tool("file_read", path="hello.txt")
        self.refused(answer, 403, "scope-insufficient", "authorization")
        self.token = mine

    async def stream(self) -> None:
        """A chat completion as server-sent events."""
        chat = {"stream": True, "messages": [{"role": "user", "content": "Do you have a key?"}]}
        answer = await self.call("POST", "/v1/chat/completions", chat)
        self.served(answer)
        told = "".join(deltas(answer.text))
        self.narrator.say("      The pieces together:")
        self.narrator.block(told)
        flowed = answer.spread_secs > STREAM_SECS
        self.narrator.expect("it came as it was written", found=flowed, wanted=True)
        whole = told.endswith("is a secret. Goodbye.") and answer.text.endswith("[DONE]\n\n")
        self.narrator.expect("it came whole", found=whole, wanted=True)
        slipped = FAKE_SECRET in told or FAKE_SECRET in answer.text
        self.narrator.expect("the secret did not come out", found=slipped, wanted=False)

    async def upstream_tool(self) -> None:
        """A tool that the agent runs."""
        answer = await self.tool("add", a=1, b=2)
        self.served(answer)
        self.narrator.expect("one and two", found=answer.value("result"), wanted={"sum": 3})

    async def leak(self) -> None:
        """A tool's answer with a secret in it."""
        answer = await self.tool("leak")
        self.served(answer)
        self.clean(answer)

    async def seen(self) -> None:
        """The headers that the agent received, asked of itself, past Sidegate."""
        url = f"{self.stage.agent}/seen"
        self.narrator.command(curl("GET", url, {}, None))
        answer = await self.fetch("GET", url, {}, None)
        *requests, _own = json.loads(answer.text)["requests"]
        credentials = {
            (request["method"], request["path"], value)
            for request in requests
            for name, value in request["headers"]
            if name.lower() == "authorization"
        }
        for method, path, value in sorted(credentials):
            self.narrator.block(f"{method} {path}  Authorization: {value}")
        values = {value for _, _, value in credentials}
        self.narrator.expect("its own credential", found=values, wanted={f"Bearer {STORED_SECRET}"})
        crossed = self.token in answer.text
        self.narrator.expect("the client's token stayed here", found=crossed, wanted=False)

    async def stored(self) -> None:
        """The agent's credential, which the configuration names and the agent repeats."""
        self.narrator.say('      the configuration says: Authorization: "Bearer ${secret:agent}"')
        self.narrator.command(f"echo {STORED_SECRET} | sidegate secrets set agent  # before")
        self.narrator.block(self.stage.storing)
        status, printed = await self.sidegate("secrets", "list")
        self.narrator.expect("sidegate secrets list works", found=status, wanted=0)
        answer = await self.call("GET", "/seen")
        self.served(answer)
        told = STORED_SECRET in answer.text + printed
        self.narrator.expect("the secret did not come out", found=told, wanted=False)
        named = "REDACTED" in answer.text
        self.narrator.expect("it is masked where the agent repeats it", found=named, wanted=True)

    async def metrics(self) -> None:
        """The counters of decisions."""
        self.narrator.command(f"curl -s {self.stage.metrics} | grep layer_decisions")
        answer = await self.fetch("GET", self.stage.metrics, {}, None)
        counted = DECISION.findall(answer.text)
        self.narrator.block("\n".join(sorted(counted)))
        self.served(answer)
        layers = {layer for line in counted for layer in re.findall(r'layer="(\w+)"', line)}
        wanted = {"network", "authentication", "authorization", "isolation", "protection"}
        self.narrator.expect("all five layers decided", found=layers & wanted, wanted=wanted)

    async def revoke(self) -> None:
        """The owner's command line, which speaks to the server over its admin socket."""
        status, printed = await self.sidegate("tokens", "list")
        self.narrator.expect("sidegate tokens list works", found=status, wanted=0)
        ids = TOKEN_ID.findall(printed)
        self.narrator.expect("two tokens are listed", found=len(ids), wanted=2)
        for token_id in ids:
            status, _ = await self.sidegate("tokens", "revoke", token_id)
            self.narrator.expect("the token is revoked", found=status, wanted=0)
        answer = await self.call("GET", "/tools")
        self.refused(answer, 401, "token-unknown", "authentication")

    async def recorded(self) -> None:
        """The audit log, checked from its first row to its last."""
        status, printed = await self.sidegate("audit", "tail", "-n", "3")
        self.narrator.expect("sidegate audit tail works", found=status, wanted=0)
        told = FAKE_SECRET in printed or STORED_SECRET in printed
        self.narrator.expect("it holds no secret", found=told, wanted=False)
        status, _ = await self.sidegate("audit", "verify")
        self.narrator.expect("sidegate audit verify finds it whole", found=status, wanted=0)

    async def sidegate(self, *arguments: str) -> tuple[int, str]:
        """Run the command line, showing what it prints."""
        self.narrator.command(shlex.join(["sidegate", *arguments]))
        status, printed = await self.stage.run_sidegate(*arguments)
        self.narrator.block(printed)
        return status, printed


def deltas(events: str) -> list[str]:
    """Collect the text of a stream of chat events."""
    found = re.findall(r"^data: (\{.*\})$", events, re.MULTILINE)
    choices = (choice for event in found for choice in json.loads(event)["choices"])
    return [choice["delta"].get("content", "") for choice in choices]
