"""What a secret looks like: files of rules, ours and anybody's."""

import pytest
from scanning import scrubbed

from proxy.decision import ConfigError
from proxy.protection.compiled import Rules
from proxy.protection.detector import Detector
from proxy.protection.held import Held
from proxy.protection.rule import SHIPPED, Rule, disabled_rules, load_rules, shipped

FILE = r"""
title = "rules of a house"
minVersion = "v8.25.0"

[allowlist]
description = "for all"
paths = ['''vendor/''']
regexes = ['''EXAMPLE''']

[[allowlists]]
targetRules = ["house-key"]
stopwords = ["sample"]

[[rules]]
id = "house-key"
description = "The house's own keys"
regex = '''\bhk_([a-z0-9]{16})(?:['"\s;]|$)'''
entropy = 2.0
keywords = ["HK_"]
tags = ["key"]

[[rules]]
id = "two-groups"
regex = '''pair:(\w+):(\w{8,})'''
secretGroup = 2

[[rules]]
id = "first-group"
regex = '''either=(?:(\d{8})|([a-f]{8}))'''

[[rules]]
id = "named"
regex = '''(ignored)-(?P<secret>\w{8})'''

[[rules]]
id = "whole"
regex = '''whole\d{8}'''

[[rules]]
id = "assigned"
regex = '''(?i)house[_-]?pass(?:word)?[\s'"]{0,3}(?:=|:)[\s'"]{0,5}([\w!-]{8,40})'''
[[rules.allowlists]]
regexTarget = "match"
regexes = ['''public''']
[[rules.allowlists]]
condition = "AND"
regexes = ['''^x''']
stopwords = ["Dummy"]

[[rules]]
id = "of-a-line"
regex = '''line_\d{8}'''
[[rules.allowlists]]
regexTarget = "line"
regexes = ['''^#''']

[[rules]]
id = "old-allowlist"
regex = '''old_\d{8}'''
[rules.allowlist]
regexes = ['''0000''']

[[rules]]
id = "reported-elsewhere"
regex = '''elsewhere_\d{8}'''
skipReport = true

[[rules]]
id = "only-a-path"
path = '''\.p12$'''
"""
RULES = load_rules(FILE, "house.toml")


def shown(text: str, rules: tuple[Rule, ...] = RULES) -> str:
    return scrubbed(Detector(Rules(rules), Held(())), text.encode()).decode()


def test_a_file_in_the_shape_of_gitleaks_is_read() -> None:
    key = RULES[0]

    assert [rule.id for rule in RULES][-1] == "reported-elsewhere", "a file's name tells nothing"
    assert (key.entropy, key.keywords, key.own, key.spans) == (2.0, ("hk_",), False, True)
    assert len(key.allow) == 2
    assert len(RULES[1].allow) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k='hk_a1b2c3d4e5f6g7h8'", "k='hk_[REDACTED:house-key]'"),
        ("hk_a1b2c3d4e5f6g7h8", "hk_[REDACTED:house-key]"),
        ("pair:name:abcdefgh1", "pair:name:[REDACTED:two-groups]"),
        ("either=12345678", "either=[REDACTED:first-group]"),
        ("either=abcdefab", "either=[REDACTED:first-group]"),
        ("ignored-abcdefgh", "ignored-[REDACTED:named]"),
        ("a whole12345678 b", "a [REDACTED:whole] b"),
        ("HOUSE_PASS = 'x-secret-1'", "HOUSE_PASS = '[REDACTED:assigned]'"),
        ("line_12345678", "[REDACTED:of-a-line]"),
        ("old_12345678", "[REDACTED:old-allowlist]"),
    ],
)
def test_the_secret_is_the_group_that_a_rule_says(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hk_aaaaaaaaaaaaaaaa", id="too little entropy"),
        pytest.param("hk_a1samplee5f6g7h8", id="a stopword for one rule"),
        pytest.param("pair:name:EXAMPLE1", id="an expression for all"),
        pytest.param("xhk_a1b2c3d4e5f6g7h8", id="inside a word"),
        pytest.param("house_pass: public-1-key", id="an expression over the secret's match"),
        pytest.param("house_pass: xdummy-1-key", id="two kinds that both hold"),
        pytest.param("# a line_12345678", id="an expression over the line"),
        pytest.param("old_00001234", id="the old name of a list"),
        pytest.param("house_pass:\nabcdefgh-1", id="another line"),
    ],
)
def test_what_a_rule_allows_stays(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize("text", ["house_pass: x-no-stopword", "house_pass: a-dummy-word"])
def test_what_both_kinds_must_allow_is_masked_where_one_does(text: str) -> None:
    assert "[REDACTED:assigned]" in shown(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rules = [", "not TOML"),
        ("[[rules]]\nid = 'a'\nregex = '('", "rule a"),
        ("[[rules]]\nid = 'a'\nregex = '(?=x)'", "rule a"),
        ("[[rules]]\nid = 'a'\nregex = 'x'\ntail = '['", "rule a"),
        ("[[rules]]\nid = 'a'\nregex = 'x'\n[[rules.allowlists]]\nregexes = ['(']", "rule a"),
        ("[[rules]]\nregex = 'x'", "id"),
        ("[[rules]]\nid = 'not an id'\nregex = 'x'", "id"),
        ("[[rules]]\nid = 'a'\nregex = 'x'\nregexp = 'y'", "regexp"),
        ("[[rules]]\nid = 'a'\nregex = 'x'\nsecretGroup = -1", "secretGroup"),
        ("[[rules]]\nid = 'a'\nregex = 'x'\nentropy = 'much'", "entropy"),
        ("[[rules]]\nid = 'a'\nregex = 'x'\n[[rules]]\nid = 'a'\nregex = 'y'", "given twice"),
        ("[[allowlists]]\ncondition = 'XOR'", "condition"),
        ("[extend]\npath = '/etc/other.toml'", "extend"),
        ("[extend]\nurl = 'https://rules.example'", "extend"),
        ("surprise = 1", "surprise"),
    ],
)
def test_a_fault_is_refused_with_the_file_s_name(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_rules(text, "house.toml")

    assert all(problem.startswith("house.toml: ") for problem in refused.value.problems)
    assert complaint in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    faulty = "[[rules]]\nid = 'a'\nregex = '('\n[[rules]]\nid = 'b'\nregex = '['"

    with pytest.raises(ConfigError) as refused:
        load_rules(faulty, "house.toml")

    assert len(refused.value.problems) == 2


def test_a_group_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="secretGroup"):
        load_rules("[[rules]]\nid = 'a'\nregex = '(x)'\nsecretGroup = 2", "house.toml")


def test_what_gitleaks_has_by_default_is_what_is_shipped() -> None:
    text = "[extend]\nuseDefault = true\ndisabledRules = ['jwt']"

    assert load_rules(text, "house.toml") == ()
    assert disabled_rules(text, "house.toml") == {"jwt"}
    assert disabled_rules("", "house.toml") == frozenset()


@pytest.mark.parametrize("name", SHIPPED)
def test_our_own_rules_are_in_order(name: str) -> None:
    rules = shipped([name])

    assert all(rule.own and rule.keywords for rule in rules)
    assert len({rule.id for rule in shipped()}) == len(shipped())


def test_our_own_rules_compile() -> None:
    Rules(shipped())
