"""What is not tried where it is not installed: `deploy/peers openclaw` is large, and asked for."""

from peers.installed import OPENCLAW

collect_ignore = [] if OPENCLAW.exists() else ["test_openclaw.py"]
