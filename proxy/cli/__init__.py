"""The `sidegate` command."""
