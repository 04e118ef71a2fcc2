"""What single words mean to the programs that take them: revisions, assignments, queries, scripts.

Each reader gives the paths that a word names, or why it is refused. `destinations` is a sibling for
what reaches out, `sed` and `awk` for two whole languages.
"""

import re

from proxy.authorization.programs.spec import LOADS, READS, RUNS, Bar, Reader, Reading
from proxy.authorization.programs.variables import names_a_tool
from proxy.reasons import Reason

_REVISION = r"[\w@^][\w@{}^~+%/-]*(?:\.[\w@{}^~+%/-]+)*"
_RANGE = re.compile(rf"(?:{_REVISION})?\.\.\.?(?:{_REVISION})?")
_JQ = re.compile(
    r"\$(?:\s|#[^\n]*\n)*(?:ENV|__prog_args)\b|(?<![.\w\"])env\b|(?<![.\w\"])(?:import|include|modulemeta|get_search_list)\b"
    r"|(?<![.\w])(?:str|)load\w*\s*\(|\b(?:strenv|envsubst|input_file|file_operator|system|exec)\b"
)
_SQL = re.compile(
    r"(?:\A|\n|;)\s*[.\\]|\\[!a-z]|\b(?:system|shell|load_extension|readfile|writefile|edit|program"
    r"|fts3_tokenizer|outfile|dumpfile|infile|load_file|load|attach|vacuum|copy|pg_read\w*"
    r"|pg_ls\w*|lo_import|lo_export|dblink\w*|source|delimiter|pager|tee|do|create|alter|fsdir|lsdir|zipfile"
    r"|temp_store_directory|data_store_directory)\b",
    re.IGNORECASE,
)
# A program that nothing is known of is taken for one that runs another, where that is named.
_OTHERS = frozenset(
    {
        *("exec", "shell", "repl", "console"),
        *(
            "sh",
            "bash",
            "dash",
            "ash",
            "zsh",
            "ksh",
            "fish",
            "busybox",
            "env",
            "sudo",
            "su",
            "doas",
        ),
        *(
            "id",
            "ls",
            "cat",
            "rm",
            "whoami",
            "touch",
            "chmod",
            "curl",
            "wget",
            "nc",
            "ncat",
            "socat",
        ),
        *(
            "python",
            "python3",
            "perl",
            "ruby",
            "node",
            "php",
            "lua",
            "xargs",
            "nohup",
            "nice",
            "kill",
        ),
        *(
            "uname",
            "hostname",
            "printenv",
            "cp",
            "mv",
            "dd",
            "tee",
            "awk",
            "sed",
            "vi",
            "vim",
            "less",
        ),
    }
)
_NO_SCRIPTS = {"-", "inspect", "debug"}
_EMBEDDED = re.compile(r"(?<![\w.:/*+?^$~)\]}-])(?:/|~|\.\.)[^\s'\"()<>|;,&]*")
_CODE = re.compile(
    r"\b(?:system|exec[lv]?p?e?|popen|spawn|shell|subprocess|eval|load_?module|dlopen)\s*[(\s]*[('\"]"
    r"|^[!|]|\$\(|`|\|\s*(?:/|sh\b|bash\b)|/bin/|/proc/"
)


def _revision(word: str) -> Reading:
    """A revision, a range of them, or a path; a path at the root of the repository is inside it."""
    if re.match(r":|@[~^{]", word) or (_RANGE.fullmatch(word) and word.strip(".")):
        return ()
    return (f"./{word}" if word.startswith("-") else word,)


def _make_goal(word: str) -> Reading:
    """A goal, or a variable, which rules put into the commands that they run."""
    name, found, value = word.partition("=")
    if not found:
        return (
            Bar(RUNS)
            if re.search(r"[$;&|`<>]", word) or re.fullmatch("exec(?:u|ut|ute)?", word)
            else (word,)
        )
    harmless = re.fullmatch(r"[\w.,:+/@= -]*", value)
    if name.rstrip().endswith("!") or names_a_tool(name) or not harmless:
        return Bar(RUNS)
    return (value,)


def _makefile(word: str) -> Reading:
    return Bar(READS) if word == "-" else (word,)


def _assigned(word: str) -> Reading:
    """An operand of awk: a variable for the program, or a file."""
    return () if re.match(r"[A-Za-z_]\w*=", word) else (word,)


def _jq(word: str) -> Reading:
    return Bar(READS) if _JQ.search(word) else ()


def _query(word: str) -> Reading:
    """A statement of SQL, or a command of the client's own."""
    if re.fullmatch(r"\.(?:tables|schema|indexes|databases|dump|mode|headers)(?: \w+)?", word):
        return ()
    return Bar(RUNS) if _SQL.search(word) else ()


