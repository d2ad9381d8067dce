"""Headrace: features, models and decisions declared once, run as batch, stream and request with identical numbers."""

from headrace import starting as _starting  # noqa: F401 - before all that takes time

# isort: split

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import declare as _declare
from headrace.declare import *  # noqa: F403
from headrace.declare.short import SYNONYMS as _SYNONYMS
from headrace.declare.short import short_form as _short_form
from headrace.errors import CheckFailed, Fault, HeadraceError
from headrace.errors import closest as _closest
from headrace.types import Date, Decimal, Timestamp
from headrace.workbench import Features, Project, Stream, TrainingSet

if TYPE_CHECKING:
    from headrace.client import AsyncClient, Client

__version__ = "0.1.0.dev0"
__all__ = [
    *_declare.__all__,
    "AsyncClient",
    "CheckFailed",
    "Client",
    "Date",
    "Decimal",
    "Fault",
    "Features",
    "HeadraceError",
    "Project",
    "Stream",
    "Timestamp",
    "TrainingSet",
    "__version__",
]
_CLIENTS = ("AsyncClient", "Client")


def __dir__() -> list[str]:
    return sorted({*__all__, *_aggregates()})


def _aggregates() -> set[str]:
    """Names of the files of the catalogue, which is not imported for it: that takes NumPy and Numba."""
    folder = Path(__file__).parent / "kernel" / "aggregates"
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


if not TYPE_CHECKING:  # a type checker shall go on refusing names that are not there

    def __getattr__(name: str) -> Callable[..., Window] | Any:  # noqa: F405
        """Return the short form of an aggregate that has none written out: a file in the catalogue is enough.

        Clients are loaded by who asks for one: who declares and trains needs no asyncio.
        """
        if name in _CLIENTS:
            return getattr(import_module("headrace.client"), name)
        if name in _aggregates():
            return _short_form(name)
        close = None if name.startswith("_") else _SYNONYMS.get(name) or _closest(name, __dir__())
        hint = f"; did you mean {close!r}?" if close else ""
        raise AttributeError(f"module 'headrace' has no attribute {name!r}{hint}")
