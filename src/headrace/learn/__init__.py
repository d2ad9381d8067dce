"""Models one can rely on: split, fit, evaluate, export, gates and the registry of versions."""

from headrace.learn.cases import Built
from headrace.learn.fit import Training
from headrace.learn.gates import GateOutcome
from headrace.learn.registry import Registry
from headrace.learn.report import Candidate, TrainReport
from headrace.learn.scorer import Scorer, load
from headrace.learn.train import train
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
