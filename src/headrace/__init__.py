"""Headrace: features, models and decisions declared once, run as batch, stream and request with identical numbers."""

from headrace.declare import *  # noqa: F403
from headrace.declare import __all__ as _declared
from headrace.errors import CheckFailed, Fault, HeadraceError
from headrace.types import Date, Decimal, Timestamp

__version__ = "0.1.0.dev0"
__all__ = [*_declared, "CheckFailed", "Date", "Decimal", "Fault", "HeadraceError", "Timestamp", "__version__"]
