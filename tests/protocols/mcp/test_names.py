import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.jsonrpc import Id
from proxy.protocols.mcp.names import MAX_TAG, Names, is_server, tagged, untagged

ONE = Names(("github",), frozenset({"shell", "openclaw.exec"}))
TWO = Names(("github", "git"), frozenset({"shell", "openclaw.exec"}))

servers = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,31}", fullmatch=True).filter(is_server)
words = st.from_regex(r"[a-z_.]{1,8}", fullmatch=True)
few = st.sampled_from(["a", "a-b", "a_b", "b", "ab"])
spelled = st.lists(st.sampled_from(["a", "b", "_", "__", ".", "x"]), min_size=1, max_size=6)
tricky = spelled.map("".join)
several = st.lists(few, min_size=1, max_size=3, unique=True).map(tuple)


@pytest.mark.parametrize("text", ["a", "github", "a-b", "a_b", "A1", "a" * 32])
def test_names_of_servers(text: str) -> None:
    assert is_server(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1a",
        "_a",
        "a_",
        "a__b",
        "-a",
        "a.b",
        "a+b",
        "a b",
        "a\n",
        "ä",
        "\u0430bc",
        "a" * 33,
        "a/b",
    ],
)
def test_no_names_of_servers(text: str) -> None:
    assert not is_server(text)


@pytest.mark.parametrize(
    ("names", "wire", "policy"),
    [
        (ONE, "get_me", "github.get_me"),
        (ONE, "github__get_me", "github.get_me"),
        (ONE, "github.get_me", "github.get_me"),
        (ONE, "github__github__x", "github.github__x"),
        (ONE, "shell", "shell"),
        (ONE, "openclaw__exec", "openclaw.exec"),
        (ONE, "openclaw.exec", "openclaw.exec"),
        (ONE, "github__shell", "github.shell"),
        (ONE, "git__x", "github.git__x"),
        (ONE, "Github__x", "github.Github__x"),
        (TWO, "git__x", "git.x"),
        (TWO, "github__x", "github.x"),
        (TWO, "git__hub__x", "git.hub__x"),
        (TWO, "git___x", "git._x"),
        (TWO, "get_me", "get_me"),
        (TWO, "github__", "github__"),
        (TWO, "other__x", "other__x"),
        (TWO, "shell", "shell"),
        (Names((), frozenset({"shell"})), "x", "x"),
    ],
)
def test_the_name_that_the_rules_know(names: Names, wire: str, policy: str) -> None:
    assert names.policy(wire) == policy


@pytest.mark.parametrize(
    ("names", "server", "tool", "wire"),
    [
        (ONE, "github", "get_me", "get_me"),
        (ONE, "github", "shell", "github__shell"),
        (ONE, "github", "openclaw__exec", "github__openclaw__exec"),
        (ONE, "github", "github__x", "github__github__x"),
        (TWO, "github", "get_me", "github__get_me"),
        (TWO, "git", "hub", "git__hub"),
    ],
)
def test_the_name_that_clients_are_shown(names: Names, server: str, tool: str, wire: str) -> None:
    assert names.wire(server, tool) == wire


@given(several, st.frozensets(tricky, max_size=3), tricky, st.data())
def test_a_shown_tool_is_the_one_that_is_decided_on(
    known: tuple[str, ...], own: frozenset[str], tool: str, data: st.DataObject
) -> None:
    names = Names(known, own)
    server = data.draw(st.sampled_from(known))
    wire = names.wire(server, tool)

    assert names.policy(wire) == f"{server}.{tool}"
    assert names.split(wire) == (server, tool)


@given(several, st.frozensets(tricky, max_size=4))
def test_an_own_tool_is_shown_as_what_is_decided_on(
    known: tuple[str, ...], own: frozenset[str]
) -> None:
    names = Names(known, own)
    for name in own:
        if name.partition(".")[0] not in known:
            assert names.policy(names.own_wire(name)) == name


@given(several, st.text(), st.data())
def test_a_resource_is_found_again(known: tuple[str, ...], uri: str, data: st.DataObject) -> None:
    names = Names(known, frozenset())
    server = data.draw(st.sampled_from(known))

    assert names.split_uri(names.uri(server, uri)) == (server, uri)


@pytest.mark.parametrize("wire", ["file:///a", "other+file:///a", "", "+a", "GITHUB+a"])
def test_a_resource_of_nobody_has_no_server(wire: str) -> None:
    assert TWO.split_uri(wire) == ("", wire)


@given(servers, st.text(max_size=256) | st.integers(-(1 << 53), 1 << 53))
def test_an_id_comes_back_with_its_server_and_type(server: str, id_: Id) -> None:
    tag = tagged(server, id_)
    found = untagged(tag)

    assert found == (server, id_)
    assert found is not None
    assert type(found[1]) is type(id_)
    assert tag.isascii()
    assert tag.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "git", "git.", ".MQ", "1git.MQ", "a__b.MQ", "git.MQ=", "git.MR", "git.M Q"),
        *("git.dHJ1ZQ", "git.bnVsbA", "git.MS41", "git.e30", "git.é", "git.IDE"),
        f"git.{'M' * MAX_TAG}",
    ],
)
def test_what_is_no_tag_is_nothing(text: str) -> None:
    assert untagged(text) is None


@given(st.text(), words)
def test_any_text_is_a_tag_or_nothing(text: str, word: str) -> None:
    for each in (text, f"{word}.{text}"):
        found = untagged(each)
        assert found is None or tagged(*found) == each
