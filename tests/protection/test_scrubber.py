"""A text that comes in pieces, and what of it may be shown."""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.protection.rules import compile_rules
from proxy.protection.scrubber import MARK, Scrubber, masked

HELD = ("held-value-1", "first line of it\nsecond line of it", 'quo"ted\\value')
RULES = compile_rules(HELD)
M = MARK.decode()


def scrubbed(text: str, tally: Counter[str] | None = None) -> str:
    """The whole text at once."""
    counted = Counter[str]() if tally is None else tally
    return Scrubber(RULES, counted).scrub(text.encode(), final=True).decode()


def in_pieces(pieces: Sequence[bytes]) -> tuple[bytes, Counter[str]]:
    tally: Counter[str] = Counter()
    scrubber = Scrubber(RULES, tally)
    shown = b"".join(scrubber.scrub(piece, final=False) for piece in pieces)
    return shown + scrubber.scrub(b"", final=True), tally


# What is masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # files of settings
        ("API_KEY=abcdefgh12", f"API_KEY={M}"),
        ("export TOKEN=abcdefgh12", f"export TOKEN={M}"),
        ("DB_PASSWORD='p w 1 2'", f"DB_PASSWORD='{M}'"),
        ('DB_PASSWORD="p w 1 2"', f'DB_PASSWORD="{M}"'),
        ("password = abcdefgh12\nuser = me\n", f"password = {M}\nuser = me\n"),
        ("password: abcdefgh12\n", f"password: {M}\n"),
        ("password:   'abcdefgh12'  # mine", f"password:   '{M}'  # mine"),
        ("- secret: abcdefgh12", f"- secret: {M}"),
        ("token := abcdefgh12", f"token := {M}"),
        ("'token' => 'abcdefgh12'", f"'token' => '{M}'"),
        ("A=1;TOKEN=abcdefgh12;B=2", f"A=1;TOKEN={M};B=2"),
        ("?token=abcdefgh12&x=1", f"?token={M}&x=1"),
        # JSON, and JSON in JSON
        ('{"token": "abcdefgh12"}', f'{{"token": "{M}"}}'),
        ('{"token":"abcdefgh12","a":1}', f'{{"token":"{M}","a":1}}'),
        ('{"a_token" : "abcdefgh12"}', f'{{"a_token" : "{M}"}}'),
        ('{\\"token\\": \\"abcdefgh12\\"}', f'{{\\"token\\": \\"{M}\\"}}'),
        (
            '{\\\\\\"token\\\\\\":\\\\\\"abcdefgh12\\\\\\"}',
            f'{{\\\\\\"token\\\\\\":\\\\\\"{M}\\\\\\"}}',
        ),
        ('{"password": "ab\\"cd\\\\ef\\u00e9\\n"}', f'{{"password": "{M}"}}'),
        ("{'token': 'ab\\'cdefgh'}", f"{{'token': '{M}'}}"),
        ('{"m": "TOKEN=abcdefgh12\\nA=1"}', f'{{"m": "TOKEN={M}\\nA=1"}}'),
        ('{"token": 1234567890}', f'{{"token": "{M}"}}'),
        ('{"token":-1.234567e9,"a":1}', f'{{"token":"{M}","a":1}}'),
        ('{"tokens": 12345}', '{"tokens": 12345}'),
        # headers
        ("Authorization: Bearer abcdefgh12", f"Authorization: Bearer {M}"),
        ("authorization: bearer   abcdefgh12", f"authorization: bearer   {M}"),
        ("X-Api-Key: abcdefgh12\r\nA: b\r\n", f"X-Api-Key: {M}\r\nA: b\r\n"),
        ('-H "Authorization: Bearer abcdefgh12"', f'-H "Authorization: Bearer {M}"'),
        ("Bearer abc.def-ghi_jkl~mno+p/q==", f"Bearer abc.{M}".replace("abc.", "")),
        # a credential of Sidegate's own, in prose
        (f"it is zc_{'0a' * 32}, you know", f"it is zc_0{M}, you know"),
        # several
        ("token=abcdefgh12 password=abcdefgh12", f"token={M} password={M}"),
        ("token=abcdefgh12\ntoken=abcdefgh13", f"token={M}\ntoken={M}"),
        # registered
        ("say held-value-1 twice: held-value-1", f"say {M} twice: {M}"),
        ("first line of it\nsecond line of it", f"{M}\n{M}"),
        ("first line of it\\nsecond line of it", f"{M}\\n{M}"),
        ('a quo"ted\\value and quo\\"ted\\\\value', f"a {M} and {M}"),
        ("xheld-value-1y", f"x{M}y"),
    ],
)
def test_a_secret_is_masked_and_all_around_it_stays(text: str, shown: str) -> None:
    assert scrubbed(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a" * 8, M),
        ("abcd" * 4 + "abc", M),
        ("abcd" * 5, f"abcd{M}"),
        ("sk-abcdefghijklmnopqrst", f"sk-a{M}"),
        ("zc_" + "0" * 64, f"zc_0{M}"),
        # nothing that could break an escape, a character or a quote
        ("a.bc" * 5, M),
        ("ünïc" * 5, M),
        ("abcé" * 5, M),
        ("\\u00e9abcdefghijklmnopq", M),
    ],
)
def test_four_characters_are_kept_of_a_long_plain_value_only(value: str, shown: str) -> None:
    assert masked(value.encode()).decode() == shown
    assert scrubbed(f'token="{value}"') == f'token="{shown}"'


