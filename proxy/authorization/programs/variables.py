"""The variables that a command may set for a program: those that change only how it speaks.

Anything else may name a program to run, a library to load or a file to read (LD_PRELOAD, PAGER,
GIT_SSH_COMMAND, BASH_ENV, NODE_OPTIONS): the list is of what is known to be harmless.
"""

import re

_LOCALE = re.compile("LC_[A-Z]+")
_OWN = re.compile("[a-z_][a-z0-9_]*")
# Lower-case names that a shell or a program reads all the same.
_READ = frozenset(
    {
        *("ifs", "path", "cdpath", "fpath", "mailpath", "manpath", "module_path", "psvar"),
        *("prompt", "status", "argv", "histchars", "auto_resume", "watch", "_"),
    }
)
_READ_BY_PROGRAMS = ("npm_", "pnpm_", "yarn_")
_PLAIN = re.compile(r"(?![:/])[A-Za-z0-9_.,:@%+=/-]*")

HARMLESS = frozenset(
    {
        *("LANG", "LANGUAGE", "TZ", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"),
        *("COLUMNS", "LINES", "CI", "NODE_ENV", "RUST_BACKTRACE", "PYTHONUNBUFFERED"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "CGO_ENABLED"),
    }
)

# Names that may mean more, each with the values that are known to mean less.
_SETTLED = {
    "GIT_PAGER": {"cat"},  # which git does not start
    "GIT_EDITOR": {":", "true"},
    "GIT_TERMINAL_PROMPT": {"0"},
    "GIT_OPTIONAL_LOCKS": {"0"},
    "CARGO_TERM_COLOR": {"always", "auto", "never"},
    "RUST_LOG": {"error", "warn", "info", "debug", "trace", "off"},
    "PYTHONUTF8": {"0", "1"},
    "PIP_NO_INPUT": {"1"},
    "DEBIAN_FRONTEND": {"noninteractive"},
    "TERM": {"dumb"},
}
_BUILD_TOOLS = re.compile(
    r"\.?(?:SHELL\w*|MAKE\w*|MFLAGS|GNUMAKEFLAGS|\w*(?:CC|CXX|CPP|LD|AR|AS|FC|RM|SH|CMD|COMMAND)"
    r"|INSTALL\w*|YACC|LEX|PAGER|EDITOR|\w*_?PRELOAD|PATH|PYTHON\d?|NODE|EXEC\w*|RUN\w*)",
    re.IGNORECASE,
)
_LOADING = re.compile(
    r"(?:LD|DYLD|GIT|XDG|CARGO|RUSTC?|NODE|PERL\w*|RUBY|PYTHON|JAVA_TOOL|JDK_JAVA|NPM_CONFIG)_\w+"
    r"|_JAVA_OPTIONS|(?:PERL|RUBY|NODE|MAVEN|GRADLE|JAVA)\w*OPTS?|PERL5?LIB|RUBYLIB|PYTHON\w+"
    r"|(?:BASH_)?ENV|IFS|HOME|PROMPT_COMMAND|PS4|GOFLAGS|GOENV|CLASSPATH|CDPATH",
    re.IGNORECASE,
)


def may_set(name: str, value: str) -> bool:
    """Whether a program may be started with this variable at this value."""
    return value in _SETTLED.get(name, ()) or (is_harmless(name) and is_plain(value))


def is_harmless(name: str) -> bool:
    """Whether a program may be started with this variable set."""
    return name in HARMLESS or _LOCALE.fullmatch(name) is not None


def is_plain(value: str) -> bool:
    """Whether a harmless variable may have this value: nothing that a program takes for a path."""
    return _PLAIN.fullmatch(value) is not None and ".." not in value


def is_own(name: str) -> bool:
    """Whether a script may have a variable of this name for itself: no program reads it."""
    if name in _READ or name.endswith("_proxy") or name.startswith(_READ_BY_PROGRAMS):
        return False
    return _OWN.fullmatch(name) is not None


def names_a_tool(name: str) -> bool:
    """Whether a variable of this name could change which programs a build runs, or what they load.

    What a builder is given by name goes on into the environment of the commands that it runs.
    """
    plain = name.strip(" \t:+?!")
    return "$" in name or bool(_BUILD_TOOLS.fullmatch(plain) or _LOADING.fullmatch(plain))
