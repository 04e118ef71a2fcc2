from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config import text
from proxy.config.text import Form

# type | accepted | refused
ROWS = [
    (text.Line, ["a", "a b", "ä"], ["", "a\nb", "a\x00", "\x7f", "a\u200b", "\ud800", "a\u00a0b"]),
    (text.Prose, ["", "a\n\tb"], ["\r", "\x00", "\x1b[0m"]),
    (
        text.FilePath,
        ["a", "./a", "/a/b", "a..b", "..a", "a b"],
        ["", "..", "../a", "/a/../b", "a/..", "a\nb", "//a"],
    ),
    (text.Folder, ["/a", "/a/b/"], ["a", "./a", "~/a", "/", "/.", "//", "///", "/a/.."]),
    (
        text.ForbiddenPath,
        ["/etc", "secret.txt", ".env", "a/b", "~/.ssh", "~/"],
        ["~", "~root", "~root/.ssh", "*.pem", "a?", "../a", "", "a\x00"],
    ),
    (
        text.StateUrl,
        [
            *("sqlite:///sidegate.db", "sqlite:////data/sidegate.db", "sqlite:///a/b.db"),
            *("redis://cache", "redis://cache:6379", "redis://cache:6379/1", "redis://cache/15"),
            *("rediss://cache.example:6380/0", "redis://127.0.0.1", "redis://my_cache"),
            *("redis://[::1]:6379", "rediss://[fd00::5]/1", "unix:///run/redis.sock"),
        ],
        [
            *("", "sidegate.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://a/b"),
            *("sqlite:///:memory:", "sqlite:///../a", "sqlite:///a?mode=ro", "sqlite:///a#b"),
            *("sqlite:///a/", "sqlite://///a", "sqlite:///a%20b", "sqlite:///a\n"),
            # another server, or none
            *("postgres://h", "redis:", "redis://", "redis:///1", "redis://:6379", "REDIS://h"),
            *("valkey://h", "http://h", "redis+sentinel://h", "redis://h,i"),
            # a password, which goes to its own key
            *("redis://:s3cret@h", "redis://u:s3cret@h", "redis://u@h", "redis://@h"),
            *("rediss://:s3cret@h:1/1", "unix://:s3cret@/run/redis", "unix:///run/re@dis"),
            *("redis://h?password=s3cret", "unix:///run/redis?db=1", "redis://h#a"),
            # no place in it
            *(
                "redis://h/",
                "redis://h/a",
                "redis://h/1/2",
                "redis://h:",
                "redis://h:a",
                "redis://h ",
            ),
            *("redis://h/99999", "redis://h:999999", "redis://::1", "redis://[::1", "redis://h\n"),
            *("unix://run/redis", "unix:///", "unix:///run/", "unix:///run/../a", "redis://h/%31"),
        ],
    ),
    (
        text.ToolName,
        ["shell", "github.create_issue", "a-b", "A.B", "_", "a.b.c", "a.b/c"],
        ["", ".a", "a.", "a b", "a/b", "*", "github.*", "ä", "a\n"],
    ),
    (
        text.Program,
        ["git", "g++", "7z", "python3.11", "[", "x86_64-linux-gnu-gcc", "/usr/bin/git", "/a/.b/c"],
        [
            *("", " ", "git log", "git\n", "\tgit", "*", "git*", "~/git", "bin/../git", "../git"),
            *(
                "-c",
                "/",
                "/a/",
                "/a/../b",
                "/./a",
                "a;b",
                "a|b",
                "$A",
                "`a`",
                "A=b",
                "~/a",
                "gït",
                ".",
            ),
        ],
    ),
    (text.TokenHash, ["0" * 64, "af" * 32], ["", "0" * 63, "0" * 65, "AF" * 32, "zc_" + "0" * 64]),
    (
        text.UserAndGroup,
        ["1000:1000", "65534:65534", "1000660000:1", "4199999999:1"],
        [
            "1000:0",
            "65534:00",
            "0:0",
            "0:1",
            "00:1",
            "01:1",
            "1000",
            "1000:",
            ":1",
            "root:root",
            "1:-1",
            "9999999999:1",
        ],
    ),
    (
        text.Image,
        [
            *("alpine", "alpine:3.20", "localhost:5000/a", "a.b/c__d/e-f--g:v1", "a_b.c"),
            *("Registry.Example:5000/a/b:Tag_1.0", "Host/a", "a:" + "T" * 128, "a:_"),
            *("a/b@sha256:" + "0" * 64, "a:B@sha256:" + "aF" * 32, "sha256:" + "0" * 64),
        ],
        [
            *("", "-v", " a", "a b", "a\n", "/a", "a/", "a//b", "a:", "a:b:c", "a@", ":a"),
            # upper case where no engine takes it
            *("Alpine", "Alpine:3.20", "a/B", "Host/A", "localhost:5000/Own:1", "a/B/c", "aB"),
            *("a..b", "a___b", "a-", "-a/b", ".a", "a._b", "a:-b", "a:" + "t" * 129),
            *("a@sha256", "a@sha256:" + "0" * 31, "a@sha256:" + "g" * 64, "a:b/c:d:e"),
        ],
    ),
    (text.EngineRuntime, ["runsc", "io.containerd.runsc.v1"], ["", "-x", "a/b", "a b"]),
]


@pytest.mark.parametrize(("kind", "value"), [(kind, v) for kind, good, _ in ROWS for v in good])
def test_accepted_text_is_kept_as_it_is(kind: Any, value: str) -> None:
    assert TypeAdapter(kind).validate_python(value, strict=True) == value


@pytest.mark.parametrize(("kind", "value"), [(kind, v) for kind, _, bad in ROWS for v in bad])
def test_any_other_text_is_refused_with_one_reason(kind: Any, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, strict=True)

    assert [error["type"] for error in caught.value.errors()] == ["value_error"]


@pytest.mark.parametrize("kind", [kind for kind, _, _ in ROWS])
@pytest.mark.parametrize("value", [None, 5, True, 1.5, [], {}])
def test_only_text_is_text(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, strict=True)

    assert [error["type"] for error in caught.value.errors()] == ["string_type"]


def test_form_is_the_same_in_the_schema() -> None:
    adapter = TypeAdapter(text.TokenHash)

    assert adapter.json_schema() == {"type": "string", "pattern": "^(?:[0-9a-f]{64})$"}


def test_form_matches_the_whole_text() -> None:
    with pytest.raises(ValueError, match="must be a word"):
        Form("[a-z]+", "a word").check("word\n")


@pytest.mark.parametrize("url", ["redis://h:0", "redis://h:99999", "redis://[zz]", "redis://..."])
def test_a_server_that_cannot_be_is_told_before_it_is_asked(url: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(text.StateUrl).validate_python(url, strict=True)
