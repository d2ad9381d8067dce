"""Why one decision is what it is: its events, model, data and rules, and what would have changed it."""

from headrace.serve.why.asking import why
from headrace.serve.why.told import Why

__all__ = ["Why", "why"]
