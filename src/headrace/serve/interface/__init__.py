"""The interface of a service, told to programs (``/openapi.json``) and to people (``/docs``)."""

from headrace.serve.interface.answer import routes
from headrace.serve.interface.document import document

__all__ = ["document", "routes"]
