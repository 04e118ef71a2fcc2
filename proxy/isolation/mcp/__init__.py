"""MCP servers behind Sidegate: reached, watched, and spoken to in their own era."""
