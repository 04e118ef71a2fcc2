"""Which here-documents are read as the word that they come to."""

import shutil
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reading import call, refusal, script

from proxy.authorization.shell.documents import inlined
from proxy.reasons import Reason

SHELLS = [
    shell
    for shell in (["dash"], ["bash", "--norc"], ["bash", "--posix"], ["busybox", "ash"])
    if shutil.which(shell[0])
]
BODIES = st.lists(
    st.sampled_from(
        [*"ab ()[]{}<>|&;*?~#!%=.-\n\t", "EN", "END", "<<X", "case x in a)", "do", "é"]
    ),
    max_size=12,
).map("".join)


def word(body: str) -> str:
    return f"\"$(cat <<'END'\n{body}\nEND\n)\""


def inner(body: str) -> dict[str, object]:
    """The word of such a document as the parser gives it."""
    text = {"Parts": [{"Type": "Lit", "Value": f"{body}\n"}]}
    end = {"Parts": [{"Type": "SglQuoted", "Value": "END"}]}
    program = {"Parts": [{"Type": "Lit", "Value": "cat"}]}
    statement = {
        "Cmd": {"Type": "CallExpr", "Args": [program]},
        "Redirs": [{"Op": "<<", "Word": end, "Hdoc": text}],
    }
    substitution = {"Type": "CmdSubst", "Stmts": [statement]}
    return {"Parts": [{"Type": "DblQuoted", "Parts": [substitution]}]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Add it", "Add it"),
        (
            "feat(api): add (#12)\n\n- a & b; c | d > e",
            "feat(api): add (#12)\n\n- a & b; c | d > e",
        ),
        ("a\n\n", "a"),
        ("# 100% {of} [it] *all* ~ !", "# 100% {of} [it] *all* ~ !"),
    ],
)
async def test_a_document_is_its_text_and_a_call_of_what_writes_it(body: str, text: str) -> None:
    read = await script(f"f -m {word(body)}")

    assert read.calls == (call("cat", fed=True), call("f", "-m", text))
    assert not read.plain


async def test_text_beside_a_document_belongs_to_the_word() -> None:
    read = await script("f x\"a$(cat <<'END'\nb\nEND\n)c\"")

    assert read.calls[1] == call("f", "xabc")


@pytest.mark.parametrize(
    "body",
    ["it's", 'a "b"', "`id`", "$(id)", "$x", "a\\b", "a)", "(a", ")(", "", "END) id", "xEND"],
)
async def test_a_text_that_a_shell_could_read_otherwise_is_not_one(body: str) -> None:
    assert await refusal(f"f {word(body)}") is Reason.COMMAND_UNKNOWABLE


@pytest.mark.parametrize(
    "line",
    [
        "f $(cat <<'END'\na\nEND\n)",
        'f "$(cat <<END\na\nEND\n)"',
        "f \"$(cat <<-'END'\na\nEND\n)\"",
        "f \"$(cat x <<'END'\na\nEND\n)\"",
        "f \"$(cat <<'END' >x\na\nEND\n)\"",
        "f \"$(cat <<'END' # b\na\nEND\n)\"",
        "f \"$(cat <<'END' | g\na\nEND\n)\"",
        "f \"$(cat <<'END'; g\na\nEND\n)\"",
        "f \"$(! cat <<'END'\na\nEND\n)\"",
        "f \"$(A=b cat <<'END'\na\nEND\n)\"",
        "f \"$(g <<'END'\na\nEND\n)\"",
        "f \"`cat <<'END'\na\nEND\n`\"",
        "\"$(cat <<'END'\na\nEND\n)\" b",
        "f > \"$(cat <<'END'\na\nEND\n)\"",
        "x=\"$(cat <<'END'\na\nEND\n)\"; f",
        "cat() { g; }; f \"$(cat <<'END'\na\nEND\n)\"",
    ],
)
async def test_no_other_form_is_read(line: str) -> None:
    assert await refusal(line) is Reason.COMMAND_UNKNOWABLE


def test_a_word_without_one_stays_as_it_is() -> None:
    plain = {"Parts": [{"Type": "DblQuoted", "Parts": [{"Type": "Lit", "Value": "a"}]}]}

    assert inlined(plain) == (plain, 0)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(BODIES)
def test_every_shell_reads_the_same_text(body: str) -> None:
    found, count = inlined(inner(body))
    assume(count)
    text = found["Parts"][0]["Parts"][0]["Value"]

    for shell in SHELLS:
        run = [*shell, "-c", f"printf %s {word(body)}\necho ."]
        done = subprocess.run(run, capture_output=True, check=True, timeout=30)
        assert done.stdout.decode() == f"{text}.\n", shell
