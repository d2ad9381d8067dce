"""From features to decisions, column by column, with the very bits that a request gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from headrace.declare import Service
from headrace.errors import CheckFailed, HeadraceError
from headrace.kernel.column import Column, held
from headrace.kernel.threads import cores
from headrace.learn import Scorer
from headrace.learn.explain import Explainer
from headrace.plan import compile_rules, lower
from headrace.plan.expression import references
from headrace.serve.values import leaving
from headrace.types import FLOAT

Matrix = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
AT_ONCE = 16_384
"""Rows that a model is asked about together: they and what it makes of them stay in the cache."""


@dataclass(frozen=True)
class Model:
    """A model that scores many rows with the bits that each has alone: together where that is proven, see ``alike``."""

    scorer: Scorer

    def score(self, x: Matrix) -> Scores:
        """Return the scores of rows, NaN where the model has none, shape (n,).

        Args:
            x: shape (n, features).
        """
        cuts = [x[begin : begin + AT_ONCE] for begin in range(0, len(x), AT_ONCE)]
        if len(cuts) < 2 or not self.scorer.alike:  # row by row, threads wait for one another
            return np.concatenate([np.empty(0), *map(self._those, cuts)])
        return np.concatenate(list(_pool().map(self._those, cuts)))

    def _those(self, x: Matrix) -> Scores:
        """Rows for which the model has no score are found by halves: they are few, or the model is of no use."""
        try:
            return self.scorer.score(x) if self.scorer.alike else self.scorer.score_each(x)
        except HeadraceError as error:
            if any(fault.code != "HR-LEARN-007" for fault in error.faults):
                raise
        if len(x) == 1:
            return np.full(1, np.nan)
        half = len(x) // 2
        return np.concatenate([self._those(x[:half]), self._those(x[half:])])


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="headrace-score")


class Rules:
    """The rules of a service, over columns.

    ``names`` are its decisions, the one without a rule last; ``fields`` what the rules read of the row itself.
    """

    def __init__(self, service: Service, features: Mapping[str, object]) -> None:
        compiled = compile_rules(service)
        self.names = (*(name for name, _ in compiled), service.otherwise)
        self._nodes = [node for _, node in compiled]
        read = dict.fromkeys(name for node in self._nodes for name in references(node))
        self.fields = tuple(name for name in read if name not in features and name != "score")

    def decide(self, given: Mapping[str, Column], scores: Scores) -> Places:
        """Return the place in ``names`` of each row's decision: the first whose rule is true.

        Args:
            given: fields of the row and features, as the kernel holds them.
            scores: of the rows.
        """
        known = {**given, "score": Column(FLOAT, scores)}
        found = np.full(len(scores), len(self._nodes), np.int64)
        for place in reversed(range(len(self._nodes))):
            holds = lower.columns(self._nodes[place], known, len(scores))
            found[holds.values & holds.mask] = place
        return found


@dataclass(frozen=True)
class Reasons:
    """The features that contribute most to each score, as ``serve.explain`` gives them for one.

    Args:
        explainer: of the model; without one there are no reasons.
        most: how many for each row.
    """

    explainer: Explainer | None
    most: int
    _none: str = field(default="[]", init=False)

    def of(self, x: Matrix, made: Mapping[str, Column]) -> list[str]:
        """Return the reasons of rows as JSON, in the form of a record."""
        if self.explainer is None:
            return [self._none] * len(x)
        found = list[str]()
        for begin in range(0, len(x), AT_ONCE):
            found += self._part(self.explainer, x[begin : begin + AT_ONCE], made, begin)
        return found

    def _part(self, explainer: Explainer, x: Matrix, made: Mapping[str, Column], begin: int) -> list[str]:
        try:
            told = explainer.explain(x)
        except CheckFailed:
            if len(x) == 1:
                return [self._none]
            half = len(x) // 2
            first = self._part(explainer, x[:half], made, begin)
            return first + self._part(explainer, x[half:], made, begin + half)
        return [
            json.dumps(
                [
                    {
                        "feature": (name := told.names[place]),
                        "value": leaving(held(made[name], begin + at), made[name].type),
                        "contribution": float(told.values[at, place]),
                        "space": told.space,
                        "method": told.kind,
                    }
                    for place in told.order(at)[: self.most]
                ],
                separators=(",", ":"),
                ensure_ascii=False,
            )
            for at in range(len(x))
        ]
