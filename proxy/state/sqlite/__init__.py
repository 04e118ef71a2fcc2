"""What a single Sidegate remembers: one SQLite file."""
