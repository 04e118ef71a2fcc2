import pytest

from proxy.authorization.programs.awk import AWK, LONGEST
from proxy.authorization.programs.spec import READS, RUNS, Bar
from proxy.reasons import Reason


@pytest.mark.parametrize(
    "program",
    [
        *("{print $1}", "NR==1", "$3 > 10", '{print $1 "|" $2}', "/a|b/", "!seen[$0]++", "1", ""),
        *('{ if ($1 > 5) print; else print "x" }', "{s+=$1} END {print s/NR}", "{print ($1+$2)/2}"),
        *(
            '{gsub(/[|>"]/, ""); print}',
            'BEGIN{FS="/"} {print $2}',
            "length($0) > 80",
            "# a | b\n1",
        ),
        *('{print a/b, "x|y"}', '{printf "%s\\n", $1}', "$1 ~ /x/ && $2 != 3 || $4", "{n /= 2} 1"),
        *("/a/,/b/", '{print > "/dev/stderr"}', "{print(a > b)}", "{for (i = 1; i < NF; i++) n++}"),
        *(
            'if (x) /a"b/',
            "{getline; print}",
            '{print $0 ? "a" : "b"}',
            "BEGIN{while(i<3)print i++}",
        ),
    ],
)
def test_program_that_only_prints_names_no_file(program: str) -> None:
    assert AWK.read(program) == ()


@pytest.mark.parametrize(
    ("program", "files"),
    [
        ('{print > "/etc/x"}', ("/etc/x",)),
        ('{print $1, $2 >> "out"; x = 1}', ("out",)),
        ('{printf("%s", $1) > "/etc/x"}', ("/etc/x",)),
        ('{print "a",\n"b" > "/etc/x"}', ("/etc/x",)),
        ('{while ((getline l < "/etc/shadow") > 0) print l}', ("/etc/shadow",)),
        ('{x=1; getline line < "../x"}', ("../x",)),
    ],
)
def test_every_file_that_a_program_names_is_told(program: str, files: tuple[str, ...]) -> None:
    assert AWK.read(program) == files


@pytest.mark.parametrize(
    ("program", "bar"),
    [
        ('BEGIN{system("id")}', Bar(RUNS)),
        ('{print | "sh"}', Bar(RUNS)),
        ('{print |& "sh"}', Bar(RUNS)),
        ('BEGIN{"id" | getline x}', Bar(RUNS)),
        ('BEGIN{c="i" "d"; c|getline}', Bar(RUNS)),
        ('@load "x"', Bar(RUNS)),
        ('{@f("id")}', Bar(RUNS)),
        ('if (1) /"/; print | "sh" #"/', Bar(RUNS)),
        ('{a = b / "x" | "sh" /c}', Bar(RUNS)),
        ('BEGIN{print ENVIRON["X"]}', Bar(READS)),
        ('BEGIN{ARGV[1]="/etc/passwd";ARGC=2}1', Bar(READS)),
    ],
)
def test_program_that_runs_or_reads_something_else_is_refused(program: str, bar: Bar) -> None:
    assert AWK.read(program) == bar


@pytest.mark.parametrize(
    "program",
    [
        *(
            "{print > $1}",
            '{print > "a" "b"}',
            "{print > f()}",
            '{print > "a\\x2f"}',
            "{print > a}",
        ),
        *(
            '{print "',
            "/a",
            '/[]/]"/',
            '/[^]/]"/',
            "/[/]/",
            "{x++ / 2}",
            "{getline /x/}",
            "{getline < f}",
        ),
    ],
)
def test_program_that_is_not_certain_is_refused(program: str) -> None:
    found = AWK.read(program)

    assert isinstance(found, Bar)
    assert found.reason is Reason.COMMAND_UNKNOWABLE


def test_what_is_longer_than_is_read_is_too_complex() -> None:
    found = AWK.read("1;" * LONGEST)

    assert isinstance(found, Bar)
    assert found.reason is Reason.COMMAND_TOO_COMPLEX
