"""The command line. `outlast --help` says what there is."""

from outlast.cli.program import main

__all__ = ["main"]
