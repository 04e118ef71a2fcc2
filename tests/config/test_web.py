import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.web import (
    HeaderName,
    HeaderValue,
    HttpUrl,
    RoutePath,
    ScopePath,
    UpstreamPath,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://agent:8080", "http://agent:8080"),
        ("https://agent.example/", "https://agent.example"),
        ("http://agent/base/path//", "http://agent/base/path"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("HTTP://My_Agent:8080/V1", "http://my_agent:8080/V1"),
    ],
)
def test_url_has_one_spelling_and_no_slash_at_its_end(text: str, value: str) -> None:
    assert TypeAdapter(HttpUrl).validate_python(text) == value


@pytest.mark.parametrize(
    "text",
    [
        # another scheme, or none
        *("", "agent:8080", "ftp://agent", "unix:///run/agent.sock", "//agent", "http:agent"),
        # no usable host or port
        *("http://", "http:///path", "http://:80", "http://a:0", "http://a:99999", "http://a:x"),
        *("http://0/", "http://[::1", "http://a b/", "http://ä/", "http://0x7f.1"),
        # more than a place
        *("http://u:p@agent", "http://u@agent", "http://@agent", "http://a/@"),
        *("http://a?b", "http://a?", "http://a/#", "http://a#b", "http://a/;b"),
        # not in normal form
        *(
            "http://a/..",
            "http://a/../b",
            "http://a/./b",
            "http://a//b",
            "http://a/%41",
            "http://a\\",
        ),
        *("http://a\n", "\thttp://a", "http://a/\x00", " http://a", "http://a:080", "http://a:"),
    ],
)
def test_url_is_a_plain_place(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(HttpUrl).validate_python(text)


PATHS = ["/", "/a", "/a/", "/a/b.c", "/v1/chat/completions", "/a..b", "/.well-known/x", "/~a@b:c,d"]
NO_PATHS = [
    *("", "a", "./a", "*", "a/*", "//", "//a", "/a//b", "/a//"),
    *("/..", "/.", "/a/..", "/a/../b", "/./a", "/a/./b", "/../"),
    *("/%41", "/a%2fb", "/a\\b", "/a;b", "/a?b", "/a#b", "/a b", "/a\n", "/\x00", "/ä", "/{a}"),
    *("/a/*/b", "/a*", "/*a", "/a/**", "/a//*", "/a/*/"),
]


@pytest.mark.parametrize("path", PATHS)
def test_raw_path_in_normal_form_is_accepted(path: str) -> None:
    assert TypeAdapter(UpstreamPath).validate_python(path) == path
    assert TypeAdapter(RoutePath).validate_python(path) == path
    assert TypeAdapter(ScopePath).validate_python(path) == path


@pytest.mark.parametrize("path", NO_PATHS)
def test_any_other_path_is_refused(path: str) -> None:
    kinds = (UpstreamPath, RoutePath, ScopePath)
    for kind in kinds:
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(path)


@pytest.mark.parametrize("path", ["/a/*", "/v1/files/*"])
def test_only_a_route_may_be_a_subtree(path: str) -> None:
    assert TypeAdapter(RoutePath).validate_python(path) == path
    with pytest.raises(ValidationError):
        TypeAdapter(UpstreamPath).validate_python(path)


def test_only_a_scope_may_be_everything() -> None:
    assert TypeAdapter(ScopePath).validate_python("/*") == "/*"
    for kind in (RoutePath, UpstreamPath):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python("/*")


@pytest.mark.parametrize("path", ["/tools/shell", "/tools/*", "/webhook/*", "/pair", "/health"])
def test_a_scope_may_name_sidegate_s_own_paths(path: str) -> None:
    assert TypeAdapter(ScopePath).validate_python(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("/health", "/livez", "/readyz", "/pair", "/webhook", "/tools"),
        *("/health/", "/webhook/*", "/tools/", "/tools/*", "/tools/x", "/tools/x/*"),
        *("/whatsapp", "/whatsapp/", "/whatsapp/*", "/pair/*", "/livez/*"),
        *("/webhook/x", "/webhook/telegram", "/webhook/x/*"),
    ],
)
def test_route_may_not_shadow_sidegate(path: str) -> None:
    with pytest.raises(ValidationError, match="Sidegate's own"):
        TypeAdapter(RoutePath).validate_python(path)


@pytest.mark.parametrize("path", ["/healthy", "/toolsx", "/v1/tools/x", "/webhooks/x", "/Health"])
def test_route_beside_sidegate_is_accepted(path: str) -> None:
    assert TypeAdapter(RoutePath).validate_python(path) == path


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "X-A.b", "!"])
def test_header_name_is_a_token(name: str) -> None:
    assert TypeAdapter(HeaderName).validate_python(name) == name


@pytest.mark.parametrize("name", ["", "X_A", "X A", "X:", "X\n", "Ä", "X\x00", '"x"', "a/b"])
def test_any_other_header_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="must be a header name"):
        TypeAdapter(HeaderName).validate_python(name)


@pytest.mark.parametrize(
    "name", ["Host", "content-LENGTH", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Expect"]
)
def test_header_of_the_connection_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="set by Sidegate itself"):
        TypeAdapter(HeaderName).validate_python(name)


@pytest.mark.parametrize("value", ["x", "Bearer abc", "a  b", "!~"])
def test_header_value_is_printable_ascii(value: str) -> None:
    assert TypeAdapter(HeaderValue).validate_python(value).get_secret_value() == value


@pytest.mark.parametrize("value", ["", " ", " a", "a ", "a\n", "a\r\nX: y", "\t", "ä", "a\x00b"])
def test_any_other_header_value_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(HeaderValue).validate_python(value)

    assert [error["msg"] for error in caught.value.errors()] == [
        "Value error, must be printable ASCII, not empty, without spaces around it"
    ]
