"""The official conformance kit, directly and through a whole Sidegate: nothing gets lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from peers.forwarder import authorized
from peers.installed import MISSING, SDK2, Peer, peer, script
from peers.kit import REVISIONS, conformance
from serving import config, paired, serving

pytestmark = [
    pytest.mark.peers,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(MISSING), reason=f"deploy/peers has not installed {MISSING}"),
]

CHECKS = {"2025-11-25": 84, "2026-07-28": 152}
"""How many checks the kit makes of the reference server."""


@pytest.fixture
async def reference() -> AsyncIterator[Peer]:
    async with peer(*script(SDK2, "reference_server")) as started:
        yield started


def sections(url: str) -> dict[str, object]:
    """Every group allowed, every layer on."""
    groups = ["tools", "resources", "prompts", "completion", "logging"]
    allow = [*groups, "sampling", "elicitation", "tasks"]
    unlimited = ("tool_rate_limit_per_minute", "webhook_rate_limit_per_minute")
    return {
        "mcp_servers": {"ref": {"url": url, "allow": allow}},
        "tools": {"ref.*": {"effect": "read", "approval": "auto"}},
        "gateway": {"port": 0, **dict.fromkeys(unlimited)},
    }


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_passes_directly_passes_through(
    reference: Peer, tmp_path: Path, revision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    directly = await conformance(reference.url(), revision, tmp_path / "directly")
    path = config(tmp_path, reference.url("/"), **sections(reference.url()))
    async with serving(path) as served:
        token = (await paired(served))["Authorization"].removeprefix("Bearer ")
        async with authorized(served.ports["gateway"], token) as port:
            url = f"http://127.0.0.1:{port}/mcp"
            through = await conformance(url, revision, tmp_path / "through")
    with capsys.disabled():
        print(f"\n{revision}: directly {directly}; through Sidegate {through}")  # noqa: T201 - the figures
    assert (directly.passed.total(), directly.failed) == (CHECKS[revision], ())
    assert (directly.passed - through.passed, through.failed) == ({}, ())
