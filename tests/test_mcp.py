from proxy.mcp import LEGACY, MODERN, Client, Era, McpTalk, Rpc, Verb


def test_no_revision_is_of_both_eras() -> None:
    assert not set(LEGACY) & set(MODERN)
    assert list(LEGACY) == sorted(LEGACY)


def test_who_says_nothing_of_whom_may_see_what_is_shown_nothing() -> None:
    talk = McpTalk(Rpc(Verb.LISTEN, Client(Era.LEGACY, LEGACY[-1])), "client-1", {})

    assert not talk.visible("github.get_me")
    assert talk.own == ()