def _local(word: str) -> Reading:
    """A program to run, which lies in the workspace: no URL, and no package of others."""
    if "://" in word or word.startswith(("npm:", "jsr:", "data:")) or word in _NO_SCRIPTS:
        return Bar(LOADS)
    return (f"./{word}" if word.startswith("-") else word,)


def _shell_script(word: str) -> Reading:
    """A shell looks for a bare name among all programs too."""
    return Bar(RUNS) if not re.search(r"[./]", word) or word == "-" else (word,)


def _linker(word: str) -> Reading:
    """Flags for a tool of a compiler, which may name another tool."""
    if re.search(r"-(?:-?ext|-?plugin|B|fuse-ld|wrapper|specs|tmpdir)", word):
        return Bar(RUNS)
    return (word,)


def _local_package(word: str) -> Reading:
    return Bar(LOADS) if "@" in word else (word,)


def _member(word: str) -> Reading:
    """A file, or behind "@" a file that lists more of them."""
    return Bar(READS) if word.startswith("@") else (f"./{word}" if word.startswith("-") else word,)


def _any(word: str) -> Reading:
    """A word for a program of which nothing is known: any path in it, and no command."""
    if _CODE.search(word) or word in _OTHERS:
        return Bar(RUNS)
    return (word, *_EMBEDDED.findall(word))


def _placeholder(word: str) -> Reading:
    return Bar(RUNS, Reason.COMMAND_UNKNOWABLE) if word not in {"{}", "%", "@"} else ()


def _database(word: str) -> Reading:
    """A database of names: those of passwords are nobody's business."""
    return Bar(READS) if "shadow" in word else ()


def _definition(word: str) -> Reading:
    """A variable of cmake, some of which name programs."""
    name, _, value = word.partition("=")
    if re.fullmatch(r"(?i:on|off|true|false|yes|no|\d+)", value) or value in {
        "gcc",
        "g++",
        "clang",
        "clang++",
        "cc",
        "c++",
    }:
        return ()
    tools = re.search(
        r"COMPILER|LAUNCH|LINKER|PROGRAM|EXECUTABLE|TOOLCHAIN|COMMAND|INCLUDE"
        r"|EMULATOR|TIDY|CPPCHECK|CPPLINT|_AR\b|RANLIB|STRIP|_NM\b|OBJCOPY|OBJDUMP",
        name,
    )
    loads = re.search(r"-(?:fplugin|wrapper|specs|fuse-ld|B|load|Xclang)", value)
    return Bar(RUNS) if tools or loads else (word,)


def _format(word: str) -> Reading:
    """A format of a document; with a folder or an ending it is a program that makes one."""
    return () if re.fullmatch(r"\w+(?:[+-]\w+)*", word) else Bar(LOADS)


def _maven_goal(word: str) -> Reading:
    """A phase, or a goal of a plugin; some plugins run what they are told."""
    risky = word.count(":") > 1 or re.match(
        r"(?:exec|antrun|groovy|gmaven\w*|jshell|wrapper|invoker|scripting|beanshell|sql|wagon|scm"
        r"|release|archetype|shell|script|ant|dependency:(?:get|unpack|copy))(?::|\b)",
        word,
    )
    return Bar(RUNS) if risky else (word,)


def _settings(word: str) -> Reading:
    """A file of settings; some programs take the settings themselves there."""
    return Bar(LOADS) if re.search("[={]", word) else (word,)


def _no_plugin(word: str) -> Reading:
    """A plugin of pytest: it may be left out, but not brought."""
    return () if re.fullmatch(r"no:[\w.-]+", word) else Bar(LOADS)


def _warning(word: str) -> Reading:
    """A filter of warnings; a category with a dot is a module to load."""
    plain = re.fullmatch(r"[a-z]+(?::[^:]*(?::\w*(?::[\w.]*(?::\d*)?)?)?)?", word)
    return () if plain else Bar(LOADS)


DEFINITION = Reader(_definition, code=True)
FORMAT = Reader(_format, code=True)
GOAL_OF_MAVEN = Reader(_maven_goal, code=True)
SETTINGS = Reader(_settings)
WARNING = Reader(_warning, code=True)
REVISION = Reader(_revision)
GOAL = Reader(_make_goal, code=True)
MAKEFILE = Reader(_makefile)
ASSIGNED = Reader(_assigned)
JQ = Reader(_jq, code=True)
QUERY = Reader(_query, code=True)
SCRIPT = Reader(_local)
SHELL_SCRIPT = Reader(_shell_script)
LINKER = Reader(_linker, code=True)
PACKAGE = Reader(_local_package)
ANY = Reader(_any)
PLACEHOLDER = Reader(_placeholder, code=True)
DATABASE = Reader(_database)
NO_PLUGIN = Reader(_no_plugin, code=True)
MEMBER = Reader(_member)
NOTHING = Reader(lambda _: Bar("fetches and runs the code of others"))
