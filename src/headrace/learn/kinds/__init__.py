"""What learning can be done with: one entry for each library, in the order in which an estimator is asked for its."""

from __future__ import annotations

from typing import Any

from headrace.learn.kinds.catboost import Oblivious
from headrace.learn.kinds.kind import Graph, Kind, UnlikeError, one_column
from headrace.learn.kinds.lightgbm import Booster, gives_probabilities, is_booster
from headrace.learn.kinds.ready import Ready
from headrace.learn.kinds.rule import Rule
from headrace.learn.kinds.several import Several
from headrace.learn.kinds.sklearn import METHODS, Sklearn, part
from headrace.learn.kinds.statsmodels import Statsmodels
from headrace.learn.kinds.torch import Module
from headrace.learn.kinds.xgboost import Boosted

__all__ = [
    "METHODS",
    "Graph",
    "Kind",
    "UnlikeError",
    "gives_probabilities",
    "is_booster",
    "kind_of",
    "one_column",
    "part",
]

_OF_ONE: tuple[Kind, ...] = (Ready(), Booster(), Boosted(), Oblivious(), Statsmodels(), Module(), Sklearn(), Rule())
KINDS: tuple[Kind, ...] = (Several(_OF_ONE), *_OF_ONE)


def kind_of(estimator: Any) -> Kind | None:
    """Return the kind of an estimator, None where nothing can be asked of it."""
    return next((kind for kind in KINDS if kind.knows(estimator)), None)
