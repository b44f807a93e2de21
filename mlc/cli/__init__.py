"""The command line: `mlc`."""

from mlc.cli.app import main

__all__ = ["main"]
