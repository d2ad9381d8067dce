"""What users test their own projects with: queries over a few rows, requests and streams, a server that may err."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headrace.testing.query import check_query, query_rows
from headrace.testing.server import Answer, Request, Server

if TYPE_CHECKING:
    from headrace.testing.live import stream_path
    from headrace.testing.request import request_path

__all__ = ["Answer", "Request", "Server", "check_query", "query_rows", "request_path", "stream_path"]

_PATHS = {"request_path": "headrace.testing.request", "stream_path": "headrace.testing.live"}


def __getattr__(name: str) -> Any:
    """Load a path when it is asked for: the tests of a query need no kernel."""
    if name not in _PATHS:
        raise AttributeError(f"module 'headrace.testing' has no attribute {name!r}")
    return getattr(import_module(_PATHS[name]), name)
