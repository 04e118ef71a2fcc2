"""Patterns as in .gitignore, and what they cover."""

import pytest

from proxy.authorization.paths.ignored import Ignored


@pytest.mark.parametrize(
    ("lines", "covered", "not_covered"),
    [
        pytest.param([], [], [".env", "a"], id="no pattern"),
        pytest.param(
            [".env"], [".env", "a/.env", "a/b/.env", ".env/x"], ["env", ".envx", "x.env"], id="name"
        ),
        pytest.param(
            ["*.pem"],
            ["a.pem", "d/a.pem", ".pem", "d.pem/x", "a b.pem", "a\n.pem"],
            ["pem", "a.pem.txt", "a.pe"],
            id="an ending",
        ),
        pytest.param(["id_?sa"], ["id_rsa", "x/id_dsa"], ["id_sa", "id_rrsa"], id="one character"),
        pytest.param(["[ab].key"], ["a.key", "b.key"], ["c.key", "ab.key"], id="one of some"),
        pytest.param(["[!ab].key"], ["c.key"], ["a.key"], id="none of some"),
        pytest.param(
            ["/secret"], ["secret", "secret/a"], ["a/secret", "secrets"], id="at the root only"
        ),
        pytest.param(
            ["conf/key"], ["conf/key", "conf/key/x"], ["a/conf/key", "key"], id="with a slash"
        ),
        pytest.param(["**/conf/key"], ["conf/key", "a/b/conf/key"], ["key"], id="anywhere"),
        pytest.param(["conf/*"], ["conf/a", "conf/a/b"], ["conf", "x/conf/a"], id="in a folder"),
        pytest.param(["conf/**"], ["conf/a", "conf/a/b"], ["conf", "x/conf/a"], id="all inside"),
        pytest.param(["secrets/"], ["secrets", "x/secrets/a"], ["secret"], id="a folder"),
        pytest.param(
            [".env*", "!.env.example"],
            [".env", ".env.local", "d/.envrc"],
            [".env.example", "d/.env.example"],
            id="taken back",
        ),
        pytest.param(["!.env.example", ".env*"], [".env.example"], [], id="taken back too early"),
        pytest.param(["private", "!private/open"], ["private/open"], [], id="taken back in vain"),
        pytest.param(["*"], ["a", "a/b", ".a"], [], id="everything"),
        pytest.param(
            [".env", "*.Pem"], [".ENV", "a/.Env", "KEY.PEM", ".en\u1e7d"[:3] + "V"], [], id="case"
        ),
        pytest.param(["caf\u00e9"], ["cafe\u0301", "CAFE\u0301"], ["cafe"], id="accents"),
        pytest.param(["\udcff"], ["\udcff"], ["\udcfe"], id="no UTF-8"),
    ],
)
def test_a_pattern_covers_what_it_says(
    lines: list[str], covered: list[str], not_covered: list[str]
) -> None:
    rules = Ignored.build(lines)

    assert [path for path in covered if not rules.covers(path)] == []
    assert [path for path in not_covered if rules.covers(path)] == []
