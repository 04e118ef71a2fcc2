"""What words mean that name something elsewhere: URLs, repositories, what is sent to them.

Each reader gives the paths of this machine that a word names, or why it is refused.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from proxy.authorization.programs.spec import CONNECTS, READS, RUNS, Bar, Reader, Reading

_HELPER = re.compile(r"[\w.+-]*::")
_HOST = re.compile(r"(?:[\w.-]+@)?[A-Za-z0-9_][\w.-]*(?::\d+)?(?:/.*)?", re.DOTALL)
_WEB = {"http", "https", "ftp", "ftps", "ws", "wss"}
_GIT = {"http", "https", "ssh", "git", "git+ssh", "ssh+git"}
_METADATA = {"metadata", "metadata.google.internal", "instance-data"}


def _url(word: str) -> Reading:
    """A URL for a client of the web; whatever else it may be taken for is a path."""
    scheme, found, _ = word.partition("://")
    if not found:
        return () if _HOST.fullmatch(word) and not word.startswith("-") else (word,)
    # Brackets and braces stand for several URLs, of several schemes.
    if scheme.lower() not in _WEB or re.search(r"[{}\\]|[^/]\[", word):
        return Bar(READS)
    return Bar(CONNECTS) if _is_metadata(word) else ()


def _is_metadata(url: str) -> bool:
    """Whether it leads to where machines in a cloud are told who they are."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return True
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return host.rstrip(".") in _METADATA


def _repository(word: str) -> Reading:
    """Where git fetches from or pushes to: a URL, a name that it knows, or a folder."""
    scheme, found, rest = word.partition("://")
    if _HELPER.match(word) or word.startswith("-"):
        return Bar(RUNS)
    if not found:
        return () if re.fullmatch(r"[\w.-]+@[\w.][\w.-]*:[^:]*", word) else (word,)
    if scheme == "file":
        return (rest,)
    if scheme not in _GIT or not re.match(r"(?:[\w.~%:-]+@)?[\w\[]", rest):
        return Bar(RUNS)
    return ()


def _data(word: str) -> Reading:
    """Data for a request; behind "@" a file."""
    return (word[1:],) if word.startswith("@") else ()


def _encoded(word: str) -> Reading:
    """Data for a request: CONTENT, NAME=CONTENT, @FILE or NAME@FILE."""
    name, _, file = word.partition("@")
    return (file,) if file and "=" not in name else ()


def _form(word: str) -> Reading:
    """A field of a form: NAME=VALUE, where VALUE may be a file behind "@" or "<"."""
    found = re.search(r"=\(?[@<]\"?([^;\"]*)", word)
    return tuple(found[1].split(",")) if found else ()


def _write_out(word: str) -> Reading:
    """A format of curl, which can name files."""
    return Bar(READS) if word.startswith("@") or "%output{" in word else ()


def _archive(word: str) -> Reading:
    """An archive; a name with a colon is one on another machine."""
    return Bar(CONNECTS) if re.match(r"[^/]+:", word) else (word,)


URL = Reader(_url)
REPOSITORY = Reader(_repository)
DATA = Reader(_data)
ENCODED = Reader(_encoded)
FORM = Reader(_form)
WRITE_OUT = Reader(_write_out)
ARCHIVE = Reader(_archive)
