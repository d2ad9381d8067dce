"""What users test their own projects with: the request path over frames, row by row, through a state of its own."""

from headrace.testing.request import request_path

__all__ = ["request_path"]
