"""The proxy of FastMCP before one server, in an environment of its own: `… URL PORT`."""

import sys

from fastmcp.server import create_proxy


def main() -> None:
    """Serve on loopback, with what is its default."""
    url, port = sys.argv[1:]
    proxy = create_proxy(url, name="bench")
    proxy.run(
        transport="http", host="127.0.0.1", port=int(port), show_banner=False, log_level="ERROR"
    )


if __name__ == "__main__":
    main()
