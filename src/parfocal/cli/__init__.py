"""The command line: one verb per stage; each parses, calls the library, prints.

Verbs import what they need when they run: torch and Micro-Manager take seconds, and ``--help`` should not.
"""

from parfocal.cli.app import main

__all__ = ["main"]
