import pytest

from proxy.authorization.programs.destinations import (
    ARCHIVE,
    DATA,
    ENCODED,
    FORM,
    REPOSITORY,
    URL,
    WRITE_OUT,
)
from proxy.authorization.programs.spec import Bar, Reader


@pytest.mark.parametrize(
    ("reader", "word", "paths"),
    [
        (URL, "https://example.com/etc/passwd", ()),
        (URL, "HTTP://example.com", ()),
        (URL, "example.com:8080/x", ()),
        (URL, "http://[::1]:3000/", ()),
        (URL, "/etc/passwd", ("/etc/passwd",)),
        (URL, "file:/etc/passwd", ("file:/etc/passwd",)),
        (REPOSITORY, "https://example.com/x.git", ()),
        (REPOSITORY, "ssh://git@example.com/x", ()),
        (REPOSITORY, "git@example.com:x/y.git", ()),
        (REPOSITORY, "origin", ("origin",)),
        (REPOSITORY, "/etc", ("/etc",)),
        (REPOSITORY, "file:///etc", ("/etc",)),
        (DATA, '{"a": "/b"}', ()),
        (DATA, "@/etc/passwd", ("/etc/passwd",)),
        (ENCODED, "x@/etc/passwd", ("/etc/passwd",)),
        (ENCODED, "@/etc/passwd", ("/etc/passwd",)),
        (ENCODED, "mail=a@b", ()),
        (FORM, "a=b", ()),
        (FORM, "a=@/etc/passwd;type=text/plain", ("/etc/passwd",)),
        (FORM, "a=</etc/passwd", ("/etc/passwd",)),
        (FORM, 'a=@"/etc/x",/etc/y', ("/etc/x",)),
        (WRITE_OUT, "%{http_code}", ()),
        (ARCHIVE, "a.tar", ("a.tar",)),
        (ARCHIVE, "./a:b", ("./a:b",)),
    ],
)
def test_paths_of_this_machine_are_told(reader: Reader, word: str, paths: tuple[str, ...]) -> None:
    assert reader.read(word) == paths


@pytest.mark.parametrize(
    ("reader", "word"),
    [
        *((URL, word) for word in ("file:///etc/passwd", "FILE:///x", "gopher://x", "dict://x")),
        *(
            (URL, word)
            for word in ("{file,http}:///x", "http://x/{a,b}", "[f]ile:///x", "ht\\tp://x")
        ),
        *((URL, word) for word in ("http://169.254.169.254/", "http://metadata.google.internal/x")),
        *((REPOSITORY, word) for word in ("ext::sh -c id", "fd::3", "a+b::x", "::x", "ftp://x/y")),
        *((REPOSITORY, word) for word in ("ssh://-oProxyCommand=id/x", "transport://x")),
        *((WRITE_OUT, word) for word in ("@fmt", "%output{/etc/x}")),
        (ARCHIVE, "host:x"),
        (ARCHIVE, "user@host:/x"),
    ],
)
def test_what_leads_elsewhere_is_refused(reader: Reader, word: str) -> None:
    assert isinstance(reader.read(word), Bar)
