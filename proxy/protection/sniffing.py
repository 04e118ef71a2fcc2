"""Whether a body is what it calls itself, by its first bytes (WHATWG MIME Sniffing, section 6).

What is no text must not be altered but for what is held; a mere name lets no text pass as such.
"""

import codecs
import re

SNIFFED = 128
"""How many bytes tell, if there are so many."""

_MEDIA = ("image/", "audio/", "video/", "font/")
_BINARY = ("application/octet-stream", "application/zip", "application/gzip", "application/pdf")
_SIGNATURE = re.compile(
    rb"\x89PNG|GIF8|\xff\xd8\xff|RIFF|OggS|ID3|\xff[\xe2-\xe7\xf1-\xf3\xf9-\xfd]|fLaC|wOF[F2]|OTTO"
    rb"|\x00\x01\x00\x00|ttcf|.{4}ftyp|\x1aE\xdf\xa3|\x00\x00[\x01\x02]\x00|II\*\x00|MM\x00\*",
    re.DOTALL,
)
_ARCHIVE = re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)|\x1f\x8b|%PDF-")
_DECODER = codecs.getincrementaldecoder("utf-8")


def may_be_binary(kind: str) -> bool:
    """Whether a media type is one of what is no text."""
    return kind in _BINARY or (kind.startswith(_MEDIA) and not kind.startswith("image/svg"))


def is_binary(kind: str, data: bytes) -> bool:
    """Whether a body of such a type is none indeed, by what it begins with."""
    if kind in _BINARY:
        return bool(_ARCHIVE.match(data)) or not _is_text(data)
    return bool(_SIGNATURE.match(data)) or (kind == "image/bmp" and data.startswith(b"BM"))


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without NUL; its last character may be cut off."""
    try:
        return "\0" not in _DECODER().decode(data)
    except UnicodeDecodeError:
        return False
