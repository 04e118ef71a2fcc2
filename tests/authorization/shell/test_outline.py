"""What is counted before a parser is asked, and what is not."""

import pytest

from proxy.authorization.shell.outline import check
from proxy.decision import Malformed
from proxy.reasons import Reason


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("a; b | c && d", id="a short line"),
        pytest.param("a | grep '" + "(|" * 20000 + "'", id="quoted operators"),
        pytest.param('a | grep "' + "(|\\$" * 1900 + '"', id="operators in double quotes"),
        pytest.param("a | b # " + "; c" * 20000, id="a comment"),
        pytest.param("cat <<'E'\n" + "if ((a)); then $b; fi\n" * 2000 + "E\nls", id="a document"),
        pytest.param("cat <<-E >x\n" + "a b\n" * 9000 + "\tE", id="an indented document"),
        pytest.param(
            "a <<A <<'B'\n" + "x;" * 999 + "\nA\n" + "y;" * 999 + "\nB", id="two documents"
        ),
        pytest.param(" && ".join(["a b c"] * 40), id="a list of forty"),
    ],
)
def test_what_a_parser_reads_at_once_may_be_long(line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("a|" * 60, id="a long pipe"),
        pytest.param("a&&" * 60, id="a long list of conditions"),
        pytest.param("(" * 60, id="nested subshells"),
        pytest.param("if a; then " * 60, id="nested conditions"),
        pytest.param("a;" * 300, id="many calls"),
        pytest.param("a\n" * 300, id="many lines"),
        pytest.param("a >b" * 300, id="many redirections"),
        pytest.param("a;" + "b " * 500, id="many words"),
        pytest.param("a;" + "$b " * 150, id="many variables"),
        pytest.param('a;"' + "$b" * 150 + '"', id="many variables in double quotes"),
        pytest.param("a;" + "''" * 3000, id="many quotes"),
        pytest.param("a;" + "\\a" * 3000, id="many escapes"),
        pytest.param('a;"' + "\\a" * 3000 + '"', id="many escapes in double quotes"),
        # what only looks like the cheap parts
        pytest.param("a '<<E'\n" + "b;" * 300 + "\nE", id="a quoted document"),
        pytest.param("a # <<E\n" + "b;" * 300 + "\nE", id="a document in a comment"),
        pytest.param("a \\<<E\n" + "b;" * 300 + "\nE", id="an escaped document"),
        pytest.param("a <<<E\n" + "b;" * 300 + "\nE", id="a string as a document"),
        pytest.param("((1<<E\n" + "b;" * 300 + "\nE))", id="a shift"),
        pytest.param("let x<<E\n" + "b;" * 300 + "\nE", id="a shift after let"),
        pytest.param("a <<E$x\n" + "b;" * 300 + "\nE", id="another end of a document"),
        pytest.param("a <<E\n" + "b;" * 300, id="a document without an end"),
        pytest.param("<<a\n" * 15000, id="documents without number"),
        pytest.param("a <<E\n" + "$(b)" * 150 + "\nE", id="substitutions in a document"),
        pytest.param("a $(b '" + "c;" * 300 + "')", id="quotes behind a doubt"),
        pytest.param("a b#" + ";c" * 300, id="a mark inside a word"),
    ],
)
def test_what_keeps_a_parser_busy_is_refused_before(line: str) -> None:
    with pytest.raises(Malformed) as refused:
        check(line)

    assert refused.value.reason is Reason.COMMAND_TOO_COMPLEX
