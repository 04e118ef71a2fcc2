"""Which files tools may reach."""
