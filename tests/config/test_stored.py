import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import source, stored
from proxy.config.deferred import Deferred, Reference
from proxy.config.draft import Draft, at

SEALED = "enc2:" + "ab" * 40
HEADER = ("upstream", "headers", "X-A")
PORT = ("gateway", "port")


def draft(text: object) -> Draft:
    """One secret value, and one that is none."""
    made = source.read("upstream:\n  headers: {X-A: x}\ngateway: {port: x}\n", "f")
    made.data = {"upstream": {"headers": {"X-A": text}}, "gateway": {"port": text}}  # type: ignore[dict-item]
    return made


def test_encrypted_value_of_a_secret_key_is_kept_open() -> None:
    made = draft(SEALED)
    stored.defer(made)

    assert at(made.data, HEADER) == Deferred([Reference(SEALED)])
    assert at(made.data, PORT) == SEALED
    assert made.problems == []


@pytest.mark.parametrize(
    "text", ["", "enc", "enc:", "enc:no-hex", "my enc2: value", "$x", "Bearer x"]
)
def test_any_other_is_as_it_was(text: str) -> None:
    made = draft(text)
    stored.defer(made)

    assert at(made.data, HEADER) == text
    assert made.problems == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enc2:", "is cut off"),
        ("enc2:" + "ab" * 27, "is cut off"),
        ("enc2:" + "ab" * 40 + "a", "is damaged"),
        ("enc2:" + "zz" * 40, "is damaged"),
        (SEALED + " ", "is damaged"),
        (f"Bearer {SEALED}", "holds an enc2: value amid text"),
        (f" {SEALED}", "holds an enc2: value amid text"),
        ("enc:736a2f", "is an enc: value, which anybody could have changed: import it"),
    ],
)
def test_what_no_key_could_open_is_told_at_once_without_it(text: str, message: str) -> None:
    made = draft(text)
    stored.defer(made)

    (problem,) = made.problems
    assert str(problem).startswith("f:2:13: upstream.headers.X-A: ")
    assert problem.text.startswith(message)
    assert "ab" * 8 not in problem.text
    assert made.is_refused(HEADER)


def test_what_was_kept_open_is_replaced_and_nothing_else() -> None:
    made = draft(Deferred(["Bearer ", Reference("agent")]))
    made.data["gateway"] = {"port": "agent"}
    stored.resolve(made, {"agent": "s3cret"}.__getitem__)

    assert at(made.data, HEADER) == "Bearer s3cret"
    assert at(made.data, PORT) == "agent"


def test_a_secret_is_taken_as_it_is() -> None:
    made = draft(Deferred([Reference("agent")]))
    stored.resolve(made, {"agent": f"{SEALED} ${{secret:agent}}"}.__getitem__)

    assert at(made.data, HEADER) == f"{SEALED} ${{secret:agent}}"
    assert made.problems == []


def test_all_that_is_not_to_be_had_is_told_with_its_place_and_remedy() -> None:
    def lookup(text: str) -> str:
        if text == SEALED:
            raise ValueError("cannot be decrypted")
        raise LookupError(text)

    made = source.read("upstream:\n  headers: {X-A: x,\n    X-B: y}\n", "f")
    made.data = {
        "upstream": {
            "headers": {"X-A": Deferred([Reference("a")]), "X-B": Deferred([Reference(SEALED)])}
        }
    }
    stored.resolve(made, lookup)

    assert [str(problem) for problem in made.problems] == [
        "f:2:13: upstream.headers.X-A: there is no secret a: sidegate secrets set a",
        "f:3:5: upstream.headers.X-B: cannot be decrypted",
    ]


def test_what_is_asked_for_is_known_with_its_key() -> None:
    made = draft(Deferred([Reference("a"), "-", Reference("b")]))
    made.data["gateway"] = {"list": ["x", Deferred([Reference("c")])]}

    assert list(stored.references(made.data)) == [
        (HEADER, Reference("a")),
        (HEADER, Reference("b")),
        (("gateway", "list", 1), Reference("c")),
    ]


@given(st.text("enc2:abcdef0 ") | st.text("abcdef0123456789", min_size=50).map("enc2:".__add__))
def test_any_value_is_kept_refused_or_as_it_was(text: str) -> None:
    made = draft(text)
    stored.defer(made)

    value = at(made.data, HEADER)
    assert made.is_refused(HEADER) == bool(made.problems)
    assert value == text or value is None or isinstance(value, Deferred)
    assert value != text or not text.startswith("enc2:")
