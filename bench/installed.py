"""Where `deploy/peers` puts what is not ours."""

from pathlib import Path

PEERS = Path(__file__).parent.parent / ".tool" / "peers"
SDK = PEERS / "mcp2" / "bin" / "python"
CONTEXTFORGE = PEERS / "contextforge" / "bin" / "mcpgateway"
FASTMCP = PEERS / "fastmcp" / "bin" / "python"
