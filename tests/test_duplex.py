"""What passes both ways, as a value."""

from duplex import FakeAgent

from proxy.exchange import Clean


def test_a_socket_is_an_answer_that_switches_protocols() -> None:
    """RFC 9110 section 15.2.2; no operator asks for one, and nothing in it is masked already."""
    content = Clean(FakeAgent().socket).content

    assert (content.status, content.masked) == (101, False)
