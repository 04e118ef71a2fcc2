"""What is shown in the place of a secret, and put back where it came from."""

import hashlib
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from doubles import CLIENT, grant
from hypothesis import given, settings
from hypothesis import strategies as st
from placing import ANOTHER, PATTERN, Rig

from proxy.actions import FileRead, OpenPath
from proxy.exchange import Principal
from proxy.protection.placeholders import SHAPE, Placeholders
from proxy.reasons import Reason

ENV = f"NAME=x\nTOKEN={PATTERN}\npassword: tr0ub4dor-and-3\n"
KIND = "github-pat"
UNKNOWN = Reason.PLACEHOLDER_UNKNOWN


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    (tmp_path / "a.env").write_text(ENV)
    (tmp_path / "b.env").write_text("NAME=y\n")
    return Rig.over(tmp_path)


def held(shown: str) -> list[str]:
    return [match[0] for match in SHAPE.finditer(shown)]


async def test_a_placeholder_tells_what_it_stands_for_and_nothing_of_it(rig: Rig) -> None:
    shown = await rig.read("a.env")

    assert PATTERN not in shown
    assert "tr0ub4dor" not in shown
    assert len(held(shown)) == 2
    assert ".password." in held(shown)[1]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", each) for each in held(shown))


async def test_what_is_read_twice_looks_the_same_and_to_nobody_else(rig: Rig) -> None:
    first = await rig.read("a.env")
    await rig.write("b.env", ENV)

    assert await rig.read("a.env") == first
    seen = [
        await rig.read("a.env", ANOTHER),
        await rig.read("a.env", replace(CLIENT, presented="zc_" + "0" * 64)),
        await rig.read("b.env"),
    ]
    assert len({first, *seen}) == 4


async def test_a_file_that_is_read_and_written_is_the_same(rig: Rig, tmp_path: Path) -> None:
    shown = await rig.read("a.env")
    await rig.write("a.env", shown.replace("NAME=x", "NAME=z") + f"AGAIN={held(shown)[0]}\n")

    again = ENV.replace("NAME=x", "NAME=z") + f"AGAIN={PATTERN}\n"
    assert (tmp_path / "a.env").read_text() == again


async def test_nothing_is_put_back_elsewhere(rig: Rig, tmp_path: Path) -> None:
    """A table of tricks."""
    shown = await rig.read("a.env")
    one = held(shown)[0]
    mine = one.split(".")[2].removesuffix("__")
    outside = {
        "another file": ("b.env", one),
        "a new file": ("new.env", one),
        "a link is followed, and leads elsewhere": ("link.env", one),
    }
    changed = {
        "in capitals": one.upper(),
        "in part": one.swapcase(),
        "cut before": one[2:],
        "cut before its kind": one[len("__sidegate-secret") :],
        "cut behind": one[:-1],
        "cut in the middle": one[:-10],
        "of another kind": re.sub(r"\.[a-z-]+\.", ".other.", one),
        "made up": one.replace(mine, "0" * 32),
        "glued to half of one": one + one[:-4],
    }
    (tmp_path / "link.env").symlink_to("b.env")

    for name, (path, text) in outside.items():
        assert await rig.write(path, f"TOKEN={text}\n") is UNKNOWN, name
    for name, text in changed.items():
        assert await rig.write("a.env", f"TOKEN={text}\n") is UNKNOWN, name
    for other in (ANOTHER, replace(CLIENT, presented="zc_" + "0" * 64)):
        assert await rig.write("a.env", shown, other) is UNKNOWN
    assert (tmp_path / "a.env").read_text() == ENV
    assert (tmp_path / "b.env").read_text() == "NAME=y\n"
    assert not (tmp_path / "new.env").exists()


async def test_everywhere_else_it_is_a_text_like_any_other(rig: Rig) -> None:
    one = held(await rig.read("a.env"))[0]
    rows: list[tuple[str, dict[str, object]]] = [
        ("chat.say", {"text": one}),
        ("ref.add", {"path": "a.env", "text": one}),
        ("fs.search", {"path": "a.env", "text": one}),
        ("web.put", {"url": "https://example.com/a.env", "text": f"{one}"}),
    ]

    for name, arguments in rows[:3]:
        assert await rig.sent(name, arguments) == arguments, name
    assert await rig.sent(*rows[3]) is UNKNOWN


