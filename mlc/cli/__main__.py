"""python -m mlc.cli: the command line, without its entry point."""

from mlc.cli.app import main

main()
