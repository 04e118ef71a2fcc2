"""Which tools there are, and what their arguments may be."""