@pytest.mark.parametrize("length", [199, 200, 201, 202, 399, 400, 401, 1000, 100_000])
@pytest.mark.parametrize(
    ("before", "after"),
    [("token=", "\n"), ("token=", " x"), ('"token": "', '"}'), ("token='", "'"), ("Bearer ", ",")],
)
def test_a_long_value_is_masked_to_its_end(length: int, before: str, after: str) -> None:
    assert scrubbed(f"{before}{'abcde' * (length // 5)}{after}") == f"{before}abcd{M}{after}"


@pytest.mark.parametrize("position", [198, 199, 200, 201, 398, 399, 400])
@pytest.mark.parametrize("escape", ['\\"', "\\\\", "\\u00e9", "\\n"])
def test_an_escape_far_into_a_value_does_not_end_it(position: int, escape: str) -> None:
    value = "a" * position + escape + "b" * 300

    assert scrubbed(f'{{"token": "{value}", "a": 1}}') == f'{{"token": "aaaa{M}", "a": 1}}'


# What is masked, though a pattern alone does not see to its end


@pytest.mark.parametrize(
    "password",
    [
        *("pä-ss-wörd-12", 'pa"ss"word-12', "pa\\ss\\word-12", "abcdefgh\\ijklmnop"),
        *("pass\nword-1234", "\"'\\\\'\"-1234567"),
    ],
)
def test_a_secret_with_escapes_is_masked_in_json_in_json(password: str) -> None:
    text = json.dumps({"output": json.dumps({"password": password, "user": "me"})})
    shown = scrubbed(text)

    assert json.loads(json.loads(shown)["output"])["user"] == "me"
    assert json.dumps(json.dumps(password))[3:-3] not in shown
    assert json.dumps(json.dumps(password[-6:]))[3:-3] not in shown


@pytest.mark.parametrize("sign", " ,:]}")
def test_a_quoted_secret_may_begin_with_any_sign(sign: str) -> None:
    """The key is quoted, so that the quote after it cannot be one that closes."""
    assert scrubbed(f'{{"password": "{sign}abcdefgh12"}}') == f'{{"password": "{M}"}}'
    assert scrubbed(f"{{'password': '{sign}abcdefgh12'}}") == f"{{'password': '{M}'}}"


@pytest.mark.parametrize("value", ["abcdefgh$ijklmnop", "Xk9$mQ2!vL7_zT4w"])
def test_a_secret_with_signs_in_a_file_of_settings_is_masked_whole(value: str) -> None:
    shown = scrubbed(f"USER=me\nDB_PASSWORD={value}\nHOST=here\n")

    assert value[-7:] not in shown
    assert shown.endswith("\nHOST=here\n")


# What is shown as it is


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        # code
        "token = get_token()",
        "self.token = token",
        "password = getpass.getpass()",
        "token: Token = Token(value)",
        "api_key = os.environ['API_KEY']",
        "secret = secrets[name_of_it]",
        "const token = await client.fetchToken(id)",
        "def check(token: str, password: str) -> bool:",
        "if (token == null || password === '')",
        "TOKEN=$(cat token)",
        "TOKEN=${TOKEN}",
        "TOKEN=$TOKEN",
        "password=`cat it`",
        "token=<your token>",
        "token=***************",
        "password: ********",
        "token: {{ token }}",
        # numbers and short words
        "tokens: 5",
        '{"tokens": 5, "max_tokens": 4096}',
        '{"token": null, "password": true}',
        '{"token": "", "password": "abc"}',
        '{"token": [], "secret": {}}',
        "total tokens: 1234567",
        # prose
        "The token is in the drawer; the password, too.",
        "Ask for a token. Secrets: none.",
        "a bearer of news",
        "The secret of the old house: it has a cellar.",
        "password protected, secret-free, tokenized",
        "How do I reset my password?",
        "Enter your password:",
        "a token (see below)",
        # what only looks random
        "0" * 64,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "zc_12345",
        "550e8400-e29b-41d4-a716-446655440000",
        "ghp_short",
        "-----BEGIN PUBLIC KEY-----",
        "held-value-2",
        # any characters
        "grüße 日本 🦀 \u202e",
        "\\\\\\\"'\"'''",
        "tokens\ttokens\r\ntokens",
    ],
)
def test_what_is_no_secret_stays_byte_for_byte(text: str) -> None:
    tally: Counter[str] = Counter()

    assert scrubbed(text, tally) == text
    assert not tally


