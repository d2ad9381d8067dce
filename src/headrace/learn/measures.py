"""What gates ask to have measured: a row's time, calibration, groups, the file once more, leaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from headrace import clock
from headrace.declare import Metric, calibration_error
from headrace.errors import HeadraceError
from headrace.learn.cases import Matrix
from headrace.learn.metrics import Context, Labels, Scores, evaluate
from headrace.learn.scorer import Scorer, digest_of

_WARM, _TIMED = 50, 1000
_OF_BOTH = ("roc_auc", "average_precision", "recall", "recall_at", "f_score")
"""Metrics that say nothing of rows of one class."""
_LEAST = 30
"""Rows of a group, below which its metric says nothing."""


@dataclass
class OfTraining:
    """The measures of one training.

    Args:
        scorer: of the exported file.
        content: of it.
        x: features of the test rows.
        y: their labels.
        score: of them.
        context: of them.
        groups: makes the names that a column has in the test rows.
        again: trains and exports the model once more.
        suspects: finds leaks.
    """

    scorer: Scorer
    content: bytes
    x: Matrix
    y: Labels
    score: Scores
    context: Context
    groups: Callable[[str], Sequence[str]]
    again: Callable[[], bytes]
    suspects: Callable[[], Sequence[str]]

    def latency_us(self) -> float:
        """Return within how many microseconds one row is scored 99 times of 100, on one thread of this machine."""
        rows = [self.x[at : at + 1] for at in np.linspace(0, len(self.x) - 1, _WARM + _TIMED).astype(np.int64)]
        for row in rows[:_WARM]:
            self.scorer.score(row)
        taken = []
        for row in rows[_WARM:]:
            begun = clock.monotonic_s()
            self.scorer.score(row)
            taken.append(clock.monotonic_s() - begun)
        return float(np.quantile(taken, 0.99)) * 1e6

    def calibration(self) -> float:
        """Return how far predicted and true rates are apart, over ten bins of equally many test rows."""
        return evaluate(calibration_error(), self.y, self.score, self.context)

    def by_group(self, metric: Metric, by: str) -> tuple[Mapping[str, tuple[float, int]], Sequence[str]]:
        """Return the metric of each group that has rows enough, and the groups of which it says nothing.

        By Fairlearn's ``MetricFrame`` (Weerts et al., JMLR 24, 2023), which is handed the places of the rows, so that
        metrics know all that they know elsewhere.
        """
        from fairlearn.metrics import MetricFrame, count

        def of_places(_y: npt.NDArray[np.generic], places: npt.NDArray[np.int64]) -> float:
            rows = np.asarray(places, np.int64)
            if len(rows) < _LEAST or (metric.name in _OF_BOTH and len(np.unique(self.y[rows])) < 2):
                return float("nan")
            try:
                return evaluate(metric, self.y[rows], self.score[rows], self.context.take(rows))
            except HeadraceError:
                return float("nan")

        names = np.asarray(self.groups(by), dtype=object)
        frame = MetricFrame(
            metrics={"value": of_places, "rows": count},
            y_true=self.y,
            y_pred=np.arange(len(self.y)),
            sensitive_features=names,
        )
        found = frame.by_group
        silent = found[found["value"].isna() & (found["rows"] >= _LEAST)]
        each = {str(name): (float(row["value"]), int(row["rows"])) for name, row in found.dropna().iterrows()}
        return each, [f"{name} ({int(row['rows']):,} rows)" for name, row in silent.iterrows()]

    def digest(self) -> str:
        """Return the digest of the file."""
        return digest_of(self.content)

    def digest_again(self) -> str:
        """Return the digest of the file that comes out when the model is trained once more."""
        return digest_of(self.again())

    def leaks(self) -> Sequence[str]:
        """Return what the detectors of leaks found, a sentence each."""
        return self._found

    @cached_property
    def _found(self) -> Sequence[str]:
        return tuple(self.suspects())
