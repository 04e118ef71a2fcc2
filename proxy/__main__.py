"""`python -m proxy` is `sidegate`."""

from proxy.cli import main

main(prog_name="sidegate")
