"""Headrace: features, models and decisions declared once, run as batch, stream and request with identical numbers."""

from headrace import declare as _declare
from headrace.declare import *  # noqa: F403
from headrace.errors import CheckFailed, Fault, HeadraceError
from headrace.types import Date, Decimal, Timestamp
from headrace.workbench import Features, Model, Project, Service, Stream, Table, TrainingSet

__version__ = "0.1.0.dev0"
__all__ = [
    *_declare.__all__,
    "CheckFailed",
    "Date",
    "Decimal",
    "Fault",
    "Features",
    "HeadraceError",
    "Model",
    "Project",
    "Service",
    "Stream",
    "Table",
    "Timestamp",
    "TrainingSet",
    "__version__",
]
