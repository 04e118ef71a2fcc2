"""How the guard says no."""

from proxy.guard.refusal import Refusal


def test_it_is_an_error_as_the_engine_tells_one() -> None:
    head, _, body = Refusal(403, "nö").answer().partition(b"\r\n\r\n")

    assert head.split(b"\r\n")[0] == b"HTTP/1.1 403 Forbidden"
    assert b"Connection: close" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.decode() == '{"message":"docker-guard: nö"}'
