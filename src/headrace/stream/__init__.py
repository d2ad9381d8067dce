"""Live events: the log that gives each its place in the order of learning, and what reads it."""

from headrace.stream.log import Group, Log, Writing

__all__ = ["Group", "Log", "Writing"]
