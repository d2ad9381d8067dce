"""Repair: rows leave quarantine and tables go back to what they were, so that all counts still agree."""
