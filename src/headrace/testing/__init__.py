"""What users test their own projects with: the request path over frames, and a server whose answers may be bad."""

from headrace.testing.request import request_path
from headrace.testing.server import Answer, Request, Server

__all__ = ["Answer", "Request", "Server", "request_path"]
