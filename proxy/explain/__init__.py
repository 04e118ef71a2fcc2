"""Say what would be decided, and why."""
