"""Commands in containers of a Docker engine."""
