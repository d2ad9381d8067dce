"""Decisions over HTTP, each on record, and the proof that what was served is what history says."""
