"""`python -m proxy` is `sidegate`."""

from proxy.cli.main import main

main(prog_name="sidegate")