@pytest.mark.parametrize(
    "text",
    [
        "The API uses Bearer authentication.",
        "Use HTTP bearer credentials here.",
        'paths:\n  security: [{"bearer": []}]\n',
    ],
)
def test_prose_about_bearers_stays_byte_for_byte(text: str) -> None:
    assert scrubbed(text) == text


def test_bytes_that_are_no_text_stay_byte_for_byte() -> None:
    data = bytes(range(256)) * 8

    assert in_pieces([data])[0] == data


# What is counted


def test_each_redaction_is_counted_by_its_rule() -> None:
    tally: Counter[str] = Counter()
    text = (
        "token=abcdefgh12 api_key=abcdefgh12 password=abcdefgh12 secret=abcdefgh12\n"
        f"Bearer abcdefgh12 held-value-1 held-value-1 zc_{'0' * 64}\n"
        f"token={'a' * 1000}"
    )
    scrubbed(text, tally)

    assert tally == {
        "token": 3, "api-key": 1, "password": 1, "secret": 1, "bearer": 1, "held": 2
    }  # fmt: skip


# JSON stays JSON


LETTERS = "ab'\"\\:=,{}[]$ \n\té🦀0"
JSON_TEXT = st.lists(
    st.sampled_from(
        [
            *("token", "password", "api_key", "secret", "Bearer ", "bearer", "held-value-1", "s"),
            *(
                "=",
                ":",
                ": ",
                " = ",
                "=>",
                "'",
                '"',
                "\\",
                "\n",
                "abcdefgh",
                "x" * 220,
                "zc_" + "0" * 64,
            ),
            *("(", "[", "]", "{", "}", ",", " ", "é", "1234567890"),
        ]
    ),
    max_size=7,
).map("".join)
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_TEXT, inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": "token: 'abcdef", "b": 1}, id="a single quote that does not close"),
        pytest.param({"a": "the secret: 'tis mine", "b": [1, 2, 3]}, id="an apostrophe"),
        pytest.param({"delta": " token='", "id": 1234567}, id="a quote cut by a stream"),
        pytest.param(["token:", 123456, "x"], id="a text that ends like a key, and a number"),
        pytest.param({"a": [["password="], 1234567]}, id="the same in a list of lists"),
        pytest.param({"token\\": 1234567890}, id="a key that ends in a backslash"),
    ],
)
def test_json_with_half_a_secret_is_still_json(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":"))):
        assert type(json.loads(scrubbed(text))) is type(value)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(JSON_VALUE)
def test_json_is_json_when_it_was_scrubbed_as_text(value: object) -> None:
    for escaped in (True, False):
        for separators in (None, (",", ":")):
            text = json.dumps(value, ensure_ascii=escaped, separators=separators)
            assert type(json.loads(scrubbed(text))) is type(value)


# Any cutting


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                b"token",
                b"password",
                b"api_key",
                b"secret_access_key",
                b"s",
                b"bearer ",
                b"Bearer\t",
            ),
            *(
                b"=",
                b":",
                b": ",
                b" = ",
                b"=>",
                b'"',
                b"'",
                b"\\",
                b'\\"',
                b'\\\\"',
                b"\n",
                b" ",
                b"\r\n",
            ),
            *(b"abcdefgh", b"x" * 199, b"x" * 201, b"y" * 600, b"(", b"[", b"{", b"}", b",", b"$"),
            *(
                b"zc_" + b"0" * 64,
                b"zc_00",
                b"held-value-1",
                b"held-val",
                b"first line of it",
                b"\xff\xc3",
            ),
            *(
                b"\\n",
                b"\\\\n",
                b"\\\\\\n",
                b"\\\\\\\\",
                b"z" * 903,
                b"12345678",
                b"\t" * 16,
                b'quo\\"ted\\\\value',
                "é".encode(),
            ),
        ]
    ),
    max_size=12,
).map(b"".join)


