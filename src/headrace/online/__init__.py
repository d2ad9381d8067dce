"""State of keys for requests: each key's events in LMDB, in the order of the log, read without a copy of the rest."""

from headrace.online.state import State

__all__ = ["State"]
