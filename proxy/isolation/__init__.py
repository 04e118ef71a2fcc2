"""Layer 4: run it where it is safe."""
