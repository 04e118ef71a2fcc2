"""What single words mean to one program or two: code, hosts or options in the place of a name.

`readers` is the sibling for what many programs share.
"""

import re

from proxy.authorization.programs.destinations import URL
from proxy.authorization.programs.spec import ASKS, LOADS, READS, RUNS, Bar, Reader, Reading
from proxy.authorization.programs.variables import names_a_tool

_LOOPBACK = re.compile(
    r"(?:.*@)?(?:localhost\S*|127(?:\.\d+)+|\[?::1\]?|0(?:\.0)*)\Z", re.IGNORECASE
)
_EXPRESSION = re.compile(r"\b(?:load\w*|\w*env|envsubst|system|exec)\s*\(|\$ENV|\benvsubst\b")
_NATIVE = re.compile(r"-[jl]?[\d.]*|-[knsvBiS]+|--(?:keep-going|silent|quiet|trace|verbose)")
_KEYLESS = frozenset({"eng", "prov"})
_SERVER = re.compile(
    r"(?:eval\w*|fcall\w*|config|module|slaveof|replicaof|script|function|debug|migrate|save|bgsave"
    r"|bgrewriteaof|shutdown|acl|cluster|monitor)\Z",
    re.IGNORECASE,
)


def _process(word: str) -> Reading:
    """Options without a dash, of which "e" shows what other processes were given."""
    return Bar(READS) if re.fullmatch("[a-z]*e[a-z]*", word) else ()


def _number(word: str) -> Reading:
    """A number; some programs take any other word for their next operand."""
    return () if word.isdecimal() else Bar(READS)


def _host(word: str) -> Reading:
    """A machine to enter; on this one it would be a shell outside of any list."""
    return Bar(RUNS) if word.startswith("-") or _LOOPBACK.match(word) else ()


def _location(word: str) -> Reading:
    """A path, a revision, or a URL whose host could be an option of the program that connects."""
    if re.search(r"://(?:[^/@]*@)?-", word):
        return Bar(RUNS)
    return () if re.match(r":|@[~^{]", word) else (f"./{word}" if word[:1] == "-" else word,)


def _yaml(word: str) -> Reading:
    """A file, or an expression that stands behind the name of a subcommand."""
    return Bar(READS) if _EXPRESSION.search(word) else (word,)


def _argument_of_no_other(word: str) -> Reading:
    """An operand; what looks like an option would be one of the program behind this one."""
    return Bar(RUNS) if word.startswith("-") else (word,)


def _script_name(word: str) -> Reading:
    """A script that the project names; no interpreter, input or address in its place."""
    return Bar(RUNS) if word in {"-", "node"} or "://" in word else (word,)


def _main_class(word: str) -> Reading:
    return Bar(LOADS) if word.startswith(("@", "data:")) or "://" in word else (word,)


def _setting_of_python(word: str) -> Reading:
    return Bar(LOADS) if word.startswith("presite") else (word,)


def _native(word: str) -> Reading:
    """A folder, or a word for the build tool that is run there."""
    if word.startswith("-"):
        return () if _NATIVE.fullmatch(word) else Bar(RUNS)
    name, found, _ = word.partition("=")
    return Bar(RUNS) if found and names_a_tool(name) else (word,)


def _rake_task(word: str) -> Reading:
    """A task, or a variable that is put into the environment of what it runs."""
    name, found, _ = word.partition("=")
    return Bar(RUNS) if found and names_a_tool(name) else ()


def _report(word: str) -> Reading:
    """A format by its name; a file or a class of a module would be code."""
    if word.startswith("/"):
        return (word,)
    return Bar(LOADS) if re.search(r"^[.@]|/|^\w+(?:\.\w+)+\Z", word) else (word,)


def _flag_of_rustc(word: str) -> Reading:
    return Bar(RUNS) if re.match(r"-[CZL]|--(?:ext|sys|cod)|@", word) else (word,)


def _upload(word: str) -> Reading:
    """A file; curl finds several by a pattern of its own."""
    return Bar(READS) if re.search(r"[{\[]", word) else (word,)


def _key(word: str) -> Reading:
    """A file with a key, or the address of one, which may name a library."""
    return Bar(LOADS) if word.lower().startswith("pkcs11:") else (word,)


def _key_type(word: str) -> Reading:
    return Bar(LOADS) if word.lower() in _KEYLESS else ()


def _database(word: str) -> Reading:
    """A file; an address of one may spell its path in another way."""
    return Bar(READS) if re.match(r"file:.*[%?#]", word, re.IGNORECASE) else (word,)


def _command_of_redis(word: str) -> Reading:
    return Bar(RUNS) if _SERVER.match(word) else ()


def _address(word: str) -> Reading:
    """A URL, or behind "@" a file of them."""
    return Bar(READS) if word.startswith("@") else URL.read(word)


def _strategy(word: str) -> Reading:
    """The end of the name of a program that git looks for."""
    return () if re.fullmatch(r"[\w-]+", word) else Bar(RUNS)


def _paging(word: str) -> Reading:
    return () if word == "never" else Bar(ASKS)


PROCESS = Reader(_process)
NUMBER = Reader(_number, code=True)
HOST = Reader(_host, code=True)
LOCATION = Reader(_location)
YAML = Reader(_yaml)
DIRECT = Reader(_argument_of_no_other)
SCRIPT_NAME = Reader(_script_name)
MAIN_CLASS = Reader(_main_class)
SETTING_OF_PYTHON = Reader(_setting_of_python, code=True)
NATIVE = Reader(_native, code=True)
TASK_OF_RAKE = Reader(_rake_task, code=True)
REPORT = Reader(_report, code=True)
FLAG_OF_RUSTC = Reader(_flag_of_rustc, code=True)
UPLOAD = Reader(_upload)
KEY = Reader(_key)
KEY_TYPE = Reader(_key_type, code=True)
DATABASE_FILE = Reader(_database)
COMMAND_OF_REDIS = Reader(_command_of_redis, code=True)
PAGING = Reader(_paging, code=True)
ADDRESS = Reader(_address)
STRATEGY = Reader(_strategy, code=True)
