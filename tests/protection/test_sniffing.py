"""Whether a body is what it calls itself."""

import pytest

from proxy.protection.sniffing import is_binary, may_be_binary

TEXT = b"token=kQ7vLm4Tr8wZ "


@pytest.mark.parametrize(
    ("kind", "may_be"),
    [
        *(("image/png", True), ("audio/ogg", True), ("video/mp4", True), ("font/woff2", True)),
        *(("application/octet-stream", True), ("application/zip", True), ("application/pdf", True)),
        *(("image/svg+xml", False), ("image/svg", False), ("text/plain", False), ("", False)),
        *(("application/json", False), ("imagetext", False), ("x-image/png", False)),
    ],
)
def test_a_type_tells_what_may_be_no_text(kind: str, *, may_be: bool) -> None:
    assert may_be_binary(kind) is may_be


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        *(("image/png", b"\x89PNG\r\n\x1a\n"), ("image/gif", b"GIF89a"), ("image/gif", b"GIF87a")),
        *(("image/jpeg", b"\xff\xd8\xff\xe0"), ("image/webp", b"RIFF\x24\0\0\0WEBP")),
        *(("image/x-icon", b"\0\0\1\0\1\0"), ("image/bmp", b"BM\x36\0"), ("image/tiff", b"II*\0")),
        *(("image/tiff", b"MM\0*"), ("image/avif", b"\0\0\0\x1cftypavif")),
        *(("audio/ogg", b"OggS\0"), ("audio/mpeg", b"ID3\4\0"), ("audio/mpeg", b"\xff\xfb\x90")),
        *(("audio/aac", b"\xff\xf1\x50"), ("audio/flac", b"fLaC"), ("audio/wav", b"RIFF\0\0\0\0")),
        *(("video/mp4", b"\0\0\0\x18ftypmp42"), ("video/webm", b"\x1aE\xdf\xa3")),
        *(("font/woff", b"wOFF\0\1"), ("font/woff2", b"wOF2"), ("font/otf", b"OTTO\0")),
        ("font/ttf", b"\0\1\0\0\0"),
        *(("application/zip", b"PK\3\4\x14"), ("application/zip", b"PK\5\6")),
        *(("application/gzip", b"\x1f\x8b\x08"), ("application/pdf", b"%PDF-1.7\n")),
        *(("application/octet-stream", b"\x7fELF\2\1\1\0"), ("application/octet-stream", b"\xff")),
        ("application/octet-stream", b"text and then \0"),
    ],
)
def test_what_begins_as_its_type_is_no_text(kind: str, begins: bytes) -> None:
    assert is_binary(kind, begins + TEXT)


@pytest.mark.parametrize("kind", ["image/png", "audio/mpeg", "video/mp4", "font/woff2"])
@pytest.mark.parametrize(
    "data", [b"", TEXT, b"\xff " + TEXT, b"\0" + TEXT, b"BM" + TEXT, b"PK\3\4" + TEXT, b" \x89PNG"]
)
def test_media_that_begins_as_none_is_text(kind: str, data: bytes) -> None:
    assert not is_binary(kind, data)


@pytest.mark.parametrize("data", [b"", TEXT, "grüße".encode(), "grüße".encode()[:3], b"PK " + TEXT])
def test_a_binary_that_begins_as_text_is_one(data: bytes) -> None:
    assert not is_binary("application/octet-stream", data)
