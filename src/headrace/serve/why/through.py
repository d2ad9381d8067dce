"""Rows through a version of a model: features as columns to scores, and by the rules to decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from headrace.declare import Service
from headrace.kernel.column import Column
from headrace.learn import Scorer
from headrace.plan import compile_rules, lower
from headrace.plan.expression import references
from headrace.types import FLOAT

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_AT_ONCE = 8192
_HELD = 16
"""Of so many rows at once, how many are held against the same rows scored one at a time."""


def matrix(columns: Mapping[str, Column], scorer: Scorer) -> tuple[Matrix, Bools]:
    """Return features as model input, by the rounding of ``values.vector``, and which rows a service would refuse.

    Args:
        columns: of each feature that the model knows, as the kernel holds it.
        scorer: of the model.

    Returns:
        float32, shape (n, features), NaN for null; and bool, shape (n,): a value of the row is beyond float32.
    """
    with np.errstate(over="ignore"):
        wide = [_numbers(columns[name], scorer.categories.get(name)).astype(np.float32) for name in scorer.features]
    x = np.stack(wide, axis=1)
    beyond: Bools = np.asarray(np.isinf(x).any(axis=1))
    return x, beyond


def _numbers(column: Column, categories: Sequence[str] | None) -> Floats:
    """A column as the model takes it: text by its place among the texts that the model knows."""
    if column.dictionary is not None:
        places = {text: float(at) for at, text in enumerate(categories or ())}
        known = np.array([*(places.get(text, np.nan) for text in column.dictionary.to_pylist()), np.nan])
        return known[np.where(column.mask, column.values, len(known) - 1)]
    values: Floats = column.values.astype(np.float64)
    if column.type.name == "decimal":
        values = values / 10.0**column.type.scale
    return np.where(column.mask, values, np.nan)


def scores(x: Matrix, scorer: Scorer) -> Floats:
    """Return the scores of rows to the last bit as they would be served, one row at a time.

    Many rows at once are many times faster, and some models then add up in another order. So of each part some rows are
    scored both ways; where a bit differs, the part is scored one row at a time.

    Args:
        x: float32, shape (n, features).
        scorer: of a model of one score.

    Returns:
        float64, shape (n,).
    """
    found = np.empty(len(x))
    alike = True
    for at in range(0, len(x), _AT_ONCE):
        part = x[at : at + _AT_ONCE]
        if alike:
            some = np.unique(np.linspace(0, len(part) - 1, _HELD).astype(np.int64))
            together = scorer.score(part)
            alike = together[some].tobytes() == _singly(part[some], scorer).tobytes()
        found[at : at + len(part)] = together if alike else _singly(part, scorer)
    return found


def _singly(x: Matrix, scorer: Scorer) -> Floats:
    return np.array([float(scorer.score(x[at : at + 1])[0]) for at in range(len(x))], np.float64)


class Rules:
    """The rules of a service over columns.

    Args:
        service: as declared.

    ``names`` are the decisions, in the order of the rules, and last the one where no rule is true; ``reads`` are the
    fields and features that the rules read.
    """

    def __init__(self, service: Service) -> None:
        self.rules = compile_rules(service)
        self.names = (*(name for name, _ in self.rules), service.otherwise)
        read = dict.fromkeys(one for _, rule in self.rules for one in references(rule))
        self.reads = tuple(name for name in read if name != "score")
        self._functions: list[Callable[[Mapping[str, object]], object]] = [
            lower.row_function(rule) for _, rule in self.rules
        ]

    def decide(self, given: Mapping[str, Column], score: Floats) -> Ints:
        """Return the place of each row's decision in ``names``.

        Args:
            given: what the rules read, as columns of as many rows.
            score: of each row.
        """
        columns = {**given, "score": Column(FLOAT, score)}
        found = np.full(len(score), len(self.rules), np.int64)
        for place, (_, rule) in reversed([*enumerate(self.rules)]):
            holds = lower.columns(rule, columns, len(score))
            found[holds.values & holds.mask] = place
        return found

    def decide_row(self, given: Mapping[str, object]) -> str:
        """Return the decision of one row, by the very functions of the request path."""
        return next(
            (name for name, holds in zip(self.names, self._functions, strict=False) if holds(given) is True),
            self.names[-1],
        )
