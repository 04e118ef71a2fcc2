"""Process 1 of a warm container: a shell that waits for one command, runs it and tells its code.

The command comes as one line of shell on the standard input, `frame`; a shell reads a line byte by
byte, so that what follows is the command's own input. The code comes back on both streams, since an
engine copies the two apart: `NUL nonce SP code LF`, the trailer. The nonce is made for each run.
Whoever reads it from the memory of process 1 can lie, but about its own run only, since a container
is never used twice. Any POSIX shell will do; tried with those of busybox, dash and bash.
"""

import re
from collections.abc import Mapping

from proxy.isolation.run import STDERR, STDOUT

READY = b"\x06"
"""Said once when it waits for the command, and once more as it takes it up."""

FRAME_BYTES = 16 << 10
"""Byte by byte, longer ones soon take as long to read as a cold container takes to start (gVisor:
60 microseconds each)."""

# Traps that do nothing are not inherited, while ignored signals would be: a command that signals
# process 1 must not end it. What the shell itself says (`Killed`) goes nowhere. busybox may be
# built to prefer its own applets to the image's programs: there the program is looked up by hand.
# It leaves at the end of its input, so that nothing goes on where Sidegate is killed.
SUPERVISOR = r"""
trap : HUP INT QUIT TERM USR1 USR2 PIPE ALRM
sg_locale=${LC_ALL-} sg_localized=${LC_ALL+y}
LC_ALL=C
sg_newline='
'
exec 3>&1 4>&2 2>/dev/null
case $(command -v cat) in /*) sg_applets= ;; *) sg_applets=y ;; esac
sg_find() {
  case $1 in */*) sg_program=$1; return ;; esac
  IFS=:
  set -f
  for sg_folder in $PATH; do
    sg_program=${sg_folder:-.}/$1
    [ -f "$sg_program" ] && [ -x "$sg_program" ] && return
  done
  printf '%s: not found\n' "$1" >&4
  exit 127
}
printf '\006'
IFS= read -r sg_frame || exit
eval "$sg_frame"
printf '\006'
(
  if [ "$sg_localized" ]; then LC_ALL=$sg_locale; else unset LC_ALL; fi
  unset PWD OLDPWD SHLVL
  sg_prepare
  if [ "$sg_applets" ]; then sg_find "$1"; shift; set -- "$sg_program" "$@"; fi
  exec "$@" 2>&4 3>&- 4>&-
)
sg_code=$?
printf '\000%s %s\n' "$sg_nonce" "$sg_code" >&3
printf '\000%s %s\n' "$sg_nonce" "$sg_code" >&4
read -r sg_frame
"""

# Variables that a shell computes, checks or acts upon: one of them does not hold what is exported.
_SHELLS_OWN = re.compile(
    r"_|BASH.*|DIRSTACK|E?UID|EPOCH.*|FUNCNAME|GROUPS|HIST.*|LINENO|OPT.*|PIPESTATUS"
    r"|POSIXLY_CORRECT|PPID|S?RANDOM|SECONDS|SHELLOPTS|SHLVL|sg_.*"
)


def frame(
    argv: tuple[str, ...], env: Mapping[str, str], nonce: str, *, stdin: bool
) -> bytes | None:
    """The line that has a supervisor run `argv`; None where it could not run exactly that.

    `stdin`: the command's input follows the line; else it has none.
    """
    if argv[0] == "" or argv[0].startswith("-") or any(map(_SHELLS_OWN.fullmatch, env)):
        return None
    try:
        words = b" ".join(map(_quoted, argv))
        exports = [b"export %b=%b;" % (name.encode(), _quoted(env[name])) for name in env]
    except UnicodeEncodeError:
        return None
    prepare = b" ".join([b":;" if stdin else b"exec </dev/null;", *exports])
    line = b"sg_nonce=%b; sg_prepare() { %b }; set -- %b\n" % (nonce.encode(), prepare, words)
    return None if len(line) > FRAME_BYTES or b"\0" in line else line


def _quoted(word: str) -> bytes:
    """One word of shell, on one line."""
    data = word.encode("utf-8", "surrogateescape")
    return b"'%b'" % data.replace(b"'", b"'\\''").replace(b"\n", b"'\"$sg_newline\"'")


class Trailers:
    """Takes the trailers out of both streams. However these are cut, the same comes out."""

    def __init__(self, nonce: str) -> None:
        self._mark = b"\0%b " % nonce.encode()
        self._whole = re.compile(re.escape(self._mark) + rb"([0-9]{1,3})\n")
        self._held: dict[int, bytes] = {}
        self._codes: dict[int, int] = {}

    @property
    def code(self) -> int | None:
        """The command's exit code; None before both trailers."""
        return self._codes[STDOUT] if {STDOUT, STDERR} <= self._codes.keys() else None

    def feed(self, stream: int, data: bytes) -> bytes:
        """What the command wrote on a stream, without what might be the head of a trailer."""
        if stream in self._codes:
            return b""
        data = self._held.pop(stream, b"") + data
        if trailer := self._whole.search(data):
            self._codes[stream] = int(trailer[1])
            return data[: trailer.start()]
        end = data.rfind(b"\0", max(0, len(data) - len(self._mark) - 3))
        if end >= 0 and self._begins(data[end:]):
            self._held[stream] = data[end:]
            return data[:end]
        return data

    def rest(self) -> list[tuple[int, bytes]]:
        """What turned out to be no trailer's head, after the end of the streams."""
        held, self._held = self._held, {}
        return list(held.items())

    def _begins(self, tail: bytes) -> bool:
        """Whether a trailer may begin with this."""
        digits = tail[len(self._mark) :]
        return self._mark.startswith(tail) or (
            tail.startswith(self._mark) and len(digits) <= 3 and digits.isdigit()
        )
