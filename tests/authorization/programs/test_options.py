from collections import deque

import pytest

from proxy.authorization.programs.options import PATTERN, Limits, Scan, Word
from proxy.authorization.programs.spec import (
    ARGUMENT,
    PATH,
    RUNS,
    TEXT,
    UNKNOWN,
    WRITES,
    Bar,
    Reader,
    Spec,
)
from proxy.decision import Deny
from proxy.reasons import Reason

TOOL = Spec(
    options="-v -q -e= -f: -i?: --file: --format= --color?= --verbose",
    runs="-x --exec-program",
    writes="--output",
    operands=(TEXT, PATH),
    given="-e",
)


def scan(
    spec: Spec, *words: str, patterns: tuple[int, ...] = (), limits: Limits | None = None
) -> Scan:
    given = deque(Word(word, place in patterns) for place, word in enumerate(words))
    return Scan("tool", spec, given, limits or Limits())


def operands(spec: Spec, *words: str) -> list[str]:
    found = scan(spec, *words)
    assert found.run() is None
    return found.operands


def known(spec: Spec, *words: str, patterns: tuple[int, ...] = ()) -> str:
    """What the refusal says of Sidegate's own table."""
    denied = scan(spec, *words, patterns=patterns).run()
    assert denied is not None
    return denied.facts["known"]


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (("text", "a", "b"), ["a", "b"]),
        (("-e", "text", "a"), ["a"]),
        (("-etext", "a"), ["a"]),
        (("-vqe/text", "a"), ["a"]),
        (("-f", "a", "text"), ["a"]),
        (("-vf/a", "text"), ["/a"]),
        (("-i", "text", "a"), ["a"]),
        (("-i/a", "text"), ["/a"]),
        (("--file", "a", "text"), ["a"]),
        (("--file=/a", "text"), ["/a"]),
        (("--fil=/a", "text"), ["/a"]),
        (("--color", "text", "a"), ["a"]),
        (("--color=/x", "text"), []),
        (("text", "--", "-x"), ["./-x"]),
        (("text", "-"), ["-"]),
        (("--format",), []),
        # what is not known is judged as a path, and so is what might be its value
        (("-z", "text", "a"), ["-z", "text", "a"]),
        (("--unknown=/x", "text"), ["--unknown=/x", "text"]),
        (("--unknown=-r/x",), ["--unknown=-r/x", "-r/x"]),
        (("--verbose=/x", "text"), ["--verbose=/x"]),
    ],
)
def test_paths_are_found_as_getopt_finds_them(words: tuple[str, ...], paths: list[str]) -> None:
    assert operands(TOOL, *words) == paths


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-x",), f"tool -x: {RUNS}"),
        (("-vqxid",), f"tool -x: {RUNS}"),
        (("-zx",), f"tool -x: {RUNS}"),
        (("a", "b", "-x"), f"tool -x: {RUNS}"),
        (("--exec-program=id",), f"tool --exec-program: {RUNS}"),
        (("--exec-p", "id"), f"tool --exec-program: {RUNS}"),
        (("--ou=x",), f"tool --output: {WRITES}"),
        (("--pager=id",), f"tool option: {RUNS}"),
        (("--some-command", "id"), f"tool option: {RUNS}"),
        (("--tool_exec=id",), f"tool option: {RUNS}"),
    ],
)
def test_option_that_does_too_much_is_refused_in_every_spelling(
    words: tuple[str, ...], told: str
) -> None:
    assert known(TOOL, *words) == told


def test_bundle_without_end_is_refused() -> None:
    assert operands(TOOL, "-" + "v" * 63) == []
    assert known(TOOL, "-" + "v" * 64) == f"tool option: {UNKNOWN}"
    assert operands(TOOL, "-e" + "x" * 1000) == []


def test_shortened_option_that_could_be_two_is_refused() -> None:
    assert known(Spec(options="--file: --fill"), "--fi").startswith("tool option: shortened")


def test_closed_table_refuses_what_is_not_in_it() -> None:
    closed = Spec(options="-a", closed=True)

    assert known(closed, "-b") == f"tool option: {UNKNOWN}"
    assert known(closed, "-ab") == f"tool option: {UNKNOWN}"
    assert known(closed, "--b") == f"tool option: {UNKNOWN}"
    assert operands(closed, "-a", "x") == ["x"]


