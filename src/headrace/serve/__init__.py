"""Services at work: decisions over HTTP, each on record before it is answered, and proven equal to history."""

from headrace.serve.drain import drain
from headrace.serve.parity import ParityReport, parity

__all__ = ["ParityReport", "drain", "parity"]
