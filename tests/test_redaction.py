"""Layer 5 as it is configured."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config import loader
from proxy.decision import ConfigError
from proxy.protection.redactor import Redactor
from proxy.redaction import held_values, keep_holding, open_redactor
from proxy.unsealing import Unsealed, unseal

STORED = "a-stored-value-of-30-characters"
RULES = """
[[rules]]
id = "badge"
regex = '''badge-[0-9]{6}'''
keywords = ["badge-"]
"""


def unsealed(folder: Path, text: str = "", environ: Mapping[str, str] | None = None) -> Unsealed:
    folder.chmod(0o700)
    loaded = loader.parse(f"state_dir: {folder}\n{text}", "sidegate.yaml", {})
    return unseal(loaded, environ or {}, time.time)


def redactor(folder: Path, text: str = "", environ: Mapping[str, str] | None = None) -> Redactor:
    return open_redactor(unsealed(folder, text, environ), str(folder), environ or {})


def test_what_is_stored_is_held(tmp_path: Path) -> None:
    unsealed(tmp_path).secrets.set({"name": STORED})

    assert STORED not in redactor(tmp_path).text(f"it is {STORED}")


def test_a_credential_is_held_without_its_scheme_too(tmp_path: Path) -> None:
    text = "upstream: {url: 'http://a', headers: {Authorization: Token the-agents-own-key}}"

    assert "the-agents-own-key" not in redactor(tmp_path, text).text("it is the-agents-own-key")


def test_the_master_key_of_the_environment_is_held(tmp_path: Path) -> None:
    environ = {"SIDEGATE_MASTER_KEY": "5a" * 32}

    assert environ["SIDEGATE_MASTER_KEY"] in held_values(unsealed(tmp_path, "", environ), environ)


def test_rules_of_a_file_come_beside_our_own(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    made = redactor(tmp_path, "protection: {rules_file: rules.toml, style: full}")

    token = "ghp_" + "aB3dE6gH9" * 4
    assert made.text(f"badge-123456 {token}") == "[REDACTED:badge] [REDACTED:github-pat]"
    assert "badge" in made.labels


def test_a_file_may_disable_rules_of_ours(tmp_path: Path) -> None:
    disabled = '[extend]\ndisabledRules = ["github-pat", "zeroclaw-token"]\n'
    (tmp_path / "rules.toml").write_text(RULES + disabled)
    made = redactor(tmp_path, "protection: {rules_file: rules.toml}")

    token = "ghp_" + "aB3dE6gH9" * 4
    assert made.text(token) == token
    assert "0" * 64 not in made.text(f"but never zc_{'0' * 64}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "rules.toml"),
        ("[[rules]]\nid = 'x'\nregex = '('\n", "rules.toml"),
        ("[[rules]]\nid = 'x'\nregex = 'a'\ncheck = 'nothing'\n", "nothing"),
        ("rules = 3", "rules.toml"),
    ],
)
def test_a_file_without_rules_stops_the_start(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "rules.toml").write_text(content)

    with pytest.raises(ConfigError, match=complaint):
        redactor(tmp_path, "protection: {rules_file: rules.toml}")


async def test_what_is_stored_meanwhile_is_held_soon(tmp_path: Path) -> None:
    opened = unsealed(tmp_path)
    made = open_redactor(opened, str(tmp_path), {})
    keeping = asyncio.create_task(keep_holding(made, opened, {}, 0.01))

    unsealed(tmp_path).secrets.set({"name": STORED})
    async with asyncio.timeout(10):
        while STORED in made.text(STORED):  # noqa: ASYNC110 - what changes is no event
            await asyncio.sleep(0.01)

    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_a_store_that_cannot_be_read_leaves_masked_what_was(tmp_path: Path) -> None:
    opened = unsealed(tmp_path)
    opened.secrets.set({"name": STORED})
    made = open_redactor(opened, str(tmp_path), {})
    keeping = asyncio.create_task(keep_holding(made, opened, {}, 0.01))

    next(tmp_path.glob("secrets-*.json")).write_text("{")
    await asyncio.sleep(0.1)

    assert not keeping.done()
    assert STORED not in made.text(STORED)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
