"""The server: bytes of HTTP to requests, and answers to bytes, bounded in time, size and number; knows no services."""

from headrace.serve.wire.limits import Limits
from headrace.serve.wire.reception import Reception
from headrace.serve.wire.refusal import refusal
from headrace.serve.wire.router import Router

__all__ = ["Limits", "Reception", "Router", "refusal"]