@pytest.mark.parametrize("escape", ["\\n", "\\\\n", "\\\\\\\\", '\\\\\\"', '\\"', "\\\\u00e9"])
@pytest.mark.parametrize("length", [3, 198, 199, 200, 201, 902, 903])
@pytest.mark.parametrize("quote", ['"', "'", '\\"', '\\\\\\"'])
def test_a_cut_inside_an_escape_changes_nothing(escape: str, length: int, quote: str) -> None:
    before = f"token: {quote}{'a' * length}"
    data = f"{before}{escape}{'b' * 20}{quote}, c".encode()
    whole = in_pieces([data])

    for cut in range(len(before) - 1, len(before) + len(escape) + 2):
        assert in_pieces([data[:cut], data[cut:]]) == whole


@given(PIECES | st.binary(max_size=600), st.lists(st.integers(0, 3000), max_size=8))
def test_any_cutting_gives_the_same_output(data: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    starts = [0, *ends[:-1]]
    pieces = [data[start:end] for start, end in zip(starts, ends, strict=True)]

    assert in_pieces(pieces) == in_pieces([data])


@pytest.mark.slow
@settings(deadline=None)
@given(PIECES, st.integers(1, 3))
def test_byte_by_byte_gives_the_same_output(data: bytes, size: int) -> None:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert in_pieces(pieces) == in_pieces([data])


@given(PIECES)
def test_what_was_shown_once_stays_so(data: bytes) -> None:
    """Nothing new is found in what was scrubbed, but what a mask itself completes."""
    once, _ = in_pieces([data])
    again, _ = in_pieces([once])

    assert again.count(MARK) <= once.count(MARK)


# What is held back


def test_a_line_that_ends_is_not_delayed() -> None:
    scrubber = Scrubber(RULES, Counter())

    assert scrubber.scrub(b"one\ntwo", final=False) == b"one\n"
    assert scrubber.scrub(b"\n", final=False) == b"two\n"
    assert scrubber.scrub(b"token=abcdefgh12\nx", final=False) == b"token=" + MARK + b"\n"
    assert scrubber.scrub(b"", final=True) == b"x"
    assert scrubber.scrub(b"", final=True) == b""


@pytest.mark.parametrize(
    "ending", [b"", b"token=abcdefgh12", b"token=", b'token="abc', b"held-value-1"]
)
def test_the_end_brings_all_the_rest(ending: bytes) -> None:
    scrubber = Scrubber(RULES, Counter())
    shown = scrubber.scrub(b"a line\n" + ending, final=False) + scrubber.scrub(b"", final=True)

    assert shown == in_pieces([b"a line\n" + ending])[0]


@pytest.mark.parametrize(
    "piece",
    [
        b"x",
        b"token=abcdefgh ",
        b"token='",
        b'"\\',
        b"held-val",
        b"zc_0",
        b"bearer ",
        b"\\",
    ],
)
def test_no_more_is_held_back_than_the_longest_match(piece: bytes) -> None:
    """Four megabytes without a line end, a kilobyte at a time."""
    chunk = (piece * 1024)[:1024]
    scrubber = Scrubber(RULES, Counter())
    fed = shown = most = 0
    for number in range(4096 if piece == b"x" else 256):
        fed += len(chunk)
        text = scrubber.scrub(chunk, final=False)
        shown += len(text) + 1024 * text.count(MARK)  # a mask stands for what it hides
        most = max(most, fed - shown)
        assert len(text) <= 2 * (len(chunk) + RULES.longest) + text.count(MARK) * len(MARK)
        if piece == b"x" and number:
            assert fed - shown <= RULES.longest
    assert most <= RULES.longest + len(chunk)


@pytest.mark.slow
def test_a_text_that_is_made_to_cost_is_scrubbed_in_time() -> None:
    """A command may print a megabyte of this, and everybody's answers wait for it."""
    draw = random.Random(1)
    pieces = [
        *(b"token", b"password", b"api_key", b"secret_access_key", b"s", b"bearer ", b"abcdefgh"),
        *(
            b"=",
            b":",
            b": ",
            b"=>",
            b'"',
            b"'",
            b"\\",
            b'\\"',
            b"\\\\",
            b" ",
            b"\t",
            b"(",
            b"x" * 50,
        ),
    ]
    text = b"".join(draw.choices(pieces, k=20_000))
    started = time.process_time()
    in_pieces([text])

    assert (
        time.process_time() - started < len(text) / 50_000
    )  # a bound against stalling, no measure of speed


def test_a_value_without_an_end_is_not_held_back() -> None:
    scrubber = Scrubber(RULES, Counter())
    shown = [scrubber.scrub(b"token=" + b"a" * 1018, final=False)]
    shown += [scrubber.scrub(b"a" * 1024, final=False) for _ in range(4096)]
    shown += [scrubber.scrub(b"a b", final=False), scrubber.scrub(b"", final=True)]

    assert b"".join(shown) == b"token=aaaa" + MARK + b" b"
