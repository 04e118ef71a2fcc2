"""From the wire to types and back, without I/O."""
