import pytest

from proxy.authorization.programs.spec import DELETES, PATH, RUNS, TEXT, Bar, Reader, Spec, Use


def test_notation_says_what_an_option_takes() -> None:
    own = Reader(lambda word: (word,), code=True)
    spec = Spec(
        options="-n -e= -f: -s* -m> -i?= -b?: -x? -exec; --long=",
        operands=(own, PATH),
        takes={"-q --quote": own},
    )

    assert spec.table == {
        "-n": Use(),
        "-e": Use(TEXT, mark="="),
        "-f": Use(PATH, mark=":"),
        "-s": Use(own, mark="*"),
        "-m": Use(TEXT, mark=">"),
        "-i": Use(TEXT, glued=True, mark="="),
        "-b": Use(PATH, glued=True, mark=":"),
        "-x": Use(TEXT, glued=True),
        "-exec": Use(TEXT, mark=";"),
        "--long": Use(TEXT, mark="="),
        "-q": Use(own),
        "--quote": Use(own),
    }


def test_option_that_does_too_much_is_barred_whatever_else_is_said_of_it() -> None:
    table = Spec(options="-c -d=", runs="-c", deletes="-d").table

    assert table == {"-c": Bar(RUNS), "-d": Bar(DELETES)}


def test_notation_that_cannot_be_read_is_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match="-a=="):
        assert Spec(options="-a==").table


@pytest.mark.parametrize(
    ("word", "paths"), [("a", ("a",)), ("-", ("-",)), ("-x", ("./-x",)), ("/etc", ("/etc",))]
)
def test_path_that_looks_like_an_option_is_spelled_so_that_it_is_a_path(
    word: str, paths: tuple[str, ...]
) -> None:
    assert PATH.read(word) == paths


def test_options_that_are_whole_words_have_one_spelling() -> None:
    assert Spec(options="--name= -x", single=True).table.keys() == {"-name", "-x"}
