"""What was tried on the folds of validation, and how more of it is searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from headrace.learn.metrics import Scores

NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Tried:
    """A candidate with some parameters, and what it was worth on each fold of validation.

    Args:
        candidate: its name.
        params: that differ from its defaults.
        values: metric label to value, for each fold; none where nothing had to be chosen.
        seconds: that fitting and scoring took.
        score: of the rows of each fold, by the estimator that was fitted for it.
        origin: where the parameters come from: empty, ``"tuned"`` or ``"champion"``.
    """

    candidate: str
    params: Mapping[str, Any]
    values: tuple[Mapping[str, float], ...] = ()
    seconds: float = 0.0
    score: tuple[Scores, ...] = field(default=(), repr=False, compare=False)
    origin: str = ""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return f"{self.candidate} ({self.origin})" if self.origin else self.candidate

    def means(self, labels: Iterable[str]) -> dict[str, float]:
        """The mean of each metric over the folds; nothing where nothing had to be chosen."""
        return {label: self.mean(label) for label in labels} if self.values else {}

    def mean(self, label: str) -> float:
        """The mean of a metric over the folds."""
        return float(np.mean([one[label] for one in self.values]))

    def error(self, label: str) -> float:
        """The standard error of that mean; 0 for a single fold, of which nobody knows it."""
        each = [one[label] for one in self.values]
        return float(np.std(each, ddof=1) / math.sqrt(len(each))) if len(each) > 1 else 0.0


@dataclass(frozen=True)
class Tuning:
    """How parameters are searched.

    Args:
        trials: for each candidate that has something to be searched, those of earlier runs among them.
        path: folder in which searches are kept.
        name: of these cases and this declaration: a search for others is another one.
        seconds: after which no further trial begins.
        told: told the candidate, how many trials are done and of how many.
    """

    trials: int
    path: Path
    name: str
    seconds: float = math.inf
    told: Callable[[str, int, int], None] = lambda _name, _done, _of: None