async def test_what_may_write_to_files_keeps_no_placeholder(rig: Rig) -> None:
    one = held(await rig.read("a.env"))[0]
    rows: list[tuple[str, dict[str, object]]] = [
        ("fs.start", {"path": "a.env", "text": one}),
        ("fs.move", {"source": "a.env", "destination": "a.env", "text": one}),
        ("fs.edit", {"options": {"path": "a.env"}, one: "a key"}),
        ("fs.edit", {"options": {"path": ["a.env", "b.env"]}, "text": one}),
    ]

    for name, arguments in rows:
        assert await rig.sent(name, arguments) is UNKNOWN, arguments


async def test_a_tool_of_the_agent_gets_what_belongs_to_the_file_it_writes(rig: Rig) -> None:
    one = held(await rig.read("a.env"))[0]
    edits = [{"old": f"TOKEN={one}", "new": f"KEY={one} # {one}"}]
    sent = await rig.sent("fs.edit", {"options": {"path": "./a.env", "n": 1}, "edits": edits})

    restored = [{"old": f"TOKEN={PATTERN}", "new": f"KEY={PATTERN} # {PATTERN}"}]
    assert sent == {"options": {"path": "./a.env", "n": 1}, "edits": restored}


async def test_a_file_replaced_by_a_link_gets_nothing(rig: Rig, tmp_path: Path) -> None:
    shown = await rig.read("a.env")
    (tmp_path / "a.env").rename(tmp_path / "kept.env")
    (tmp_path / "a.env").symlink_to("b.env")

    assert await rig.write("a.env", shown) is UNKNOWN
    assert (tmp_path / "b.env").read_text() == "NAME=y\n"


async def test_a_folder_replaced_by_a_link_gets_nothing(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.env").write_text(ENV)
    rig = Rig.over(tmp_path)
    shown = await rig.read("one/a.env")
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "one").symlink_to("two")

    assert await rig.write("one/a.env", shown) is UNKNOWN


async def test_what_was_gone_while_it_was_read_is_still_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text(ENV)
    rig = Rig.over(tmp_path)
    granted = await rig.grant("file_read", {"path": "a.env"})
    assert not isinstance(granted, Reason)
    (tmp_path / "new").write_text(ENV)
    (tmp_path / "new").rename(tmp_path / "a.env")
    shown = rig.shown(granted, {"content": ENV})
    granted.close()

    assert isinstance(shown, dict)
    await rig.write("a.env", str(shown["content"]))
    assert (tmp_path / "a.env").read_text() == ENV


async def test_what_has_no_single_place_has_no_placeholders(rig: Rig) -> None:
    rows: list[tuple[str, dict[str, object]]] = [
        ("ref.add", {}),
        ("chat.say", {"text": "x"}),
        ("agent.run", {"line": "cat a.env"}),
        ("fs.move", {"source": "a.env", "destination": "b.env"}),
        ("fs.search", {"path": "none.env"}),
    ]

    for name, arguments in rows:
        granted = await rig.grant(name, arguments)
        assert not isinstance(granted, Reason), name
        assert rig.shown(granted, [f"key {PATTERN}"]) == [f"key [REDACTED:{KIND}]"], name


async def test_an_answer_from_a_url_is_put_back_only_there(rig: Rig) -> None:
    url = "https://example.com/a"
    granted = await rig.grant("web.fetch", {"url": f"{url}?page=1"})
    assert not isinstance(granted, Reason)
    shown = rig.shown(granted, {"text": f"key {PATTERN}"})
    assert isinstance(shown, dict)
    assert held(str(shown["text"]))

    rows = {
        url: True,
        "HTTPS://Example.com:443/a": True,
        f"{url}#top": True,
        "http://example.com/a": False,
        "https://example.com/": False,
        "https://example.com/a/b": False,
        "https://example.com:444/a": False,
    }
    for place, same in rows.items():
        sent = await rig.sent("web.put", {"url": place, "text": shown["text"]})
        assert sent == ({"url": place, "text": f"key {PATTERN}"} if same else UNKNOWN), place


async def test_what_only_looks_like_one_is_given_one(rig: Rig, tmp_path: Path) -> None:
    """Or a text in a file, written there by whoever, would turn into the secret."""
    one = held(await rig.read("a.env"))[0]
    texts = [
        one,
        one.upper(),
        one[3:],
        f"{one}{one[:-2]}",
        f"__{one}__",
        f"TOKEN={PATTERN} {one}",
        f"password: {one}",
        f"sidegate-secret.{one}.",
        "__sidegate-secret.literal." + "0" * 32 + "__",
        "__sidegate-secret.literal." + "0" * 32 + f"{PATTERN}",
    ]
    for text in texts:
        (tmp_path / "a.env").write_text(f"{text}\n")
        shown = await rig.read("a.env")
        assert PATTERN not in shown
        assert await rig.write("a.env", f"# edited\n{shown}") == {
            "bytes_written": len(text) + 10
        }, text
        assert (tmp_path / "a.env").read_text() == f"# edited\n{text}\n", text


