"""The Open Inference Protocol, version 2: the bare models of a running service, for any client that speaks it."""

from headrace.serve.oip.models import Models
from headrace.serve.oip.rest import routes

__all__ = ["Models", "routes"]
