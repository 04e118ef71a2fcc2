"""MCP on the wire: messages, revisions, headers, names and sessions; no I/O."""
