"""What the operator can do about a denial: a sentence that names their own keys, files and lines.

The counterpart is the table of reasons, whose remedies go out to callers and so hold nothing of a
call. What is said here holds the refused word, printable and bounded, and is for operators alone.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.actions import ToolCall
from proxy.authorization.programs.variables import HARMLESS
from proxy.authorization.tools.catalogue import Place
from proxy.config.near import did_you_mean
from proxy.explain.ruleset import Ruleset
from proxy.reasons import Reason

_LONGEST = 80
_LONGEST_DEMAND = 400
_BASH_ONLY = re.compile(r"\[\[(?=\s)|&>>?")
_OWN_RULE = "the rule for this program"  # as what is known says it


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was refused, or that a human must approve, and by which rules.

    `rule` is the key that decided, where there is one; `evidence` the word that was refused.
    """

    ruleset: Ruleset
    call: ToolCall
    reason: Reason
    rule: str | None
    evidence: str = ""
    known: str = ""

    @property
    def cited(self) -> str:
        """The rule, with its place."""
        return self.ruleset.rule(self.rule) if self.rule else ""

    @property
    def word(self) -> str:
        """The refused word, in backticks."""
        return quoted(self.evidence)

    @property
    def name(self) -> str:
        """The name of the tool: where a call stands for others, of the one that was refused."""
        return self.evidence or self.call.tool

    @property
    def tool(self) -> str:
        """The name of the tool, in backticks."""
        return quoted(self.name)


def quoted(word: str) -> str:
    """A word of a caller in ASCII, bounded, in backticks."""
    plain = word.encode("ascii", "backslashreplace").decode()
    shown = "".join(c if c.isprintable() and c != "`" else f"\\x{ord(c):02x}" for c in plain)
    return f"`{shown}`" if len(shown) <= _LONGEST else f"`{shown[:_LONGEST]}…`"


def remedy(refusal: Refusal) -> str:
    """One or two sentences on what would change the verdict, or should be sent instead."""
    derive = (_BY_RULE if refusal.rule else _BY_WORD).get(refusal.reason)
    return (derive(refusal) if derive else None) or refusal.reason.remedy


