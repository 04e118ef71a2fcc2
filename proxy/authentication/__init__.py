"""Layer 2: who is asking."""
