"""Talking to a running service from Python: decisions, events and health, with repeats only where they do no harm."""

from headrace.client.answers import Decision, ModelVersion, Reason, ServiceError, Taken
from headrace.client.clients import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "Decision", "ModelVersion", "Reason", "ServiceError", "Taken"]
