"""Figures of a running service: counted for less than a microsecond a request, read by Prometheus and ``top``."""

from headrace.serve.metrics.answer import routes
from headrace.serve.metrics.meters import Meters
from headrace.serve.metrics.workers import Board, clear

__all__ = ["Board", "Meters", "clear", "routes"]
