"""What metrics may know of rows beside label and score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

NEVER = np.iinfo(np.int64).max
Labels = npt.NDArray[Any]
Scores = npt.NDArray[np.float64]
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """What metrics may know of the rows beside label and score.

    Args:
        time_us: event times, int64 microseconds UTC.
        columns: column name to a number for each value, for metrics ``by`` a column.
        known_us: column name to the moment from which the value in it was known to be compromised; see ``known_from``.
        amounts: column name to numbers, such as what a mistake costs.
        threshold: from which score on a case is acted on, where a metric names none.
        levels: of quantiles, one for each score of a row.
        group: column within which rows are ranked.
        frame: makes a data frame of the features of the rows at some places, for metrics of the user's own.
    """

    time_us: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    known_us: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    amounts: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    threshold: float = 0.5
    levels: tuple[float, ...] = ()
    group: str = ""
    frame: Callable[[npt.NDArray[np.int64]], pd.DataFrame] | None = None
    places: npt.NDArray[np.int64] | None = None

    def take(self, rows: npt.NDArray[Any]) -> Context:
        """Return the context of some of the rows, by mask or position."""
        there = np.arange(len(self.time_us)) if self.places is None else self.places
        return replace(
            self,
            time_us=self.time_us[rows],
            columns=_each(self.columns, rows),
            known_us=_each(self.known_us, rows),
            amounts=_each(self.amounts, rows),
            places=there[rows] if self.frame is not None else None,
        )

    def rows(self) -> Any:
        """Return the features of the rows as a data frame; only their number where nothing else is known."""
        there = np.arange(len(self.time_us)) if self.places is None else self.places
        return None if self.frame is None else self.frame(there)


Function = Callable[[Labels, Scores, Context, Params, str], float]
"""A metric of labels, scores, context and what it was called with; and where it was declared."""
Each = npt.NDArray[np.float64]
OfRows = Callable[[Labels, Scores, Context, Params, str], Each]
"""A metric that is a mean: what each row, or each group of rows, is worth."""


def _each(columns: Mapping[str, npt.NDArray[Any]], rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    return {name: values[rows] for name, values in columns.items()}


def known_from(
    cards: npt.NDArray[np.generic], y: Labels, time_us: npt.NDArray[np.int64], matures_us: int
) -> npt.NDArray[np.int64]:
    """Return for each row the moment from which its card was known to be compromised, or NEVER.

    Args:
        cards: what names the card, of the rows of training, gap and test.
        y: labels of these rows, 0 or 1.
        time_us: event times, int64 microseconds UTC.
        matures_us: how long after an event its label is known, microseconds.

    Example:
        >>> known_from(np.array([7, 7, 8]), np.array([0, 1, 0]), np.array([10, 20, 30]), 5)[:2]
        array([25, 25])
    """
    names, card = np.unique(cards, return_inverse=True)
    first = np.full(len(names), NEVER, dtype=np.int64)
    np.minimum.at(first, card[y == 1], time_us[y == 1] + matures_us)
    known: npt.NDArray[np.int64] = first[card]
    return known
