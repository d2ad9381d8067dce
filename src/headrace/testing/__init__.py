"""What users test their own projects with: queries over a few rows, the request path, a server that may err."""

from typing import TYPE_CHECKING, Any

from headrace.testing.query import check_query, query_rows
from headrace.testing.server import Answer, Request, Server

if TYPE_CHECKING:
    from headrace.testing.request import request_path

__all__ = ["Answer", "Request", "Server", "check_query", "query_rows", "request_path"]


def __getattr__(name: str) -> Any:
    """Load the request path when it is asked for: the tests of a query need no kernel."""
    if name != "request_path":
        raise AttributeError(f"module 'headrace.testing' has no attribute {name!r}")
    from headrace.testing.request import request_path

    return request_path
