"""The catalogue of aggregates: each file here that defines ``AGGREGATE`` is in it, under the name it gives."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from headrace.kernel.aggregate import Aggregate


@cache
def catalogue() -> dict[str, Aggregate]:
    """Return every aggregate by its name."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    found = [module.AGGREGATE for module in modules if hasattr(module, "AGGREGATE")]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}
