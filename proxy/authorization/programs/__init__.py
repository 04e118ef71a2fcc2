"""Which programs may run, and what they can do with which words."""
