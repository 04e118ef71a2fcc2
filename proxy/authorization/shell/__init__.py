"""What a command line would do, as far as the grammar of the shell tells."""
