"""The commands: ``headrace init, check, plan, run, train, serve, parity, query, report, status, demo``."""

from headrace.cli.app import main

__all__ = ["main"]
