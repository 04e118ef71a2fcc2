from hypothesis import given
from hypothesis import strategies as st

from proxy.values import Headers


def test_header_names_compare_without_case() -> None:
    headers = Headers((("X-Note", "a"), ("x-note", "b"), ("X-NOTE", "c"), ("Other", "d")))

    assert headers.get("X-NoTe") == "a"
    assert headers.all("x-note") == ["a", "b", "c"]


def test_absent_header_is_none_and_an_empty_one_is_empty() -> None:
    headers = Headers((("Empty", ""),))

    assert headers.get("Absent") is None
    assert headers.all("Absent") == []
    assert headers.get("Empty") == ""


@given(st.lists(st.tuples(st.text("aAbB-", max_size=3), st.text("xyz", max_size=3))))
def test_headers_keep_order_and_lose_nothing(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(tuple(pairs))

    assert list(headers) == pairs
    for name, _ in pairs:
        assert headers.all(name)[0] == headers.get(name)
