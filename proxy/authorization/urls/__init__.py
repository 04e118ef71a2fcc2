"""Which hosts tools may reach."""