def test_single_dash_words_are_whole_options() -> None:
    single = Spec(options="-name= -newer:", runs="-exec -X", single=True)

    assert operands(single, ".", "-name", "/x", "-newer", "y", "--name=/z") == [".", "y"]
    assert known(single, "--exec=id") == f"tool -exec: {RUNS}"
    assert known(single, "-XX:OnError=id") == f"tool -X: {RUNS}"


def test_old_bundle_takes_its_values_from_the_words_behind_it() -> None:
    tar = Spec(options="-c -f: -C:", runs="-I", bundled=True)

    assert operands(tar, "cfC", "a", "/b", "x") == ["a", "/b", "x"]
    assert operands(tar, "-cf", "a") == ["a"]
    assert known(tar, "cfI", "a", "id") == f"tool -I: {RUNS}"
    assert known(tar, "cfz") == f"tool option: {UNKNOWN}"


def test_operands_end_options_where_the_program_says_so() -> None:
    ordered = Spec(runs="-c", operands=(PATH, ARGUMENT), ordered=True)

    assert operands(ordered, "script", "-c", "--x=/y") == ["script", "-c", "--x=/y"]
    assert known(ordered, "-c", "script") == f"tool -c: {RUNS}"


def test_plus_is_an_option_where_the_program_says_so() -> None:
    assert known(Spec(plus=True), "+!id", "x") == f"tool +: {RUNS}"


@pytest.mark.parametrize("position", ["+10", "+F", "+G"])
def test_a_pager_may_be_told_where_to_begin(position: str) -> None:
    assert operands(Spec(plus=True), position, "x") == [position, "x"]


def test_a_word_that_is_no_subcommand_may_have_a_meaning_of_its_own() -> None:
    spec = Spec(subcommands={"list": Spec(operands=(TEXT,))}, otherwise=Spec(operands=(TEXT, PATH)))

    assert operands(spec, "list", "a") == []
    assert operands(spec, "other", "a") == ["a"]
    assert known(Spec(subcommands={"list": Spec()}), "other") == f"tool subcommand: {UNKNOWN}"


def test_a_variable_before_an_inner_program_has_a_harmless_value() -> None:
    wrapper = Spec(inner=0, assigns=True)

    assert scan(wrapper, "LANG=C", "x").run() is None
    assert scan(wrapper, "LANG=/etc/x", "x").run() is not None
    assert operands(Spec(), "+x") == ["+x"]


def test_program_that_needs_an_operand_is_not_called_without() -> None:
    needs = Spec(options="-v --version", needs=Bar("x"), alone="--version")

    assert known(needs) == "tool: x"
    assert known(needs, "-v") == "tool: x"
    assert operands(needs, "--version") == []
    assert operands(needs, "a") == ["a"]


def test_a_program_that_is_fed_may_be_refused() -> None:
    fed = Scan("tool", Spec(fed=Bar("x")), deque(), fed=True)

    assert fed.run() == Deny(Reason.COMMAND_OPTION_NOT_ALLOWED)


def test_the_rest_of_a_wrapper_is_a_call() -> None:
    found = scan(
        Spec(inner=1, operands=(TEXT,), options="-k=", closed=True), "-k", "1", "5", "ls", "-x"
    )

    assert found.run() is None
    assert [call.words for call in found.calls] == [(Word("ls"), Word("-x"))]


def test_variables_before_a_program_must_be_harmless() -> None:
    env = Spec(inner=0, assigns=True)
    found = scan(env, "LANG=C", "ls")

    assert found.run() is None
    assert len(found.calls) == 1
    assert scan(env, "PATH=.", "ls").run() == Deny(Reason.COMMAND_VARIABLE_NOT_ALLOWED)
    assert scan(env, "LANG=*", "ls", patterns=(0,)).run() == Deny(
        Reason.COMMAND_VARIABLE_NOT_ALLOWED
    )


def test_a_call_up_to_its_end_is_read_with_its_place_for_names() -> None:
    find = Spec(options="-exec; -name=", single=True, operands=(PATH,))
    found = scan(find, ".", "-exec", "wc", "{}", "+", "-exec", "ls", ";", "-name", "x")

    assert found.run() is None
    assert [call.words for call in found.calls] == [
        (Word("wc"), Word("./{}", pattern=True)),
        (Word("ls"),),
    ]
    for words in (("-exec", "ls"), ("-exec", ";"), ("-exec",)):
        assert scan(find, *words).run() == Deny(Reason.COMMAND_MALFORMED)
    assert scan(find, "-exec", "sed", "s/{}/x/", ";").run() == Deny(Reason.COMMAND_UNKNOWABLE)


