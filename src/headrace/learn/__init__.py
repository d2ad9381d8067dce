"""Models one can rely on: split, fit, evaluate, export, gates and the registry of versions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.learn.cases import Built
    from headrace.learn.fit import Training
    from headrace.learn.gates import GateOutcome
    from headrace.learn.registry import Registry
    from headrace.learn.report import Candidate, TrainReport
    from headrace.learn.scorer import Scorer, load
    from headrace.learn.training import train
    from headrace.learn.version import Origin, Record, Version

__all__ = [
    "Built",
    "Candidate",
    "GateOutcome",
    "Origin",
    "Record",
    "Registry",
    "Scorer",
    "TrainReport",
    "Training",
    "Version",
    "load",
    "train",
]
_ROOMS = {
    "cases": ("Built",),
    "fit": ("Training",),
    "gates": ("GateOutcome",),
    "registry": ("Registry",),
    "report": ("Candidate", "TrainReport"),
    "scorer": ("Scorer", "load"),
    "training": ("train",),
    "version": ("Origin", "Record", "Version"),
}


def __getattr__(name: str) -> Any:
    """Load what is asked for: who scores rows needs no kernel, and who trains needs all of it."""
    for room, names in _ROOMS.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"headrace.learn.{room}"), name)
            return found
    raise AttributeError(f"module 'headrace.learn' has no attribute {name!r}")
