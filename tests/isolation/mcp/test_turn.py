"""Who speaks with which server."""

from mcp_doubles import ABLE, ALL, FakeServer, House, modern

from proxy.isolation.mcp.turn import Party, legacy_headers, meta_of, modern_meta


def test_a_client_is_what_its_session_says() -> None:
    house = House(one=FakeServer())
    server = house.upstreams.get("one")
    assert server is not None
    party = Party(server, house.legacy("one"), "ann", ALL)
    assert (party.capabilities, party.info) == (ABLE, {"name": "client"})
    assert party.opened == ("2025-11-25", "of-one")
    alone = Party(server, modern({}), "ann", ALL)
    assert (alone.capabilities, alone.opened) == ({}, None)


def test_a_message_without_meta_says_nothing_of_itself() -> None:
    assert meta_of({}) == meta_of({"_meta": 1}) == {}


def test_nobody_says_of_himself_what_sidegate_says() -> None:
    revision = "io.modelcontextprotocol/protocolVersion"
    assert modern_meta({revision: "old", "a": 1}, {}, {})[revision] == "2026-07-28"
    assert legacy_headers("2025-11-25").get("MCP-Protocol-Version") == "2025-11-25"
