"""Roots, patterns and domains, as the configuration takes them."""

import pytest
from pydantic import ValidationError

from proxy.config.model import AutonomyConfig
from proxy.config.reach import RootConfig


def told(**keys: object) -> str:
    """What is wrong with these keys."""
    with pytest.raises(ValidationError) as caught:
        AutonomyConfig.model_validate(keys)
    return str(caught.value)


def test_a_root_is_read_only_unless_it_says_otherwise() -> None:
    roots = AutonomyConfig.model_validate(
        {"allowed_roots": [{"path": "/data"}, {"path": "/out", "access": "rw"}]}
    ).allowed_roots

    assert roots == (RootConfig(path="/data", access="ro"), RootConfig(path="/out", access="rw"))


@pytest.mark.parametrize("path", ["/", "/.", "data", "~/data", "/a/../b", "//a", ""])
def test_a_root_is_an_absolute_folder_of_its_own(path: str) -> None:
    assert "allowed_roots.0.path" in told(allowed_roots=[{"path": path}])


def test_one_root_has_one_access() -> None:
    twice = [{"path": "/data", "access": "ro"}, {"path": "/data/", "access": "rw"}]

    assert "an earlier entry has this path" in told(allowed_roots=twice)
    assert "access" in told(allowed_roots=[{"path": "/data", "access": "wr"}])


@pytest.mark.parametrize(
    "pattern",
    [
        *(".env", "*.pem", "/secret", "a/b", "**/a", "a/**", "**/a/**", "!a", "!**/a/b/", "[!a]x"),
        *("a b", "[#]x", "?", "*"),
    ],
)
def test_a_pattern_is_as_in_a_gitignore(pattern: str) -> None:
    assert AutonomyConfig.model_validate({"ignore": [pattern]}).ignore == (pattern,)


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "!", "/", "//", "**", "**/", "/**", "a//b", "./a", "../a", "a/..", "a/**/b", "a**"),
        *("# comment", "\\#a", "a\\", "a\n", "a\0b"),
    ],
)
def test_a_pattern_that_would_ignore_nothing_or_another_is_told(pattern: str) -> None:
    assert "ignore.0" in told(ignore=[pattern])


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        ("example.com", "example.com"),
        ("*.Example.COM", "*.example.com"),
        ("*", "*"),
        ("localhost", "localhost"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("1.1.1.1", "1.1.1.1"),
        ("2606:4700:0:0::1111", "2606:4700::1111"),
    ],
)
def test_a_domain_is_kept_in_one_spelling(domain: str, kept: str) -> None:
    assert AutonomyConfig.model_validate({"allowed_domains": [domain]}).allowed_domains == (kept,)


@pytest.mark.parametrize(
    "domain",
    [
        *(
            "",
            ".",
            "*.",
            "*.*",
            "**",
            "*example.com",
            "a.*.com",
            "http://example.com",
            "a/b",
            "a b",
        ),
        *("example.com:443", "example.com.", ".example.com", "münchen.de", "a_b.com", "*.1.1.1.1"),
        *("*.::1", "[::1]", "127.1", "0x7f.1", "1.1.1.0/24", "a\n"),
    ],
)
def test_what_is_no_domain_is_told(domain: str) -> None:
    assert "allowed_domains.0" in told(allowed_domains=[domain])
