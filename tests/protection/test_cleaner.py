"""What takes the secrets out of one answer."""

from collections import Counter

import pytest
from scanning import KNOWN, OURS

from proxy.protection.cleaner import Cleaner
from proxy.protection.detector import Detector
from proxy.protection.masks import Masks
from proxy.protection.redactor import shipped_rules

DETECTOR = Detector(OURS, KNOWN)
M = "*[REDACTED]"


def test_texts_members_and_streams_are_counted_together() -> None:
    cleaner = Cleaner(DETECTOR, Masks())
    scrubber = cleaner.scrubber()

    assert cleaner.text("token=kQ7vLm4Tr8wZ") == f"token={M}"
    assert cleaner.data(b"\xff held-value-1") == b"\xff " + M.encode()
    assert cleaner.member("password", "xK9mQ2vL7zT4wB8n") == M
    assert scrubber.scrub(b"token=kQ7vLm4", final=False) == b""
    assert scrubber.scrub(b"Tr8wZ", final=True) == f"token={M}".encode()
    assert cleaner.tally == {"bare": 2, "held": 1, "password": 1}


def test_a_tally_may_be_another_s() -> None:
    tally = Counter(held=1)
    Cleaner(DETECTOR, Masks(), tally).text("held-value-1")

    assert tally == {"held": 2}


@pytest.mark.parametrize("text", ["", "words", "grüße 🦀 \x00"])
def test_what_holds_no_secret_stays(text: str) -> None:
    cleaner = Cleaner(DETECTOR, Masks())

    assert cleaner.text(text) == text
    assert cleaner.member("name", text) is None
    assert not cleaner.tally


def test_half_a_character_is_shown_as_such() -> None:
    """It could not be written to a log."""
    assert Cleaner(DETECTOR, Masks()).text("a\ud800") == "a\ufffd\ufffd\ufffd"
    assert Cleaner(DETECTOR, Masks()).text("\ud800 held-value-1") == f"\ufffd\ufffd\ufffd {M}"


def test_of_a_whole_text_the_placeholder_stands_for_a_whole_secret() -> None:
    """Of a stream it could stand for the beginning only."""
    secrets = []

    def stand_in(label: str, secret: str) -> str:
        secrets.append(secret)
        return f"<{label}>"

    value = "aB3d" * 60
    cleaner = Cleaner(DETECTOR, Masks("placeholder", placeholder=stand_in))

    assert cleaner.text(f"token={value}.") == "token=<bare>"
    assert secrets == [f"{value}."]
    assert cleaner.scrubber().scrub(f"token={value}".encode(), final=True) == (
        b"token=[REDACTED:bare]"
    )


def test_what_is_surely_clean_is_told() -> None:
    cleaner = Cleaner(DETECTOR, Masks())

    assert cleaner.clean(b"words")
    assert not cleaner.clean(b"held-value-1")


OWN = "__sidegate-secret.github-pat." + "0123456789abcdef" * 2 + "__"
OTHER = OWN.replace("pat.0", "pat.f")
PLACES = [
    "TOKEN={}\n",
    'password: "{}"',
    "curl -H 'Authorization: Bearer {}'",
    "https://u:{}@host.example/",
    "it is {} here, and \ue000",
    "{0} {0}{0}",
]


def sparing() -> Cleaner:
    return Cleaner(Detector(shipped_rules(), KNOWN), Masks()).sparing(OWN.__eq__)


@pytest.mark.parametrize("place", PLACES)
def test_a_stand_in_that_is_spared_is_no_secret(place: str) -> None:
    cleaner = sparing()

    assert cleaner.text(place.format(OWN)) == place.format(OWN)
    assert not cleaner.tally


@pytest.mark.parametrize("place", PLACES[:-1])
def test_any_other_text_of_that_shape_is_searched(place: str) -> None:
    cleaner = sparing()

    assert OTHER not in cleaner.text(place.format(OTHER))
    assert cleaner.tally


def test_what_stands_beside_a_stand_in_is_searched() -> None:
    cleaner = sparing()
    secret = "xK9mQ2vL7zT4wB8n"

    assert cleaner.text(f"{OWN} held-value-1 {OWN}") == f"{OWN} {M} {OWN}"
    assert cleaner.member("password", OWN) is None
    assert cleaner.member("password", f"Bearer {OWN}") is None
    assert cleaner.member("password", OTHER)
    assert cleaner.member("password", OWN + secret)
    assert (
        cleaner.data(b"\xee\x80" + OWN.encode() + b"\xff") == b"\xee\x80" + OWN.encode() + b"\xff"
    )


def test_more_stand_ins_than_characters_for_them_are_searched() -> None:
    every = "".join(map(chr, range(0xE000, 0xF900)))

    assert OWN not in sparing().text(f"TOKEN={OWN}\n{every}")