JSON_FILES = [
    json.dumps({"password": 'qu"oted \\ sl\tash-42', "n": 1}),
    json.dumps({"password": "gr\u00fc\u00dfe-an-alle-7", "n": "\u00e9"}),
    json.dumps({"password": "gr\u00fc\u00dfe-an-alle-7"}, ensure_ascii=False),
    '{"password" : 8274619305, "n": 1.0}',
    '{"a": "{\\"password\\": \\"tr0ub4dor-and-3\\"}"}',
    "password: 'tr0ub4dor-and-3'\nx: {y: [1]}\n",
    f'[ "{PATTERN}" ,"\\u00e9" ]',
    f'{{"note": "caf\\u00e9 {PATTERN}"}}',
]


@pytest.mark.parametrize("text", JSON_FILES)
async def test_a_file_of_json_is_the_same_or_has_no_placeholders(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    rig = Rig.over(tmp_path)
    shown = await rig.read("a.json")
    assert held(shown) or "[REDACTED:" in shown
    if held(shown):
        await rig.write("a.json", f"{shown}\n")
        assert path.read_text() == f"{text}\n"


async def test_it_is_forgotten_after_a_day(rig: Rig) -> None:
    shown = await rig.read("a.env")
    rig.clock.now += 24 * 3600

    assert await rig.write("a.env", shown) is UNKNOWN
    await rig.read("a.env")
    assert await rig.write("a.env", shown) == {"bytes_written": len(ENV)}


def _source(_grant: object) -> str:
    return "file:/a"


def _mac(_purpose: str, data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_what_is_remembered_is_bounded_for_each_and_for_all() -> None:
    kept = Placeholders(_mac, _source, lambda: 0.0)
    asked = grant(FileRead(OpenPath(0)))
    first = kept.mask(asked, "token", "x" * 1000)
    assert first is not None
    others = [replace(asked, principal=Principal(f"c{n}", CLIENT.role)) for n in range(40)]

    assert kept.mask(asked, "token", "x" * 20_000) is None
    assert kept.mask(asked, "Not_a_label", "x" * 20) is None
    for other in others:
        for number in range(300):
            kept.mask(other, "token", f"{number}" + "x" * 16_000)
    assert kept.restored(asked.principal, "file:/a", first) is None
    last = kept.mask(others[-1], "token", "299" + "x" * 16_000)
    assert last is not None
    assert kept.restored(others[-1].principal, "file:/a", last) is not None


TOKENS = st.sampled_from(
    [
        PATTERN,
        f"password: {'p4ss' * 4}\n",
        f'{{"api_key": "{"k3y-" * 6}"}}',
        f'"password": {12345678901}',
        "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBg\n" * 3 + "-----END PRIVATE KEY-----\n",
        "__sidegate-secret.token." + "a" * 32 + "__",
        "sidegate-secret.",
        "\\",
        '"',
        "\u00fc",
        "\n",
    ]
)
TEXTS = st.lists(TOKENS | st.text(st.characters(codec="utf-8"), max_size=12), max_size=12)


@given(pieces=TEXTS, edit=st.text("abc \n", max_size=5))
@settings(max_examples=150)
async def test_reading_and_writing_corrupts_nothing(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], edit: str
) -> None:
    """Whatever a file holds: where placeholders are all that is masked, it is written back."""
    folder = tmp_path_factory.mktemp("any")
    text = "".join(pieces)
    (folder / "a.txt").write_bytes(text.encode())
    rig = Rig.over(folder)
    shown = await rig.read("a.txt")
    if "[REDACTED:" not in shown or "[REDACTED:" in text:
        await rig.write("a.txt", f"{edit}{shown}{edit}")
        assert (folder / "a.txt").read_bytes().decode() == f"{edit}{text}{edit}"
    rig.workspace.close()
    os.unlink(folder / "a.txt")


async def test_one_is_known_to_whom_it_was_shown(rig: Rig) -> None:
    name = SHAPE.search(await rig.read("a.env"))
    assert name is not None

    assert rig.placeholders.is_known(CLIENT, name[0])
    assert not rig.placeholders.is_known(ANOTHER, name[0])
    assert not rig.placeholders.is_known(CLIENT, name[0].replace("__sidegate", "__Sidegate"))
    rig.clock.now += 24 * 3600 + 1
    assert not rig.placeholders.is_known(CLIENT, name[0])
