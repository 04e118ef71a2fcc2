import base64

import pytest
from doubles import Clock
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.mcp import Session
from proxy.protocols.mcp.sealed import MAX_ID, MAX_STATE, SECONDS, Sessions, States
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.values import Json

SEAL = Seal(bytes(32))
OTHER = Seal(bytes([1] * 32))


def issued(clock: Clock | None = None) -> Session:
    return Sessions(SEAL, clock or Clock()).issue(
        "client-1",
        "2025-11-25",
        {"name": "inspector", "version": "1"},
        {"sampling": {}, "elicitation": {"form": {}}},
        {"github": ("2025-11-25", "upstream-session"), "git": ("2025-03-26", "")},
    )


def refusal(sessions: Sessions, id_: str) -> Reason:
    with pytest.raises(Malformed) as caught:
        sessions.read(id_)
    return caught.value.reason


def test_a_session_is_whole_in_its_id() -> None:
    session = issued()

    assert Sessions(SEAL, Clock()).read(session.id) == session


def test_an_id_is_visible_ascii_and_tells_nothing() -> None:
    id_ = issued().id

    assert id_.isascii()
    assert id_.replace("-", "").replace("_", "").isalnum()
    assert b"client-1" not in base64.urlsafe_b64decode(id_ + "=" * (-len(id_) % 4))


def test_two_sessions_are_two() -> None:
    assert issued().id != issued().id


@pytest.mark.parametrize("kind", ["empty", "other key", "cut", "longer", "padded", "turned", "=="])
def test_what_was_not_issued_is_no_session(kind: str) -> None:
    id_ = issued().id
    spelled = {
        "empty": "",
        "other key": Sessions(OTHER, Clock()).issue("client-1", "2025-11-25", {}, {}, {}).id,
        "cut": id_[:-4],
        "longer": id_ + "A",
        "padded": id_ + "=" * (-len(id_) % 4 or 4),
        "turned": id_[:20] + ("A" if id_[20] != "A" else "B") + id_[21:],
        "==": "==",
    }

    assert refusal(Sessions(SEAL, Clock()), spelled[kind]) is Reason.SESSION_UNKNOWN


def test_another_spelling_of_an_id_is_no_session() -> None:
    sessions = Sessions(SEAL, Clock())
    id_ = issued().id

    for spelling in (id_ + "\n", " " + id_, id_[:10] + "\n" + id_[10:], id_ + "é", id_ + "."):
        assert refusal(sessions, spelling) is Reason.SESSION_UNKNOWN


@given(st.text())
def test_any_text_is_no_session(text: str) -> None:
    assert refusal(Sessions(SEAL, Clock()), text) is Reason.SESSION_UNKNOWN


@pytest.mark.parametrize(
    ("passed", "known"), [(0, True), (SECONDS, True), (SECONDS + 1, False), (-61, False)]
)
def test_a_session_lasts_a_day(passed: float, *, known: bool) -> None:
    clock = Clock()
    session = issued(clock)
    clock.now += passed

    if known:
        assert Sessions(SEAL, clock).read(session.id) == session
    else:
        assert refusal(Sessions(SEAL, clock), session.id) is Reason.SESSION_UNKNOWN


def test_a_state_is_no_session() -> None:
    state = States(SEAL, Clock()).issue("mcp session", {"owner": "client-1"})

    assert refusal(Sessions(SEAL, Clock()), state) is Reason.SESSION_UNKNOWN


FORMER = (
    b'{"owner":"o","revision":"r","info":{},"capabilities":{},"servers":{"a":["b"]},"issued":1}'
)


def test_what_is_sealed_in_another_form_is_no_session() -> None:
    for content in (b'{"owner":"a"}', FORMER):
        sealed = (
            base64.urlsafe_b64encode(SEAL.seal("mcp session", "", content)).decode().rstrip("=")
        )
        assert refusal(Sessions(SEAL, Clock()), sealed) is Reason.SESSION_UNKNOWN


def test_what_a_client_says_of_itself_is_cut() -> None:
    info: dict[str, Json] = {"name": "n" * 9999, "version": 1, "icons": [{}], "title": "t"}
    able: dict[str, Json] = {"sampling": {"x": "y" * 9999}, "roots": {}, "tasks": 1, "more": {}}

    session = Sessions(SEAL, Clock()).issue("o", "2025-11-25", info, able, {})

    assert session.info == {"name": "n" * 128, "title": "t"}
    assert session.capabilities == {"sampling": {}, "roots": {}}
    assert len(session.id) < 1024


def test_a_session_that_no_header_holds_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        Sessions(SEAL, Clock()).issue("o", "r", {}, {}, {"a": ("r", "x" * MAX_ID)})

    assert caught.value.reason is Reason.PARAMETERS_INVALID


CONTENT: dict[str, Json] = {"owner": "client-1", "digest": "abc", "n": 1}


def test_a_state_comes_back_for_its_purpose_in_its_time() -> None:
    clock = Clock()
    states = States(SEAL, clock)
    text = states.issue("parked", CONTENT)

    assert States(SEAL, clock).read("parked", text, 300) == CONTENT
    assert states.read("approval", text, 300) is None
    assert States(OTHER, clock).read("parked", text, 300) is None
    clock.now += 301
    assert states.read("parked", text, 300) is None
    clock.now -= 600
    assert states.read("parked", text, 300) is None


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True))
def test_any_text_is_no_state(text: str) -> None:
    assert States(SEAL, Clock()).read("parked", text, 300) is None


def test_a_state_past_its_size_is_none() -> None:
    states = States(SEAL, Clock())
    text = states.issue("parked", {"a": "x" * MAX_STATE})

    assert states.read("parked", text, 300) is None
