"""Signatures over all that came before."""

import pytest
from auditing import KEY, PUBLIC_KEY

from proxy.audit.chain import CHECKPOINT, NOTHING, Row, body, row_of
from proxy.audit.checkpoints import PURPOSE, is_valid, signed
from proxy.seal import Seal, is_signed

OTHER = Seal(b"o" * 32)
BODY = body("2026-01-31T00:00:00.000+00:00", CHECKPOINT, instance="c0ffee")


def checkpoint(seal: Seal = KEY) -> Row:
    row = row_of(NOTHING.next(signed(NOTHING, BODY, seal))[0])
    assert row
    return row


def test_a_checkpoint_is_valid_under_its_own_key_only() -> None:
    assert is_valid(checkpoint(), PUBLIC_KEY)
    assert not is_valid(checkpoint(), OTHER.public_key(PURPOSE))
    assert not is_valid(checkpoint(OTHER), PUBLIC_KEY)


def test_another_bit_anywhere_makes_it_invalid() -> None:
    line = checkpoint().line
    for place in range(len(line) - 1):
        changed = bytearray(line)
        changed[place] ^= 1
        assert not is_valid(Row(bytes(changed), 0, ""), PUBLIC_KEY)


@pytest.mark.parametrize("key", [b"", b"short", bytes(32), b"\xff" * 32])
def test_what_is_no_key_signs_nothing(key: bytes) -> None:
    assert not is_valid(checkpoint(), key)


def test_a_row_without_a_signature_is_not_valid() -> None:
    row = row_of(NOTHING.next(BODY)[0])

    assert row
    assert not is_valid(row, PUBLIC_KEY)


def test_a_signature_is_for_one_purpose() -> None:
    signature = KEY.sign("another purpose", b"data")

    assert is_signed(KEY.public_key("another purpose"), signature, b"data")
    assert not is_signed(PUBLIC_KEY, signature, b"data")
