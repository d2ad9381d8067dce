"""What a score is made of: a base, and by how much each feature moves it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def _odds(z: Floats) -> Floats:
    """Probabilities of log-odds: by the logistic function, of several classes by the softmax."""
    if z.shape[1] == 1:
        with np.errstate(over="ignore"):
            found: Floats = 1 / (1 + np.exp(-z))
        return found
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _raised(z: Floats) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = np.exp(z)
    return found


SCORE_OF: Mapping[str, Callable[[Floats], Floats]] = {
    "probability": lambda z: z,
    "value": lambda z: z,
    "log-odds": _odds,
    "log": _raised,
    "depth": np.exp2,
}
"""What a model makes of a sum, shape (n, k), by the space in which it adds up."""
MEANS: Mapping[str, str] = {
    "probability": "points of the probability itself",
    "value": "units of the score itself",
    "log-odds": "log-odds: 0.69 doubles the odds, -0.69 halves them",
    "log": "the logarithm of the score: 0.69 doubles it, -0.69 halves it",
    "depth": "how early trees set a row apart: 1 doubles the score, -1 halves it",
}
HOW: Mapping[str, str] = {
    "tree": "exact Shapley values of the model's trees; what is unknown is averaged by the rows that trained them",
    "linear": "exact Shapley values of a linear model; what is unknown is a training row's, feature by feature",
    "permutation": "Shapley values sampled by orders of the features; what is unknown is a training row's",
}


@dataclass(frozen=True)
class Contributions:
    """What features contribute to the scores of rows: ``base`` and the sum of ``values`` is the score in ``space``.

    Args:
        names: of the features.
        outputs: names of the scores, where a row has several; else one.
        kind: ``tree`` or ``linear``, both exact, or ``permutation``, sampled.
        space: in which contributions add up: ``probability``, ``value``, ``log-odds`` (of several classes up to what is
            added to all), ``log``, or ``depth`` of an isolation forest.
        base: of a row of which nothing is known, float64, shape (n,), of several outputs (n, k).
        values: shape (n, features), of several outputs (n, features, k).
        scores: what the model answers, a probability where the space is log-odds; shaped as ``base``.
        error: standard error of ``values`` where they are sampled, else None.
        evaluations: how many scores of the model one row took; 0 where they are exact.
        note: why they are not exact, where that may be asked.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    kind: str
    space: str
    base: Floats
    values: Floats
    scores: Floats
    error: Floats | None = None
    evaluations: int = 0
    note: str = ""

    @property
    def total(self) -> Floats:
        """Base and all contributions, shaped as ``base``."""
        whole: Floats = self.base + self.values.sum(axis=1)
        return whole

    @property
    def means(self) -> str:
        """What one unit of a contribution is."""
        return MEANS[self.space]

    @property
    def how(self) -> str:
        """How contributions were computed."""
        if self.kind != "permutation":
            return HOW[self.kind]
        return f"{HOW[self.kind]}; {self.evaluations:,} evaluations a row"

    def order(self, row: int = 0, output: int = 0) -> list[int]:
        """Return the places of the features, that which moves the score of a row most first."""
        moved = self.values[row] if self.values.ndim == 2 else self.values[row, :, output]
        return [int(at) for at in np.argsort(-np.abs(moved), kind="stable")]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: of each row its base, its score, and the contribution of each feature by its name."""
        found: dict[str, Any] = {"kind": self.kind, "space": self.space, "means": self.means, "how": self.how}
        found |= {"outputs": list(self.outputs), "note": self.note, "evaluations": self.evaluations, "rows": []}
        for at in range(len(self.values)):
            row: dict[str, Any] = {"base": self.base[at].tolist(), "score": self.scores[at].tolist()}
            row["contributions"] = dict(zip(self.names, self.values[at].tolist(), strict=True))
            if self.error is not None:
                row["standard_errors"] = dict(zip(self.names, self.error[at].tolist(), strict=True))
            found["rows"].append(row)
        return found

    def __repr__(self) -> str:
        several = f", {len(self.outputs)} outputs" if len(self.outputs) > 1 else ""
        return f"Contributions({len(self.values)} rows, {len(self.names)} features{several}; {self.kind}, {self.space})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"
