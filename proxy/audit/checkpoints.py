"""Checkpoints: rows that sign all rows before them, with Ed25519 (RFC 8032).

A chain alone proves nothing against who writes it anew from some row on. What is signed is the line
of the checkpoint itself up to its signature; that names the row before, which names the one before.
The key is derived from the master key, and the public one stands in the first row of each file.
"""

import re

from proxy.audit.chain import Link, Row
from proxy.seal import Seal, is_signed

PURPOSE = "audit checkpoint"
_CONTEXT = b"sidegate audit checkpoint 1\n"
_SIGNED = re.compile(rb'(.*),"signature":"([0-9a-f]{128})"\}\n', re.DOTALL)


def signed(link: Link, body: bytes, seal: Seal) -> bytes:
    """The same `body` with the signature of the row that it will be after `link`."""
    line, _ = link.next(body)
    signature = seal.sign(PURPOSE, _CONTEXT + line[:-2])
    return body[:-1] + b',"signature":"%s"}' % signature.hex().encode()


def is_valid(row: Row, public_key: bytes) -> bool:
    """Whether the row is signed with the counterpart of this key."""
    match = _SIGNED.fullmatch(row.line)
    if match is None:
        return False
    data, signature = match.groups()
    return is_signed(public_key, bytes.fromhex(signature.decode()), _CONTEXT + data)
