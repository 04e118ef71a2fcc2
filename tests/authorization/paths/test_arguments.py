import pytest

from proxy.authorization.paths.arguments import candidates


@pytest.mark.parametrize(
    ("word", "paths"),
    [
        # the operand itself
        ("a/b", {"a/b"}),
        ("-", set()),
        ("--", set()),
        ("", set()),
        ("/dev/null", set()),
        # behind a sign
        ("if=/x", {"if=/x", "/x"}),
        ("--file=/x", {"/x"}),
        ("--output=/dev/null", set()),
        ("@/x", {"@/x", "/x"}),
        ("-d@secret", {"@secret", "secret"}),
        ("host:/x", {"host:/x", "/x"}),
        ("a:b", {"a:b"}),
        ("a,../x", {"a,../x", "../x"}),
        ("a=b=/x", {"a=b=/x", "b=/x", "/x"}),
        # glued to an option
        ("-f/x", {"/x"}),
        ("-C../x", {"../x"}),
        ("-fsecret", {"secret"}),
        ("-nf.env", {"f.env", ".env"}),
        ("-n1.5", {"1.5", ".5"}),
        ("-n./x", {"./x", "/x"}),
        ("--color", set()),
        # a URL has a host, a file URL has a path
        ("https://host/path", {"https://host/path"}),
        ("file:///etc/passwd", {"file:///etc/passwd", "///etc/passwd"}),
    ],
)
def test_every_path_that_a_program_may_read_is_a_candidate(word: str, paths: set[str]) -> None:
    found = candidates(word)

    assert found is not None
    assert (set(found), len(found)) == (paths, len(paths))


def test_a_word_of_paths_without_end_is_none_of_them() -> None:
    assert candidates("a" + ":/x" * 64) is not None
    assert candidates("a" + ":/x" * 65) is None
