"""What of a pin is in the file."""

from pathlib import Path

from state.files import opened, rows

from proxy.state.pins import MAX_DIGESTS, Seen

NOW = 1_700_000_000.0


async def test_what_is_known_is_not_written_again(path: Path) -> None:
    async with opened(path) as store:
        await store.pins.see("github", [Seen("get_me", "a", b"{}")], NOW)
        await store.pins.see("github", [Seen("get_me", "a", b"other")], NOW + 9)

    assert rows(path, "SELECT digest, seen, accepted, size, content FROM pin") == [
        ("a", NOW, NOW, 2, b"{}")
    ]


async def test_what_made_room_is_gone_from_the_file(path: Path) -> None:
    async with opened(path) as store:
        for number in range(MAX_DIGESTS + 1):
            await store.pins.see("github", [Seen("get_me", str(number), b"{}")], NOW)

    assert rows(path, "SELECT count(*) FROM pin") == [(MAX_DIGESTS,)]
    assert rows(path, "SELECT count(*) FROM pin WHERE digest = '1'") == [(0,)]
