"""Layer 5: let no secret out."""
