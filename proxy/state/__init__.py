"""What is remembered: pairing codes, lockouts, tokens. No SQL stands outside this folder."""