def test_pattern_may_name_files_but_not_what_is_run() -> None:
    code = Reader(lambda _: (), code=True)
    git = Spec(subcommands={"log": Spec()})

    assert operands(TOOL, "*.py", "*.md") == ["*.md"]
    assert known(Spec(operands=(code,)), "*.py", patterns=(0,)).endswith(PATTERN.effect)
    assert known(Spec(options="-e*", operands=(code,)), "-e", "*", patterns=(1,))
    assert known(git, "*", patterns=(0,)).endswith(PATTERN.effect)
    assert known(TOOL, "-*", patterns=(0,)).endswith(PATTERN.effect)
    assert known(Spec(options="-m>", modules=frozenset({"m"})), "-m", "m", patterns=(1,))


def test_module_of_the_program_needs_no_listing() -> None:
    python = Spec(options="-m>", modules=frozenset({"pytest"}))
    found = scan(python, "-m", "pytest", "-q")

    assert found.run() is None
    assert found.calls == [((Word("pytest"), Word("-q")), True)]
    assert known(python, "-m", "http.server") == f"tool -m: {RUNS}"
    assert known(python, "-mpip", "install") == f"tool -m: {RUNS}"


GIT = Spec(
    options="-C: -P",
    runs="-c",
    subcommands={"log": Spec(options="-c", operands=(PATH,)), "config": Bar("x")},
    otherwise=Bar("other"),
)


def test_subcommand_has_options_of_its_own() -> None:
    assert operands(GIT, "-C", "d", "log", "-c", "a") == ["d", "a"]
    assert known(GIT, "-c", "a=b", "log") == f"tool -c: {RUNS}"
    assert known(GIT, "config", "a") == "tool config: x"
    assert known(GIT, "logs") == "tool subcommand: other"
    assert known(Spec(runs="-c", inherits=True, subcommands={"a": Spec()}), "a", "-c")


@pytest.mark.parametrize("words", [("log",), ("-P", "log", "x")])
def test_subcommand_of_the_rule_remains(words: tuple[str, ...]) -> None:
    assert scan(GIT, *words, limits=Limits(frozenset({"log"}))).run() is None


@pytest.mark.parametrize("words", [(), ("-P",), ("show",), ("config",), ("-C", "log")])
def test_nothing_beside_the_subcommands_of_the_rule_remains(words: tuple[str, ...]) -> None:
    denied = Deny(Reason.COMMAND_OPTION_NOT_ALLOWED)

    assert scan(GIT, *words, limits=Limits(frozenset({"log"}))).run() == denied


def test_rule_that_names_a_subcommand_opens_it() -> None:
    found = scan(GIT, "config", "--list", "/x", limits=Limits(frozenset({"config"})))

    assert found.run() is None
    assert "/x" in found.operands


@pytest.mark.parametrize("word", ["-v", "-qv", "-vq", "--verbose", "--verb", "--color=x"])
def test_options_that_the_rule_denies_are_refused_in_every_spelling(word: str) -> None:
    limits = Limits(denied=frozenset({"-v", "--verbose", "--color"}))

    assert scan(TOOL, word, "x", limits=limits).run() == Deny(Reason.COMMAND_OPTION_NOT_ALLOWED)


def test_program_that_would_open_a_pager_must_be_told_not_to() -> None:
    pages = Spec(options="--no-pager -n", demands="--no-pager", operands=(TEXT,))

    assert operands(pages, "x", "--no-pager") == []
    assert known(pages, "-n", "x").startswith("tool without --no-pager")


def test_option_may_take_a_name_before_its_value() -> None:
    jq = Spec(options="--rawfile: -r", pairs="--rawfile", operands=(TEXT, PATH))

    assert operands(jq, "--rawfile", "name", "/a", "text", "b") == ["/a", "b"]
    assert operands(jq, "--rawfile", "name") == []


def test_what_follows_a_script_that_an_option_names_belongs_to_it() -> None:
    java = Spec(
        options="-jar: -v", operands=(PATH, ARGUMENT), given="-jar", ordered=True, single=True
    )

    assert operands(java, "-jar", "a", "-v", "--x=/y") == ["a", "-v", "--x=/y"]
