"""Layer 1: who may connect."""