def _program(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return None
    name = posixpath.basename(refusal.evidence)
    listed = refusal.ruleset.programs
    if name != refusal.evidence and name in listed:
        return f"Write {quoted(name)}, as it is listed, or list {refusal.word} in {refusal.cited}."
    alike = [each for each in listed if each.casefold() == refusal.evidence.casefold()]
    if alike:
        near = quoted(alike[0])
        return f"Write {near}, as it is listed, or add {refusal.word} to {refusal.cited}."
    return f"Add {refusal.word} to {refusal.cited}."


def _option(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return f"Change what its program is told: {refusal.known or 'it does too much'}."
    why = f": {refusal.known}" if refusal.known else ""
    change = f", or change {refusal.cited}" if _OWN_RULE in refusal.known else ""
    return f"Leave {refusal.word} out{change}{why}."


def _variable(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return None
    harmless = ", ".join(sorted(HARMLESS))
    return f"Leave {refusal.word} out. A command may set LC_* and {harmless}."


def _unknowable(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return None
    why = f": {refusal.known}" if refusal.known else ""
    return (
        f"Write {refusal.word} so that what it does is known before it runs, or leave it out{why}."
    )


def _unparsable(refusal: Refusal) -> str | None:
    """What is said of a line that bash alone reads, where a sandbox of ours would run it."""
    ruleset, tool = refusal.ruleset, refusal.ruleset.tool(refusal.call.tool)
    if tool is None or tool.place is not Place.SANDBOX or tool.command is None:
        return None
    line = refusal.call.arguments.get(tool.command)
    found = _BASH_ONLY.search(line) if isinstance(line, str) else None
    if found is None or ruleset.loaded.config.runtime.docker.shell == "bash":
        return None
    shell = ruleset.rule("runtime.docker.shell")
    return (
        f"Write the line without {quoted(found[0])}, which only bash knows; or set"
        f" runtime.docker.shell: bash, if the image has it. It is set by {shell}."
    )


def _outside(refusal: Refusal) -> str:
    instead = f" instead of {refusal.word}" if refusal.evidence else ""
    folder = quoted(refusal.ruleset.loaded.config.autonomy.workspace_dir)
    return (
        f"Use a relative path that stays beneath {folder}{instead}. It is set by {refusal.cited}."
    )


def _forbidden(refusal: Refusal) -> str:
    what = refusal.word if refusal.evidence else "The path"
    if refusal.rule and "[" in refusal.rule:
        return f"Use another path. {what} is forbidden by {refusal.cited}."
    return f"Use another path. {what} is forbidden, as {refusal.cited} or built in."


def _ignored(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return None
    return f"Use another file. No tool is to see {refusal.word}, says {refusal.cited}."


def _kept(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return None
    why = f"a .git folder, or a root of {refusal.cited} without access: rw"
    return f"Write elsewhere. {refusal.word} lies in {why}."


def _unusable(refusal: Refusal) -> str | None:
    if not refusal.evidence:
        return None
    return f"Name a regular file with one link, or a folder to list. {refusal.word} is neither."


def _absent(refusal: Refusal) -> str | None:
    folder = quoted(refusal.ruleset.loaded.config.autonomy.workspace_dir)
    if not refusal.evidence:
        return None
    return f"Nothing is at {refusal.word} in {folder}: make it, or the folder for it, first."


def _workspace(refusal: Refusal) -> str:
    folder = quoted(refusal.ruleset.loaded.config.autonomy.workspace_dir)
    return f"Create the folder {folder} and restart Sidegate, or change {refusal.cited}."


def _unknown(refusal: Refusal) -> str:
    near = did_you_mean(refusal.name[:_LONGEST], refusal.ruleset.tools, 0.75)
    return f"Declare {refusal.tool} in {refusal.cited}, with effect and backend{near}."


def _wrapper(refusal: Refusal) -> str:
    return f"Declare {refusal.tool} in {refusal.cited}, with dispatch: where the inner call stands."


def _off(refusal: Refusal) -> str:
    return f"Say approval: auto or ask for {refusal.tool}, instead of deny, in {refusal.cited}."


def _scope(refusal: Refusal) -> str:
    routes = refusal.cited.partition(" ")[0].endswith(".routes")
    missing = quoted(f"/tools/{refusal.call.tool}") if routes else refusal.tool
    return f"Add {missing} to {refusal.cited}."


def _readonly(refusal: Refusal) -> str:
    return f"Set {refusal.cited} to supervised or full: {refusal.tool} does more than read."


def _arguments(refusal: Refusal) -> str | None:
    tool = refusal.ruleset.tool(refusal.call.tool)
    said = tool.description if tool is not None else ""
    return f"Send the arguments that {quoted(refusal.call.tool)} takes. {said}" if said else None


def _argument(refusal: Refusal) -> str:
    demand = refusal.ruleset.demand(refusal.rule or "")[:_LONGEST_DEMAND]
    return f"Send a value that {refusal.cited} allows{': ' if demand else ''}{demand}."


def _domain(refusal: Refusal) -> str | None:
    host = _host(refusal.evidence)
    return f"Add {quoted(host)} to {refusal.cited}, if it is a public host." if host else None


def _private(refusal: Refusal) -> str | None:
    host = _host(refusal.evidence)
    return f"Use another host. {quoted(host)} has an address that is not public." if host else None


def _unresolved(refusal: Refusal) -> str | None:
    host = _host(refusal.evidence)
    return f"Look whether {quoted(host)} exists, and has an address here." if host else None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _ask(refusal: Refusal) -> str:
    if refusal.rule == "autonomy.auto_approve":
        return f"Approve it when it waits, or add {refusal.tool} to {refusal.cited}."
    return f"Approve it when it waits: {refusal.cited} says that a human is asked."


def _stopped(refusal: Refusal) -> str | None:
    if not refusal.evidence:  # the id of a stop, or the path of the file: Sidegate's own words
        return None
    return f"Lift the stop `{refusal.evidence}`, when all is well again."


# What can be said of the word and the tool alone.
_BY_WORD: Mapping[Reason, Callable[[Refusal], str | None]] = {
    Reason.COMMAND_UNPARSABLE: _unparsable,
    Reason.COMMAND_OPTION_NOT_ALLOWED: _option,
    Reason.COMMAND_VARIABLE_NOT_ALLOWED: _variable,
    Reason.COMMAND_UNKNOWABLE: _unknowable,
    Reason.PATH_NOT_FOUND: _absent,
    Reason.PATH_UNUSABLE: _unusable,
    Reason.ARGUMENTS_INVALID: _arguments,
    Reason.URL_PRIVATE: _private,
    Reason.URL_UNRESOLVED: _unresolved,
    Reason.STOPPED_BY_OPERATOR: _stopped,
    Reason.DENIED_REPEATEDLY: _stopped,
}
# What names the key that decided, too.
_BY_RULE: Mapping[Reason, Callable[[Refusal], str | None]] = {
    **_BY_WORD,
    Reason.COMMAND_NOT_ALLOWED: _program,
    Reason.PATH_OUTSIDE_WORKSPACE: _outside,
    Reason.PATH_FORBIDDEN: _forbidden,
    Reason.PATH_IGNORED: _ignored,
    Reason.PATH_READ_ONLY: _kept,
    Reason.WORKSPACE_MISSING: _workspace,
    Reason.TOOL_UNKNOWN: _unknown,
    Reason.WRAPPER_UNKNOWN: _wrapper,
    Reason.TOOL_DENIED: _off,
    Reason.SCOPE_INSUFFICIENT: _scope,
    Reason.AUTONOMY_READONLY: _readonly,
    Reason.ARGUMENT_NOT_ALLOWED: _argument,
    Reason.URL_NOT_ALLOWED: _domain,
    Reason.APPROVAL_REQUIRED: _ask,
}
