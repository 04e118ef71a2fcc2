"""Judge a whole command line: its programs by the allowlist, its paths by the workspace.

A plain call becomes the vector that runs, its patterns replaced here, so that what was judged is
what runs. Every other line goes to a shell as it was sent, but that in a sandbox a word that begins
with a pattern is led by "./": whatever files there are by then, none becomes an option.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from proxy.actions import MOUNT
from proxy.authorization.inline import KNOWN, written_and_run
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.programs.allowlist import Allowlist
from proxy.authorization.refusals import refuse
from proxy.authorization.shell.flow import beneath
from proxy.authorization.shell.parser import CommandParser
from proxy.authorization.shell.plain import MAX_WORDS
from proxy.authorization.shell.script import Call, Script
from proxy.authorization.shell.words import unknowable
from proxy.decision import Allow, Decision, Deny, Facts, Malformed
from proxy.reasons import Reason
from proxy.values import Json

_MOST_OPERANDS = 600  # each costs up to 70 µs, while nobody else is served
# What is named to these is looked at. Git runs what its own folder tells it to: to write there is
# to run a program with the next command.
_READERS = frozenset(
    {
        *("ls", "cat", "head", "tail", "tac", "nl", "wc", "stat", "file", "du", "tree", "find"),
        *("grep", "egrep", "fgrep", "rg", "fd", "diff", "cmp", "sha256sum", "md5sum", "test", "["),
        *("od", "xxd", "hexdump", "strings", "realpath", "readlink", "basename", "dirname"),
    }
)
_COMMANDS = Facts(rule="autonomy.allowed_commands")


@dataclass(frozen=True, slots=True)
class Line:
    """What would run. `plain`: `argv` is the program's own, and no shell reads it.

    `note` says what an allowed program may do by being listed; it holds nothing of the caller.
    """

    argv: tuple[str, ...]
    plain: bool
    note: str = ""


@dataclass(frozen=True)
class LineJudge:
    """The rules on command lines. `bash`: the shell that reads them is no other."""

    parser: CommandParser
    allowlist: Allowlist
    workspace: Workspace | None
    bash: bool = False

    async def judge(self, line: Json, *, mounted: bool) -> Decision[Line]:
        """What `line` would run, if it may. `mounted`: in a sandbox, which has it at MOUNT."""
        if not isinstance(line, str):
            return Deny(Reason.ARGUMENTS_INVALID)
        script = await self.parser.parse(line, bash=self.bash)
        if isinstance(script, Allow) and script.value.bare and not script.value.plain and mounted:
            line = _led(line, script.value.bare)
            script = await self.parser.parse(line, bash=self.bash)
        if isinstance(script, Deny):
            return replace(script, facts=_COMMANDS)
        try:
            return self._judge(line, script.value, mounted=mounted)
        except Malformed as refusal:
            return Deny(refusal.reason, refusal.evidence, _COMMANDS)

    def _judge(self, line: str, script: Script, *, mounted: bool) -> Decision[Line]:
        operands: list[tuple[str, str, bool]] = []
        notes: dict[str, None] = {}
        runners: list[Call] = []
        reading: Call | None = None
        for call in script.calls:
            for reading in self._readings(call, script, mounted=mounted):
                judged = self.allowlist.judge(reading)
                if isinstance(judged, Deny):
                    return judged
                operands += _operands(reading, judged.value.operands)
                notes[judged.value.note] = None
                if judged.value.note:
                    runners.append(call)
        written = written_and_run(script, runners)
        if written is not None:
            facts = Facts(**_COMMANDS, known=KNOWN)
            return Deny(Reason.COMMAND_OPTION_NOT_ALLOWED, written, facts)
        refused = self._check(script, operands, mounted=mounted)
        if refused is not None:
            return refused
        argv = reading.argv if script.plain and reading else (*self._shell(), line)
        return Allow(Line(argv, script.plain, "; ".join(filter(None, notes))))

    def _shell(self) -> tuple[str, ...]:
        return ("bash", "-c") if self.bash else ("sh", "-c")

    def _check(
        self, script: Script, operands: Iterable[tuple[str, str, bool]], *, mounted: bool
    ) -> Deny | None:
        """Why a path that the line names may not be used."""
        workspace = self.workspace
        if workspace is None:
            return refuse(Reason.WORKSPACE_MISSING)
        distinct = dict.fromkeys(operands)
        if len(distinct) > _MOST_OPERANDS:
            return Deny(Reason.COMMAND_TOO_COMPLEX, facts=_COMMANDS)
        for word, folder, writes in distinct:
            reason = workspace.check_argument(word, mounted=mounted, folder=folder, writes=writes)
            if reason is not None:
                return refuse(reason, word)
        for path in (*script.paths, *script.written):
            place = workspace.placed(path) if mounted else path
            reason = workspace.check(place, writes=path in script.written)
            if reason is not None:
                return refuse(reason, path)
        return None

    def _readings(self, call: Call, script: Script, *, mounted: bool) -> Iterator[Call]:
        """The call as it stands, and as it would run with the files that there are now.

        Where it runs without a shell, only what it then is counts. A shell looks for itself, maybe
        after it made files: whatever they are called, none may come to stand for an option.
        """
        if not call.patterns:
            yield call
            return
        if not script.plain:
            for at in call.patterns:
                if call.argv[at][0] in "*?[-":
                    raise unknowable(call.argv[at])
            yield call
        yield self._expanded(call, mounted=mounted)

    def _expanded(self, call: Call, *, mounted: bool) -> Call:
        argv: list[str] = []
        for at, word in enumerate(call.argv):
            found = [word]
            if at in call.patterns:
                found = self._matches(word, call.folder, mounted=mounted)
            argv += found
            if len(argv) > MAX_WORDS:
                raise Malformed(Reason.COMMAND_TOO_COMPLEX)
        return replace(call, argv=tuple(argv), patterns=frozenset())

    def _matches(self, pattern: str, folder: str, *, mounted: bool) -> list[str]:
        """The names that a shell would put in the place of `pattern`; itself if there is none."""
        if self.workspace is None:
            raise Malformed(Reason.WORKSPACE_MISSING)
        place = beneath(folder, pattern)
        lead = f"{MOUNT}/" if mounted and place.startswith(f"{MOUNT}/") else ""
        single = re.sub("/+", "/", place)  # as in a URL, which is no name of a file
        names = self.workspace.matches(single.removeprefix(lead))
        if names is None or (names and single != place):
            raise unknowable(pattern)
        start = "" if folder == "." or pattern.startswith("/") else f"{folder}/"
        found = [f"{lead}{name}".removeprefix(start) for name in names]
        if any(name.startswith("-") for name in found):
            raise unknowable(pattern)
        return found or [pattern]


def _operands(call: Call, words: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    """What a call names, from where, and whether it may be changed where that matters."""
    reads = call.argv[0].rpartition("/")[2] in _READERS
    for word in words:
        yield word, call.folder, not reads and _in_git(call.folder, word)
    if "/" in call.argv[0] and call.argv[0][0] != "/":  # a script, listed by its path
        yield call.argv[0], call.folder, False


def _in_git(folder: str, word: str) -> bool:
    return ".git" in re.split(r"[/=:,@]", f"{folder}/{word}".casefold())


def _led(line: str, bare: Iterable[int]) -> str:
    """The line with "./" before each word that begins, at one of these bytes, with a pattern."""
    data = line.encode()
    for start in sorted(bare, reverse=True):
        data = data[:start] + b"./" + data[start:]
    return data.decode()
