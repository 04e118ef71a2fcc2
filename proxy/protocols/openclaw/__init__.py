"""What OpenClaw's gateway speaks: tool calls over HTTP, and protocol 4 over a WebSocket."""
