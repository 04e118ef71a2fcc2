"""Layer 3: may they do this."""
